/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a line to a record.  Whatever store_commit() would refuse is refused
 * here already: it must not stop the loading half way.
 */
#include "api/lines_read.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "api/lines.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "http/json.h"

/* A byte takes up to six in JSON ("\u0000"); names and numbers besides. */
#define ESCAPED_SIZE   6
#define LINE_REST_SIZE (4096 + ESCAPED_SIZE * (STORE_KEY_MAX + RECORD_TYPE_MAX))

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

/* The bytes up to and with the next line feed, or an error. */
static enum err read_line(struct lines_reader *reader)
{
	uint64_t most = reader->value_max * ESCAPED_SIZE + LINE_REST_SIZE;
	struct buf *line = &reader->line;
	int c;

	buf_clear(line);
	errno = 0;
	while ((c = getc_unlocked(reader->in)) != EOF) {
		if (line->size == line->capacity)
			buf_reserve(line, line->size ? line->size : 4096);
		if (line->err)
			return line->err;
		line->data[line->size++] = (char)c;
		if (c == '\n')
			return ERR_OK;
		if (line->size > most)
			return invalid(reader, "longer than a record can be");
	}
	if (ferror(reader->in))
		return log_errno("load-failed", "input", errno);
	return refuse(reader, ERR_DAMAGED,
		      "the input ends before the line with its count");
}

/* The next line as an object in reader->json, which json_free() frees. */
static enum err next_line(struct lines_reader *reader)
{
	struct json_error error;
	enum err err;

	reader->number++;
	err = read_line(reader);
	if (err)
		return err;
	err = json_parse(
		(struct view){ reader->line.data, reader->line.size - 1 },
		&reader->json, &error);
	if (err == ERR_INVALID) {
		char sentence[128];

		snprintf(sentence, sizeof(sentence), "not JSON at byte %zu: %s",
			 error.position + 1, error.reason);
		return invalid(reader, sentence);
	}
	if (!err && !json_is_object(reader->json)) {
		json_free(reader->json);
		return invalid(reader, "not a JSON object");
	}
	return err;
}

/* Appends member `name` or `name64`; an absent one is empty. */
static enum err add_member(struct lines_reader *reader, const char *name,
			   struct buf *out, size_t *size)
{
	char name64[16];
	struct json_object *text = NULL;
	struct json_object *coded = NULL;
	struct view string;
	size_t before = out->size;

	snprintf(name64, sizeof(name64), "%s64", name);

	bool has_text = json_member(reader->json, name, &text);
	bool has_coded = json_member(reader->json, name64, &coded);

	if (has_text && has_coded)
		return invalid(reader, "a member is there twice, also in base "
				       "64");
	if ((has_text || has_coded) &&
	    !json_string(has_text ? text : coded, &string))
		return invalid(reader, "prefix, key, type and value have to "
				       "be strings");
	if (has_text)
		buf_add_view(out, string);
	if (has_coded && base64_decode(string, out) == ERR_INVALID)
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
	struct json_object *member;
	struct view text;

	reader->expires_ms = 0;
	if (!json_member(reader->json, "expires", &member) || !member)
		return ERR_OK;
	if (!json_string(member, &text) ||
	    !parse_time(text, &reader->expires_ms))
		return invalid(reader, "'expires' is neither null nor a time "
				       "like \"2026-11-24T06:07:47.123Z\"");
	return ERR_OK;
}

static enum err check_sizes(struct lines_reader *reader)
{
	if (reader->key.size == 0)
		return invalid(reader, "the key is missing or empty");
	if (reader->key.size > STORE_KEY_MAX)
		return invalid(reader, "the key is longer than 1024 bytes");
	if (reader->type.size > RECORD_TYPE_MAX)
		return invalid(reader, "the type is longer than 255 bytes");
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
	if (!view_starts_with(reader->key, reader->prefix)) {
		reader->outside = true;
		return invalid(reader, "the key is outside of the prefix that "
				       "may be written");
	}
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
	struct json_object *value;
	const char *data;
	enum err err;

	buf_clear(bytes);
	if (!json_member(reader->json, "value", &value) &&
	    !json_member(reader->json, "value64", &value))
		return invalid(reader, "the value is missing");
	err = add_member(reader, "key", bytes, &reader->key.size);
	if (!err)
		err = add_member(reader, "type", bytes, &reader->type.size);
	if (!err)
		err = add_member(reader, "value", bytes, &reader->value.size);
	if (!err)
		err = read_expiry(reader);
	if (err)
		return err;
	data = bytes->data;
	reader->key.data = data;
	reader->type.data = data ? data + reader->key.size : NULL;
	reader->value.data =
		data ? data + reader->key.size + reader->type.size : NULL;
	err = check_sizes(reader);
	if (!err)
		err = check_place(reader);
	reader->count++;
	reader->bytes_read += bytes->size;
	return err;
}

/* The last line: count and checksum, and nothing behind it. */
static enum err check_end(struct lines_reader *reader,
			  struct json_object *member)
{
	uint64_t count;
	struct view crc;
	char expected[16];

	if (!json_uint64(member, &count) ||
	    !json_member(reader->json, "crc32c", &member) ||
	    !json_string(member, &crc))
		return invalid(reader, "not a number 'count' and a string "
				       "'crc32c'");
	if (count != reader->count)
		return refuse(reader, ERR_DAMAGED,
			      "the count is not that of the lines before");
	snprintf(expected, sizeof(expected), "%08lx",
		 (unsigned long)reader->crc);
	if (!view_equal_string(crc, expected))
		return refuse(reader, ERR_DAMAGED,
			      "the checksum is not that of the lines before");
	if (getc_unlocked(reader->in) != EOF)
		return invalid(reader, "there is more behind the last line");
	return ERR_OK;
}

static enum err check_head(struct lines_reader *reader)
{
	struct json_object *member;
	uint64_t format;
	size_t size;

	if (!json_member(reader->json, "librapi", &member) ||
	    !json_uint64(member, &format))
		return invalid(reader, "the first line is not one of "
				       "librapi's, {\"librapi\":1,…}");
	if (format != LINES_FORMAT)
		return invalid(reader, "the lines are of another version of "
				       "the format");
	return add_member(reader, "prefix", &reader->of, &size);
}

static void count_line(struct lines_reader *reader)
{
	reader->crc = crc32c(reader->crc, reader->line.data, reader->line.size);
}

enum err lines_begin(struct lines_reader *reader)
{
	enum err err;

	reader->number = 0;
	reader->count = 0;
	reader->bytes_read = 0;
	reader->crc = 0;
	buf_clear(&reader->of);
	err = next_line(reader);
	if (err)
		return err;
	err = check_head(reader);
	json_free(reader->json);
	count_line(reader);
	return err;
}

enum err lines_next(struct lines_reader *reader, bool *end)
{
	struct json_object *member;
	enum err err = next_line(reader);

	if (err)
		return err;
	*end = json_member(reader->json, "count", &member);
	err = *end ? check_end(reader, member) : read_record(reader);
	json_free(reader->json);
	count_line(reader);
	return err;
}

void lines_reader_release(struct lines_reader *reader)
{
	buf_release(&reader->of);
	buf_release(&reader->message);
	buf_release(&reader->line);
	buf_release(&reader->bytes);
	buf_release(&reader->last);
}
