/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading a file of BoltDB, the Go library in which the first librapi kept its
 * data; also of its successor bbolt.  Written after the format as bolt 1.3
 * writes it (page.go, bucket.go, db.go), on little-endian machines.
 *
 * A file is pages of one size.  Pages 0 and 1 each begin with a meta block; of
 * the sound ones, that of the newer transaction counts.  It leads to the root
 * bucket, a B+ tree of branch and leaf pages whose leaves hold the names of
 * buckets; a bucket is such a tree again, or, while it is small, a leaf page
 * within its own element.
 *
 * The file can be anything: whatever it says is checked before it is used,
 * and no page is read twice, so that no loop keeps us.  Nothing is written.
 */
#ifndef BOLT_BOLT_H
#define BOLT_BOLT_H

#include "base/buf.h"

struct bolt;

/*
 * Open a file.  ERR_ACCESS, ERR_IO, ERR_NO_MEMORY; ERR_OWNED when a program
 * that uses it has it open for writing (flock(2)); ERR_FORMAT when it is no
 * file of BoltDB's, or of a version or kind that is not read.  Each leaves a
 * sentence in *message, for which *out need not be there.
 */
enum err bolt_open(const char *path, struct bolt **out, struct buf *message);

/*
 * Call `each` for every pair of a bucket at the top, in bytewise order of the
 * keys, until it returns something else than ERR_OK, which is then returned.
 * Views are good for one call.
 *
 * ERR_NOT_FOUND when there is no such bucket; ERR_FORMAT when there are
 * buckets in it; ERR_DAMAGED, ERR_IO, ERR_NO_MEMORY.  Each leaves a sentence
 * in *message; what `each` returns does not.
 */
enum err bolt_each(struct bolt *bolt, struct view bucket,
		   enum err (*each)(void *arg, struct view key,
				    struct view value),
		   void *arg, struct buf *message);

void bolt_close(struct bolt *bolt); /* NULL is allowed */

#endif
