/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a line to a record.  Nothing is built of it but the places of its
 * values: a large import is as fast as this file.
 *
 * Whatever store_commit() would refuse is refused here already: it must not
 * stop the loading half way.
 */
#include "api/lines_read.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/lines.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/crc32c.h"

/* A byte takes up to six in JSON ("\u0000"); names and numbers besides. */
#define ESCAPED_SIZE   6
#define LINE_REST_SIZE (4096 + ESCAPED_SIZE * (STORE_KEY_MAX + RECORD_TYPE_MAX))

#define CHUNK_SIZE (64u << 10)

static const struct view member_names[LINE_MEMBERS] = {
#define NAME(name)                                                             \
	{                                                                      \
		name, sizeof(name) - 1                                         \
	}
	[LINE_LIBRAPI] = NAME("librapi"),   [LINE_PREFIX] = NAME("prefix"),
	[LINE_PREFIX64] = NAME("prefix64"), [LINE_KEY] = NAME("key"),
	[LINE_KEY64] = NAME("key64"),       [LINE_TYPE] = NAME("type"),
	[LINE_TYPE64] = NAME("type64"),     [LINE_VALUE] = NAME("value"),
	[LINE_VALUE64] = NAME("value64"),   [LINE_EXPIRES] = NAME("expires"),
	[LINE_COUNT] = NAME("count"),       [LINE_CRC32C] = NAME("crc32c"),
#undef NAME
};

static enum err refuse(struct lines_reader *reader, enum err err,
		       const char *sentence)
{
	buf_clear(&reader->message);
	buf_addf(&reader->message, "line %llu: %s",
		 (unsigned long long)reader->number, sentence);
	return err;
}

static enum err invalid(struct lines_reader *reader, const char *sentence)
{
	return refuse(reader, ERR_INVALID, sentence);
}

/* More of the input behind what is left of it; *end when there is no more. */
static enum err fill_chunk(struct lines_reader *reader, bool *end)
{
	struct buf *chunk = &reader->chunk;
	size_t left = chunk->size - reader->chunk_at;
	size_t got = 0;
	enum err err;

	if (reader->chunk_at > 0 && left > 0)
		memmove(chunk->data, chunk->data + reader->chunk_at, left);
	reader->chunk_at = 0;
	chunk->size = left;
	if (chunk->capacity - left < CHUNK_SIZE)
		buf_reserve(chunk, left + CHUNK_SIZE);
	if (chunk->err)
		return chunk->err;
	err = reader->read(reader->read_arg, chunk->data + left, CHUNK_SIZE,
			   &got);
	chunk->size += got;
	*end = got == 0;
	return err;
}

/* The bytes up to and with the next line feed, or an error. */
static enum err read_line(struct lines_reader *reader)
{
	uint64_t most = reader->value_max * ESCAPED_SIZE + LINE_REST_SIZE;
	struct buf *chunk = &reader->chunk;
	size_t looked = 0;
	bool end = false;

	for (;;) {
		size_t left = chunk->size - reader->chunk_at;
		const char *line = left ? chunk->data + reader->chunk_at : NULL;
		const char *feed = left > looked ? memchr(line + looked, '\n',
							  left - looked)
						 : NULL;
		enum err err;

		if ((feed ? (size_t)(feed - line) : left) > most)
			return invalid(reader, "longer than the setting "
					       "value-max-bytes allows a "
					       "record to be");
		if (feed) {
			reader->line.data = line;
			reader->line.size = (size_t)(feed - line) + 1;
			reader->chunk_at += reader->line.size;
			return ERR_OK;
		}
		looked = left;
		err = fill_chunk(reader, &end);
		if (err)
			return err;
		if (end)
			return refuse(reader, ERR_DAMAGED,
				      "the input ends before the line with its "
				      "count");
	}
}

/* Where the values of the members are; of a name that repeats, the last. */
static enum err find_members(struct lines_reader *reader)
{
	struct json_tree *tree = &reader->tree;

	memset(reader->members, 0, sizeof(reader->members));
	for (size_t at = 1; at < tree->nodes[0].end;) {
		size_t value = tree->nodes[at].end;
		struct view name;
		enum err err = json_tree_string(tree, at, &name);

		if (err)
			return err;
		for (int i = 0; i < LINE_MEMBERS; i++)
			if (name.size == member_names[i].size &&
			    view_equal(name, member_names[i]))
				reader->members[i] = value;
		at = tree->nodes[value].end;
	}
	return ERR_OK;
}

/* The next line as an object in reader->tree. */
static enum err next_line(struct lines_reader *reader)
{
	struct json_error error;
	struct view text;
	enum err err;

	reader->number++;
	err = read_line(reader);
	if (err)
		return err;
	text = (struct view){ reader->line.data, reader->line.size - 1 };
	err = json_tree_read(&reader->tree, text, &error);
	if (err == ERR_INVALID) {
		char sentence[128];

		snprintf(sentence, sizeof(sentence), "not JSON at byte %zu: %s",
			 error.position + 1, error.reason);
		return invalid(reader, sentence);
	}
	if (err)
		return err;
	if (reader->tree.nodes[0].kind != JSON_OBJECT)
		return invalid(reader, "not a JSON object");
	return find_members(reader);
}

/* Appends a member, or the one behind it in base 64; an absent one is empty. */
static enum err add_member(struct lines_reader *reader, enum line_member name,
			   struct buf *out, size_t *size)
{
	size_t text = reader->members[name];
	size_t coded = reader->members[name + 1];
	size_t before = out->size;
	struct view string = { 0 };
	enum err err = ERR_OK;

	if (text && coded)
		return invalid(reader, "a member is there twice, also in base "
				       "64");
	if (text || coded)
		err = json_tree_string(&reader->tree, text ? text : coded,
				       &string);
	if (err == ERR_INVALID)
		return invalid(reader, "prefix, key, type and value have to "
				       "be strings");
	if (err)
		return err;
	if (text)
		buf_add_view(out, string);
	if (coded && base64_decode(string, out) == ERR_INVALID)
		return invalid(reader, "a member whose name ends in 64 is not "
				       "in base 64");
	*size = out->size - before;
	return out->err;
}

/* Two or more digits at a fixed place. */
static bool digits(struct view text, size_t at, size_t count, int *number)
{
	uint64_t value;
	struct view part = { (const char *)text.data + at, count };

	if (!view_to_uint64(part, 9999, &value))
		return false;
	*number = (int)value;
	return true;
}

/* "2026-11-24T06:07:47Z", also with ".123" before the Z (RFC 3339). */
static bool parse_time(struct view text, int64_t *wall_ms)
{
	struct tm tm = { 0 };
	int ms = 0;
	char again[CLOCK_RFC3339_SIZE];

	if (text.size != 20 && text.size != 24)
		return false;
	if (!digits(text, 0, 4, &tm.tm_year) ||
	    !digits(text, 5, 2, &tm.tm_mon) ||
	    !digits(text, 8, 2, &tm.tm_mday) ||
	    !digits(text, 11, 2, &tm.tm_hour) ||
	    !digits(text, 14, 2, &tm.tm_min) ||
	    !digits(text, 17, 2, &tm.tm_sec) ||
	    (text.size == 24 && !digits(text, 20, 3, &ms)))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*wall_ms = (int64_t)timegm(&tm) * 1000 + ms;

	/* What is out of range, or not a separator, looks different now. */
	clock_rfc3339(*wall_ms, again);
	if (text.size == 20)
		memcpy(again + 19, "Z", 2);
	return view_equal_string(text, again);
}

static enum err read_expiry(struct lines_reader *reader)
{
	size_t member = reader->members[LINE_EXPIRES];
	struct view text;
	enum err err;

	reader->expires_ms = 0;
	if (!member || reader->tree.nodes[member].kind == JSON_NULL)
		return ERR_OK;
	err = json_tree_string(&reader->tree, member, &text);
	if (err == ERR_NO_MEMORY)
		return err;
	if (err || !parse_time(text, &reader->expires_ms))
		return invalid(reader, "'expires' is neither null nor a time "
				       "like \"2026-11-24T06:07:47.123Z\"");
	/* A record's 0 is never. */
	if (reader->expires_ms == 0)
		reader->expires_ms = 1;
	return ERR_OK;
}

/* No header field can hold one (RFC 9110 5.5), a tab apart. */
static bool has_controls(struct view type)
{
	const unsigned char *p = type.data;

	for (size_t i = 0; i < type.size; i++)
		if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
			return true;
	return false;
}

static enum err check_record(struct lines_reader *reader)
{
	if (reader->key.size == 0)
		return invalid(reader, "the key is missing or empty");
	if (reader->key.size > STORE_KEY_MAX)
		return invalid(reader, "the key is longer than 1024 bytes");
	if (reader->type.size > RECORD_TYPE_MAX)
		return invalid(reader, "the type is longer than 255 bytes");
	if (has_controls(reader->type))
		return invalid(reader, "the type has control characters");
	if (reader->value.size > reader->value_max)
		return invalid(reader, "the value is larger than the setting "
				       "value-max-bytes allows");
	return ERR_OK;
}

/* The key has its place: below the prefixes, and behind the one before. */
static enum err check_place(struct lines_reader *reader)
{
	if (!view_starts_with(reader->key, buf_view(&reader->of)))
		return invalid(reader, "the key does not begin with the prefix "
				       "that the first line tells");
	if (!view_starts_with(reader->key, reader->own)) {
		invalid(reader, "the key is outside of the prefix that may be "
				"written");
		return ERR_FORBIDDEN;
	}
	if (!view_starts_with(reader->key, reader->prefix))
		return invalid(reader, "the key is outside of the prefix that "
				       "was asked for");
	if (!reader->ordered)
		return ERR_OK;
	if (reader->count > 0 &&
	    view_compare(reader->key, buf_view(&reader->last)) <= 0)
		return invalid(reader, "the key is not greater than the one "
				       "before: to replace, they have to be in "
				       "order");
	buf_clear(&reader->last);
	buf_add_view(&reader->last, reader->key);
	return reader->last.err;
}

static enum err read_record(struct lines_reader *reader)
{
	struct buf *bytes = &reader->bytes;
	const char *data;
	enum err err;

	buf_clear(bytes);
	if (!reader->members[LINE_VALUE] && !reader->members[LINE_VALUE64])
		return invalid(reader, "the value is missing");
	err = add_member(reader, LINE_KEY, bytes, &reader->key.size);
	if (!err)
		err = add_member(reader, LINE_TYPE, bytes, &reader->type.size);
	if (!err)
		err = add_member(reader, LINE_VALUE, bytes,
				 &reader->value.size);
	if (!err)
		err = read_expiry(reader);
	if (err)
		return err;
	data = bytes->data;
	reader->key.data = data;
	reader->type.data = data ? data + reader->key.size : NULL;
	reader->value.data =
		data ? data + reader->key.size + reader->type.size : NULL;
	err = check_record(reader);
	if (!err)
		err = check_place(reader);
	reader->count++;
	reader->bytes_read += bytes->size;
	return err;
}

/* The last line: count and checksum, and nothing behind it. */
static enum err check_end(struct lines_reader *reader)
{
	struct json_tree *tree = &reader->tree;
	size_t crc_at = reader->members[LINE_CRC32C];
	enum err err = ERR_INVALID;
	uint64_t count = 0;
	struct view crc;
	char expected[16];
	bool end;

	if (crc_at &&
	    json_tree_uint64(tree, reader->members[LINE_COUNT], &count))
		err = json_tree_string(tree, crc_at, &crc);
	if (err == ERR_INVALID)
		return invalid(reader, "not a number 'count' and a string "
				       "'crc32c'");
	if (err)
		return err;
	if (count != reader->count)
		return refuse(reader, ERR_DAMAGED,
			      "the count is not that of the lines before");
	snprintf(expected, sizeof(expected), "%08lx",
		 (unsigned long)reader->crc);
	if (!view_equal_string(crc, expected))
		return refuse(reader, ERR_DAMAGED,
			      "the checksum is not that of the lines before");
	err = fill_chunk(reader, &end);
	if (!err && (!end || reader->chunk.size > 0))
		return invalid(reader, "there is more behind the last line");
	return err;
}

static enum err check_head(struct lines_reader *reader)
{
	size_t member = reader->members[LINE_LIBRAPI];
	uint64_t format;
	size_t size;

	if (!member || !json_tree_uint64(&reader->tree, member, &format))
		return invalid(reader, "the first line is not one of "
				       "librapi's, {\"librapi\":1,…}");
	if (format != LINES_FORMAT)
		return invalid(reader, "the lines are of another version of "
				       "the format");
	return add_member(reader, LINE_PREFIX, &reader->of, &size);
}

static void count_line(struct lines_reader *reader)
{
	reader->crc = crc32c(reader->crc, reader->line.data, reader->line.size);
}

enum err lines_begin(struct lines_reader *reader)
{
	enum err err = next_line(reader);

	if (err)
		return err;
	err = check_head(reader);
	count_line(reader);
	return err;
}

enum err lines_next(struct lines_reader *reader, bool *end)
{
	enum err err = next_line(reader);

	if (err)
		return err;
	*end = reader->members[LINE_COUNT] != 0;
	if (*end)
		return check_end(reader);
	count_line(reader);
	return read_record(reader);
}

void lines_reader_release(struct lines_reader *reader)
{
	buf_release(&reader->of);
	buf_release(&reader->message);
	buf_release(&reader->chunk);
	json_tree_release(&reader->tree);
	buf_release(&reader->bytes);
	buf_release(&reader->last);
}
