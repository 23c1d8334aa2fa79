/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When the housekeeper makes a checkpoint: when there is enough journal to be
 * worth it, when nothing was written for a while, before the disk is full, and
 * when it is: then deletes wait to be merged, and puts for their room.
 */
#include "base/clock.h"
#include "store/gdbm/engine.h"

#define TURN_MS        50
#define RETRY_AFTER_MS 1000

/* Bytes of journal from which on a checkpoint is worth its work. */
static uint64_t due_bytes(const struct gdbm_store *g)
{
	uint64_t due = atomic_load(&g->shared->table_bytes) / 8;

	if (due < g->conf.journal_segment_bytes)
		due = g->conf.journal_segment_bytes;
	if (due > g->conf.journal_max_bytes / 2)
		due = g->conf.journal_max_bytes / 2;
	return due;
}

/*
 * What is merged may stay for as long as a reader goes by it (sweep.c), but
 * there is nothing more to be done about it.
 */
static uint64_t unmerged_bytes(const struct gdbm_store *g)
{
	return shared_journal_bytes(g->shared, g->manifest.first_segment);
}

static bool has_unmerged(const struct gdbm_store *g)
{
	return atomic_load(&g->shared->segment) > g->manifest.first_segment;
}

static bool due_by_size(struct gdbm_store *g)
{
	return has_unmerged(g) && (unmerged_bytes(g) >= due_bytes(g) ||
				   shared_is_filling(g->shared));
}

/* Before the disk is full, and deletes have to wait for their room. */
static bool due_by_room(struct gdbm_store *g, int64_t now_ms)
{
	struct housekeeping *h = &g->housekeeping;

	if (!has_unmerged(g) || now_ms < h->room_ms)
		return false;
	h->room_ms = now_ms + RETRY_AFTER_MS;
	return reserve_is_short(g);
}

/* True once when nothing has been written for checkpoint_idle_ms. */
static bool due_by_idleness(struct gdbm_store *g, int64_t now_ms)
{
	struct housekeeping *h = &g->housekeeping;
	uint64_t revision = atomic_load(&g->shared->revision);

	if (revision != h->seen_revision) {
		h->seen_revision = revision;
		h->seen_ms = now_ms;
	}
	return unmerged_bytes(g) > 0 &&
	       now_ms - h->seen_ms >= (int64_t)g->conf.checkpoint_idle_ms;
}

/* What the last housekeeper may have left. */
static enum err take_over(struct gdbm_store *g)
{
	/* One that was killed may have been in the middle of it. */
	atomic_store(&g->shared->merging, false);
	expiry_resume(g);
	return checkpoint_resume(g);
}

/*
 * *did says whether there was a checkpoint to be made.  That expiry failed
 * keeps nobody from it: what it lacks may be just the room that this makes.
 */
static enum err turn(struct gdbm_store *g, bool *did)
{
	struct housekeeping *h = &g->housekeeping;
	int64_t now_ms = clock_monotonic_ms();
	bool full = atomic_load(&g->shared->full) && unmerged_bytes(g) > 0;
	bool idle = due_by_idleness(g, now_ms) || full;
	enum err rotated = ERR_OK;
	enum err expired = ERR_OK;
	enum err err = h->resumed ? ERR_OK : take_over(g);

	*did = true;
	if (err)
		return err;
	if (atomic_load(&g->shared->oldest) < g->manifest.first_segment)
		sweep_run(g);
	if (now_ms >= h->expiry_ms) {
		h->expiry_ms = now_ms + (int64_t)g->conf.expiry_interval_ms;
		expired = expiry_run(g);
	}
	*did = now_ms >= h->retry_ms &&
	       (idle || due_by_size(g) || due_by_room(g, now_ms));
	if (!*did)
		return expired;
	/* Without room for another segment, what is sealed is merged still. */
	if (idle)
		rotated = rotate_run(g);
	if (!rotated || rotated == ERR_BUSY || rotated == ERR_FULL)
		err = checkpoint_run(g);
	/* A full ring has room now: the next turn rotates. */
	if (!err && rotated != ERR_BUSY)
		err = rotated;
	if (err || full)
		h->retry_ms = now_ms + RETRY_AFTER_MS;
	return err ? err : expired;
}

enum err housekeep_run(struct store *store, long timeout_ms)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	bool did = false;
	enum err err;

	for (;;) {
		int64_t rest_ms;

		if (atomic_load(&g->shared->stopped)) {
			clock_sleep_ms(timeout_ms);
			return ERR_STOPPED;
		}
		err = turn(g, &did);
		rest_ms = deadline_ms - clock_monotonic_ms();
		if (err || did || rest_ms <= 0)
			return err;
		clock_sleep_ms(rest_ms < TURN_MS ? (long)rest_ms : TURN_MS);
	}
}
