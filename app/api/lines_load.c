/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loading JSON lines into a store; lines.h has the format.
 *
 * Two passes over the same lines: the first checks all of them and the
 * checksum, the second puts them into the store.  To replace, the second
 * walks through the store's keys beside the lines, both in order, and deletes
 * what only the store has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/bulk.h"
#include "api/lines.h"
#include "api/lines_read.h"
#include "base/log.h"

/* Up to so much is put in by one commit. */
#define ATOMIC_OPS   16384
#define ATOMIC_BYTES (8u << 20)

#define CURSOR_KEYS 1024
#define COPY_BYTES  (64u << 10)

/*
 * The store's keys with a prefix, in order, some at a time.  What the lines
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

/* Go on behind the key, which has its line. */
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

static enum err put_in(struct lines_load *load, struct lines_reader *reader,
		       struct cursor *cursor, struct bulk *bulk)
{
	bool end = false;
	enum err err = lines_begin(reader);

	while (!err) {
		err = lines_next(reader, &end);
		if (err || end)
			break;
		if (load->replace) {
			err = delete_before(cursor, bulk, &reader->key);
			cursor_skip(cursor, reader->key);
		}
		if (!err)
			err = bulk_put(bulk, reader->key, reader->type,
				       reader->value, reader->expires_ms);
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

static void tell(struct lines_load *load, const struct lines_reader *reader,
		 enum err err)
{
	struct buf *message = &load->message;

	buf_clear(message);
	if (reader->message.size > 0)
		buf_add_view(message, buf_view(&reader->message));
	else
		buf_addf(message, "line %llu: %s",
			 (unsigned long long)reader->number, err_string(err));
	if (!load->begun)
		buf_add_string(message, "; nothing was changed");
	else
		buf_addf(message,
			 "; %llu records are in; repeat it to complete it",
			 (unsigned long long)load->count);
}

/* The second pass. */
static enum err apply(struct lines_load *load, struct lines_reader *reader)
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
	err = put_in(load, reader, &cursor, &bulk);
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
static enum err check(struct lines_reader *reader)
{
	bool end = false;
	enum err err = lines_begin(reader);

	if (!err)
		err = check_prefix(reader);
	while (!err && !end)
		err = lines_next(reader, &end);
	return err;
}

static enum err load_twice(struct lines_load *load, FILE *in)
{
	struct lines_reader reader = {
		.in = in,
		.value_max = load->store->value_max_bytes,
		.prefix = load->prefix,
		.own = load->own,
		.ordered = load->replace,
	};
	off_t start = ftello(in);
	enum err err = check(&reader);

	if (!err && (start < 0 || fseeko(in, start, SEEK_SET)))
		err = log_errno("load-failed", "input", errno);
	if (!err)
		err = apply(load, &reader);
	if (err)
		tell(load, &reader, err);
	lines_reader_release(&reader);
	return err;
}

static enum err copy(FILE *from, FILE *to)
{
	char *piece = malloc(COPY_BYTES);
	enum err err = piece ? ERR_OK : ERR_NO_MEMORY;
	size_t size;

	while (!err && (size = fread(piece, 1, COPY_BYTES, from)) > 0)
		if (fwrite(piece, 1, size, to) != size)
			err = log_errno("load-failed", "temporary file", errno);
	free(piece);
	if (!err && ferror(from))
		err = log_errno("load-failed", "input", errno);
	if (!err && fflush(to))
		err = log_errno("load-failed", "temporary file", errno);
	rewind(to);
	return err;
}

enum err lines_load(struct lines_load *load, FILE *in)
{
	FILE *kept;
	enum err err;

	load->begun = false;
	if (ftello(in) >= 0)
		return load_twice(load, in);
	kept = tmpfile();
	if (!kept)
		return log_errno("load-failed", "temporary file", errno);
	err = copy(in, kept);
	if (!err)
		err = load_twice(load, kept);
	fclose(kept);
	return err;
}

void lines_load_free(struct lines_load *load)
{
	buf_release(&load->message);
}
