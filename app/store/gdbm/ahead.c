/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Zeros ahead of the journal's tail, for small frames.
 *
 * A sync of bytes that are allocated but were never written also has to tell
 * the file system that they are now, by its own journal, which takes two to
 * four times as long as the data alone (measured: docs/bench.md).  Where zeros
 * were written before, and synced with some earlier frame, it is the data
 * alone.  Large frames are rare enough, and would only be written twice.
 *
 * Whoever holds the journal lock writes them, behind the frame that it is
 * about to write.  Nobody else writes there, nothing beyond the tail has been
 * acknowledged, and to a reader zeros are no frame, like anything else that
 * may lie there (journal.h).
 *
 * What is kept for deletes stays as it was allocated: on a file system that
 * never writes in place, only the first write is sure of its room.
 */
#include "base/file.h"
#include "store/gdbm/engine.h"

#define RESERVE_PART 16
#define AHEAD_SIZE   (512 * 1024)
#define SMALL_FRAME  (16 * 1024)

uint64_t ahead_limit(uint64_t capacity)
{
	return capacity - capacity / RESERVE_PART;
}

uint64_t ahead_capacity(uint64_t frame_size)
{
	uint64_t used =
		JOURNAL_HEAD_SIZE + frame_size + JOURNAL_FRAME_HEAD_SIZE;

	return used + used / (RESERVE_PART - 1) + 1;
}

enum err ahead_write(struct segment *segment, int fd, const char *name,
		     const struct journal_frame *frame)
{
	uint64_t limit = ahead_limit(segment->head.capacity);
	uint64_t end = frame->end + AHEAD_SIZE;
	enum err err;

	if (end > limit)
		end = limit;
	if (frame->end <= segment->zeroed || frame->end >= end ||
	    frame->end - frame->position > SMALL_FRAME)
		return ERR_OK;
	err = file_write_zeros(fd, name, end - frame->end, (int64_t)frame->end);
	if (!err)
		segment->zeroed = end;
	return err;
}
