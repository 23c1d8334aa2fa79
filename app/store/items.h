/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Records in memory: an array of items in the order of their keys.
 *
 * A change works on a copy of the array (of pointers) and puts it in the
 * place of the old one at the end, so that a failure changes nothing:
 *
 *   change_begin, then change_drop and change_add as it goes, then change_end
 *   with or without `keep`, also after a change_begin that failed.
 */
#ifndef STORE_ITEMS_H
#define STORE_ITEMS_H

#include "base/buf.h"
#include "store/record.h"

/* One key and its record's bytes, behind it. */
struct item {
	size_t key_size;
	size_t record_size;
	char bytes[];
};

struct items {
	struct item **items;
	size_t count;
};

struct view item_key(const struct item *item);
struct view item_bytes(const struct item *item);
enum err item_decode(const struct item *item, struct record *record);

/* To be freed with free(3); NULL without memory. */
struct item *item_new(struct view key, const struct record *record);

/* The first place whose key is >= key, and whether it has that very key. */
size_t items_seek(const struct items *items, struct view key);
bool items_has(const struct items *items, size_t place, struct view key);

/*
 * The live record of a key, whose views point into the item; ERR_NOT_FOUND
 * when there is none or it has expired by then.
 */
enum err items_get(const struct items *items, struct view key, int64_t now_ms,
		   struct record *record);

/*
 * Copy all items whose keys begin with the prefix into `out`, which is then
 * released with items_release(), also after ERR_NO_MEMORY or ERR_DAMAGED.
 */
enum err items_copy(const struct items *items, struct view prefix,
		    struct items *out);
void items_release(struct items *items);

struct change {
	struct items items;
	struct item **made;    /* to be freed when it fails */
	struct item **dropped; /* to be freed when it succeeds */
	size_t made_count;
	size_t dropped_count;
};

/* With room for so many operations, of one drop and one add each. */
enum err change_begin(struct change *change, const struct items *live,
		      size_t op_count);
void change_drop(struct change *change, size_t place);
void change_add(struct change *change, size_t place, struct item *item);

/* Ends a change either way: it becomes what is live, or it never was. */
void change_end(struct change *change, struct items *live, bool keep);

#endif
