/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The frames of a live journal, as they were written, and what of them may be
 * lost without a word when some of its bytes are not what they were: commits
 * that no undamaged frame after them knows to be on disk.
 */
#ifndef TESTS_TORTURE_FRAMES_H
#define TESTS_TORTURE_FRAMES_H

#include "torture/kept.h"
#include "torture/lived.h"

struct frame_place {
	size_t file; /* of the kept ones */
	uint64_t position;
	uint64_t end;
	uint64_t revision;
	uint64_t durable;
	bool seals; /* an `end`; the next segment has frames */
};

struct frames {
	uint64_t first_live; /* segment */
	size_t count;
	struct frame_place at[LIVED_REVISIONS];
};

/* Those of the segments from first_live on. */
void frames_note(struct frames *frames, const struct kept *kept,
		 uint64_t first_live);

/* Whether a file has some of them. */
bool frames_is_live(const struct frames *frames, const char *name);

/*
 * The newest revision that is left when bytes [at, end) of the file are not
 * what they were; 0 when that has to be refused.
 */
uint64_t frames_left(const struct frames *frames, size_t file, size_t at,
		     size_t end);

#endif
