/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Making commits durable.  One process syncs for all that is written.  The
 * others wait for the end of its turn, when it is for their ticket as well, or
 * of the next, which one of them is woken to begin (turn.h).  (Were they to
 * wait for the lock itself, each would wake up only to wake the next one, and a
 * sync begin with the few who got there: 4 commits a sync instead of 8, with 16
 * writers.)
 *
 * A sync that failed is never tried again: the kernel may have marked the
 * pages clean, so that a second one would succeed and mean nothing (Rebello
 * et al., "Can Applications Recover from fsync Failures?", ATC 2020).  The
 * store stops taking writes until a restart has read what is on disk.
 *
 * For the same reason a process that was killed between its sync and the
 * news of it leaves a doubt: had it failed?  Whoever gets the lock then
 * writes the unsynced bytes once more, from what it reads and has verified,
 * before it syncs; that makes the pages dirty again.
 *
 * Who lacks the memory or the descriptor to open the segment has not tried to
 * sync it: it stops nothing, unless it is the one who was told of such a doubt.
 */
#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/engine.h"

#define CHUNK_SIZE (1024 * 1024)

/* Every frame from `synced` to the tail is what was written there. */
static enum err verify_unsynced(int fd, const char *name,
				const struct segment *segment, uint64_t tail)
{
	struct journal_reader reader;
	struct journal_frame frame;
	struct view body;
	bool valid = true;
	uint64_t at = segment->synced;
	enum err err = journal_reader_init(&reader, fd, name, &segment->head);

	while (!err && valid && at < tail) {
		err = journal_read_frame(&reader, at, &frame, &body, &valid);
		at = frame.end;
	}
	journal_reader_release(&reader);
	return !err && !valid ? ERR_DAMAGED : err;
}

static enum err rewrite(int fd, const char *name, const struct segment *segment,
			uint64_t tail)
{
	struct buf chunk = BUF_EMPTY;
	uint64_t at = segment->synced;
	enum err err = verify_unsynced(fd, name, segment, tail);

	buf_reserve(&chunk, CHUNK_SIZE);
	if (!err)
		err = chunk.err;
	while (!err && at < tail) {
		size_t size = tail - at < CHUNK_SIZE ? tail - at : CHUNK_SIZE;

		err = file_read_at(fd, name, chunk.data, size, (int64_t)at);
		if (!err)
			err = file_write_at(fd, name, chunk.data, size,
					    (int64_t)at);
		at += size;
	}
	buf_release(&chunk);
	return err;
}

static void count_sync(struct shared_counters *counters, int64_t duration_us)
{
	uint64_t us = duration_us > 0 ? (uint64_t)duration_us : 0;

	shared_count(&counters->syncs, 1);
	shared_count(&counters->sync_us, us);
	shared_count(&counters->sync_counts[store_sync_bucket(us)], 1);
}

static void count_batch(struct shared_counters *counters, uint64_t commits)
{
	if (!commits)
		return;
	shared_count(&counters->batched, commits);
	shared_count(&counters->batch_counts[store_batch_bucket(commits)], 1);
}

void sync_publish(struct gdbm_store *g, uint64_t revision)
{
	uint64_t before = atomic_load(&g->shared->durable);

	count_batch(&g->shared->counters, revision - before);
	atomic_store(&g->shared->durable, revision);
	wake_ring(&g->shared->wake, g->changes.wake_fd);
}

/*
 * In the segment that is being written, or was just now.  *harmless: after the
 * failure things are as if nobody had wanted to sync.
 */
static enum err sync_file(struct gdbm_store *g, uint64_t number,
			  bool holder_died, uint64_t tail, bool *harmless)
{
	struct segment_file *file = &g->sync_file.segment;
	int64_t begun_us;
	enum err err = engine_open_segment(g, file, number);

	*harmless = err == ERR_NO_MEMORY && !holder_died;
	if (!err && holder_died)
		err = rewrite(file->fd, file->name,
			      shared_segment(g->shared, number), tail);
	begun_us = clock_monotonic_us();
	if (!err)
		err = file_sync_data(file->fd, file->name);
	if (!err)
		count_sync(&g->shared->counters,
			   clock_monotonic_us() - begun_us);
	if (number < atomic_load(&g->shared->segment))
		engine_close_segment(file);
	return err;
}

void sync_close_before(struct gdbm_store *g, uint64_t number)
{
	struct sync_file *file = &g->sync_file;

	if (pthread_mutex_trylock(&file->mutex))
		return;
	if (file->segment.number < number)
		engine_close_segment(&file->segment);
	pthread_mutex_unlock(&file->mutex);
}

enum err sync_segment(struct gdbm_store *g, uint64_t number, bool holder_died)
{
	struct segment *segment = shared_segment(g->shared, number);
	uint64_t tail = atomic_load(&segment->tail);
	char name[JOURNAL_NAME_SIZE];
	bool harmless;
	enum err err;

	pthread_mutex_lock(&g->sync_file.mutex);
	err = sync_file(g, number, holder_died, tail, &harmless);
	pthread_mutex_unlock(&g->sync_file.mutex);
	if (err && harmless)
		return err;
	if (err) {
		journal_name(number, name);
		atomic_store(&g->shared->stopped, true);
		log_event(LOG_ERROR, "store-stopped", "file", name, "reason",
			  err_string(err), "detail",
			  "no writes are taken until librapi is restarted",
			  NULL);
		return err;
	}
	segment->synced = tail;
	return ERR_OK;
}

static enum err sync_locked(struct gdbm_store *g, bool holder_died)
{
	struct shared *shared = g->shared;
	/* In this order: whatever has a revision up to this one is in the
	 * segment loaded after it, or in one that was synced when sealed. */
	uint64_t revision = atomic_load(&shared->revision);
	uint64_t number = atomic_load(&shared->segment);
	enum err err;

	if (atomic_load(&shared->stopped))
		return ERR_STOPPED;
	/* Who sees which revision it is for sees its number as well. */
	turn_begin(&shared->syncs);
	atomic_store(&shared->syncing, revision);
	err = sync_segment(g, number, holder_died);
	if (!err)
		sync_publish(g, revision);
	return err;
}

void sync_release(struct shared *shared)
{
	uint32_t number = turn_begun(&shared->syncs);

	lock_release(&shared->sync);
	turn_end(&shared->syncs, number);
}

/*
 * Sync for all, if nobody does.  *ours is false when somebody did: what that
 * one began may or may not cover the ticket.
 */
static enum err try_to_lead(struct gdbm_store *g, uint64_t ticket, bool *ours)
{
	struct shared *shared = g->shared;
	bool holder_died = false;
	enum err err = lock_try(&shared->sync, &holder_died);

	*ours = err != ERR_BUSY;
	if (err)
		return *ours ? err : ERR_OK;
	if (holder_died || atomic_load(&shared->durable) < ticket)
		err = sync_locked(g, holder_died);
	sync_release(shared);
	return err;
}

/* The sync that is to be waited for; what it is for before its number. */
static uint32_t turn_for(const struct shared *shared, uint64_t ticket)
{
	bool next = atomic_load(&shared->syncing) < ticket;

	return turn_begun(&shared->syncs) + next;
}

/* Until the ticket is durable, or the caller's own sync has ended. */
static enum err wait_or_lead(struct gdbm_store *g, uint64_t ticket)
{
	struct timespec deadline = engine_lock_deadline(g);
	struct shared *shared = g->shared;
	uint32_t number = turn_begun(&shared->syncs);
	bool ours = false;
	enum err err;

	for (;;) {
		uint32_t now = turn_now(&shared->syncs);

		err = ERR_OK;
		if (atomic_load(&shared->durable) >= ticket)
			break;
		err = try_to_lead(g, ticket, &ours);
		if (ours)
			return err;
		err = ERR_BUSY;
		if (clock_passed(&deadline))
			break;
		number = turn_for(shared, ticket);
		turn_wait(&shared->syncs, now, number);
	}
	turn_leave(&shared->syncs, number);
	return err;
}

enum err sync_ticket(struct store *store, uint64_t ticket)
{
	struct gdbm_store *g = (struct gdbm_store *)store;

	if (atomic_load(&g->shared->durable) >= ticket)
		return ERR_OK;
	return wait_or_lead(g, ticket);
}
