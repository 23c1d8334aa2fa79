/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The mapping that all processes of a store share; see shared.h. */
#include "store/gdbm/shared.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/log.h"

#define PAGE_SIZE ((size_t)4096)

static size_t page_aligned(size_t size)
{
	return (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
}

static size_t arenas_at(uint64_t ring)
{
	return page_aligned(sizeof(struct shared) +
			    ring * sizeof(struct segment));
}

static void *arena_of(struct shared *shared, uint64_t number)
{
	return (char *)shared + arenas_at(shared->ring) +
	       number % shared->ring * shared->arena_size;
}

static enum err init_locks(struct shared *shared)
{
	enum err err = lock_init(&shared->journal);

	if (!err)
		err = lock_init(&shared->sync);
	for (int i = 0; !err && i < SHARED_STRIPES; i++)
		err = lock_init(&shared->stripes[i]);
	return err;
}

enum err shared_new(uint64_t ring, size_t arena_size, struct shared **out)
{
	size_t arena = page_aligned(arena_size);
	size_t size = arenas_at(ring) + ring * arena;
	struct shared *shared =
		mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	enum err err;

	*out = NULL;
	if (shared == MAP_FAILED)
		return log_errno("map-failed", "shared memory", errno);
	shared->size = size;
	shared->arena_size = arena;
	shared->ring = ring;
	err = init_locks(shared);
	if (err) {
		shared_free(shared);
		return err;
	}
	*out = shared;
	return ERR_OK;
}

void shared_free(struct shared *shared)
{
	if (shared)
		munmap(shared, shared->size);
}

struct segment *shared_segment(struct shared *shared, uint64_t number)
{
	return &shared->segments[number % shared->ring];
}

struct memtable *shared_memtable(struct shared *shared, uint64_t number)
{
	return arena_of(shared, number);
}

void shared_segment_init(struct shared *shared, const struct journal_head *head)
{
	struct segment *segment = shared_segment(shared, head->number);

	segment->head = *head;
	segment->zeroed = JOURNAL_HEAD_SIZE;
	segment->synced = JOURNAL_HEAD_SIZE;
	atomic_store(&segment->tail, JOURNAL_HEAD_SIZE);
	atomic_store(&segment->indexed, JOURNAL_HEAD_SIZE);
	atomic_store(&segment->soonest, INT64_MAX);
	memtable_init(arena_of(shared, head->number), shared->arena_size);
}

uint64_t shared_unmerged(const struct shared *shared)
{
	uint64_t oldest = atomic_load(&shared->oldest);

	return atomic_load(&shared->segment) - oldest;
}

bool shared_is_filling(const struct shared *shared)
{
	return shared_unmerged(shared) * 2 >= shared->ring;
}

bool shared_is_filled(const struct shared *shared)
{
	return shared_unmerged(shared) + 1 >= shared->ring;
}

void shared_note_expiry(struct segment *segment, int64_t expires_ms)
{
	int64_t soonest = atomic_load(&segment->soonest);

	while (expires_ms != 0 && expires_ms < soonest &&
	       !atomic_compare_exchange_weak(&segment->soonest, &soonest,
					     expires_ms))
		;
}

void shared_segment_drop(struct shared *shared, uint64_t number)
{
	void *arena = arena_of(shared, number);

	if (!madvise(arena, shared->arena_size, MADV_REMOVE))
		return;
	log_errno("madvise-failed", "memtable", errno);
	memtable_clear(arena);
}

bool shared_unpinned_before(struct shared *shared, uint64_t version)
{
	for (int i = 0; i <= STORE_SLOTS_MAX; i++) {
		uint64_t pinned = atomic_load(&shared->slots[i]);

		if (pinned != 0 && pinned < version)
			return false;
	}
	return true;
}

uint64_t shared_journal_bytes(struct shared *shared, uint64_t from)
{
	uint64_t last = atomic_load(&shared->segment);
	uint64_t oldest = atomic_load(&shared->oldest);
	uint64_t bytes = 0;

	for (uint64_t n = from > oldest ? from : oldest; n <= last; n++)
		bytes += atomic_load(&shared_segment(shared, n)->tail) -
			 JOURNAL_HEAD_SIZE;
	return bytes;
}

uint64_t shared_memtable_bytes(struct shared *shared)
{
	uint64_t last = atomic_load(&shared->segment);
	uint64_t bytes = 0;

	for (uint64_t n = atomic_load(&shared->oldest); n <= last; n++)
		bytes += atomic_load(&shared_memtable(shared, n)->used);
	return bytes;
}
