/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing JSON straight into a buf: runs of plain bytes are copied whole.
 */
#include <stdio.h>

#include "base/base64.h"
#include "base/clock.h"
#include "http/json.h"
#include "http/utf8.h"

#define YEAR_9999_END_MS INT64_C(253402300799999)

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

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
	const unsigned char *p = text.data;
	size_t begin = 0;

	for (size_t i = 0; i < text.size; i++) {
		if (is_plain(p[i]))
			continue;
		buf_add(out, p + begin, i - begin);
		add_escape(p[i], out);
		begin = i + 1;
	}
	if (begin < text.size)
		buf_add(out, p + begin, text.size - begin);
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

void json_add_name(struct buf *out, const char *name)
{
	if (out->size > 0 && out->data[out->size - 1] != '{')
		buf_add_char(out, ',');
	json_add_string(out, view_of(name));
	buf_add_char(out, ':');
}

void json_add_string(struct buf *out, struct view string)
{
	buf_add_char(out, '"');
	if (view_is_utf8(string))
		add_utf8(string, out);
	else
		add_mended(string, out);
	buf_add_char(out, '"');
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
	char name64[64];

	if (view_is_utf8(bytes)) {
		json_add_name(out, name);
		json_add_string(out, bytes);
		return;
	}
	snprintf(name64, sizeof(name64), "%s64", name);
	json_add_name(out, name64);
	buf_add_char(out, '"');
	base64_encode(bytes, out);
	buf_add_char(out, '"');
}
