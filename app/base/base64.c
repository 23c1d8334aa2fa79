/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Three bytes are four letters (RFC 4648 section 4). */
#include "base/base64.h"

enum { NO_LETTER = 64 };

static char letter_of(uint32_t value)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789+/";

	return letters[value & 63];
}

static uint32_t value_of(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - (uint32_t)'A';
	if (c >= 'a' && c <= 'z')
		return c - (uint32_t)'a' + 26;
	if (c >= '0' && c <= '9')
		return c - (uint32_t)'0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : NO_LETTER;
}

/* Up to three bytes as four letters, what is missing as '='. */
static void encode_group(const unsigned char *p, size_t size, char out[4])
{
	uint32_t bits = (uint32_t)p[0] << 16;

	if (size > 1)
		bits |= (uint32_t)p[1] << 8;
	if (size > 2)
		bits |= p[2];
	out[0] = letter_of(bits >> 18);
	out[1] = letter_of(bits >> 12);
	out[2] = size > 1 ? letter_of(bits >> 6) : '=';
	out[3] = size > 2 ? letter_of(bits) : '=';
}

/* Four letters, `size` bytes of which count.  False when one is none. */
static bool decode_group(const unsigned char *p, size_t size,
			 unsigned char out[3])
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		uint32_t value = i <= size ? value_of(p[i]) : 0;

		if (value == NO_LETTER)
			return false;
		bits = bits << 6 | value;
	}
	out[0] = (unsigned char)(bits >> 16);
	out[1] = (unsigned char)(bits >> 8);
	out[2] = (unsigned char)bits;
	return (bits & ((UINT32_C(1) << 8 * (3 - size)) - 1)) == 0;
}

/* How many bytes the last group holds. */
static size_t last_group_size(const unsigned char *p, size_t size)
{
	if (p[size - 1] != '=')
		return 3;
	return p[size - 2] != '=' ? 2 : 1;
}

void base64_encode(struct view bytes, struct buf *out)
{
	const unsigned char *p = bytes.data;

	buf_reserve(out, bytes.size / 3 * 4 + 4);
	for (size_t left = bytes.size; left > 0;) {
		size_t size = left < 3 ? left : 3;
		char group[4];

		encode_group(p, size, group);
		buf_add(out, group, sizeof(group));
		p += size;
		left -= size;
	}
}

enum err base64_decode(struct view text, struct buf *out)
{
	const unsigned char *p = text.data;
	size_t before = out->size;

	if (text.size % 4)
		return ERR_INVALID;
	buf_reserve(out, text.size / 4 * 3);
	for (size_t at = 0; at < text.size; at += 4) {
		unsigned char group[3];
		size_t size =
			at + 4 < text.size ? 3 : last_group_size(p, text.size);

		if (!decode_group(p + at, size, group)) {
			if (!out->err)
				out->size = before;
			return ERR_INVALID;
		}
		buf_add(out, group, size);
	}
	return out->err;
}
