/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory that will be looked at soon, on its way meanwhile. */
#ifndef BASE_FETCH_H
#define BASE_FETCH_H

#include <stddef.h>

#define FETCH_LINE_SIZE 64 /* what the processor takes from memory at once */

/*
 * Have `size` bytes from p on fetched, 1 or more.  Never fails, wherever p
 * points.
 */
static inline void fetch_ahead(const void *p, size_t size)
{
	const char *bytes = p;

	for (size_t at = 0; at < size; at += FETCH_LINE_SIZE)
		__builtin_prefetch(bytes + at);
	/* It need not begin where a line does. */
	__builtin_prefetch(bytes + size - 1);
}

#endif
