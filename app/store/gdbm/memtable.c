/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A skip list and a hash table in one arena; see memtable.h. */
#include "store/gdbm/memtable.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/fetch.h"

#define ALIGN 8

/* A chain for so many bytes of the arena: for one or two short keys. */
#define CHAIN_BYTES 128

/* Of a key that is short, with its first entry, which stands behind it. */
#define EXPECTED_BYTES 128

/* The head of a chain has its length in the bits that alignment leaves. */
_Static_assert(MEMTABLE_CHAIN_MAX < ALIGN, "a chain is too long to be counted");

/* A key, with its links and the newest of its entries. */
struct node {
	uint32_t chain; /* the next one in its chain; 0 none */
	_Atomic uint32_t newest;
	uint16_t key_size;
	uint8_t height;
	_Atomic uint32_t next[]; /* on each level; then the key's bytes */
};

static size_t aligned(size_t size)
{
	return (size + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t node_size(unsigned height, size_t key_size)
{
	return aligned(sizeof(struct node) + height * sizeof(uint32_t) +
		       key_size);
}

static uint32_t load(const _Atomic uint32_t *link)
{
	return atomic_load_explicit(link, memory_order_acquire);
}

static void store(_Atomic uint32_t *link, uint32_t offset)
{
	atomic_store_explicit(link, offset, memory_order_release);
}

/* Offset 0 is the arena's own head, so it can stand for "none". */
static const void *at(const struct memtable *memtable, uint32_t offset)
{
	return offset ? (const char *)memtable + offset : NULL;
}

static uint32_t offset_of(const struct memtable *memtable, const void *p)
{
	return (uint32_t)((const char *)p - (const char *)memtable);
}

static const struct node *node_of(const struct memtable_entry *entry)
{
	return (const void *)((const char *)entry - entry->key_back);
}

static struct view node_key(const struct node *node)
{
	return (struct view){ (const char *)&node->next[node->height],
			      node->key_size };
}

static const struct memtable_entry *newest_of(const struct memtable *memtable,
					      const struct node *node)
{
	return node ? at(memtable, load(&node->newest)) : NULL;
}

/*
 * The links of node, or of the list's head where node is NULL.  Casting const
 * away here is what lets one walk serve readers and the writer.
 */
static _Atomic uint32_t *links_of(const struct memtable *memtable,
				  const struct node *node)
{
	if (node)
		return (_Atomic uint32_t *)node->next;
	return (_Atomic uint32_t *)memtable->head;
}

static bool stands_before(const struct node *node, struct view key, bool past)
{
	int order = view_compare(node_key(node), key);

	return order < 0 || (past && order == 0);
}

/*
 * The first node whose key is >= key, or > key with `past`.  `path`, when
 * given, gets for each level the link that leads to it.
 */
static const struct node *walk(const struct memtable *memtable, struct view key,
			       bool past,
			       _Atomic uint32_t *path[MEMTABLE_HEIGHT_MAX])
{
	const struct node *before = NULL;
	const struct node *next = NULL;

	for (int level = MEMTABLE_HEIGHT_MAX - 1; level >= 0; level--) {
		_Atomic uint32_t *link = &links_of(memtable, before)[level];

		next = at(memtable, load(link));
		while (next && stands_before(next, key, past)) {
			before = next;
			link = &links_of(memtable, before)[level];
			next = at(memtable, load(link));
		}
		if (path)
			path[level] = link;
	}
	return next;
}

static _Atomic uint32_t *chain_at(const struct memtable *memtable,
				  uint32_t hash)
{
	_Atomic uint32_t *chains =
		(void *)((char *)(uintptr_t)memtable + memtable->size);

	return &chains[hash & (memtable->chains - 1)];
}

static _Atomic uint32_t *chain_of(const struct memtable *memtable,
				  struct view key)
{
	return chain_at(memtable, crc32c(0, key.data, key.size));
}

static unsigned chain_length(uint32_t head)
{
	return head % ALIGN;
}

static const struct node *chain_first(const struct memtable *memtable,
				      uint32_t head)
{
	return at(memtable, head - chain_length(head));
}

/* The key's node, when the chain has it. */
static const struct node *chain_find(const struct memtable *memtable,
				     uint32_t head, struct view key)
{
	const struct node *node = chain_first(memtable, head);

	while (node && !view_equal(node_key(node), key))
		node = at(memtable, node->chain);
	return node;
}

/* What a full chain has no room for is in the list only. */
static void chain_add(struct memtable *memtable, _Atomic uint32_t *chain,
		      struct node *node)
{
	uint32_t head = load(chain);
	unsigned length = chain_length(head);

	if (length == MEMTABLE_CHAIN_MAX)
		return;
	node->chain = head - length;
	store(chain, offset_of(memtable, node) + length + 1);
}

/* The node among those of the list, and the path to where it is or would be. */
static struct node *list_find(struct memtable *memtable, struct view key,
			      _Atomic uint32_t *path[MEMTABLE_HEIGHT_MAX])
{
	const struct node *node = walk(memtable, key, false, path);

	if (node && view_equal(node_key(node), key))
		return (struct node *)(uintptr_t)node;
	return NULL;
}

/* The same path when the key's place is right behind the last key's. */
static bool follows_last(struct memtable *memtable, struct view key,
			 _Atomic uint32_t *path[MEMTABLE_HEIGHT_MAX])
{
	const struct node *last = at(memtable, load(&memtable->last));
	const struct node *next;

	if (!last || view_compare(node_key(last), key) >= 0)
		return false;
	next = at(memtable, load(&last->next[0]));
	if (next && view_compare(node_key(next), key) <= 0)
		return false;
	for (int level = 0; level < MEMTABLE_HEIGHT_MAX; level++)
		path[level] = (void *)((char *)memtable +
				       load(&memtable->path[level]));
	return true;
}

/* Who dies between the two leaves no last one. */
static void forget_last(struct memtable *memtable)
{
	store(&memtable->last, 0);
}

static void note_last(struct memtable *memtable, struct node *node,
		      _Atomic uint32_t *path[MEMTABLE_HEIGHT_MAX])
{
	for (unsigned level = 0; level < MEMTABLE_HEIGHT_MAX; level++) {
		const _Atomic uint32_t *link =
			level < node->height ? &node->next[level] : path[level];

		store(&memtable->path[level], offset_of(memtable, link));
	}
	store(&memtable->last, offset_of(memtable, node));
}

/* One in four nodes reaches the next level; mixed from where it stands. */
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
	uint64_t chains = 1;

	while (chains * 2 * CHAIN_BYTES <= size)
		chains *= 2;
	memtable->size = (size - chains * sizeof(uint32_t)) / ALIGN * ALIGN;
	memtable->chains = chains;
	atomic_store(&memtable->used, sizeof(*memtable));
	return memtable;
}

void memtable_clear(struct memtable *memtable)
{
	memset((char *)memtable + memtable->size, 0,
	       memtable->chains * sizeof(uint32_t));
	memset(memtable, 0, atomic_load(&memtable->used));
}

/* At most. */
static size_t size_of(size_t entries, size_t key_bytes)
{
	size_t each = node_size(MEMTABLE_HEIGHT_MAX, 0) + ALIGN +
		      sizeof(struct memtable_entry);

	return entries * each + key_bytes;
}

bool memtable_has_room(const struct memtable *memtable, size_t entries,
		       size_t key_bytes)
{
	uint64_t used = atomic_load(&memtable->used);

	return size_of(entries, key_bytes) <= memtable->size - used;
}

bool memtable_would_hold(const struct memtable *memtable, size_t entries,
			 size_t key_bytes)
{
	return size_of(entries, key_bytes) <=
	       memtable->size - sizeof(*memtable);
}

/*
 * Memory behind what is used, NULL when there is none.  It is used once what is
 * in it has been linked: who dies before has taken nothing.
 */
static void *find_room(struct memtable *memtable, size_t size)
{
	uint64_t used = atomic_load(&memtable->used);

	return size > memtable->size - used ? NULL : (char *)memtable + used;
}

/* An entry that is linked is the end of what was made room for. */
static void take(struct memtable *memtable, const struct memtable_entry *entry)
{
	uint64_t end = offset_of(memtable, entry) + sizeof(*entry);

	if (end <= atomic_load(&memtable->used))
		return;
	atomic_fetch_add(&memtable->entries, 1);
	atomic_store(&memtable->used, end);
}

static void fill(struct memtable_entry *copy,
		 const struct memtable_entry *entry, const struct node *node,
		 uint32_t older)
{
	*copy = *entry;
	copy->key_back = (uint32_t)((char *)copy - (const char *)node);
	atomic_init(&copy->older, older);
}

/* To a key that is there. */
static enum err add_entry(struct memtable *memtable, struct node *node,
			  const struct memtable_entry *entry)
{
	_Atomic uint32_t *link = &node->newest;
	const struct memtable_entry *next = at(memtable, load(link));
	struct memtable_entry *copy;

	while (next && next->revision > entry->revision) {
		link = (_Atomic uint32_t *)&next->older;
		next = at(memtable, load(link));
	}
	if (next && next->revision == entry->revision) {
		/* Whoever linked it may have died right then. */
		take(memtable, next);
		return ERR_OK;
	}
	copy = find_room(memtable, sizeof(*copy));
	if (!copy)
		return ERR_FULL;
	fill(copy, entry, node, load(link));
	store(link, offset_of(memtable, copy));
	take(memtable, copy);
	return ERR_OK;
}

/* A key with its first entry, at the end of the path. */
static struct node *add_node(struct memtable *memtable, struct view key,
			     const struct memtable_entry *entry,
			     _Atomic uint32_t *path[MEMTABLE_HEIGHT_MAX])
{
	unsigned height =
		choose_height(atomic_load(&memtable->used), entry->revision);
	size_t size = node_size(height, key.size);
	struct memtable_entry *copy;
	struct node *node = find_room(memtable, size + sizeof(*copy));

	if (!node)
		return NULL;
	copy = (void *)((char *)node + size);
	fill(copy, entry, node, 0);
	atomic_init(&node->newest, offset_of(memtable, copy));
	node->key_size = (uint16_t)key.size;
	node->height = (uint8_t)height;
	memcpy(&node->next[height], key.data, key.size);
	forget_last(memtable);
	for (unsigned level = 0; level < height; level++) {
		atomic_init(&node->next[level], load(path[level]));
		store(path[level], offset_of(memtable, node));
	}
	note_last(memtable, node, path);
	take(memtable, copy);
	return node;
}

/* The node of a key that is there, or else the path to where it would be. */
static struct node *find_or_path(struct memtable *memtable,
				 _Atomic uint32_t *chain, struct view key,
				 _Atomic uint32_t *path[MEMTABLE_HEIGHT_MAX])
{
	const struct node *node;
	struct node *listed;

	if (follows_last(memtable, key, path))
		return NULL;
	node = chain_find(memtable, load(chain), key);
	if (node)
		return (struct node *)(uintptr_t)node;
	listed = list_find(memtable, key, path);
	/* Whoever added it died before it was in its chain, or that is full. */
	if (listed)
		chain_add(memtable, chain, listed);
	return listed;
}

enum err memtable_add(struct memtable *memtable, struct view key,
		      const struct memtable_entry *entry)
{
	_Atomic uint32_t *path[MEMTABLE_HEIGHT_MAX];
	_Atomic uint32_t *chain = chain_of(memtable, key);
	struct node *node = find_or_path(memtable, chain, key, path);

	if (node)
		return add_entry(memtable, node, entry);
	node = add_node(memtable, key, entry, path);
	if (!node)
		return ERR_FULL;
	chain_add(memtable, chain, node);
	return ERR_OK;
}

void memtable_expect(const struct memtable *memtable, uint32_t hash)
{
	fetch_ahead((const void *)chain_at(memtable, hash), sizeof(uint32_t));
}

/* Most chains have one key. */
void memtable_expect_entry(const struct memtable *memtable, uint32_t hash)
{
	const struct node *node =
		chain_first(memtable, load(chain_at(memtable, hash)));

	if (node)
		fetch_ahead(node, EXPECTED_BYTES);
}

const struct memtable_entry *memtable_find(const struct memtable *memtable,
					   struct view key, uint64_t revision)
{
	uint32_t head = load(chain_of(memtable, key));
	const struct node *node = chain_find(memtable, head, key);

	if (!node && chain_length(head) == MEMTABLE_CHAIN_MAX) {
		node = walk(memtable, key, false, NULL);
		if (node && !view_equal(node_key(node), key))
			node = NULL;
	}
	return memtable_not_newer(memtable, newest_of(memtable, node),
				  revision);
}

const struct memtable_entry *memtable_seek(const struct memtable *memtable,
					   struct view key, bool past)
{
	return newest_of(memtable, walk(memtable, key, past, NULL));
}

const struct memtable_entry *memtable_next(const struct memtable *memtable,
					   const struct memtable_entry *entry)
{
	const struct node *node = node_of(entry);

	return newest_of(memtable, at(memtable, load(&node->next[0])));
}

const struct memtable_entry *
memtable_not_newer(const struct memtable *memtable,
		   const struct memtable_entry *entry, uint64_t revision)
{
	while (entry && entry->revision > revision)
		entry = at(memtable, load(&entry->older));
	return entry;
}

struct view memtable_key(const struct memtable_entry *entry)
{
	return node_key(node_of(entry));
}
