/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The index of one journal segment, in shared memory: from a key and a
 * revision to the place of the operation in the segment.
 *
 * Each key is there once, in a skip list in bytewise order and in a hash table,
 * with its entries from the newest revision to the oldest.  Who wants one key
 * takes the hash table, a reader at revision R then the first entry that is
 * not newer than R; who wants a range takes the list.
 *
 * One process adds at a time (under the journal lock); any number read
 * meanwhile without a lock.  A key is written whole, with its first entry, and
 * then linked by one atomic store on each level of the list, lowest first, and
 * one into the hash table; an entry by one store in all.  A reader sees all of
 * it or nothing, and a writer killed on the way leaves what adding the same
 * again completes, without more room than was to be had for it.  Nothing ever
 * moves or is taken out; the whole index goes when its segment has been
 * checkpointed.
 *
 * A chain of the hash table has so many keys at most; those beyond are in the
 * list only.  So keys whose hashes were made to be the same cost what a walk
 * through the list costs, and no more.
 *
 * Who adds keys in order, as an import does, finds the place of each behind the
 * one before, without looking for it.
 *
 * Memory is an arena of fixed size in which links are offsets, so that it
 * may be mapped anywhere.
 */
#ifndef STORE_GDBM_MEMTABLE_H
#define STORE_GDBM_MEMTABLE_H

#include <stdatomic.h>

#include "base/buf.h"

#define MEMTABLE_HEIGHT_MAX 12 /* levels; one in four reaches the next */
#define MEMTABLE_CHAIN_MAX  7  /* keys */

/* At the start of the arena. */
struct memtable {
	uint64_t size; /* of the arena, this struct included */
	_Atomic uint64_t used;
	_Atomic uint64_t entries;
	uint64_t chains; /* a power of two; their heads follow what is used */
	_Atomic uint32_t head[MEMTABLE_HEIGHT_MAX];

	/* The key that was added last, 0 unknown, and the links after it. */
	_Atomic uint32_t last;
	_Atomic uint32_t path[MEMTABLE_HEIGHT_MAX];
};

struct memtable_entry {
	uint64_t revision : 56;
	uint64_t verb : 8;    /* enum store_verb */
	int64_t expires_ms;   /* of a put; 0 never */
	uint32_t position;    /* of the operation in its segment */
	uint32_t record_size; /* 0 for a removal */

	/* Set by memtable_add(). */
	uint32_t key_back;      /* bytes from the key to here */
	_Atomic uint32_t older; /* of the same key; 0 none */
};

/*
 * Make an empty index of the `size` bytes at `arena`, which is 8-aligned and
 * all zero.
 */
struct memtable *memtable_init(void *arena, size_t size);

/* Make the arena all zero again; nobody reads it any more. */
void memtable_clear(struct memtable *memtable);

/*
 * Whether that many entries with keys of that many bytes in all surely fit;
 * and whether they would if it were empty.
 */
bool memtable_has_room(const struct memtable *memtable, size_t entries,
		       size_t key_bytes);
bool memtable_would_hold(const struct memtable *memtable, size_t entries,
			 size_t key_bytes);

/*
 * Add an entry.  One that is already there (same key and revision: a commit
 * changes a key once) is left alone, so that an interrupted indexing can be
 * done again.
 * ERR_FULL when it does not fit.
 */
enum err memtable_add(struct memtable *memtable, struct view key,
		      const struct memtable_entry *entry);

/* The newest entry of the key that is not newer than `revision`, or NULL. */
const struct memtable_entry *memtable_find(const struct memtable *memtable,
					   struct view key, uint64_t revision);

/* As recent_expect() and recent_expect_record(), of the entries of a key. */
void memtable_expect(const struct memtable *memtable, uint32_t hash);
void memtable_expect_entry(const struct memtable *memtable, uint32_t hash);

/*
 * The newest entry of the first key >= key (> key with `past`), and of the key
 * after that of an entry; NULL at the end.
 */
const struct memtable_entry *memtable_seek(const struct memtable *memtable,
					   struct view key, bool past);
const struct memtable_entry *memtable_next(const struct memtable *memtable,
					   const struct memtable_entry *entry);

/*
 * The first from an entry on, of the same key, that is not newer than
 * `revision`, or NULL.
 */
const struct memtable_entry *
memtable_not_newer(const struct memtable *memtable,
		   const struct memtable_entry *entry, uint64_t revision);

struct view memtable_key(const struct memtable_entry *entry);

#endif
