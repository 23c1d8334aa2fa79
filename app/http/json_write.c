/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing JSON straight into a buf: runs of plain bytes are copied whole, and
 * most strings are one.
 */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "http/json.h"
#include "http/json_plain.h"
#include "http/utf8.h"

#define YEAR_9999_END_MS INT64_C(253402300799999)

/* Adds bytes to what stands between quotes. */
typedef void add_fn(struct view bytes, struct buf *out);

static void add_escape(unsigned char c, struct buf *out)
{
	switch (c) {
	case '"':
	case '\\':
		buf_add_char(out, '\\');
		buf_add_char(out, (char)c);
		break;
	case '\n':
		buf_add_string(out, "\\n");
		break;
	case '\r':
		buf_add_string(out, "\\r");
		break;
	case '\t':
		buf_add_string(out, "\\t");
		break;
	default:
		buf_addf(out, "\\u%04x", c);
	}
}

static void add_utf8(struct view text, struct buf *out)
{
	const char *p = text.data;
	const char *end = p + text.size;

	while (p < end) {
		size_t size = json_plain(p, (size_t)(end - p));

		buf_add(out, p, size);
		p += size;
		if (p < end)
			add_escape((unsigned char)*p++, out);
	}
}

/* Each byte that does not belong to a character becomes U+FFFD. */
static void add_mended(struct view bytes, struct buf *out)
{
	const char *p = bytes.data;
	size_t at = 0;

	while (at < bytes.size) {
		struct view rest = { p + at, bytes.size - at };

		rest.size = utf8_prefix(rest);
		add_utf8(rest, out);
		at += rest.size;
		if (at == bytes.size)
			break;
		buf_add_string(out, "\xef\xbf\xbd");
		at++;
	}
}

static void add_plain(struct view bytes, struct buf *out)
{
	buf_add_view(out, bytes);
}

/* Of what adds bytes as they are the quickest; NULL when they are no text. */
static add_fn *text_adder(struct view bytes)
{
	if (json_is_plain_ascii(bytes))
		return add_plain;
	return view_is_utf8(bytes) ? add_utf8 : NULL;
}

static void add_quoted(struct view bytes, add_fn *add, struct buf *out)
{
	buf_add_char(out, '"');
	add(bytes, out);
	buf_add_char(out, '"');
}

void json_add_name(struct buf *out, const char *name)
{
	if (out->size > 0 && out->data[out->size - 1] != '{')
		buf_add_char(out, ',');
	buf_add_char(out, '"');
	buf_add_string(out, name);
	buf_add(out, "\":", 2);
}

void json_add_string(struct buf *out, struct view string)
{
	add_fn *add = text_adder(string);

	add_quoted(string, add ? add : add_mended, out);
}

void json_add_uint64(struct buf *out, const char *name, uint64_t number)
{
	json_add_name(out, name);
	buf_add_uint64(out, number);
}

void json_add_time(struct buf *out, const char *name, int64_t wall_ms)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_rfc3339(wall_ms < YEAR_9999_END_MS ? wall_ms : YEAR_9999_END_MS,
		      text);
	json_add_name(out, name);
	json_add_string(out, view_of(text));
}

void json_add_bytes(struct buf *out, const char *name, struct view bytes)
{
	add_fn *add = text_adder(bytes);
	char name64[64];

	if (!add) {
		snprintf(name64, sizeof(name64), "%s64", name);
		name = name64;
		add = base64_encode;
	}
	json_add_name(out, name);
	add_quoted(bytes, add, out);
}
