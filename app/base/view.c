/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading bytes that somebody else owns (base/buf.h declares it).  Nothing
 * here depends on the locale.
 */
#include "base/buf.h"

#include <string.h>

static unsigned char ascii_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Bytes of the character that begins at p, or 0 when it is malformed: the
 * table "Well-Formed UTF-8 Byte Sequences" of Unicode (RFC 3629 section 4),
 * where only the second byte has limits of its own.
 */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		length = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		length = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0; /* shorter forms exist below */
	else if (p[0] == 0xed)
		high = 0x9f; /* surrogates above */
	else if (p[0] == 0xf0)
		low = 0x90; /* shorter forms exist below */
	else if (p[0] == 0xf4)
		high = 0x8f; /* past U+10FFFF above */
	if (left < length || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return length;
}

struct view view_of(const char *string)
{
	return (struct view){ string, string ? strlen(string) : 0 };
}

bool view_equal(struct view a, struct view b)
{
	return a.size == b.size &&
	       (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool view_equal_string(struct view a, const char *string)
{
	return view_equal(a, view_of(string));
}

bool view_equal_nocase(struct view a, const char *string)
{
	const unsigned char *p = a.data;
	const unsigned char *q = (const unsigned char *)string;

	if (a.size != view_of(string).size)
		return false;
	for (size_t i = 0; i < a.size; i++)
		if (ascii_lower(p[i]) != ascii_lower(q[i]))
			return false;
	return true;
}

bool view_starts_with(struct view a, struct view prefix)
{
	return a.size >= prefix.size &&
	       view_equal((struct view){ a.data, prefix.size }, prefix);
}

int view_compare(struct view a, struct view b)
{
	size_t common = a.size < b.size ? a.size : b.size;
	int order = common > 0 ? memcmp(a.data, b.data, common) : 0;

	if (order)
		return order;
	return (a.size > b.size) - (a.size < b.size);
}

struct view view_trim(struct view a)
{
	const unsigned char *p = a.data;

	while (a.size > 0 && is_blank(p[a.size - 1]))
		a.size--;
	while (a.size > 0 && is_blank(*p)) {
		p++;
		a.size--;
	}
	a.data = p;
	return a;
}

struct view view_cut(struct view a, char separator, struct view *rest)
{
	const char *p = a.data;
	const char *at = a.size > 0 ? memchr(p, separator, a.size) : NULL;

	if (!at) {
		*rest = (struct view){ NULL, 0 };
		return a;
	}
	*rest = (struct view){ at + 1, a.size - (size_t)(at - p) - 1 };
	return (struct view){ p, (size_t)(at - p) };
}

/* Bytes of ASCII at p, in whole words: most text is made of these. */
static size_t ascii_words(const unsigned char *p, size_t size)
{
	size_t passed = 0;
	uint64_t word;

	for (; size - passed >= sizeof(word); passed += sizeof(word)) {
		memcpy(&word, p + passed, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	return passed;
}

bool view_is_utf8(struct view a)
{
	const unsigned char *p = a.data;

	while (a.size > 0) {
		size_t length = ascii_words(p, a.size);

		if (!length)
			length = utf8_length(p, a.size);
		if (length == 0)
			return false;
		p += length;
		a.size -= length;
	}
	return true;
}

bool view_to_uint64(struct view a, uint64_t max, uint64_t *out)
{
	const unsigned char *p = a.data;
	uint64_t number = 0;

	if (a.size == 0)
		return false;
	for (size_t i = 0; i < a.size; i++) {
		unsigned digit = p[i] - (unsigned)'0';

		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	if (number > max)
		return false;
	*out = number;
	return true;
}

bool view_to_int64(struct view a, int64_t *out)
{
	struct view minus = VIEW_LITERAL("-");
	bool negative = view_starts_with(a, minus);
	uint64_t max = (uint64_t)INT64_MAX + (negative ? 1 : 0);
	uint64_t number;

	if (negative) {
		a.data = (const char *)a.data + 1;
		a.size--;
	}
	if (!view_to_uint64(a, max, &number))
		return false;
	*out = negative ? (int64_t)-number : (int64_t)number;
	return true;
}
