/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal read to its end; see replay.h and, for what makes a tail torn
 * or damaged, journal.h.
 */
#include "store/gdbm/replay.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

/* The place where reading stopped short of an `end`, in an older segment. */
struct torn {
	uint64_t number; /* 0: nowhere yet */
	uint64_t position;
};

static enum err __attribute__((format(printf, 3, 4)))
damaged(struct replay *replay, uint64_t number, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	journal_name(number, replay->file);
	buf_clear(&replay->sentence);
	buf_add_string(&replay->sentence, text);
	return ERR_DAMAGED;
}

static enum err torn_before(struct replay *replay, const struct torn *torn,
			    uint64_t number)
{
	return damaged(replay, torn->number,
		       "damaged at byte %" PRIu64
		       ": no valid frame is there, though segment %" PRIu64
		       " continues; restore the data directory from a backup",
		       torn->position, number);
}

/*
 * Reading has stopped at the torn place, and this segment was read up to
 * `position`: whether that may be so.
 */
static enum err judge_tail(struct replay *replay, struct journal_reader *reader,
			   uint64_t position, const struct torn *torn)
{
	bool found = false;
	uint64_t at = 0;
	enum err err = journal_find_proof(reader, position,
					  replay->revision + 1, &found, &at);

	if (err || !found)
		return err;
	if (torn->number != reader->head.number)
		return torn_before(replay, torn, reader->head.number);
	return damaged(replay, torn->number,
		       "damaged at byte %" PRIu64 ": revision %" PRIu64
		       " should be there and was on disk, as the frame at "
		       "byte %" PRIu64 " knows; restore the data directory "
		       "from a backup",
		       torn->position, replay->revision + 1, at);
}

static enum err read_frames(struct replay *replay,
			    struct journal_reader *reader, struct torn *torn)
{
	const struct journal_head *head = &reader->head;
	uint64_t at = JOURNAL_HEAD_SIZE;
	bool sealed = false;

	for (;;) {
		struct journal_frame frame;
		struct view body;
		bool valid;
		enum err err =
			journal_read_frame(reader, at, &frame, &body, &valid);

		if (err)
			return err;
		/* A segment is on disk before the next one has a frame. */
		if (torn->number && valid && frame.kind == JOURNAL_COMMIT)
			return torn_before(replay, torn, head->number);
		sealed = valid && frame.kind == JOURNAL_END &&
			 frame.revision == replay->revision;
		if (sealed)
			break;
		if (!valid || frame.kind != JOURNAL_COMMIT ||
		    frame.revision != replay->revision + 1)
			break;
		err = replay->frame(replay->arg, head, &frame, body);
		if (err == ERR_DAMAGED)
			return damaged(replay, head->number,
				       "damaged at byte %" PRIu64
				       ": the frame's operations do not parse",
				       at);
		if (err)
			return err;
		replay->revision = frame.revision;
		replay->frames++;
		at = frame.end;
	}
	if (at > JOURNAL_HEAD_SIZE) {
		replay->last = head->number;
		replay->end = at;
	}
	if (sealed)
		return ERR_OK;
	if (!torn->number)
		*torn = (struct torn){ head->number, at };
	return judge_tail(replay, reader, at, torn);
}

/*
 * A segment that does not go on where the sealed one before it ends.  An empty
 * one was made when revisions that a crash then took away were the newest, and
 * recovery had sealed what was left, but had not replaced it yet: as after a
 * torn tail, nothing may follow it.  A frame in it is damage.
 */
static enum err judge_leap(struct replay *replay, struct journal_reader *reader,
			   struct torn *torn)
{
	const struct journal_head *head = &reader->head;
	struct journal_frame frame;
	struct view body;
	bool valid;
	enum err err = journal_read_frame(reader, JOURNAL_HEAD_SIZE, &frame,
					  &body, &valid);

	if (err)
		return err;
	if (valid)
		return damaged(replay, head->number,
			       "begins at revision %" PRIu64
			       ", but revision %" PRIu64
			       " comes next; restore the data directory from "
			       "a backup",
			       head->first_revision, replay->revision + 1);
	*torn = (struct torn){ head->number, JOURNAL_HEAD_SIZE };
	return ERR_OK;
}

static enum err read_segment(struct replay *replay, uint64_t number,
			     struct torn *torn)
{
	struct journal_reader reader = { 0 };
	struct journal_head head;
	char name[JOURNAL_NAME_SIZE];
	int fd = -1;
	enum err err = journal_open(replay->dir, number, O_RDONLY, &head, &fd);

	journal_name(number, name);
	if (err == ERR_NOT_FOUND)
		return damaged(replay, number,
			       "missing, though the store needs it; restore "
			       "the data directory from a backup");
	if (err)
		return err;
	err = journal_reader_init(&reader, fd, name, &head);
	/* Allocated and synced before it had its name, and cut only when no
	 * MANIFEST names it any more. */
	if (!err && reader.file_size != head.capacity)
		err = damaged(
			replay, number,
			"damaged from byte %" PRIu64 ": it has %" PRIu64
			" bytes, and its head says "
			"%" PRIu64 "; restore the data directory from a backup",
			reader.file_size < head.capacity ? reader.file_size
							 : head.capacity,
			reader.file_size, head.capacity);
	if (!err && !torn->number &&
	    head.first_revision != replay->revision + 1)
		err = judge_leap(replay, &reader, torn);
	if (!err && replay->segment)
		err = replay->segment(replay->arg, &head);
	if (!err)
		err = read_frames(replay, &reader, torn);
	journal_reader_release(&reader);
	file_close(&fd, name);
	return err;
}

enum err replay_run(struct replay *replay)
{
	struct torn torn = { 0 };
	uint64_t greatest = 0;
	enum err err = replay_greatest(replay->dir, &greatest);

	replay->last = replay->first;
	replay->end = JOURNAL_HEAD_SIZE;
	if (greatest < replay->first)
		greatest = replay->first;
	for (uint64_t n = replay->first; !err && n <= greatest; n++)
		err = read_segment(replay, n, &torn);
	return err;
}

void replay_release(struct replay *replay)
{
	buf_release(&replay->sentence);
}

static enum err note_greatest(void *arg, const char *name)
{
	uint64_t *greatest = arg;
	uint64_t number;

	if (journal_name_parse(name, &number) && number > *greatest)
		*greatest = number;
	return ERR_OK;
}

enum err replay_greatest(int dir, uint64_t *number)
{
	*number = 0;
	return file_each(dir, note_greatest, number);
}
