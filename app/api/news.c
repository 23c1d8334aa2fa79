/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keys are copied, since what the store shows is good for one call, and
 * values only when some watcher wants them.  A piece may end within a large
 * revision: the store begins that again from its first change, and those
 * which were in an earlier piece are passed over.
 */
#include "api/news.h"

#include <stdlib.h>

#include "http/json.h"

#define TYPE_UNKNOWN VIEW_LITERAL("application/octet-stream")

/* Memory that is kept from one piece to the next. */
#define KEEP_BYTES (2 * NEWS_BYTES_MAX)

bool place_before(struct place a, struct place b)
{
	if (a.revision != b.revision)
		return a.revision < b.revision;
	return a.index < b.index;
}

static void add(struct news *news, const struct store_change *change)
{
	struct news_item *item = &news->items[news->count++];
	const struct record *record = &change->record;
	bool put = change->verb == STORE_PUT;

	*item = (struct news_item){
		.after = { change->revision - 1, news->index },
		.revision = change->revision,
		.verb = change->verb,
		.last = change->last,
		.size = put ? record->value.size : 0,
		.key_size = change->key.size,
		.bytes_at = news->bytes.size,
	};
	if (change->last)
		item->after = (struct place){ change->revision, 0 };
	buf_add_view(&news->bytes, change->key);
	if (!put || !news->values)
		return;
	item->type_size = record->type.size;
	item->value_size = record->value.size;
	buf_add_view(&news->bytes, record->type);
	buf_add_view(&news->bytes, record->value);
}

static bool read_one(void *arg, const struct store_change *change)
{
	struct news *news = arg;

	if (change->revision != news->revision) {
		news->revision = change->revision;
		news->index = 0;
	}
	news->index++;
	if (change->revision == news->from.revision + 1 &&
	    news->index <= news->from.index)
		return true;
	add(news, change);
	news->full = news->count == NEWS_MAX || news->bytes.err ||
		     news->bytes.size >= NEWS_BYTES_MAX;
	return !news->full;
}

static void start(struct news *news, struct place from)
{
	buf_trim(&news->bytes, KEEP_BYTES);
	buf_trim(&news->text, KEEP_BYTES);
	news->from = from;
	news->to = from;
	news->all = false;
	news->count = 0;
	news->revision = 0;
	news->index = 0;
	news->full = false;
}

enum err news_init(struct news *news)
{
	*news = (struct news){ 0 };
	news->items = calloc(NEWS_MAX, sizeof(*news->items));
	return news->items ? ERR_OK : ERR_NO_MEMORY;
}

void news_release(struct news *news)
{
	free(news->items);
	buf_release(&news->bytes);
	buf_release(&news->text);
	*news = (struct news){ 0 };
}

enum err news_read(struct news *news, struct store *store, struct place from,
		   bool values, uint64_t *oldest)
{
	uint64_t next;
	enum err err;

	start(news, from);
	news->values = values;
	err = store_changes(store, from.revision, read_one, news, &next,
			    oldest);
	if (!err)
		err = news->bytes.err;
	if (err) {
		start(news, from);
		return err;
	}
	if (news->count)
		news->to = news->items[news->count - 1].after;
	if (!news->full) {
		news->to = (struct place){ next, 0 };
		news->all = true;
	}
	return ERR_OK;
}

bool news_serve(const struct news *news, struct place place)
{
	return !place_before(place, news->from) &&
	       place_before(place, news->to);
}

struct view news_key(const struct news *news, const struct news_item *item)
{
	return (struct view){ news->bytes.data + item->bytes_at,
			      item->key_size };
}

const char *news_event(const struct news_item *item)
{
	switch (item->verb) {
	case STORE_PUT:
		return "put";
	case STORE_EXPIRE:
		return "expire";
	default:
		return "delete";
	}
}

static void add_value(const struct news *news, const struct news_item *item,
		      struct buf *out)
{
	const char *p = news->bytes.data + item->bytes_at + item->key_size;
	struct view type = { p, item->type_size };
	struct view value = { p + item->type_size, item->value_size };

	json_add_name(out, "type");
	json_add_string(out, type.size ? type : TYPE_UNKNOWN);
	json_add_bytes(out, "value", value);
}

static void write_text(struct news *news, struct news_item *item, bool values)
{
	struct buf *out = &news->text;
	size_t at = out->size;

	buf_add_char(out, '{');
	json_add_bytes(out, "key", news_key(news, item));
	json_add_uint64(out, "rev", item->revision);
	if (item->verb == STORE_PUT)
		json_add_uint64(out, "size", item->size);
	if (item->verb == STORE_PUT && values)
		add_value(news, item, out);
	buf_add_char(out, '}');
	if (out->err)
		return;
	item->text_at[values] = at;
	item->text_size[values] = out->size - at;
}

struct view news_text(struct news *news, struct news_item *item, bool values)
{
	if (!item->text_size[values])
		write_text(news, item, values);
	if (news->text.err)
		return (struct view){ 0 };
	return (struct view){ news->text.data + item->text_at[values],
			      item->text_size[values] };
}
