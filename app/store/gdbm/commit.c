/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A write: lock the stripes of its keys, test the conditions on the newest
 * records, durable or not, decide what each operation changes, and append
 * what does.  Writers of other keys go on meanwhile; two writers of one key
 * can't both see the same state.
 *
 * A stripe whose holder died may hide a frame that was written and not
 * indexed: the journal is repaired before anything is read.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "store/gdbm/engine.h"

#define STRIPE_WORDS (SHARED_STRIPES / 64)
#define RETRY_MS     2
#define SLOW_MS      1
#define KEEP_BYTES   (64 * 1024)

/* The stripes that a batch needs, one bit each. */
struct stripe_set {
	uint64_t words[STRIPE_WORDS];
};

static uint32_t key_hash(struct view key)
{
	return crc32c(0, key.data, key.size);
}

static void stripe_add(struct stripe_set *set, uint32_t hash)
{
	unsigned stripe = hash % SHARED_STRIPES;

	set->words[stripe / 64] |= UINT64_C(1) << stripe % 64;
}

static bool stripe_has(const struct stripe_set *set, int stripe)
{
	return set->words[stripe / 64] >> stripe % 64 & 1;
}

static void stripes_release(struct gdbm_store *g, const struct stripe_set *set,
			    int end)
{
	for (int i = 0; i < end; i++) {
		if (stripe_has(set, i))
			lock_release(&g->shared->stripes[i]);
	}
}

static enum err stripes_take(struct gdbm_store *g, const struct stripe_set *set,
			     const struct timespec *deadline)
{
	bool died = false;
	enum err err;

	for (int i = 0; i < SHARED_STRIPES; i++) {
		if (!stripe_has(set, i))
			continue;
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

/* What a commit goes by. */
struct commit {
	struct gdbm_store *g;
	struct store_batch *batch;
	int64_t now_ms;
	uint64_t seen; /* newest revision that a decision rests on */
};

static enum err look(struct commit *c, struct view key, struct newest *newest)
{
	enum err err = read_newest(c->g, key, newest);

	if (!err && newest->revision > c->seen)
		c->seen = newest->revision;
	return err;
}

static bool live(const struct commit *c, const struct newest *newest)
{
	return newest->put &&
	       (newest->expires_ms == 0 || newest->expires_ms > c->now_ms);
}

static enum err test_conditions(struct commit *c)
{
	bool all = true;

	for (size_t i = 0; i < c->batch->condition_count; i++) {
		struct store_condition *condition = &c->batch->conditions[i];
		struct newest newest;
		enum err err = look(c, condition->key, &newest);

		if (err)
			return err;
		condition->current = live(c, &newest) ? newest.revision : 0;
		condition->holds = store_condition_holds(condition);
		all = all && condition->holds;
	}
	return all ? ERR_OK : ERR_CONDITION;
}

static bool same_key(const struct commit *c, size_t a, size_t b)
{
	return c->g->staged[a].hash == c->g->staged[b].hash &&
	       view_equal(c->batch->ops[a].key, c->batch->ops[b].key);
}

/* The last operation before i on the same key, or -1. */
static long previous_op(const struct commit *c, size_t i)
{
	for (size_t j = i; j-- > 0;) {
		if (same_key(c, i, j))
			return (long)j;
	}
	return -1;
}

/*
 * Decide what operation i changes.  One that follows another on its key takes
 * its place in the frame: a commit changes a key once.
 */
static enum err stage(struct commit *c, size_t i)
{
	struct store_op *op = &c->batch->ops[i];
	struct staged *staged = c->g->staged;
	long previous = previous_op(c, i);
	struct newest before;
	enum err err = look(c, op->key, &before);

	if (err)
		return err;
	op->existed = previous < 0 ? live(c, &before) : staged[previous].live;
	staged[i].live = op->verb == STORE_PUT ||
			 (op->verb == STORE_EXPIRE && op->existed);
	staged[i].write =
		op->verb == STORE_PUT ||
		(op->verb == STORE_DELETE && op->existed) ||
		(op->verb == STORE_EXPIRE && before.put && !op->existed);
	if (previous >= 0 && staged[previous].write) {
		staged[previous].write = false;
		staged[i].write = true;
	}
	return ERR_OK;
}

static enum err stage_all(struct commit *c, bool *any)
{
	*any = false;
	for (size_t i = 0; i < c->batch->op_count; i++) {
		enum err err = stage(c, i);

		if (err)
			return err;
	}
	for (size_t i = 0; i < c->batch->op_count; i++)
		*any = *any || c->g->staged[i].write;
	return ERR_OK;
}

static enum err decide(struct commit *c, bool *any)
{
	uint64_t durable;
	enum err err = read_begin(c->g, &durable);

	if (err)
		return err;
	err = test_conditions(c);
	if (!err)
		err = stage_all(c, any);
	read_end(c->g);
	return err;
}

static enum err staged_reserve(struct gdbm_store *g, size_t count)
{
	struct staged *more;

	if (count <= g->staged_capacity)
		return ERR_OK;
	more = realloc(g->staged, count * sizeof(*more));
	if (!more)
		return ERR_NO_MEMORY;
	g->staged = more;
	g->staged_capacity = count;
	return ERR_OK;
}

static struct stripe_set stripes_of(struct gdbm_store *g,
				    const struct store_batch *batch)
{
	struct stripe_set set = { 0 };

	for (size_t i = 0; i < batch->condition_count; i++)
		stripe_add(&set, key_hash(batch->conditions[i].key));
	for (size_t i = 0; i < batch->op_count; i++) {
		g->staged[i].hash = key_hash(batch->ops[i].key);
		stripe_add(&set, g->staged[i].hash);
	}
	return set;
}

static enum err commit_try(struct gdbm_store *g, struct store_batch *batch,
			   const struct stripe_set *stripes,
			   const struct timespec *deadline, uint64_t *ticket)
{
	struct commit c = { .g = g, .batch = batch };
	bool any = false;
	enum err err = stripes_take(g, stripes, deadline);

	if (err)
		return err;
	c.now_ms = engine_wall_ms(g);
	batch->modified_ms = c.now_ms;
	batch->revision = 0;
	err = decide(&c, &any);
	*ticket = c.seen;
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

/* A process that has the store for itself alone has no housekeeper. */
static void wait_for_room(struct gdbm_store *g)
{
	if (g->slot != STORE_SLOTS_MAX || checkpoint_run(g))
		clock_sleep_ms(RETRY_MS);
}

static bool passed(const struct timespec *deadline)
{
	struct timespec now = clock_deadline(0);

	return now.tv_sec > deadline->tv_sec ||
	       (now.tv_sec == deadline->tv_sec &&
		now.tv_nsec >= deadline->tv_nsec);
}

enum err commit_apply(struct store *store, struct store_batch *batch,
		      uint64_t *ticket)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	struct timespec deadline = engine_lock_deadline(g);
	struct stripe_set stripes;
	enum err err = staged_reserve(g, batch->op_count);

	*ticket = 0;
	if (err)
		return err;
	stripes = stripes_of(g, batch);
	slow_down(g);
	for (;;) {
		err = commit_try(g, batch, &stripes, &deadline, ticket);
		if (err != ERR_BUSY || passed(&deadline))
			break;
		wait_for_room(g);
	}
	buf_trim(&g->current, KEEP_BYTES);
	buf_trim(&g->frame, KEEP_BYTES);
	return err;
}
