// SPDX-License-Identifier: GPL-3.0-or-later

// A key/value server on BoltDB, to be compared with:
//
//	bolt each ADDRESS FILE    the database is opened in every request, with
//	                          50 ms to get its lock, as the first librapi did
//	bolt kept ADDRESS FILE    it is kept open, with one Update for each write
//	bolt fill FILE KEYS SIZE  store KEYS values, and end
//	bolt load FILE WRITERS READERS SECONDS KEYS SIZE
//	                          no HTTP: print "WRITES READS" per second
package main

import (
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/boltdb/bolt"
)

var bucket = []byte("datas")

func open(file string, timeout time.Duration) (*bolt.DB, error) {
	return bolt.Open(file, 0600, &bolt.Options{Timeout: timeout})
}

func put(db *bolt.DB, key, value []byte) error {
	return db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err != nil {
			return err
		}
		return b.Put(key, value)
	})
}

func get(db *bolt.DB, key []byte) (value []byte, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(bucket); b != nil {
			value = append(value, b.Get(key)...)
		}
		return nil
	})
	return value, err
}

type server struct {
	file string
	kept *bolt.DB // nil: opened in every request
}

func (s server) serve(db *bolt.DB, w http.ResponseWriter, r *http.Request) {
	key := []byte(strings.TrimPrefix(r.URL.Path, "/"))
	if r.Method == http.MethodPut {
		value, err := io.ReadAll(r.Body)
		if err == nil {
			err = put(db, key, value)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	value, err := get(db, key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	} else if value == nil {
		http.NotFound(w, r)
	} else {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(value)
	}
}

func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.kept != nil {
		s.serve(s.kept, w, r)
		return
	}
	db, err := open(s.file, 50*time.Millisecond)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer db.Close()
	s.serve(db, w, r)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func name(i int) []byte {
	return []byte(fmt.Sprintf("key%06d", i))
}

func fill(file string, keys, size int) *bolt.DB {
	const batch = 10000
	db, err := open(file, time.Second)
	must(err)
	value := make([]byte, size)
	for at := 0; at < keys; at += batch {
		must(db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			for i := at; err == nil && i < at+batch && i < keys; i++ {
				err = b.Put(name(i), value)
			}
			return err
		}))
	}
	return db
}

func load(db *bolt.DB, writers, readers, seconds, keys, size int) {
	var writes, reads, stop int64
	var all sync.WaitGroup
	work := func(seed int, done *int64, one func(key []byte) error) {
		defer all.Done()
		random := rand.New(rand.NewSource(int64(seed)))
		for atomic.LoadInt64(&stop) == 0 {
			must(one(name(random.Intn(keys))))
			atomic.AddInt64(done, 1)
		}
	}
	value := make([]byte, size)
	all.Add(writers + readers)
	for i := 0; i < writers; i++ {
		go work(i, &writes, func(key []byte) error {
			return put(db, key, value)
		})
	}
	for i := 0; i < readers; i++ {
		go work(-i, &reads, func(key []byte) error {
			_, err := get(db, key)
			return err
		})
	}
	time.Sleep(time.Duration(seconds) * time.Second)
	atomic.StoreInt64(&stop, 1)
	fmt.Println(writes/int64(seconds), reads/int64(seconds))
	all.Wait()
}

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 3 && args[0] == "each":
		log.Fatal(http.ListenAndServe(args[1], server{file: args[2]}))
	case len(args) == 3 && args[0] == "kept":
		db, err := open(args[2], time.Second)
		must(err)
		log.Fatal(http.ListenAndServe(args[1], server{kept: db}))
	case len(args) == 4 && args[0] == "fill":
		must(fill(args[1], number(args[2]), number(args[3])).Close())
	case len(args) == 7 && args[0] == "load":
		keys, size := number(args[5]), number(args[6])
		load(fill(args[1], keys, size), number(args[2]),
			number(args[3]), number(args[4]), keys, size)
	default:
		log.Fatal("usage: see the head of main.go")
	}
}
