/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sorted keys of one table: what a listing and a checkpoint read instead
 * of the GDBM file, which knows no order.  An entry has everything of the
 * record but the value.  The file is written whole, once, and never changed.
 *
 * FILE FORMAT.  Integers are little-endian.
 *
 *   offset  bytes
 *        0      8  "librkeys"
 *        8      4  format, 2
 *       12      4  CRC-32C of bytes 16 to 63
 *       16      8  id of the table
 *       24      8  generation of the table
 *       32      8  N, number of entries
 *       40      8  E, position of the offsets
 *       48      8  size of the table's GDBM file
 *       56      4  CRC-32C of the whole GDBM file
 *       60      4  CRC-32C of the offsets
 *       64      …  N entries without gaps, ascending bytewise by key
 *        E  8·N+8  offsets: where entry 0, 1, … N-1 begins, and at last E
 *        …    4·B  CRC-32C of each 4096 bytes of the GDBM file, B of them;
 *                  the last may be of less
 *        …      4  CRC-32C of these
 *
 *   An entry:
 *        0      4  CRC-32C of the entry's position (0 to N-1, 8 bytes) and
 *                  of the entry from here on
 *        4      2  K, length of the key, 1 to STORE_KEY_MAX
 *        6      1  T, length of the media type
 *        7      1  zero
 *        8      8  revision
 *       16      8  time of the write, milliseconds since 1970
 *       24      8  time of expiry likewise, 0 never
 *       32      8  size of the value
 *       40      K  key
 *     40+K      T  media type
 *
 * An entry is valid if and only if its offset and the next lie in [64, E], it
 * is exactly as long as its lengths say, and its CRC matches.  The CRC covers
 * the position, so an entry that was swapped with another, or is reached
 * through a damaged offset, is not valid either.  The header binds the file
 * to its table and to the very bytes of the GDBM file beside it.
 *
 * READING is by pread(2), never mmap(2), so that a bad disk is an error and
 * not a SIGBUS.  A binary search probes about log2(N) entries through windows
 * of 4 KiB, its last probes out of one; a scan doubles the window up to
 * 64 KiB.
 */
#ifndef STORE_GDBM_KEYS_H
#define STORE_GDBM_KEYS_H

#include "base/buf.h"
#include "store/gdbm/sums.h"
#include "store/gdbm/table.h"
#include "store/record.h"

/* A part of the file held in memory. */
struct keys_window {
	struct buf bytes;
	uint64_t start; /* position of the first byte in the file */
};

struct keys {
	int fd;
	char name[TABLE_NAME_SIZE];
	uint64_t count;
	uint64_t offsets_at;
	uint64_t gdbm_bytes;
	uint32_t gdbm_crc;
	uint32_t offsets_crc;
	struct keys_window offsets;
	struct keys_window entries;
	struct buf blocks; /* the GDBM file's, by keys_load_blocks() */
};

/*
 * ERR_NOT_FOUND when the file is missing (not logged); ERR_FORMAT for another
 * format, ERR_DAMAGED for a bad header or a size that does not fit it, ERR_IO,
 * ERR_NO_MEMORY, all logged.  keys_close() is needed after ERR_OK only.
 */
enum err keys_open(int dir, struct table_id id, struct keys *keys);
void keys_close(struct keys *keys);

/*
 * The entry at a position below count.  The views point into keys and are
 * good until its next call; record->value has its size and data NULL.
 */
enum err keys_entry(struct keys *keys, uint64_t position, struct view *key,
		    struct record *record);

/* The first position whose key is >= key, or > key with `past`; else count. */
enum err keys_seek(struct keys *keys, struct view key, bool past,
		   uint64_t *position);

/* Check the CRC of the offsets, which keys_entry() needs not rely on. */
enum err keys_verify_offsets(struct keys *keys);

/*
 * Have the CRCs of the GDBM file's blocks in memory, and the one of a block
 * below sums_blocks(keys->gdbm_bytes).
 */
enum err keys_load_blocks(struct keys *keys);
uint32_t keys_block_crc(const struct keys *keys, uint64_t block);

/*
 * Making the file.  Failures stay in file.err until keys_builder_finish().
 * Keys come in ascending order, each once.
 */
struct keys_builder {
	struct buf file; /* header and entries so far */
	struct buf offsets;
	uint64_t count;
	size_t last_at; /* where in `file` the last key stands */
	size_t last_size;
};

#define KEYS_BUILDER_EMPTY ((struct keys_builder){ 0 })

void keys_builder_release(struct keys_builder *builder);
void keys_builder_add(struct keys_builder *builder, struct view key,
		      const struct record *record);

/* The whole file is then in builder->file. */
enum err keys_builder_finish(struct keys_builder *builder, struct table_id id,
			     const struct sums *sums);

#endif
