/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MANIFEST says which files make up the store.  It is text, so that a person
 * can read it, and it is only ever replaced as a whole (base/file.h,
 * file_replace): whatever is on disk is one complete state.
 *
 *   librapi-manifest 1
 *   store 6f1e8c2a…                      this store's id, 32 hexadecimal digits
 *   version 42                           raised by every change
 *   revision 184471                      the last one the tables hold
 *   segment 17                           first journal segment still needed
 *   next-table 9                         id for the next new table
 *   table 1.12 keys 58211 live 7340032 file 9437184 from -
 *   table 4.3 keys 60000 live 812345 file 1048576 from YXBwLw==
 *   crc32c 1a2b3c4d                      of every byte above, 8 hex digits
 *
 * Tables stand in key order; `from` is the least key of the table's range in
 * base 64, and the first table's range begins at "-", before every key.  A
 * range ends where the next begins.  There is always at least one `table`
 * line or none (an empty store has none).
 */
#ifndef STORE_GDBM_MANIFEST_H
#define STORE_GDBM_MANIFEST_H

#include "base/buf.h"
#include "store/gdbm/table.h"

#define MANIFEST_NAME   "MANIFEST"
#define MANIFEST_TITLE  "librapi-manifest"
#define MANIFEST_FORMAT 1

struct manifest_table {
	struct table_id id;
	uint64_t keys;       /* records in the table */
	uint64_t live_bytes; /* keys and records, without GDBM's overhead */
	uint64_t file_bytes; /* of the GDBM file */
	struct view from;    /* manifest.owned has it; empty for the first */
};

struct manifest {
	uint8_t store_id[16];
	uint64_t version;
	uint64_t revision;
	uint64_t first_segment;
	uint64_t next_table;
	struct manifest_table *tables;
	size_t table_count;
	void *owned; /* memory of the bounds */
};

void manifest_release(struct manifest *manifest);

/* Append a table at the end (greatest range so far); copies `from`. */
enum err manifest_add(struct manifest *manifest,
		      const struct manifest_table *table);

/* The table whose range holds key; NULL only without tables. */
const struct manifest_table *manifest_find(const struct manifest *manifest,
					   struct view key);

/* Text with its crc line, and back.  Pure functions, for tests and fuzzers. */
void manifest_format(const struct manifest *manifest, struct buf *out);

/*
 * ERR_FORMAT for another format version or a text that is no manifest at
 * all, ERR_DAMAGED for a wrong CRC, a line that does not parse, ranges out of
 * order, an id that is used twice or >= next-table; *message gets a sentence
 * with the line's number.
 */
enum err manifest_parse(struct view text, struct manifest *out,
			struct buf *message);

/* Whether there is one: ERR_NOT_FOUND, not logged; ERR_ACCESS, ERR_IO. */
enum err manifest_exists(int dir);

/*
 * Read from folder fd `dir`: ERR_NOT_FOUND when there is none; otherwise as
 * manifest_parse, logged with what to do.
 */
enum err manifest_read(int dir, struct manifest *out);

/* Replace for good; the version in it is the caller's to raise. */
enum err manifest_write(int dir, const struct manifest *manifest);

#endif
