/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A write: lock the stripes of its keys, decide what it changes (decide.c),
 * and append that.  Writers of other keys go on meanwhile; two writers of one
 * key can't both see the same state.  What only reads needs no lock: it looks
 * at the newest durable revision, as any reader does.
 *
 * A stripe whose holder died may hide a frame that was written and not
 * indexed: the journal is repaired before anything is read.
 */
#include <string.h>

#include "base/clock.h"
#include "store/gdbm/engine.h"

#define STRIPE_WORDS (SHARED_STRIPES / 64)
#define RETRY_MS     2
#define SLOW_MS      1
#define KEEP_BYTES   (64 * 1024)

/* The stripes that a batch needs, one bit each. */
struct stripe_set {
	uint64_t words[STRIPE_WORDS];
};

static void stripe_add(struct stripe_set *set, uint32_t hash)
{
	unsigned stripe = hash % SHARED_STRIPES;

	set->words[stripe / 64] |= UINT64_C(1) << stripe % 64;
}

/* The first of them from `from` on, or SHARED_STRIPES. */
static unsigned stripe_from(const struct stripe_set *set, unsigned from)
{
	unsigned word = from / 64;
	uint64_t bits;

	if (from >= SHARED_STRIPES)
		return SHARED_STRIPES;
	bits = set->words[word] & UINT64_MAX << from % 64;
	while (!bits && ++word < STRIPE_WORDS)
		bits = set->words[word];
	return bits ? word * 64 + (unsigned)__builtin_ctzll(bits)
		    : SHARED_STRIPES;
}

/* Those before `end`. */
static void stripes_release(struct gdbm_store *g, const struct stripe_set *set,
			    unsigned end)
{
	for (unsigned i = stripe_from(set, 0); i < end;
	     i = stripe_from(set, i + 1))
		lock_release(&g->shared->stripes[i]);
}

static enum err stripes_take(struct gdbm_store *g, const struct stripe_set *set,
			     const struct timespec *deadline)
{
	bool died = false;
	enum err err;

	for (unsigned i = stripe_from(set, 0); i < SHARED_STRIPES;
	     i = stripe_from(set, i + 1)) {
		err = lock_take(&g->shared->stripes[i], deadline, &died);
		if (died)
			atomic_store(&g->shared->suspect, true);
		if (err) {
			stripes_release(g, set, i);
			return err;
		}
	}
	if (!atomic_load(&g->shared->suspect))
		return ERR_OK;
	err = append_repair(g, deadline);
	if (err)
		stripes_release(g, set, SHARED_STRIPES);
	return err;
}

static struct stripe_set stripes_of(const struct gdbm_store *g,
				    const struct store_batch *batch)
{
	struct stripe_set set = { 0 };

	for (size_t i = 0; i < batch->condition_count; i++)
		stripe_add(&set, decide_hash(batch->conditions[i].key));
	for (size_t i = 0; i < batch->op_count; i++)
		stripe_add(&set, g->staged[i].hash);
	return set;
}

static enum err commit_try(struct gdbm_store *g, struct store_batch *batch,
			   const struct stripe_set *stripes,
			   const struct timespec *deadline, uint64_t *ticket)
{
	bool any = false;
	enum err err = stripes_take(g, stripes, deadline);

	if (err)
		return err;
	batch->modified_ms = engine_wall_ms(g);
	batch->revision = 0;
	err = decide_run(g, batch, false, ticket, &any);
	if (!err && any)
		err = append_frame(g, batch, deadline);
	if (batch->revision)
		*ticket = batch->revision;
	stripes_release(g, stripes, SHARED_STRIPES);
	return err;
}

/* Let the housekeeper catch up before there is no room at all. */
static void slow_down(struct gdbm_store *g)
{
	uint64_t live_segments = atomic_load(&g->shared->segment) + 1 -
				 atomic_load(&g->shared->oldest);

	if (live_segments * 4 > g->shared->ring * 3)
		clock_sleep_ms(SLOW_MS);
}

/*
 * A process that has the store for itself alone has no housekeeper: it makes
 * the room.  That may take longer than its time, so callers try once more
 * after the wait that the time ended in.
 */
static void wait_for_room(struct gdbm_store *g)
{
	if (g->slot != STORE_SLOTS_MAX || checkpoint_run(g))
		clock_sleep_ms(RETRY_MS);
}

static enum err commit_write(struct gdbm_store *g, struct store_batch *batch,
			     uint64_t *ticket)
{
	struct timespec deadline = engine_lock_deadline(g);
	struct stripe_set stripes = stripes_of(g, batch);
	bool last = false;
	enum err err;

	slow_down(g);
	for (;;) {
		err = commit_try(g, batch, &stripes, &deadline, ticket);
		if (err != ERR_BUSY || last)
			return err;
		last = clock_passed(&deadline);
		wait_for_room(g);
	}
}

static enum err commit_read(struct gdbm_store *g, struct store_batch *batch,
			    uint64_t *ticket)
{
	bool any;

	batch->modified_ms = engine_wall_ms(g);
	return decide_run(g, batch, true, ticket, &any);
}

enum err commit_apply(struct store *store, struct store_batch *batch,
		      uint64_t *ticket)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	enum err err = decide_begin(g, batch);

	*ticket = 0;
	if (err)
		return err;
	err = store_only_reads(batch) ? commit_read(g, batch, ticket)
				      : commit_write(g, batch, ticket);
	if (!batch->revision)
		batch->modified_ms = 0;
	buf_trim(&g->current, KEEP_BYTES);
	buf_trim(&g->frame, KEEP_BYTES);
	return err;
}

/* The deletes of a prefix, built in g->frame as the keys come. */
struct deletion {
	struct gdbm_store *g;
	uint32_t count;
	size_t key_bytes;
	bool too_large;
};

static bool add_delete(void *arg, struct view key, const struct record *record)
{
	struct deletion *d = arg;
	struct buf *frame = &d->g->frame;

	(void)record;
	d->too_large = d->count == JOURNAL_OPS_MAX ||
		       frame->size + journal_op_size(key.size, 0) >
			       d->g->conf.journal_segment_bytes;
	if (d->too_large)
		return false;
	journal_build_op(frame, STORE_DELETE, key, NULL);
	d->count++;
	d->key_bytes += key.size;
	return !frame->err;
}

static enum err collect(struct deletion *d, struct view prefix)
{
	const struct store_range range = { .prefix = prefix };
	uint64_t durable;
	enum err err = read_begin(d->g, &durable);

	if (err)
		return err;
	journal_build_begin(&d->g->frame);
	err = list_walk(d->g, &range, UINT64_MAX, true, add_delete, d);
	read_end(d->g);
	if (!err)
		err = d->g->frame.err;
	return !err && d->too_large ? ERR_BATCH_TOO_LARGE : err;
}

/* With all stripes, nothing is written while the keys are collected. */
static enum err delete_try(struct gdbm_store *g, struct view prefix,
			   const struct timespec *deadline, uint64_t *deleted,
			   uint64_t *revision, uint64_t *ticket)
{
	struct stripe_set all;
	struct deletion d = { .g = g };
	enum err err;

	memset(&all, 0xff, sizeof(all));
	err = stripes_take(g, &all, deadline);
	if (err)
		return err;
	*ticket = atomic_load(&g->shared->revision);
	err = collect(&d, prefix);
	if (!err && d.count > 0)
		err = append_deletes(g, d.count, d.key_bytes, deadline,
				     revision);
	if (*revision) {
		*ticket = *revision;
		*deleted = d.count;
	}
	stripes_release(g, &all, SHARED_STRIPES);
	return err;
}

enum err commit_delete_prefix(struct store *store, struct view prefix,
			      uint64_t *deleted, uint64_t *revision,
			      uint64_t *ticket)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	struct timespec deadline = engine_lock_deadline(g);
	bool last = false;
	enum err err;

	slow_down(g);
	for (;;) {
		err = delete_try(g, prefix, &deadline, deleted, revision,
				 ticket);
		if (err != ERR_BUSY || last)
			break;
		last = clock_passed(&deadline);
		wait_for_room(g);
	}
	buf_trim(&g->frame, KEEP_BYTES);
	return err;
}
