/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One pass over the bytes each.
 */
#include "http/uri.h"

static int hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 2.3 */
static bool unreserved(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

/* The byte at p, "%" and two digits, or -1. */
static int encoded_byte(const unsigned char *p, size_t size)
{
	int high, low;

	if (size < 3)
		return -1;
	high = hex_digit(p[1]);
	low = hex_digit(p[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static void encode_byte(unsigned char c, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";
	char triple[3] = { '%', digits[c >> 4], digits[c & 15] };

	buf_add(out, triple, sizeof(triple));
}

static void encode(struct view bytes, bool slashes_stay, struct buf *out)
{
	const unsigned char *p = bytes.data;

	for (size_t i = 0; i < bytes.size; i++)
		if (unreserved(p[i]) || (slashes_stay && p[i] == '/'))
			buf_add_char(out, (char)p[i]);
		else
			encode_byte(p[i], out);
}

static bool is_dots(struct view part)
{
	return view_equal_string(part, ".") || view_equal_string(part, "..");
}

static bool has_dots(struct view key)
{
	struct view rest = key;

	while (rest.data)
		if (is_dots(view_cut(rest, '/', &rest)))
			return true;
	return false;
}

enum err uri_decode(struct view raw, char *out, size_t max, size_t *size)
{
	const unsigned char *p = raw.data;
	size_t n = 0;

	for (size_t i = 0; i < raw.size; i++) {
		int byte = p[i];

		if (byte == '%') {
			byte = encoded_byte(p + i, raw.size - i);
			if (byte < 0) {
				*size = i;
				return ERR_INVALID;
			}
			i += 2;
		}
		if (n == max)
			return ERR_KEY_TOO_LONG;
		out[n++] = (char)byte;
	}
	*size = n;
	return ERR_OK;
}

void uri_encode(struct view bytes, struct buf *out)
{
	encode(bytes, false, out);
}

void uri_encode_path(struct view key, struct buf *out)
{
	encode(key, !has_dots(key), out);
}

bool uri_query_next(struct view *rest, struct view *name, struct view *value)
{
	while (rest->data) {
		struct view part = view_cut(*rest, '&', rest);

		if (!part.size)
			continue;
		*name = view_cut(part, '=', value);
		return true;
	}
	return false;
}
