/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A GDBM file, whose errors are ours: the one home of libgdbm.
 *
 * A handle that has met damage, a failed read or a failed write is dead: GDBM
 * refuses it, and every further call returns the same error.  Close it.
 * Failures are logged under `name`, which is copied.
 */
#ifndef STORE_GDBM_GDBMFILE_H
#define STORE_GDBM_GDBMFILE_H

#include "base/buf.h"

#define GDBMFILE_BLOCK_SIZE 4096 /* header, directory blocks, buckets */

struct gdbmfile;

/*
 * Open for reading.  Takes the fd over, also when it fails.  ERR_DAMAGED when
 * it is no sound GDBM file as gdbmfile_edit() makes them, ERR_BUSY when a
 * foreign process holds GDBM's lock for writing, ERR_IO, ERR_NO_MEMORY.
 */
enum err gdbmfile_open(int fd, const char *name, struct gdbmfile **out);

/*
 * Change a file in memory (memfd_create(2)): one with a copy of a sound GDBM
 * file, or an empty one, which becomes an empty GDBM file.  The fd stays the
 * caller's.
 */
enum err gdbmfile_edit(int fd, const char *name, struct gdbmfile **out);

/* Frees the handle, also when it fails. */
enum err gdbmfile_close(struct gdbmfile *file);

int gdbmfile_fd(const struct gdbmfile *file);
const char *gdbmfile_name(const struct gdbmfile *file);

/* The value, appended to `out`.  ERR_NOT_FOUND, ERR_IO, ERR_DAMAGED, … */
enum err gdbmfile_get(struct gdbmfile *file, struct view key, struct buf *out);

/* Replaces; key and value together have less than 2 GiB. */
enum err gdbmfile_put(struct gdbmfile *file, struct view key,
		      struct view value);

/* An absent key is no failure. */
enum err gdbmfile_remove(struct gdbmfile *file, struct view key);

/* Write out what the handle may hold back. */
enum err gdbmfile_flush(struct gdbmfile *file);

/* The number of keys, as the buckets count them. */
enum err gdbmfile_count(struct gdbmfile *file, uint64_t *count);

/*
 * Every key and value in the order of the hash; views are good for one call.
 * Ends early when `each` returns another value than ERR_OK, which is then the
 * result.  ERR_DAMAGED past `limit` keys (a damaged file can lead GDBM in a
 * circle) and when their number is not the buckets' count.
 */
enum err gdbmfile_scan(struct gdbmfile *file, uint64_t limit,
		       enum err (*each)(void *arg, struct view key,
					struct view value),
		       void *arg);

/* Check the lists of free space. */
enum err gdbmfile_verify_space(struct gdbmfile *file);

/* Bytes [from, end) of the file. */
struct gdbmfile_part {
	uint64_t from;
	uint64_t end;
};

/*
 * What GDBM looks at for a key of this hash: its directory, as the header said
 * when the file was opened, and, as the directory says now, the bucket.
 * Neither is verified.  ERR_DAMAGED when it can't be in the file.
 */
enum err gdbmfile_directory(struct gdbmfile *file, struct gdbmfile_part *part);
enum err gdbmfile_bucket(struct gdbmfile *file, uint32_t hash,
			 struct gdbmfile_part *part);

/*
 * ... and the keys that it compares with: those of the same hash in that
 * bucket, which is sound.  Ends early when `each` returns another value than
 * ERR_OK, which is then the result.
 */
enum err gdbmfile_bucket_keys(struct gdbmfile *file,
			      const struct gdbmfile_part *bucket, uint32_t hash,
			      enum err (*each)(void *arg,
					       struct gdbmfile_part part),
			      void *arg);

#endif
