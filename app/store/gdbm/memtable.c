/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A skip list in an arena of shared memory; see memtable.h. */
#include "store/gdbm/memtable.h"

#include <string.h>

#define ALIGN 8

static size_t entry_size(unsigned height, size_t key_size)
{
	size_t size = sizeof(struct memtable_entry) +
		      height * sizeof(uint32_t) + key_size;

	return (size + ALIGN - 1) / ALIGN * ALIGN;
}

/* Offset 0 is the arena's own head, so it can stand for "none". */
static const struct memtable_entry *entry_at(const struct memtable *memtable,
					     uint32_t offset)
{
	if (offset == 0)
		return NULL;
	return (const void *)((const char *)memtable + offset);
}

struct view memtable_key(const struct memtable_entry *entry)
{
	return (struct view){ (const char *)&entry->next[entry->height],
			      entry->key_size };
}

static uint32_t load(const _Atomic uint32_t *link)
{
	return atomic_load_explicit(link, memory_order_acquire);
}

/* Whether the entry stands before (key, revision) in the order of the list. */
static bool stands_before(const struct memtable_entry *entry, struct view key,
			  uint64_t revision)
{
	int order = view_compare(memtable_key(entry), key);

	return order < 0 || (order == 0 && entry->revision > revision);
}

/*
 * The links of entry, or of the list's head where entry is NULL.  Casting
 * const away here is what lets one walk serve readers and the writer.
 */
static _Atomic uint32_t *links_of(const struct memtable *memtable,
				  const struct memtable_entry *entry)
{
	if (entry)
		return (_Atomic uint32_t *)entry->next;
	return (_Atomic uint32_t *)memtable->head;
}

/*
 * The first entry not before (key, revision).  `path`, when given, gets for
 * each level the link that leads to it.
 */
static const struct memtable_entry *
walk(const struct memtable *memtable, struct view key, uint64_t revision,
     _Atomic uint32_t *path[MEMTABLE_HEIGHT_MAX])
{
	const struct memtable_entry *before = NULL;
	const struct memtable_entry *next = NULL;

	for (int level = MEMTABLE_HEIGHT_MAX - 1; level >= 0; level--) {
		_Atomic uint32_t *link = &links_of(memtable, before)[level];

		next = entry_at(memtable, load(link));
		while (next && stands_before(next, key, revision)) {
			before = next;
			link = &links_of(memtable, before)[level];
			next = entry_at(memtable, load(link));
		}
		if (path)
			path[level] = link;
	}
	return next;
}

/* One in four entries reaches the next level; mixed from where it stands. */
static unsigned choose_height(uint64_t offset, uint64_t revision)
{
	uint64_t bits = (offset ^ revision << 20) * 0x9e3779b97f4a7c15U;
	unsigned height = 1;

	bits ^= bits >> 32;
	while ((bits & 3) == 0 && height < MEMTABLE_HEIGHT_MAX) {
		height++;
		bits >>= 2;
	}
	return height;
}

struct memtable *memtable_init(void *arena, size_t size)
{
	struct memtable *memtable = arena;

	memtable->size = size;
	atomic_store(&memtable->used, sizeof(*memtable));
	atomic_store(&memtable->entries, 0);
	for (int level = 0; level < MEMTABLE_HEIGHT_MAX; level++)
		atomic_store(&memtable->head[level], 0);
	return memtable;
}

bool memtable_has_room(const struct memtable *memtable, size_t entries,
		       size_t key_bytes)
{
	uint64_t used = atomic_load(&memtable->used);
	size_t most = entries * (entry_size(MEMTABLE_HEIGHT_MAX, 0) + ALIGN) +
		      key_bytes;

	return most <= memtable->size - used;
}

enum err memtable_add(struct memtable *memtable, struct view key,
		      const struct memtable_entry *entry)
{
	_Atomic uint32_t *path[MEMTABLE_HEIGHT_MAX];
	const struct memtable_entry *there =
		walk(memtable, key, entry->revision, path);
	uint64_t used = atomic_load(&memtable->used);
	unsigned height = choose_height(used, entry->revision);
	size_t size = entry_size(height, key.size);
	struct memtable_entry *copy = (void *)((char *)memtable + used);

	if (there && there->revision == entry->revision &&
	    view_equal(memtable_key(there), key))
		return ERR_OK;
	if (size > memtable->size - used)
		return ERR_FULL;
	atomic_store(&memtable->used, used + size);
	*copy = *entry;
	copy->key_size = (uint16_t)key.size;
	copy->height = (uint8_t)height;
	memcpy(&copy->next[height], key.data, key.size);
	for (unsigned level = 0; level < height; level++) {
		atomic_store_explicit(&copy->next[level], load(path[level]),
				      memory_order_relaxed);
		atomic_store_explicit(path[level], (uint32_t)used,
				      memory_order_release);
	}
	atomic_fetch_add(&memtable->entries, 1);
	return ERR_OK;
}

const struct memtable_entry *memtable_find(const struct memtable *memtable,
					   struct view key, uint64_t revision)
{
	const struct memtable_entry *entry =
		walk(memtable, key, revision, NULL);

	if (entry && view_equal(memtable_key(entry), key))
		return entry;
	return NULL;
}

const struct memtable_entry *memtable_seek(const struct memtable *memtable,
					   struct view key, bool past)
{
	/* No entry has revision 0, so it stands after all of a key's. */
	return walk(memtable, key, past ? 0 : UINT64_MAX, NULL);
}

const struct memtable_entry *memtable_next(const struct memtable *memtable,
					   const struct memtable_entry *entry)
{
	return entry_at(memtable, load(&entry->next[0]));
}
