/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From one segment of the journal to the next, under the journal lock; the
 * head of append.c has what a death on the way leaves.
 *
 * A segment for puts is begun with what a checkpoint needs to merge it in
 * reserve (reserve.c).  Without room for a whole one, history goes; then it is
 * a part of one.  Without room for that either, puts are refused, but what was
 * written can still be sealed, and keys be deleted, by a small segment, for
 * which the reserve is given up.
 */
#include <fcntl.h>

#include "base/file.h"
#include "store/gdbm/engine.h"

#define SMALL_SEGMENT (64 * 1024)
#define PARTS         16

/* Write `end` at the tail; the tail stays (see append.c). */
static enum err write_end(struct gdbm_store *g, uint64_t number,
			  uint64_t revision)
{
	struct segment *segment = shared_segment(g->shared, number);
	struct journal_frame frame = {
		.kind = JOURNAL_END,
		.revision = revision,
		.durable = atomic_load(&g->shared->durable),
		.time_ms = engine_wall_ms(g),
		.position = atomic_load(&segment->tail),
	};
	struct buf bytes = BUF_EMPTY;
	const struct segment_file *file;
	enum err err;

	journal_build_begin(&bytes);
	journal_build_end(&bytes, &segment->head, &frame);
	err = bytes.err;
	if (!err)
		err = engine_segment_file(g, number, &file);
	if (!err)
		err = file_write_at(file->fd, file->name, bytes.data,
				    bytes.size, (int64_t)frame.position);
	buf_release(&bytes);
	return err;
}

/*
 * End the segment and sync it.  Whoever had the lock of the sync may have met
 * its failure: then no sync of ours says anything about what was written
 * before, however well it ends.
 */
static enum err seal_locked(struct gdbm_store *g, uint64_t number)
{
	struct timespec deadline = engine_lock_deadline(g);
	uint64_t revision = atomic_load(&g->shared->revision);
	bool died = false;
	enum err written, err = lock_take(&g->shared->sync, &deadline, &died);

	if (err)
		return err;
	if (atomic_load(&g->shared->stopped)) {
		sync_release(g->shared);
		return ERR_STOPPED;
	}
	written = write_end(g, number, revision);
	/* Of the doubt that a dead one leaves, only its heir is told. */
	if (!written || died)
		err = sync_segment(g, number, died);
	if (!err && !written)
		sync_publish(g, revision);
	sync_release(g->shared);
	return written ? written : err;
}

static enum err create_next(struct gdbm_store *g, uint64_t capacity,
			    struct journal_head *head, int *fd)
{
	return journal_create(g->dir, atomic_load(&g->shared->segment) + 1,
			      atomic_load(&g->shared->revision) + 1, capacity,
			      head, fd);
}

/* With what merging it will take; both or neither. */
static enum err create_covered(struct gdbm_store *g, uint64_t capacity,
			       struct journal_head *head, int *fd)
{
	uint64_t number = atomic_load(&g->shared->segment) + 1;
	enum err err = reserve_hold(g, number, capacity);

	if (err)
		return err;
	err = create_next(g, capacity, head, fd);
	if (err)
		reserve_refit(g);
	return err;
}

/* A segment that puts may go to, of `least` bytes. */
static enum err create_for_puts(struct gdbm_store *g, uint64_t least,
				struct journal_head *head, int *fd)
{
	uint64_t whole = g->conf.journal_segment_bytes;
	uint64_t part = whole / PARTS;
	enum err err = create_covered(g, whole, head, fd);

	if (part < SMALL_SEGMENT)
		part = SMALL_SEGMENT;
	if (err == ERR_FULL && retain_give_up(g))
		err = create_covered(g, whole, head, fd);
	if (err == ERR_FULL && part >= least && part < whole)
		err = create_covered(g, part, head, fd);
	return err;
}

static enum err create_small(struct gdbm_store *g, uint64_t least,
			     struct journal_head *head, int *fd)
{
	uint64_t size = least > SMALL_SEGMENT ? least : SMALL_SEGMENT;
	enum err err = create_covered(g, size, head, fd);

	if (err != ERR_FULL)
		return err;
	reserve_give_up(g);
	return create_next(g, size, head, fd);
}

enum err rotate_locked(struct gdbm_store *g, uint64_t least, bool small)
{
	struct shared *shared = g->shared;
	uint64_t number = atomic_load(&shared->segment);
	struct segment *segment = shared_segment(shared, number);
	bool empty = atomic_load(&segment->tail) == JOURNAL_HEAD_SIZE;
	uint64_t capacity = segment->head.capacity;
	uint64_t larger = capacity + 1 > least ? capacity + 1 : least;
	uint64_t whole = g->conf.journal_segment_bytes;
	struct journal_head head;
	int fd = -1;
	enum err err;

	if (empty && capacity >= whole)
		return ERR_OK;
	if (shared_is_filled(shared))
		return atomic_load(&shared->full) &&
				       !(small && atomic_load(&shared->merging))
			       ? ERR_FULL
			       : ERR_BUSY;
	journal_unmake(g->dir, number + 1);
	err = create_for_puts(g, empty ? larger : least, &head, &fd);
	atomic_store(&shared->full, err == ERR_FULL);
	if (err == ERR_FULL && small && (!empty || least > capacity))
		err = create_small(g, least, &head, &fd);
	if (!err)
		err = file_close(&fd, "journal");
	if (!err)
		err = seal_locked(g, number);
	if (err)
		return err;
	shared_segment_init(shared, &head);
	atomic_store(&shared->segment, number + 1);
	return ERR_OK;
}

enum err rotate_run(struct gdbm_store *g)
{
	struct timespec deadline = engine_lock_deadline(g);
	enum err err = append_take(g, &deadline);

	if (err)
		return err;
	err = rotate_locked(g, 0, true);
	lock_release(&g->shared->journal);
	return err;
}

void rotate_give_up_reserve(struct gdbm_store *g)
{
	struct timespec deadline = engine_lock_deadline(g);

	if (append_take(g, &deadline))
		return;
	reserve_give_up(g);
	lock_release(&g->shared->journal);
}

void rotate_refit_reserve(struct gdbm_store *g)
{
	struct timespec deadline = engine_lock_deadline(g);

	if (append_take(g, &deadline))
		return;
	atomic_store(&g->shared->full, reserve_refit(g) == ERR_FULL);
	lock_release(&g->shared->journal);
}
