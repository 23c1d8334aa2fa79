/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many small pieces of memory that are let go together.  A piece never moves,
 * so views into it stay good until arena_release().
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/buf.h"

struct arena {
	struct arena_block *blocks; /* the newest first; NULL: none yet */
};

/*
 * Zeroed, and aligned for any type; a size of 0 is allowed.  NULL without
 * memory.
 */
void *arena_add(struct arena *arena, size_t size);

/* For `count` things of `size` bytes; NULL also when that overflows. */
void *arena_add_array(struct arena *arena, size_t count, size_t size);

/* A copy of the bytes, in *copy; ERR_NO_MEMORY. */
enum err arena_copy(struct arena *arena, struct view bytes, struct view *copy);

void arena_release(struct arena *arena); /* it is empty again */

#endif
