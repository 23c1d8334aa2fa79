/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a table is to hold, before it is written: its keys in order, and for
 * each where the record is.
 */
#ifndef STORE_GDBM_PLAN_H
#define STORE_GDBM_PLAN_H

#include "base/buf.h"
#include "store/record.h"

enum source { FROM_TABLE, FROM_JOURNAL, GONE };

struct plan_entry {
	enum source source;
	size_t at; /* key, media type, what is held, in plan->bytes */
	size_t key_size;
	size_t held_size;     /* FROM_JOURNAL: the encoded record, or 0 */
	struct record record; /* type and value: sizes only */
	uint64_t number;      /* FROM_JOURNAL: segment and place */
	uint32_t position;
	uint32_t record_size;
};

struct plan {
	struct plan_entry *entries;
	size_t count;
	size_t capacity;
	struct buf bytes;
	size_t live_keys; /* those that are not GONE */
	uint64_t live_bytes;
};

void plan_release(struct plan *plan);

/*
 * Append; copies key, type and what is to be held of the record (nothing, if
 * it is to be read again), and sets the entry's place of them.
 */
enum err plan_add(struct plan *plan, struct plan_entry entry, struct view key,
		  struct view type, struct view held);

/* Forget the first `count` entries, which have been written. */
void plan_drop(struct plan *plan, size_t count);

/* Good until the next plan_add() or plan_drop(). */
struct view plan_key(const struct plan *plan, const struct plan_entry *entry);
struct view plan_held(const struct plan *plan, const struct plan_entry *entry);

/* Bytes of key and record in a table. */
uint64_t plan_bytes(const struct plan_entry *entry);

/* How many entries make up two thirds of the keys or bytes; 1 at least. */
size_t plan_two_thirds(const struct plan *plan);

#endif
