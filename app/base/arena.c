/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pieces are cut from blocks; one that is large gets a block of its own. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 8192

struct arena_block {
	struct arena_block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) char bytes[];
};

static size_t aligned(size_t size)
{
	const size_t unit = alignof(max_align_t);

	return (size + unit - 1) / unit * unit;
}

static struct arena_block *block_add(struct arena *arena, size_t size)
{
	size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
	struct arena_block *block = malloc(sizeof(*block) + room);

	if (!block)
		return NULL;
	block->next = arena->blocks;
	block->used = 0;
	block->size = room;
	arena->blocks = block;
	return block;
}

void *arena_add(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;
	char *piece;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = aligned(size);
	if (!block || block->size - block->used < size)
		block = block_add(arena, size);
	if (!block)
		return NULL;
	piece = block->bytes + block->used;
	block->used += size;
	memset(piece, 0, size);
	return piece;
}

void *arena_add_array(struct arena *arena, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;
	return arena_add(arena, count * size);
}

enum err arena_copy(struct arena *arena, struct view bytes, struct view *copy)
{
	char *piece = arena_add(arena, bytes.size);

	if (!piece)
		return ERR_NO_MEMORY;
	if (bytes.size)
		memcpy(piece, bytes.data, bytes.size);
	*copy = (struct view){ piece, bytes.size };
	return ERR_OK;
}

void arena_release(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
}
