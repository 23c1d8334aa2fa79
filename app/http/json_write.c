/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing JSON straight into a buf: runs of plain bytes are copied whole.
 */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "http/json.h"
#include "http/utf8.h"

#define EACH_BYTE(byte)  (UINT64_C(0x0101010101010101) * (byte))
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

/* The high bit of each byte of the word that is 0; maybe of some above it. */
static uint64_t zero_bytes(uint64_t word)
{
	return (word - EACH_BYTE(0x01)) & ~word & EACH_BYTE(0x80);
}

/* Whether all bytes of a word are plain; bytes past 0x7f are. */
static bool is_plain_word(uint64_t word)
{
	uint64_t controls = (word - EACH_BYTE(0x20)) & ~word & EACH_BYTE(0x80);

	return !(controls | zero_bytes(word ^ EACH_BYTE('"')) |
		 zero_bytes(word ^ EACH_BYTE('\\')) |
		 zero_bytes(word ^ EACH_BYTE(0x7f)));
}

/* How many bytes there are before one that has to be escaped. */
static size_t plain_size(const unsigned char *p, size_t size)
{
	size_t i = 0;
	uint64_t word;

	for (; size - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if (!is_plain_word(word))
			break;
	}
	while (i < size && is_plain(p[i]))
		i++;
	return i;
}

static void add_utf8(struct view text, struct buf *out)
{
	const unsigned char *p = text.data;
	const unsigned char *end = p + text.size;

	while (p < end) {
		size_t size = plain_size(p, (size_t)(end - p));

		buf_add(out, p, size);
		p += size;
		if (p < end)
			add_escape(*p++, out);
	}
}

static void add_utf8_string(struct view text, struct buf *out)
{
	buf_add_char(out, '"');
	add_utf8(text, out);
	buf_add_char(out, '"');
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
	add_utf8_string(view_of(name), out);
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
		add_utf8_string(bytes, out);
		return;
	}
	snprintf(name64, sizeof(name64), "%s64", name);
	json_add_name(out, name64);
	buf_add_char(out, '"');
	base64_encode(bytes, out);
	buf_add_char(out, '"');
}
