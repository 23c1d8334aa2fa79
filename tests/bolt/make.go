// SPDX-License-Identifier: GPL-3.0-or-later

// Makes a file as the first librapi kept it: BoltDB, the bucket "librapi",
// strings in gob.  The fixtures beside this file were made by it:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run make.go small.db 3
//	GO111MODULE=off GOPATH=/usr/share/gocode go run make.go large.db 200
//
// Key number n is "key/%06d"; its value is "value n;" n%50 times, or 1250
// times when n%100 is 99, so that it takes several pages.  Among them are an
// empty value and a key that is no text; keys that were deleted again leave
// free pages behind.
package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/boltdb/bolt"
)

func coded(value string) []byte {
	var buffer bytes.Buffer
	if err := gob.NewEncoder(&buffer).Encode(value); err != nil {
		log.Fatal(err)
	}
	return buffer.Bytes()
}

func value(n int) string {
	times := n % 50
	if n%100 == 99 {
		times = 1250
	}
	return strings.Repeat(fmt.Sprintf("value %d;", n), times)
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	db, err := bolt.Open(os.Args[1], 0644, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	update := func(work func(bucket *bolt.Bucket) error) {
		if err := db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("librapi"))
			if err != nil {
				return err
			}
			return work(bucket)
		}); err != nil {
			log.Fatal(err)
		}
	}
	update(func(bucket *bolt.Bucket) error {
		for n := 0; n < count; n++ {
			gone := fmt.Sprintf("gone/%06d", n)
			if err := bucket.Put([]byte(gone), coded(gone)); err != nil {
				return err
			}
		}
		return nil
	})
	update(func(bucket *bolt.Bucket) error {
		for n := 0; n < count; n++ {
			gone := fmt.Sprintf("gone/%06d", n)
			if err := bucket.Delete([]byte(gone)); err != nil {
				return err
			}
			key := fmt.Sprintf("key/%06d", n)
			if err := bucket.Put([]byte(key), coded(value(n))); err != nil {
				return err
			}
		}
		return bucket.Put([]byte("\xff\x00"), coded("no text"))
	})
}
