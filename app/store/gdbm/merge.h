/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The memtables of several segments as one sequence: every key once, in
 * order, with its newest entry that is not newer than a revision.
 */
#ifndef STORE_GDBM_MERGE_H
#define STORE_GDBM_MERGE_H

#include "store/gdbm/shared.h"

struct merge_source {
	uint64_t number; /* of the segment */
	const struct memtable *memtable;
	const struct memtable_entry *at; /* next to give; NULL at the end */
};

struct merge {
	uint64_t revision;
	size_t count;
	struct merge_source sources[SHARED_RING_MAX];
};

/* Live segments first to last, from the first key >= from (> with `past`). */
void merge_init(struct merge *merge, struct shared *shared, uint64_t first,
		uint64_t last, uint64_t revision, struct view from, bool past);

/* The next key's entry and its segment, without taking it; NULL at the end. */
const struct memtable_entry *merge_peek(const struct merge *merge,
					uint64_t *number);

/* Go past the key that merge_peek() shows. */
void merge_advance(struct merge *merge);

#endif
