/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A table: the records of one range of keys, in two files that never change
 * once they are there.
 *
 *   table-000004.12.gdbm   a GDBM file, key → record (store/record.h), where
 *                          4 is the table's id and 12 its generation
 *   table-000004.12.keys   the same keys in order, with all of each record
 *                          but the value (format: keys.h); derived, made
 *                          anew by a scan when it is missing
 *
 * gdbmfile.c is the one home of libgdbm.  What is known to bite in GDBM 1.23,
 * and what is done about it:
 *  - a torn or full disk corrupts a file that is changed in place, and
 *    gdbm_store() can return 0 after a failed write: so GDBM only ever writes
 *    to a file in memory (memfd_create(2)), which is then copied out by
 *    base/file and synced; gdbm_needs_recovery() is looked at after every call;
 *  - a mapped reader gets SIGBUS from a bad disk: GDBM_NOMMAP;
 *  - the bucket cache grows without limit: 16 buckets a handle;
 *  - a handle shared across fork shares one file offset: every process opens
 *    its own;
 *  - GDBM's own file lock stays on, so that gdbmtool may read the files of a
 *    running store and is refused to write them;
 *  - its hash can be inverted: see table_crowded().
 */
#ifndef STORE_GDBM_TABLE_H
#define STORE_GDBM_TABLE_H

#include "base/buf.h"
#include "store/record.h"

#define TABLE_NAME_SIZE 64

struct table_id {
	uint64_t id;         /* from 1 */
	uint64_t generation; /* from 1 */
};

/* "table-000004.12.gdbm" and "table-000004.12.keys" */
void table_name(struct table_id id, char out[TABLE_NAME_SIZE]);
void table_keys_name(struct table_id id, char out[TABLE_NAME_SIZE]);

/* True and *id when name is either of the two, in exactly that spelling. */
bool table_name_parse(const char *name, struct table_id *id);

/*
 * Reading.  A struct table belongs to the process that opened it, and `dir`
 * has to stay open as long as it is.  The keys file is opened at its first
 * use: table_count(), table_seek() and table_entry() return ERR_NOT_FOUND
 * when it is gone by then.
 */
struct table;

/*
 * ERR_NOT_FOUND when the GDBM file is missing, ERR_DAMAGED when it is no
 * GDBM file or of another byte order, ERR_BUSY when a foreign process holds
 * GDBM's lock for writing, ERR_IO, ERR_NO_MEMORY.
 */
enum err table_open(int dir, struct table_id id, struct table **out);
void table_close(struct table *table);

/*
 * The record's bytes, appended to `out`.  ERR_NOT_FOUND, ERR_IO, ERR_DAMAGED
 * (anything that GDBM calls an inconsistency, and when the key may only be
 * hidden by damage, see blocks.h), ERR_NO_MEMORY.  The record's own CRC is for
 * record_decode().
 */
enum err table_get(struct table *table, struct view key, struct buf *out);

/* The keys in order: positions 0 to count - 1. */
enum err table_count(struct table *table, size_t *count);

/* The first position whose key is >= key, or > key with `past`; else count. */
enum err table_seek(struct table *table, struct view key, bool past,
		    size_t *position);

/*
 * Key and record at a position, without the value: record->value has its size
 * and data NULL.  Views point into `hold`, which is cleared first.
 */
enum err table_entry(struct table *table, size_t position, struct buf *hold,
		     struct view *key, struct record *record);

/*
 * Every key and its record's bytes as GDBM has them, in the order of its
 * hash; views are good for one call.  Ends early when `each` returns another
 * value than ERR_OK, which is then the result, and with ERR_DAMAGED past
 * `limit` keys, since a damaged file can lead GDBM in a circle.
 */
enum err table_scan(struct table *table, uint64_t limit,
		    enum err (*each)(void *arg, struct view key,
				     struct view record_bytes),
		    void *arg);

/* Check GDBM's lists of free space; ERR_DAMAGED, ERR_NO_MEMORY, ERR_IO. */
enum err table_verify_space(struct table *table);

/* Checksums of the GDBM file as it is on disk. */
struct sums;
enum err table_checksum(struct table *table, struct sums *sums);

/*
 * Call `each` for every run of bytes [from, end) of the GDBM file that is not
 * as it was written; ERR_DAMAGED when it was called.
 */
enum err table_check_bytes(struct table *table,
			   void (*each)(void *arg, uint64_t from, uint64_t end),
			   void *arg);

/* Log which bytes these are, once for this handle: damage was met. */
void table_tell_damage(struct table *table);

/*
 * Copy the GDBM file into an empty one, and check the copy as a whole:
 * ERR_DAMAGED when it is not, byte for byte, what its keys file was made for.
 * Damage in GDBM's lists of free space would let a change to the copy write
 * over live records.
 */
enum err table_copy(struct table *table, int to);

/* The keys file, opened if need be; stays the table's. */
struct keys;
enum err table_keys(struct table *table, struct keys **keys);

/*
 * See that this table has a keys file, with so many keys; where it is missing,
 * make it anew by scanning the GDBM file.  Done at recovery; fsyncs the file,
 * not the folder.  ERR_DAMAGED, logged, for another number.
 */
enum err table_restore_keys(int dir, struct table_id id, uint64_t count);

/*
 * Verify a table whole: GDBM's structure, every record's CRC, that each key
 * is >= lower and < upper (data NULL: no bound), that the keys file has
 * exactly the same keys and fields in order, that their number is `keys`.
 * `report` as in store_check(); ERR_DAMAGED when it was called.
 */
enum err table_verify(int dir, struct table_id id, struct view lower,
		      struct view upper, uint64_t keys,
		      void (*report)(void *arg, const char *file,
				     const char *sentence),
		      void *arg);

/*
 * Building the next generation.
 *
 *   table_build_begin    empty, or a copy of what `base` has
 *   table_build_put      any order; replaces
 *   table_build_remove   any order; absent is no failure
 *   table_build_key      every key that will be in the table, in order
 *   table_build_finish   both files written under the new id and fsynced
 *                        (not the folder)
 *   table_build_abort    instead of finish, or after its failure, when it
 *                        also removes what was half written
 *
 * A begin that failed and a finish that succeeded leave nothing to abort.  Any
 * failure leaves the old generation as it is.  ERR_DAMAGED at the begin also
 * when the base is not, byte for byte, the file that its keys were made for;
 * at the end when records and keys differ in number.
 *
 * GDBM splits buckets as keys come in: where table_crowded() was asked about
 * what will be in the table, remove before you put.
 */
struct table_build;

enum err table_build_begin(struct table *base, struct table_build **out);
enum err table_build_put(struct table_build *build, struct view key,
			 struct view record_bytes);
enum err table_build_remove(struct table_build *build, struct view key);
enum err table_build_key(struct table_build *build, struct view key,
			 const struct record *record);
enum err table_build_finish(struct table_build *build, int dir,
			    struct table_id id, uint64_t *file_bytes);
void table_build_abort(struct table_build *build);

/*
 * The hash that GDBM gives a key (31 bits).  It differs between platforms for
 * bytes past 127, because GDBM computes it with plain `char`.
 */
uint32_t table_hash(struct view key);

/*
 * GDBM's directory doubles until no bucket overflows, so keys that share the
 * top bits of their hash make it explode: 167 crafted keys of equal hash cost
 * 5 s and 1.5 GB (measured).  True when a table of keys with these hashes
 * would need a directory past 2^TABLE_DEPTH_MAX entries; split it then.
 * Sorts the array.  Never true for up to 100 keys.
 */
#define TABLE_DEPTH_MAX 16
bool table_crowded(uint32_t *hashes, size_t count);

#endif
