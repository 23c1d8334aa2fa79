/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loading JSON lines into a store; lines.h has the format.
 *
 * In two passes: the first checks all lines and the checksum, and keeps what
 * they mean; the second puts that into the store.  To replace, the second walks
 * through the store's keys beside the records, both in order, and deletes what
 * only the store has.
 */
#include <errno.h>
#include <string.h>

#include "api/bulk.h"
#include "api/lines.h"
#include "api/lines_read.h"
#include "api/spool.h"
#include "base/log.h"

/* Up to so much is put in by one commit. */
#define ATOMIC_OPS   16384
#define ATOMIC_BYTES (8u << 20)

#define CURSOR_KEYS 1024

/*
 * The store's keys with a prefix, in order, some at a time.  What the records
 * have put in lies behind the cursor, which never goes back to it.
 */
struct cursor {
	struct store *store;
	struct view prefix;
	struct buf keys; /* each with its size before it */
	size_t at;
	size_t count;
	char after[STORE_KEY_MAX];
	size_t after_size;
	bool ended; /* there were no more when it was last looked */
};

static bool cursor_take(void *arg, struct view key, const struct record *record)
{
	struct cursor *cursor = arg;

	(void)record;
	buf_add_le16(&cursor->keys, (uint16_t)key.size);
	buf_add_view(&cursor->keys, key);
	memcpy(cursor->after, key.data, key.size);
	cursor->after_size = key.size;
	cursor->count++;
	return !cursor->keys.err && cursor->count < CURSOR_KEYS;
}

static enum err cursor_fill(struct cursor *cursor)
{
	struct store_range range = { .prefix = cursor->prefix };
	char after[STORE_KEY_MAX];
	enum err err;

	memcpy(after, cursor->after, cursor->after_size);
	if (cursor->after_size > 0)
		range.after = (struct view){ after, cursor->after_size };
	buf_clear(&cursor->keys);
	cursor->at = 0;
	cursor->count = 0;
	err = store_list(cursor->store, &range, cursor_take, cursor, NULL);
	cursor->ended = cursor->count < CURSOR_KEYS;
	return err ? err : cursor->keys.err;
}

/* The next key, which stays the next until cursor_pass(); empty at the end. */
static enum err cursor_peek(struct cursor *cursor, struct view *key)
{
	enum err err = ERR_OK;

	*key = (struct view){ 0 };
	if (cursor->at == cursor->keys.size && !cursor->ended)
		err = cursor_fill(cursor);
	if (err || cursor->at == cursor->keys.size)
		return err;
	key->size = le16_get(cursor->keys.data + cursor->at);
	key->data = cursor->keys.data + cursor->at + 2;
	return ERR_OK;
}

static void cursor_pass(struct cursor *cursor, struct view key)
{
	cursor->at += 2 + key.size;
}

/* Go on behind the key, which has its record. */
static void cursor_skip(struct cursor *cursor, struct view key)
{
	const struct view after = { cursor->after, cursor->after_size };

	if (view_compare(key, after) <= 0)
		return;
	memcpy(cursor->after, key.data, key.size);
	cursor->after_size = key.size;
}

/* Delete what the store has before `key`, or all that it has left. */
static enum err delete_before(struct cursor *cursor, struct bulk *bulk,
			      const struct view *key)
{
	for (;;) {
		struct view next;
		enum err err = cursor_peek(cursor, &next);
		int order;

		if (err || next.size == 0)
			return err;
		order = key ? view_compare(next, *key) : -1;
		if (order > 0)
			return ERR_OK;
		if (order < 0)
			err = bulk_delete(bulk, next);
		cursor_pass(cursor, next);
		if (err || order == 0)
			return err;
	}
}

static enum err put_in(const struct lines_load *load, struct spool *spool,
		       struct cursor *cursor, struct bulk *bulk)
{
	struct spool_record record;
	bool end = false;
	enum err err = spool_rewind(spool);

	while (!err) {
		err = spool_next(spool, &record, &end);
		if (err || end)
			break;
		if (load->replace) {
			err = delete_before(cursor, bulk, &record.key);
			cursor_skip(cursor, record.key);
		}
		if (!err)
			err = bulk_put(bulk, record.key, record.type,
				       record.value, record.expires_ms);
	}
	if (!err && load->replace)
		err = delete_before(cursor, bulk, NULL);
	return err ? err : bulk_flush(bulk);
}

/* The range of keys that are to be like the lines: the longer prefix. */
static struct view range_of(const struct lines_load *load,
			    const struct lines_reader *reader)
{
	struct view of = buf_view(&reader->of);

	return of.size > load->prefix.size ? of : load->prefix;
}

/* The record n is in the line behind the first n. */
static void tell(struct lines_load *load, const struct lines_reader *reader,
		 const struct spool *spool, enum err err)
{
	struct buf *message = &load->message;
	uint64_t line = load->begun ? 1 + spool->taken : reader->number;

	buf_clear(message);
	if (reader->message.size > 0)
		buf_add_view(message, buf_view(&reader->message));
	else
		buf_addf(message, "line %llu: %s", (unsigned long long)line,
			 err_string(err));
	if (!load->begun)
		buf_add_string(message, "; nothing was changed");
	else
		buf_addf(message,
			 "; %llu records are in; repeat it to complete it",
			 (unsigned long long)load->count);
}

/* The second pass. */
static enum err apply(struct lines_load *load,
		      const struct lines_reader *reader, struct spool *spool)
{
	struct cursor cursor = { .store = load->store,
				 .prefix = range_of(load, reader) };
	struct bulk bulk;
	enum err err;

	bulk_init(&bulk, load->store, load->alone);
	if (reader->count <= ATOMIC_OPS && reader->bytes_read <= ATOMIC_BYTES) {
		bulk.ops_max = 2 * ATOMIC_OPS;
		bulk.bytes_max = 2 * ATOMIC_BYTES;
	}
	load->begun = true;
	err = put_in(load, spool, &cursor, &bulk);
	load->count = bulk.puts;
	load->deleted = bulk.deletes;
	load->revision = bulk.revision;
	load->atomic = bulk.commits <= 1;
	bulk_release(&bulk);
	buf_release(&cursor.keys);
	return err;
}

/* Whether keys can have both prefixes. */
static bool meet(struct view a, struct view b)
{
	return view_starts_with(a, b) || view_starts_with(b, a);
}

static enum err check_prefix(struct lines_reader *reader)
{
	struct view of = buf_view(&reader->of);
	bool own = meet(of, reader->own);

	if (own && meet(of, reader->prefix))
		return ERR_OK;
	buf_addf(&reader->message,
		 "line 1: the lines are of a prefix outside of that which %s",
		 own ? "was asked for" : "may be written");
	return own ? ERR_INVALID : ERR_FORBIDDEN;
}

/* The first pass. */
static enum err check(struct lines_reader *reader, struct spool *spool)
{
	bool end = false;
	enum err err = lines_begin(reader);

	if (!err)
		err = check_prefix(reader);
	while (!err) {
		err = lines_next(reader, &end);
		if (err || end)
			break;
		err = spool_add(spool,
				&(struct spool_record){
					.key = reader->key,
					.type = reader->type,
					.value = reader->value,
					.expires_ms = reader->expires_ms });
	}
	return err;
}

enum err lines_load(struct lines_load *load)
{
	struct lines_reader reader = {
		.read = load->read,
		.read_arg = load->read_arg,
		.value_max = load->store->value_max_bytes,
		.prefix = load->prefix,
		.own = load->own,
		.ordered = load->replace,
	};
	struct spool spool;
	enum err err;

	load->begun = false;
	spool_init(&spool, load->folder);
	err = check(&reader, &spool);
	if (!err)
		err = apply(load, &reader, &spool);
	if (err)
		tell(load, &reader, &spool, err);
	spool_release(&spool);
	lines_reader_release(&reader);
	return err;
}

enum err lines_read_stdio(void *arg, void *data, size_t size, size_t *got)
{
	FILE *in = arg;

	errno = 0;
	*got = fread(data, 1, size, in);
	return *got == 0 && ferror(in)
		       ? log_errno("load-failed", "input", errno)
		       : ERR_OK;
}

void lines_load_free(struct lines_load *load)
{
	buf_release(&load->message);
}
