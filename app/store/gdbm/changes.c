/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What was changed since a revision, read from the journal's segments, those
 * of history and the live ones alike, by descriptors of its own and without
 * any lock or pin: a segment that is removed meanwhile can still be read by
 * who has it open.
 *
 * Up to where may be read: in the segment being written up to its tail, in a
 * sealed one up to its `end` frame; and nothing that is not durable.
 *
 * Where each of the last calls stopped is remembered, so that going on costs
 * only what is new.  Another place is found by the heads of the segments, by
 * halves, and then frame by frame from the last mark before it: whoever walks
 * through a segment leaves one every 32 KiB, so that thousands who come back
 * at once, each with another revision, cost one walk.
 *
 * A large frame is shown in many parts, each of which begins with its first
 * change again.  So it is held, as it was read and checked, until another one
 * is wanted.
 */
#include <fcntl.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/engine.h"

#define WINDOW_SIZE (256 * 1024)
#define MARK_BYTES  (32 * 1024)

/* One call. */
struct look {
	struct gdbm_store *g;
	uint64_t durable;
	struct changes_place at;
	bool (*each)(void *arg, const struct store_change *change);
	void *arg;
};

static void hold(struct changes *c, const struct journal_frame *frame,
		 struct view body)
{
	c->held = *frame;
	c->held_body = body;
}

static void let_go(struct changes *c)
{
	c->held_body = (struct view){ 0 };
}

/* Give back what a large frame took, unless that is held. */
static void trim(struct changes *c)
{
	if (!c->held_body.data && c->reader.window.capacity > WINDOW_SIZE)
		buf_trim(&c->reader.window, WINDOW_SIZE);
}

static void close_segment(struct changes *c)
{
	if (c->fd < 0)
		return;
	let_go(c);
	journal_reader_release(&c->reader);
	file_close(&c->fd, c->name);
}

/* ERR_GONE when it is no longer kept. */
static enum err open_segment(struct gdbm_store *g, uint64_t number)
{
	struct changes *c = &g->changes;
	struct journal_head head;
	enum err err;

	if (c->fd >= 0 && c->reader.head.number == number)
		return ERR_OK;
	close_segment(c);
	err = journal_open(g->dir, number, O_RDONLY, &head, &c->fd);
	journal_name(number, c->name);
	if (err == ERR_NOT_FOUND)
		return number < atomic_load(&g->shared->history) ? ERR_GONE
								 : ERR_DAMAGED;
	if (err)
		return err;
	err = journal_reader_init(&c->reader, c->fd, c->name, &head);
	c->reader.window_size = WINDOW_SIZE;
	if (err)
		close_segment(c);
	return err;
}

/*
 * How far the open segment may be read.  The place in the ring is another
 * segment's only after this one has been sealed.
 */
static enum err set_limit(struct gdbm_store *g)
{
	struct shared *shared = g->shared;
	struct changes *c = &g->changes;
	uint64_t number = c->reader.head.number;
	int64_t size = 0;
	enum err err;

	if (atomic_load(&shared->segment) == number) {
		uint64_t tail =
			atomic_load(&shared_segment(shared, number)->tail);

		if (atomic_load(&shared->segment) == number) {
			c->reader.file_size = tail;
			return ERR_OK;
		}
	}
	err = file_size(c->fd, c->name, &size);
	c->reader.file_size = (uint64_t)size;
	return err;
}

/*
 * Damage where history only is lost ends history there: who asks for it again
 * is told what is left.
 */
static enum err damaged(struct look *look)
{
	struct gdbm_store *g = look->g;
	uint64_t number = look->at.number;
	bool live = number >= atomic_load(&g->shared->oldest);

	log_eventf(LOG_ERROR, "journal-damaged",
		   "%s: no valid frame at byte %llu", g->changes.name,
		   (unsigned long long)look->at.position);
	close_segment(&g->changes);
	return live || retain_from(g, number + 1) ? ERR_DAMAGED : ERR_GONE;
}

/* What journal_read_frame() says of the place in the open segment. */
static enum err read_frame(struct gdbm_store *g, uint64_t position,
			   struct journal_frame *frame, struct view *body,
			   bool *valid)
{
	struct changes *c = &g->changes;
	enum err err;

	*valid = c->held_body.data && c->held.position == position;
	if (*valid) {
		*frame = c->held;
		*body = c->held_body;
		return ERR_OK;
	}
	let_go(c);
	err = set_limit(g);
	return err ? err
		   : journal_read_frame(&c->reader, position, frame, body,
					valid);
}

/* The frame at the place, or the first of the next segment after an `end`. */
static enum err next_frame(struct look *look, struct journal_frame *frame,
			   struct view *body)
{
	struct changes_place *at = &look->at;
	bool valid;

	for (;;) {
		enum err err = open_segment(look->g, at->number);

		if (!err)
			err = read_frame(look->g, at->position, frame, body,
					 &valid);
		if (err == ERR_DAMAGED)
			return damaged(look);
		if (err)
			return err;
		if (valid && frame->kind == JOURNAL_COMMIT &&
		    frame->revision == at->since + 1)
			return ERR_OK;
		if (!valid || frame->kind != JOURNAL_END ||
		    frame->revision != at->since)
			return damaged(look);
		at->number++;
		at->position = JOURNAL_HEAD_SIZE;
	}
}

static void pass(struct look *look, const struct journal_frame *frame)
{
	struct changes_place *at = &look->at;
	uint64_t mark = frame->end / MARK_BYTES;

	at->since = frame->revision;
	at->position = frame->end;
	if (mark != frame->position / MARK_BYTES)
		look->g->changes.marks[mark % CHANGES_MARKS] = *at;
}

/* Show a frame's changes; *more is false when `each` wants no more. */
static enum err show_frame(struct look *look, const struct journal_frame *frame,
			   struct view body, bool *more)
{
	uint64_t at = frame->position + JOURNAL_FRAME_HEAD_SIZE;
	const struct view whole = body;

	for (uint32_t i = 0; *more && i < frame->op_count; i++) {
		struct store_change change = { .revision = frame->revision,
					       .time_ms = frame->time_ms };
		struct journal_op op;
		enum err err = journal_next_op(&body, &at, &op);

		if (!err && op.verb == STORE_PUT)
			err = record_decode(op.key, op.record, &change.record);
		if (err)
			return damaged(look);
		change.verb = op.verb;
		change.key = op.key;
		change.last = i + 1 == frame->op_count;
		*more = look->each(look->arg, &change);
		if (change.last)
			pass(look, frame);
		else if (!*more)
			hold(&look->g->changes, frame, whole);
	}
	return ERR_OK;
}

/* The segment that has revision since + 1: the last that begins by then. */
static enum err find_segment(struct look *look, uint64_t since)
{
	struct gdbm_store *g = look->g;
	uint64_t low = atomic_load(&g->shared->history);
	uint64_t high = atomic_load(&g->shared->segment);

	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;
		enum err err = open_segment(g, middle);

		if (err == ERR_GONE) {
			low = middle + 1; /* it was removed just now */
			continue;
		}
		if (err)
			return err;
		if (g->changes.reader.head.first_revision <= since + 1)
			low = middle;
		else
			high = middle - 1;
	}
	look->at.number = low;
	return open_segment(g, low);
}

/* The beginning of the segment, or the last mark in it that is not too far. */
static void start_at_mark(struct look *look, uint64_t since)
{
	const struct changes *c = &look->g->changes;
	struct changes_place *at = &look->at;

	at->since = c->reader.head.first_revision - 1;
	at->position = JOURNAL_HEAD_SIZE;
	for (size_t i = 0; i < CHANGES_MARKS; i++) {
		const struct changes_place *mark = &c->marks[i];

		if (mark->number == at->number && mark->since <= since &&
		    mark->since > at->since)
			*at = *mark;
	}
}

static enum err find_place(struct look *look, uint64_t since)
{
	struct changes_place *at = &look->at;
	enum err err = find_segment(look, since);

	if (err)
		return err;
	start_at_mark(look, since);
	if (at->since > since)
		return ERR_GONE;
	while (!err && at->since < since) {
		struct journal_frame frame;
		struct view body;

		err = next_frame(look, &frame, &body);
		if (!err)
			pass(look, &frame);
	}
	return err;
}

/*
 * The place in memory for `since`; otherwise one to be used, which is empty or
 * has waited longest.  Those in segments that are gone are forgotten.
 */
static struct changes_place *remembered(struct changes *c, uint64_t since,
					uint64_t history)
{
	struct changes_place *oldest = &c->places[0];

	for (size_t i = 0; i < CHANGES_PLACES; i++) {
		struct changes_place *place = &c->places[i];

		if (place->number < history)
			*place = (struct changes_place){ 0 };
		if (place->number && place->since == since)
			return place;
		if (place->used < oldest->used)
			oldest = place;
	}
	return oldest;
}

static enum err look_on(struct look *look, uint64_t since, uint64_t *next)
{
	struct changes *c = &look->g->changes;
	uint64_t history = atomic_load(&look->g->shared->history);
	struct changes_place *place = remembered(c, since, history);
	bool more = true;
	enum err err = ERR_OK;

	if (place->number && place->since == since)
		look->at = *place;
	else
		err = find_place(look, since);
	if (err)
		return err;
	while (!err && more && look->at.since < look->durable) {
		struct journal_frame frame;
		struct view body;

		err = next_frame(look, &frame, &body);
		if (!err)
			err = show_frame(look, &frame, body, &more);
	}
	*next = look->at.since;
	*place = look->at;
	place->used = ++c->clock;
	return err;
}

enum err changes_run(struct store *store, uint64_t since,
		     bool (*each)(void *arg, const struct store_change *change),
		     void *arg, uint64_t *next, uint64_t *oldest)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	/* Before the segment is loaded: what is durable is in that by then. */
	struct look look = { .g = g,
			     .durable = atomic_load(&g->shared->durable),
			     .each = each,
			     .arg = arg };
	enum err err = ERR_OK;

	if (since > look.durable ||
	    since < atomic_load(&g->shared->history_since))
		err = ERR_GONE;
	else if (since < look.durable)
		err = look_on(&look, since, next);
	trim(&g->changes);
	*oldest = atomic_load(&g->shared->history_since);
	return err;
}

int changes_fd(struct store *store, uint64_t since)
{
	struct gdbm_store *g = (struct gdbm_store *)store;

	wake_arm(&g->shared->wake, g->changes.wake_fd);
	if (atomic_load(&g->shared->durable) > since)
		wake_ring(&g->shared->wake, g->changes.wake_fd);
	return g->changes.wake_fd;
}

void changes_idle(struct gdbm_store *g)
{
	struct changes *c = &g->changes;

	if (c->fd < 0)
		return;
	let_go(c);
	trim(c);
	if (c->reader.head.number < atomic_load(&g->shared->history))
		close_segment(c);
}

void changes_release(struct gdbm_store *g)
{
	close_segment(&g->changes);
	file_close(&g->changes.wake_fd, "eventfd");
}
