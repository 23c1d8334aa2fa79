/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * No more is read of a media type than is asked of it: what a value's type
 * means is a matter between those who write it and those who read it.
 */
#include "http/mediatype.h"

bool mediatype_is(struct view field, const char *type)
{
	struct view parameters;

	return view_equal_nocase(view_trim(view_cut(field, ';', &parameters)),
				 type);
}

bool mediatype_is_clean(struct view field)
{
	const unsigned char *p = field.data;

	for (size_t i = 0; i < field.size; i++)
		if ((p[i] < 0x20 && p[i] != '\t') || p[i] > 0x7e)
			return false;
	return true;
}
