/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * "hello" is 08 0c 00 05 68 65 6c 6c 6f: the length of the message, the type
 * (a signed number, so string's 6 is written as 12), a zero before whatever is
 * no struct, the length of the string, the string.  A number below 128 is one
 * byte; a larger one is the count of its bytes, negated, and these, the
 * highest first (encoding/gob, "Encoding Details").
 */
#include "bolt/gob.h"

#define TYPE_STRING 12

/* Takes a number off the front. */
static bool take_number(struct view *rest, uint64_t *number)
{
	const unsigned char *p = rest->data;
	size_t count;

	if (rest->size == 0)
		return false;
	*number = p[0];
	count = p[0] < 128 ? 0 : 256u - p[0];
	if (count > 8 || count >= rest->size)
		return false;
	if (count > 0)
		*number = 0;
	for (size_t i = 1; i <= count; i++)
		*number = *number << 8 | p[i];
	*rest = (struct view){ p + 1 + count, rest->size - 1 - count };
	return true;
}

enum err gob_string(struct view bytes, struct view *string)
{
	uint64_t number;

	if (!take_number(&bytes, &number) || number != bytes.size)
		return ERR_DAMAGED;
	if (!take_number(&bytes, &number))
		return ERR_DAMAGED;
	if (number != TYPE_STRING)
		return ERR_FORMAT;
	if (!take_number(&bytes, &number) || number != 0)
		return ERR_DAMAGED;
	if (!take_number(&bytes, &number) || number != bytes.size)
		return ERR_DAMAGED;
	*string = bytes;
	return ERR_OK;
}
