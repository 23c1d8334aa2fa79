/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Character by character: the first byte says how many belong together, and
 * view_is_utf8() judges those.
 */
#include "http/utf8.h"

static size_t announced_size(unsigned char first)
{
	if (first < 0xc0)
		return 1;
	if (first < 0xe0)
		return 2;
	return first < 0xf0 ? 3 : 4;
}

size_t utf8_prefix(struct view bytes)
{
	const char *p = bytes.data;
	size_t at = 0;

	while (at < bytes.size) {
		size_t size = announced_size((unsigned char)p[at]);

		if (size > bytes.size - at ||
		    !view_is_utf8((struct view){ p + at, size }))
			break;
		at += size;
	}
	return at;
}
