/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A piece of what has been changed, read once from the store and shown to any
 * number of watchers: each has a place in the order of all changes, and every
 * watcher whose place lies within the piece can be brought to its end.
 */
#ifndef API_NEWS_H
#define API_NEWS_H

#include "store/store.h"

/* A piece ends when it has so many changes, or so many bytes of them. */
#define NEWS_MAX       512
#define NEWS_BYTES_MAX (64 << 10)

/* All of `revision` was seen, and of the next one so many changes. */
struct place {
	uint64_t revision;
	uint64_t index;
};

bool place_before(struct place a, struct place b);

struct news_item {
	struct place after; /* the place of who has seen it */
	uint64_t revision;
	enum store_verb verb;
	bool last;       /* of its revision */
	uint64_t size;   /* of the value */
	size_t key_size; /* key, type and value follow each other */
	size_t type_size;
	size_t value_size; /* 0 when values were not asked for */
	size_t bytes_at;
	size_t text_at[2]; /* as text, without and with the value */
	size_t text_size[2];
};

struct news {
	struct place from;
	struct place to;
	bool all; /* nothing newer was there */
	struct news_item *items;
	size_t count;
	struct buf bytes;
	struct buf text;

	/* While a piece is read. */
	uint64_t revision;
	uint64_t index;
	bool values;
	bool full;
};

/* ERR_NO_MEMORY; an empty piece. */
enum err news_init(struct news *news);
void news_release(struct news *news);

/*
 * Read the piece that begins at a place.  Errors as store_changes(); the
 * piece is then empty and ends where it begins.
 */
enum err news_read(struct news *news, struct store *store, struct place from,
		   bool values, uint64_t *oldest);

/* Whether who is at that place gets further by this piece. */
bool news_serve(const struct news *news, struct place place);

struct view news_key(const struct news *news, const struct news_item *item);

/* "put", "delete" or "expire". */
const char *news_event(const struct news_item *item);

/*
 * The change as a JSON object, written when it is first wanted: good until
 * the next call.  `values` asks for type and value too, which the piece must
 * have been read with.  Empty when there is no memory for it.
 */
struct view news_text(struct news *news, struct news_item *item, bool values);

#endif
