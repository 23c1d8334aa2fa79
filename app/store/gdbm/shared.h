/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the processes of one store share: an anonymous shared mapping, made by
 * the supervisor before it forks, so every child has it at the same address
 * and none can outlive or misname it.  (Not /dev/shm, which has 64 MB in a
 * container.)  It is reserved in full and takes memory only as it is used.
 *
 *   struct shared | struct segment × ring | memtable arena × ring
 *
 * Segment number n of the journal uses place n % ring.  The live segments are
 * `oldest` to `segment`; the last is being written, the others are sealed.
 *
 * HOW READERS GO WITHOUT LOCKS.  A reader writes the version of the MANIFEST
 * that it goes by into its slot (pin), looks whether that still is the
 * version, and from then on everything that this MANIFEST names stays:
 * tables, segments from its first_segment on, and their memtables.  Whoever
 * replaces the MANIFEST takes away what only older versions name, but not
 * before every slot is empty or has the new version.
 */
#ifndef STORE_GDBM_SHARED_H
#define STORE_GDBM_SHARED_H

#include <stdatomic.h>

#include "store/gdbm/journal.h"
#include "store/gdbm/lock.h"
#include "store/gdbm/memtable.h"
#include "store/gdbm/turn.h"
#include "store/store.h"
#include "store/wake.h"

#define SHARED_STRIPES  256
#define SHARED_RING_MAX 256

/* One segment of the journal, while its memtable is held. */
struct segment {
	struct journal_head head;
	_Atomic uint64_t tail; /* end of what is written; next frame's place */
	_Atomic uint64_t indexed; /* end of what is in the memtable */
	_Atomic int64_t soonest; /* least expiry not yet looked at, INT64_MAX */
	uint64_t zeroed; /* end of zeros written; under the journal lock */
	uint64_t synced; /* end of what is on disk; under the sync lock */
};

/* What store_stats() counts; nothing else rests on it. */
struct shared_counters {
	_Atomic uint64_t commits;
	_Atomic uint64_t expired;
	_Atomic uint64_t cache_hits;
	_Atomic uint64_t cache_misses;
	_Atomic uint64_t syncs;
	_Atomic uint64_t sync_us;
	_Atomic uint64_t sync_counts[STORE_SYNC_BUCKETS];
	_Atomic uint64_t batched;
	_Atomic uint64_t batch_counts[STORE_BATCH_BUCKETS];
	_Atomic uint64_t checkpoints;
	_Atomic uint64_t checkpoint_us;
	_Atomic uint64_t checkpoint_failures;
};

struct shared {
	size_t size; /* of the whole mapping */
	size_t arena_size;
	uint64_t ring;
	struct marks *marks; /* of store_conf */

	struct lock stripes[SHARED_STRIPES]; /* by hash of the key */
	struct lock journal; /* appending, and moving to the next segment */
	struct lock sync;    /* who syncs for all */
	struct turn syncs;   /* end when that lock is free again */

	_Atomic uint64_t oldest;   /* segment; those before are let go */
	_Atomic uint64_t segment;  /* being written */
	_Atomic uint64_t revision; /* newest that is written and indexed */
	_Atomic uint64_t syncing;  /* newest that the last sync is for */
	_Atomic uint64_t durable;  /* newest that is on disk */
	_Atomic uint64_t version;  /* of the MANIFEST */
	_Atomic bool in_doubt; /* the one on disk is or may become another */
	_Atomic bool stopped;  /* a sync failed; no writes any more */
	_Atomic bool suspect;  /* a stripe's holder died; see commit.c */
	_Atomic bool full;     /* the last try for room met ERR_FULL */
	_Atomic bool merging;  /* a checkpoint is under way */
	uint64_t reserved;     /* bytes held, 0 none; under the journal lock */
	_Atomic uint64_t rewrite_bytes; /* see reserve.c */

	/* History is segments `history` to `oldest` - 1; see retain.c. */
	_Atomic uint64_t history;
	_Atomic uint64_t history_since; /* revision before its first */
	_Atomic uint64_t history_bytes;
	struct wake wake; /* of who waits for changes */

	_Atomic uint64_t keys;
	_Atomic uint64_t tables;
	_Atomic uint64_t table_bytes;
	struct shared_counters counters;

	/* MANIFEST versions that processes read by, 0 none; the last slot is
	 * the opener's own. */
	_Atomic uint64_t slots[STORE_SLOTS_MAX + 1];

	struct segment segments[];
};

/* ERR_NO_MEMORY, ERR_SYSTEM; logged. */
enum err shared_new(uint64_t ring, size_t arena_size, struct shared **out);
void shared_free(struct shared *shared);

struct segment *shared_segment(struct shared *shared, uint64_t number);
struct memtable *shared_memtable(struct shared *shared, uint64_t number);

/*
 * Take the place of a segment that is not live yet and was never live, or has
 * been dropped: all is empty.
 */
void shared_segment_init(struct shared *shared,
			 const struct journal_head *head);

/*
 * How many sealed segments wait for a checkpoint; whether that is half of what
 * the ring has room for; whether it is all: then the next one has to wait.
 */
uint64_t shared_unmerged(const struct shared *shared);
bool shared_is_filling(const struct shared *shared);
bool shared_is_filled(const struct shared *shared);

/* A key of the segment expires then; 0 is never. */
void shared_note_expiry(struct segment *segment, int64_t expires_ms);

/* Give the arena's memory back; the segment must no longer be live. */
void shared_segment_drop(struct shared *shared, uint64_t number);

/* Whether no slot reads by a version before this one. */
bool shared_unpinned_before(struct shared *shared, uint64_t version);

/* Bytes written to the live segments `from` on; used by all their memtables. */
uint64_t shared_journal_bytes(struct shared *shared, uint64_t from);
uint64_t shared_memtable_bytes(struct shared *shared);

static inline void shared_count(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

#endif
