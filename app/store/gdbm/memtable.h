/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The index of one journal segment: a skip list in shared memory from a key
 * and a revision to the place of the operation in the segment.
 *
 * Entries are ordered by key, and those of one key from the newest revision
 * to the oldest, so that a reader at revision R takes the first that is not
 * newer than R.
 *
 * One process adds at a time (under the journal lock); any number read
 * meanwhile without a lock.  An entry is written whole, and then linked by
 * one atomic store on each level, lowest first: a reader sees all of it or
 * nothing, and a writer killed between two levels leaves a list that is right
 * and only a little slower.  Entries never move and are never taken out; the
 * whole list goes when its segment has been checkpointed.
 *
 * Memory is an arena of fixed size in which links are offsets, so that it
 * may be mapped anywhere.
 */
#ifndef STORE_GDBM_MEMTABLE_H
#define STORE_GDBM_MEMTABLE_H

#include <stdatomic.h>

#include "base/buf.h"

#define MEMTABLE_HEIGHT_MAX 12 /* levels; one in four reaches the next */

/* At the start of the arena. */
struct memtable {
	uint64_t size; /* of the arena, this struct included */
	_Atomic uint64_t used;
	_Atomic uint64_t entries;
	_Atomic uint32_t head[MEMTABLE_HEIGHT_MAX];
};

struct memtable_entry {
	uint64_t revision;
	int64_t expires_ms;   /* of a put; 0 never */
	uint32_t position;    /* of the operation in its segment */
	uint32_t record_size; /* 0 for a removal */
	uint16_t key_size;
	uint8_t height;
	uint8_t verb; /* enum store_verb */
	_Atomic uint32_t next[];
};

/* Make an empty list of the `size` bytes at `arena`, which is 8-aligned. */
struct memtable *memtable_init(void *arena, size_t size);

/* Whether that many entries with keys of that many bytes in all surely fit. */
bool memtable_has_room(const struct memtable *memtable, size_t entries,
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

/*
 * In order: the first entry of a key >= key (> key with `past`), and the one
 * after an entry; NULL at the end.
 */
const struct memtable_entry *memtable_seek(const struct memtable *memtable,
					   struct view key, bool past);
const struct memtable_entry *memtable_next(const struct memtable *memtable,
					   const struct memtable_entry *entry);

struct view memtable_key(const struct memtable_entry *entry);

#endif
