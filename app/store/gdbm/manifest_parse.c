/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MANIFEST from text.  The parser takes what the formatter writes and nothing
 * else: lines in that order, single spaces, numbers in decimal.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/crc32c.h"
#include "store/gdbm/manifest.h"
#include "store/store.h"

/* The text from line to line. */
struct parse {
	struct manifest *manifest;
	struct view rest;
	struct view line; /* without its end */
	size_t number;    /* of that line, from 1 */
	struct buf *message;
};

static enum err refuse(struct parse *p, enum err err, const char *sentence)
{
	buf_addf(p->message, "line %zu: %s", p->number, sentence);
	return err;
}

static void next_line(struct parse *p)
{
	p->line = view_cut(p->rest, '\n', &p->rest);
	p->number++;
}

/* The next word of the line. */
static struct view word(struct parse *p)
{
	return view_cut(p->line, ' ', &p->line);
}

static bool number(struct view text, uint64_t *out)
{
	return view_to_uint64(text, UINT64_MAX, out);
}

/* "NAME NUMBER" as a whole line. */
static enum err number_line(struct parse *p, const char *name, uint64_t *out)
{
	next_line(p);
	if (!view_equal_string(word(p), name) || !number(p->line, out)) {
		buf_addf(p->message, "line %zu: not '%s' and a number",
			 p->number, name);
		return ERR_DAMAGED;
	}
	return ERR_OK;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool hexadecimal(struct view text, uint8_t *out, size_t size)
{
	const char *digits = text.data;

	if (text.size != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(digits[2 * i]);
		int low = hex_digit(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(16 * high + low);
	}
	return true;
}

static enum err parse_head(struct parse *p)
{
	struct manifest *m = p->manifest;
	enum err err;

	next_line(p);
	next_line(p);
	if (!view_equal_string(word(p), "store") ||
	    !hexadecimal(p->line, m->store_id, sizeof(m->store_id)))
		return refuse(p, ERR_DAMAGED,
			      "not 'store' and 32 hexadecimal digits");
	err = number_line(p, "version", &m->version);
	if (!err)
		err = number_line(p, "revision", &m->revision);
	if (!err)
		err = number_line(p, "segment", &m->first_segment);
	if (!err)
		err = number_line(p, "next-table", &m->next_table);
	return err;
}

/* " NAME NUMBER" within a line. */
static bool number_pair(struct parse *p, const char *name, uint64_t *out)
{
	return view_equal_string(word(p), name) && number(word(p), out);
}

static bool parse_id(struct parse *p, struct table_id *id)
{
	struct view generation;
	struct view text = view_cut(word(p), '.', &generation);

	return number(text, &id->id) && number(generation, &id->generation) &&
	       id->id > 0 && id->generation > 0;
}

/* ERR_INVALID when it is neither "-" nor a key in base 64. */
static enum err parse_bound(struct view text, struct buf *bound)
{
	enum err err;

	if (view_equal_string(text, "-"))
		return ERR_OK;
	err = base64_decode(text, bound);
	if (!err && (bound->size == 0 || bound->size > STORE_KEY_MAX))
		err = ERR_INVALID;
	return err;
}

/* After the word "table". */
static enum err parse_table(struct parse *p, struct buf *bound)
{
	struct manifest *m = p->manifest;
	struct manifest_table table = { 0 };
	enum err err = ERR_INVALID;

	if (parse_id(p, &table.id) && number_pair(p, "keys", &table.keys) &&
	    number_pair(p, "live", &table.live_bytes) &&
	    number_pair(p, "file", &table.file_bytes) &&
	    view_equal_string(word(p), "from"))
		err = parse_bound(p->line, bound);
	if (err == ERR_NO_MEMORY)
		return err;
	if (err)
		return refuse(p, ERR_DAMAGED,
			      "not 'table ID.GENERATION keys N live N file N "
			      "from BOUND'");
	if (table.id.id >= m->next_table)
		return refuse(p, ERR_DAMAGED,
			      "the table's id is not below next-table");
	table.from = buf_view(bound);
	if ((m->table_count == 0) != (table.from.size == 0))
		return refuse(p, ERR_DAMAGED,
			      "the first table, and no other, begins at '-'");
	if (m->table_count > 0 &&
	    view_compare(m->tables[m->table_count - 1].from, table.from) >= 0)
		return refuse(p, ERR_DAMAGED,
			      "the table's range begins before the last one");
	return manifest_add(m, &table);
}

static enum err parse_tables(struct parse *p)
{
	struct buf bound = BUF_EMPTY;
	enum err err = ERR_OK;

	while (!err && p->rest.size > 0) {
		next_line(p);
		buf_clear(&bound);
		if (view_equal_string(word(p), "table"))
			err = parse_table(p, &bound);
		else
			err = refuse(p, ERR_DAMAGED, "not a 'table' line");
	}
	buf_release(&bound);
	return err;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static enum err check_ids(struct parse *p)
{
	size_t count = p->manifest->table_count;
	enum err err = ERR_OK;

	if (count < 2)
		return ERR_OK;

	uint64_t *ids = calloc(count, sizeof(*ids));

	if (!ids)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		ids[i] = p->manifest->tables[i].id.id;
	qsort(ids, count, sizeof(*ids), compare_ids);
	for (size_t i = 1; i < count && !err; i++)
		if (ids[i - 1] == ids[i]) {
			buf_addf(p->message, "table %" PRIu64 " is there twice",
				 ids[i]);
			err = ERR_DAMAGED;
		}
	free(ids);
	return err;
}

/* The title is looked at before all else: a foreign text has no CRC of ours. */
static enum err check_title(struct parse *p)
{
	struct parse first = *p;
	uint64_t format;

	next_line(&first);
	if (!view_equal_string(word(&first), MANIFEST_TITLE) ||
	    !number(first.line, &format))
		return refuse(&first, ERR_FORMAT,
			      "this is no manifest of librapi");
	if (format != MANIFEST_FORMAT)
		return refuse(&first, ERR_FORMAT,
			      "the store has another format version; use the "
			      "librapi that wrote it");
	return ERR_OK;
}

/* Takes the crc line off the text, after it was found to be right. */
static enum err check_crc(struct parse *p)
{
	struct view line = VIEW_LITERAL("crc32c 00000000\n");
	struct view text = p->rest;
	const char *bytes = text.data;
	uint8_t stored[4];

	if (text.size < line.size)
		line.size = text.size;

	size_t at = text.size - line.size;
	struct view last = { bytes + at, line.size };
	struct view rest;

	if (at == 0 || bytes[at - 1] != '\n' || bytes[text.size - 1] != '\n' ||
	    !view_equal_string(view_cut(last, ' ', &rest), "crc32c") ||
	    !hexadecimal((struct view){ rest.data, rest.size - 1 }, stored,
			 sizeof(stored))) {
		buf_addf(p->message,
			 "bytes %zu to %zu: not a line with the checksum of "
			 "the text",
			 at, text.size);
		return ERR_DAMAGED;
	}

	uint32_t crc = (uint32_t)stored[0] << 24 | (uint32_t)stored[1] << 16 |
		       (uint32_t)stored[2] << 8 | stored[3];

	if (crc != crc32c(0, bytes, at)) {
		buf_addf(p->message,
			 "bytes 0 to %zu: not what the checksum was made for",
			 at - 1);
		return ERR_DAMAGED;
	}
	p->rest.size = at;
	return ERR_OK;
}

enum err manifest_parse(struct view text, struct manifest *out,
			struct buf *message)
{
	struct parse p = { .manifest = out, .rest = text, .message = message };
	enum err err;

	*out = (struct manifest){ 0 };
	err = check_title(&p);
	if (!err)
		err = check_crc(&p);
	if (!err)
		err = parse_head(&p);
	if (!err)
		err = parse_tables(&p);
	if (!err)
		err = check_ids(&p);
	if (err)
		manifest_release(out);
	return err;
}
