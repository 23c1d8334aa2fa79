/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Loading JSON lines into a store; lines.h has the format.
 *
 * Two passes over the same lines: the first checks all of them and the
 * checksum, the second puts them into the store.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/lines.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "http/json.h"

#define BATCH_MAX    256
#define BATCH_BYTES  (4u << 20)
#define BUSY_TURNS   100 /* of the housekeeper, before a commit gives up */
#define BUSY_WAIT_MS 100

/* One record; key, type and value stand in `bytes`, in that order. */
struct loaded {
	struct buf bytes;
	size_t key_size;
	size_t type_size;
	size_t value_size;
	int64_t expires_ms;
};

struct load {
	struct store *store;
	FILE *in;
	FILE *copy; /* of what is read, when it can't be read twice */
	char *line;
	size_t capacity;
	size_t size;     /* of the line, with its end */
	uint64_t number; /* of the line, from 1 */
	uint32_t crc;    /* of the lines before it */
	uint64_t count;  /* records so far */
	struct json_object *json;

	bool apply; /* the second pass */
	struct loaded records[BATCH_MAX];
	size_t record_count;
	size_t record_bytes;
};

static enum err refuse(const struct load *load, enum err err,
		       const char *sentence)
{
	log_eventf(LOG_ERROR, load->apply ? "load-stopped" : "load-refused",
		   "line %llu: %s%s", (unsigned long long)load->number,
		   sentence, load->apply ? "" : "; the store is as it was");
	return err;
}

static enum err invalid(const struct load *load, const char *sentence)
{
	return refuse(load, ERR_INVALID, sentence);
}

/* The next line as an object in load->json, which json_free() frees. */
static enum err next_line(struct load *load)
{
	struct json_error error;
	ssize_t size;
	enum err err;

	load->number++;
	errno = 0;
	size = getline(&load->line, &load->capacity, load->in);
	if (size < 0 && !feof(load->in))
		return log_errno("load-failed", "input", errno);
	if (size <= 0 || load->line[size - 1] != '\n')
		return refuse(load, ERR_DAMAGED,
			      "the input ends before the line with its count");
	load->size = (size_t)size;
	if (load->copy &&
	    fwrite(load->line, 1, load->size, load->copy) != load->size)
		return log_errno("load-failed", "temporary file", errno);

	err = json_parse((struct view){ load->line, load->size - 1 },
			 &load->json, &error);
	if (err == ERR_INVALID) {
		char sentence[128];

		snprintf(sentence, sizeof(sentence), "not JSON at byte %zu: %s",
			 error.position + 1, error.reason);
		return invalid(load, sentence);
	}
	if (!err && !json_is_object(load->json)) {
		json_free(load->json);
		return invalid(load, "not a JSON object");
	}
	return err;
}

static enum err check_head(struct load *load)
{
	struct json_object *member;
	uint64_t format;

	if (!json_member(load->json, "librapi", &member) ||
	    !json_uint64(member, &format))
		return invalid(load, "the first line is not one of librapi's, "
				     "{\"librapi\":1,…}");
	if (format != LINES_FORMAT)
		return invalid(load, "the lines are of another version of the "
				     "format");
	return ERR_OK;
}

/* Appends member `name` or `name64`; an absent one is empty. */
static enum err add_member(struct load *load, const char *name, struct buf *out,
			   size_t *size)
{
	char name64[16];
	struct json_object *text = NULL;
	struct json_object *coded = NULL;
	struct view string;
	size_t before = out->size;

	snprintf(name64, sizeof(name64), "%s64", name);

	bool has_text = json_member(load->json, name, &text);
	bool has_coded = json_member(load->json, name64, &coded);

	if (has_text && has_coded)
		return invalid(load, "a member is there twice, also in base "
				     "64");
	if ((has_text || has_coded) &&
	    !json_string(has_text ? text : coded, &string))
		return invalid(load, "key, type and value have to be strings");
	if (has_text)
		buf_add_view(out, string);
	if (has_coded && base64_decode(string, out) == ERR_INVALID)
		return invalid(load, "a member whose name ends in 64 is not "
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

static enum err read_expiry(struct load *load, int64_t *expires_ms)
{
	struct json_object *member;
	struct view text;

	*expires_ms = 0;
	if (!json_member(load->json, "expires", &member) || !member)
		return ERR_OK;
	if (!json_string(member, &text) || !parse_time(text, expires_ms))
		return invalid(load, "'expires' is neither null nor a time "
				     "like \"2026-11-24T06:07:47.123Z\"");
	return ERR_OK;
}

/* What store_commit() would refuse must not stop the second pass half way. */
static enum err check_record(const struct load *load,
			     const struct loaded *record)
{
	if (record->key_size == 0)
		return invalid(load, "the key is missing or empty");
	if (record->key_size > STORE_KEY_MAX)
		return invalid(load, "the key is longer than 1024 bytes");
	if (record->type_size > RECORD_TYPE_MAX)
		return invalid(load, "the type is longer than 255 bytes");
	if (record->value_size > load->store->value_max_bytes)
		return invalid(load, "the value is larger than the setting "
				     "value-max-bytes allows");
	return ERR_OK;
}

static enum err read_record(struct load *load, struct loaded *record)
{
	struct json_object *value;
	enum err err;

	buf_clear(&record->bytes);
	if (!json_member(load->json, "value", &value) &&
	    !json_member(load->json, "value64", &value))
		return invalid(load, "the value is missing");
	err = add_member(load, "key", &record->bytes, &record->key_size);
	if (!err)
		err = add_member(load, "type", &record->bytes,
				 &record->type_size);
	if (!err)
		err = add_member(load, "value", &record->bytes,
				 &record->value_size);
	if (!err)
		err = read_expiry(load, &record->expires_ms);
	return err ? err : check_record(load, record);
}

static struct store_op op_of(const struct loaded *record)
{
	const char *bytes = record->bytes.data;

	return (struct store_op){
		.verb = STORE_PUT,
		.key = { bytes, record->key_size },
		.type = { bytes + record->key_size, record->type_size },
		.value = { bytes + record->key_size + record->type_size,
			   record->value_size },
		.expires_ms = record->expires_ms,
	};
}

/* Nobody else does a store's housekeeping while we have it. */
static enum err commit(struct store *store, struct store_batch *batch)
{
	uint64_t ticket;
	enum err err = store_commit(store, batch, &ticket);

	for (int turn = 0; err == ERR_BUSY && turn < BUSY_TURNS; turn++) {
		store_housekeep(store, BUSY_WAIT_MS);
		err = store_commit(store, batch, &ticket);
	}
	return err ? err : store_sync(store, ticket);
}

static enum err apply_batch(struct load *load)
{
	struct store_op ops[BATCH_MAX];
	struct store_batch batch = { .ops = ops,
				     .op_count = load->record_count };
	enum err err;

	for (size_t i = 0; i < load->record_count; i++)
		ops[i] = op_of(&load->records[i]);
	err = commit(load->store, &batch);
	if (err)
		log_eventf(LOG_ERROR, "load-stopped",
			   "before line %llu: %s; load again to complete it",
			   (unsigned long long)load->number, err_string(err));
	else
		store_housekeep(load->store, 0);
	load->record_count = 0;
	load->record_bytes = 0;
	return err;
}

static enum err take_record(struct load *load)
{
	struct loaded *record = &load->records[load->record_count];
	enum err err = read_record(load, record);

	if (err)
		return err;
	load->count++;
	if (!load->apply)
		return ERR_OK;
	load->record_count++;
	load->record_bytes += record->bytes.size;
	if (load->record_count < BATCH_MAX && load->record_bytes < BATCH_BYTES)
		return ERR_OK;
	return apply_batch(load);
}

/* The last line: count and checksum, and nothing behind it. */
static enum err check_end(struct load *load, struct json_object *member)
{
	uint64_t count;
	struct view crc;
	char expected[16];

	if (!json_uint64(member, &count) ||
	    !json_member(load->json, "crc32c", &member) ||
	    !json_string(member, &crc))
		return invalid(load, "not a number 'count' and a string "
				     "'crc32c'");
	if (count != load->count)
		return refuse(load, ERR_DAMAGED,
			      "the count is not that of the lines before");
	snprintf(expected, sizeof(expected), "%08lx", (unsigned long)load->crc);
	if (!view_equal_string(crc, expected))
		return refuse(load, ERR_DAMAGED,
			      "the checksum is not that of the lines before");
	if (getc(load->in) != EOF)
		return invalid(load, "there is more behind the last line");
	return ERR_OK;
}

/* One line after the first; *last when it was the last. */
static enum err take_line(struct load *load, bool *last)
{
	struct json_object *member;
	enum err err = next_line(load);

	if (err)
		return err;
	*last = json_member(load->json, "count", &member);
	err = *last ? check_end(load, member) : take_record(load);
	json_free(load->json);
	load->crc = crc32c(load->crc, load->line, load->size);
	return err;
}

/* All lines once: checked, or put into the store. */
static enum err pass(struct load *load)
{
	bool last = false;
	enum err err;

	load->number = 0;
	load->count = 0;
	load->crc = 0;
	err = next_line(load);
	if (err)
		return err;
	err = check_head(load);
	json_free(load->json);
	load->crc = crc32c(0, load->line, load->size);
	while (!err && !last)
		err = take_line(load, &last);
	if (!err && load->record_count > 0)
		err = apply_batch(load);
	return err;
}

static enum err load_twice(struct load *load)
{
	off_t start = ftello(load->in);
	enum err err;

	if (start < 0) {
		load->copy = tmpfile();
		if (!load->copy)
			return log_errno("load-failed", "temporary file",
					 errno);
		start = 0;
	}
	err = pass(load);
	if (err)
		return err;
	if (load->copy)
		load->in = load->copy;
	if (fseeko(load->in, start, SEEK_SET))
		return log_errno("load-failed", "input", errno);
	load->apply = true;

	FILE *copy = load->copy;

	load->copy = NULL;
	err = pass(load);
	load->copy = copy;
	return err;
}

enum err lines_load(struct store *store, FILE *in)
{
	struct load *load = calloc(1, sizeof(*load));
	enum err err;

	if (!load)
		return ERR_NO_MEMORY;
	load->store = store;
	load->in = in;
	err = load_twice(load);
	if (load->copy)
		fclose(load->copy);
	for (size_t i = 0; i < BATCH_MAX; i++)
		buf_release(&load->records[i].bytes);
	free(load->line);
	free(load);
	return err;
}
