/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records in memory, in the order of their keys. */
#include "store/items.h"

#include <stdlib.h>
#include <string.h>

struct view item_key(const struct item *item)
{
	return (struct view){ item->bytes, item->key_size };
}

struct view item_bytes(const struct item *item)
{
	return (struct view){ item->bytes + item->key_size, item->record_size };
}

enum err item_decode(const struct item *item, struct record *record)
{
	return record_decode(item_key(item), item_bytes(item), record);
}

struct item *item_new(struct view key, const struct record *record)
{
	struct buf bytes = BUF_EMPTY;
	struct item *item = NULL;

	record_encode(key, record, &bytes);
	if (!bytes.err)
		item = malloc(sizeof(*item) + key.size + bytes.size);
	if (item) {
		item->key_size = key.size;
		item->record_size = bytes.size;
		memcpy(item->bytes, key.data, key.size);
		memcpy(item->bytes + key.size, bytes.data, bytes.size);
	}
	buf_release(&bytes);
	return item;
}

/* The first place whose key is >= key. */
size_t items_seek(const struct items *items, struct view key)
{
	size_t low = 0;
	size_t high = items->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (view_compare(item_key(items->items[middle]), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool items_has(const struct items *items, size_t place, struct view key)
{
	return place < items->count &&
	       view_equal(item_key(items->items[place]), key);
}

/* The live record of a key; its views point into the item. */
enum err items_get(const struct items *items, struct view key, int64_t now_ms,
		   struct record *record)
{
	size_t place = items_seek(items, key);

	if (!items_has(items, place, key))
		return ERR_NOT_FOUND;

	enum err err = item_decode(items->items[place], record);

	if (!err && record_expired(record, now_ms))
		err = ERR_NOT_FOUND;
	return err;
}

enum err items_copy(const struct items *items, struct view prefix,
		    struct items *out)
{
	*out = (struct items){
		.items = calloc(items->count + 1, sizeof(struct item *)),
	};
	if (!out->items)
		return ERR_NO_MEMORY;
	for (size_t i = items_seek(items, prefix); i < items->count; i++) {
		struct view key = item_key(items->items[i]);
		struct record record;
		struct item *copy;
		enum err err = item_decode(items->items[i], &record);

		if (err || !view_starts_with(key, prefix))
			return err;
		copy = item_new(key, &record);
		if (!copy)
			return ERR_NO_MEMORY;
		out->items[out->count++] = copy;
	}
	return ERR_OK;
}

void items_release(struct items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free(items->items[i]);
	free(items->items);
	*items = (struct items){ 0 };
}

enum err change_begin(struct change *change, const struct items *live,
		      size_t op_count)
{
	size_t room = live->count + op_count + 1;

	*change = (struct change){
		.items = { calloc(room, sizeof(struct item *)), live->count },
		.made = calloc(op_count + 1, sizeof(struct item *)),
		.dropped = calloc(live->count + op_count + 1,
				  sizeof(struct item *)),
	};
	if (!change->items.items || !change->made || !change->dropped)
		return ERR_NO_MEMORY;
	if (live->count > 0)
		memcpy(change->items.items, live->items,
		       live->count * sizeof(struct item *));
	return ERR_OK;
}

/* Ends a change either way: it becomes what is live, or it never was. */
void change_end(struct change *change, struct items *live, bool keep)
{
	struct item **unwanted = keep ? change->dropped : change->made;
	size_t count = keep ? change->dropped_count : change->made_count;

	for (size_t i = 0; i < count; i++)
		free(unwanted[i]);
	if (keep) {
		free(live->items);
		*live = change->items;
	} else {
		free(change->items.items);
	}
	free(change->made);
	free(change->dropped);
}

void change_drop(struct change *change, size_t place)
{
	struct items *items = &change->items;

	change->dropped[change->dropped_count++] = items->items[place];
	items->count--;
	memmove(items->items + place, items->items + place + 1,
		(items->count - place) * sizeof(struct item *));
}

void change_add(struct change *change, size_t place, struct item *item)
{
	struct items *items = &change->items;

	memmove(items->items + place + 1, items->items + place,
		(items->count - place) * sizeof(struct item *));
	items->items[place] = item;
	items->count++;
	change->made[change->made_count++] = item;
}
