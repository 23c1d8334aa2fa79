/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which bytes of a table's GDBM file are not what was written.  Records have
 * checksums of their own; what GDBM finds them by (header, directory, buckets)
 * has none, and damage there can hide a key that is there.  So the keys file
 * has a CRC for each block of the GDBM file.
 */
#ifndef STORE_GDBM_BLOCKS_H
#define STORE_GDBM_BLOCKS_H

#include "store/gdbm/gdbmfile.h"
#include "store/gdbm/keys.h"

/*
 * GDBM did not find that key: ERR_NOT_FOUND when what it looked at is sound
 * and does not have it; ERR_DAMAGED, logged with the bytes, when it is not
 * sound.  ERR_OK when it does have the key: GDBM holds in memory what it read
 * when the file was not as it is now.  *seen, false at first, remembers for the
 * handle that header and directory were found sound.  Costs one read of a block
 * or two.
 */
enum err blocks_absent(struct gdbmfile *file, struct keys *keys,
		       struct view key, bool *seen);

/*
 * Call `each` for every run of bytes [from, end) that is not as written, also
 * for what is missing or too much at the end.  ERR_DAMAGED when it was called.
 * `fd` is the GDBM file, whether GDBM opens it or not.
 */
enum err blocks_check(int fd, const char *name, struct keys *keys,
		      void (*each)(void *arg, uint64_t from, uint64_t end),
		      void *arg);

/* Log that bytes [from, end) of the file are not as written. */
void blocks_log(const char *name, uint64_t from, uint64_t end);

#endif
