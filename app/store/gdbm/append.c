/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal's end.  Everything here that changes happens under the journal
 * lock, in an order that lets the next holder complete it when this one is
 * killed anywhere:
 *
 *   frame written at the tail     dead here: nobody knows of it, and the
 *                                 next frame takes its place
 *   tail moved                    dead here: the next holder indexes what
 *                                 lies between `indexed` and the tail
 *   memtable, `indexed`, revision
 *
 * and for the next segment: file made; `end` written and synced; place of the
 * ring prepared; `segment` moved.  Dead before the last step, the old segment
 * is still the one being written, and the next frame takes the place of the
 * `end`.
 *
 * The end of each segment is kept for commits without a put, so that keys can
 * be deleted when the disk has no room for another segment.
 */
#include <assert.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/engine.h"

/* What a commit needs of the journal and of the memtable. */
struct need {
	uint64_t frame_size;
	size_t entries;
	size_t key_bytes;
	bool puts;
};

enum err append_index(struct shared *shared, uint64_t number,
		      const struct journal_frame *frame, struct view body)
{
	struct memtable *memtable = shared_memtable(shared, number);
	struct segment *segment = shared_segment(shared, number);
	uint64_t at = frame->position + JOURNAL_FRAME_HEAD_SIZE;
	struct journal_op op;

	for (uint32_t i = 0; i < frame->op_count; i++) {
		struct memtable_entry entry = { .revision = frame->revision };
		enum err err = journal_next_op(&body, &at, &op);

		if (err)
			return err;
		entry.position = (uint32_t)op.position;
		entry.record_size = (uint32_t)op.record.size;
		entry.verb = (uint8_t)op.verb;
		if (op.verb == STORE_PUT)
			entry.expires_ms = record_peek_expiry(op.record);
		marks_raise(shared->marks, op.key, frame->revision);
		err = memtable_add(memtable, op.key, &entry);
		if (err)
			return err;
		shared_note_expiry(segment, entry.expires_ms);
	}
	return ERR_OK;
}

/*
 * Index the frames that a dead holder wrote and did not index.  Whoever takes
 * the lock next begins again where this ended for lack of memory.
 */
static enum err repair_locked(struct gdbm_store *g)
{
	uint64_t number = atomic_load(&g->shared->segment);
	struct segment *segment = shared_segment(g->shared, number);
	uint64_t tail = atomic_load(&segment->tail);
	struct journal_reader reader = { 0 };
	const struct segment_file *file;
	enum err err = engine_segment_file(g, number, &file);

	if (!err)
		err = journal_reader_init(&reader, file->fd, file->name,
					  &segment->head);
	while (!err && atomic_load(&segment->indexed) < tail) {
		struct journal_frame frame;
		struct view body;
		bool valid;

		err = journal_read_frame(&reader,
					 atomic_load(&segment->indexed), &frame,
					 &body, &valid);
		if (!err && !valid)
			err = ERR_DAMAGED;
		if (!err)
			err = append_index(g->shared, number, &frame, body);
		if (err)
			break;
		atomic_store(&segment->indexed, frame.end);
		atomic_store(&g->shared->revision, frame.revision);
	}
	journal_reader_release(&reader);
	if (err && err != ERR_NO_MEMORY) {
		char name[JOURNAL_NAME_SIZE];

		journal_name(number, name);
		atomic_store(&g->shared->stopped, true);
		log_event(LOG_ERROR, "store-stopped", "file", name, "reason",
			  err_string(err), NULL);
	}
	return err;
}

/*
 * What is not indexed is looked at whether the last holder is known to have
 * died or not: one who died on the way to a repair may have been told.
 */
enum err append_take(struct gdbm_store *g, const struct timespec *deadline)
{
	struct shared *shared = g->shared;
	struct segment *segment;
	bool died = false;
	enum err err = lock_take(&shared->journal, deadline, &died);

	if (err)
		return err;
	segment = shared_segment(shared, atomic_load(&shared->segment));
	if (atomic_load(&shared->stopped))
		err = ERR_STOPPED;
	else if (atomic_load(&segment->indexed) != atomic_load(&segment->tail))
		err = repair_locked(g);
	if (err)
		lock_release(&shared->journal);
	else
		atomic_store(&shared->suspect, false);
	return err;
}

enum err append_repair(struct gdbm_store *g, const struct timespec *deadline)
{
	enum err err = append_take(g, deadline);

	if (!err)
		lock_release(&g->shared->journal);
	return err;
}

static struct need need_of(const struct store_batch *batch,
			   const struct staged *staged)
{
	struct need need = { 0 };
	uint64_t body_size = 0;

	for (size_t i = 0; i < batch->op_count; i++) {
		const struct store_op *op = &batch->ops[i];
		struct record record = { .type = op->type, .value = op->value };

		if (!staged[i].write)
			continue;
		body_size += journal_op_size(
			op->key.size,
			op->verb == STORE_PUT ? record_size(&record) : 0);
		need.entries++;
		need.key_bytes += op->key.size;
		need.puts |= op->verb == STORE_PUT;
	}
	need.frame_size = journal_frame_size(body_size);
	return need;
}

/* Whether a segment with that tail can take it and still be sealed. */
static bool fits_segment(const struct need *need, uint64_t capacity,
			 uint64_t tail)
{
	uint64_t used = tail + JOURNAL_FRAME_HEAD_SIZE;
	uint64_t limit = need->puts ? ahead_limit(capacity) : capacity;

	return used + need->frame_size <= limit;
}

/* The one being written, and its index. */
static bool fits(struct gdbm_store *g, const struct need *need)
{
	uint64_t number = atomic_load(&g->shared->segment);
	const struct segment *segment = shared_segment(g->shared, number);

	return fits_segment(need, segment->head.capacity,
			    atomic_load(&segment->tail)) &&
	       memtable_has_room(shared_memtable(g->shared, number),
				 need->entries, need->key_bytes);
}

/* A whole one that is empty: what it can't take has no place at all. */
static bool fits_ever(struct gdbm_store *g, const struct need *need)
{
	uint64_t number = atomic_load(&g->shared->segment);

	return fits_segment(need, g->conf.journal_segment_bytes,
			    JOURNAL_HEAD_SIZE) &&
	       memtable_would_hold(shared_memtable(g->shared, number),
				   need->entries, need->key_bytes);
}

static enum err make_room(struct gdbm_store *g, const struct need *need)
{
	uint64_t least = ahead_capacity(need->frame_size);
	enum err err = need->puts ? reserve_have(g) : ERR_OK;

	if (err || fits(g, need))
		return err;
	if (!fits_ever(g, need))
		return need->entries > 1 ? ERR_BATCH_TOO_LARGE
					 : ERR_VALUE_TOO_LARGE;
	err = rotate_locked(g, least, !need->puts);
	if (err || fits(g, need))
		return err;
	return ERR_FULL;
}

/* The operations of a batch, as those of the next revision. */
static uint32_t build_ops(struct gdbm_store *g, const struct store_batch *batch)
{
	uint64_t revision = atomic_load(&g->shared->revision) + 1;
	uint32_t count = 0;

	journal_build_begin(&g->frame);
	for (size_t i = 0; i < batch->op_count; i++) {
		const struct store_op *op = &batch->ops[i];
		struct record record = { .revision = revision,
					 .modified_ms = batch->modified_ms,
					 .expires_ms = op->expires_ms,
					 .type = op->type,
					 .value = op->value };

		if (!g->staged[i].write)
			continue;
		journal_build_op(&g->frame, op->verb, op->key, &record);
		count++;
	}
	return count;
}

/*
 * Write the operations in g->frame under the next revision.  The order of the
 * last four steps is what the head of this file is about.
 */
static enum err write_frame(struct gdbm_store *g, uint32_t op_count, bool puts,
			    int64_t time_ms, uint64_t *revision)
{
	struct shared *shared = g->shared;
	uint64_t number = atomic_load(&shared->segment);
	struct segment *segment = shared_segment(shared, number);
	struct journal_frame frame = {
		.kind = JOURNAL_COMMIT,
		.op_count = op_count,
		.revision = atomic_load(&shared->revision) + 1,
		.durable = atomic_load(&shared->durable),
		.time_ms = time_ms,
		.position = atomic_load(&segment->tail),
	};
	const struct segment_file *file;
	struct view body;
	enum err err = engine_segment_file(g, number, &file);

	if (err)
		return err;
	journal_build_end(&g->frame, &segment->head, &frame);
	if (g->frame.err)
		return g->frame.err;
	frame.end = frame.position + g->frame.size;
	if (puts)
		err = ahead_write(segment, file->fd, file->name, &frame);
	if (!err)
		err = file_write_at(file->fd, file->name, g->frame.data,
				    g->frame.size, (int64_t)frame.position);
	if (err)
		return err;
	atomic_store(&segment->tail, frame.end);
	body = (struct view){ g->frame.data + JOURNAL_FRAME_HEAD_SIZE,
			      g->frame.size - JOURNAL_FRAME_HEAD_SIZE };
	err = append_index(shared, number, &frame, body);
	assert(!err); /* make_room() saw to it */
	atomic_store(&segment->indexed, frame.end);
	atomic_store(&shared->revision, frame.revision);
	*revision = frame.revision;
	shared_count(&shared->counters.commits, 1);
	return ERR_OK;
}

enum err append_frame(struct gdbm_store *g, struct store_batch *batch,
		      const struct timespec *deadline)
{
	struct need need = need_of(batch, g->staged);
	enum err err = append_take(g, deadline);

	if (err)
		return err;
	err = make_room(g, &need);
	if (!err)
		err = write_frame(g, build_ops(g, batch), need.puts,
				  batch->modified_ms, &batch->revision);
	lock_release(&g->shared->journal);
	return err;
}

enum err append_deletes(struct gdbm_store *g, uint32_t count, size_t key_bytes,
			const struct timespec *deadline, uint64_t *revision)
{
	struct need need = { .frame_size = g->frame.size,
			     .entries = count,
			     .key_bytes = key_bytes };
	enum err err = append_take(g, deadline);

	if (err)
		return err;
	err = make_room(g, &need);
	if (!err)
		err = write_frame(g, count, false, engine_wall_ms(g), revision);
	lock_release(&g->shared->journal);
	return err;
}
