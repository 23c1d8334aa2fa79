/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For each key, by its hash, the revision of the newest change that was ever
 * begun; in memory that processes share, and all zero at first.  Who knows an
 * answer about a key at some revision learns here, by one load, whether it is
 * still true.
 *
 * Keys share a mark when their hashes do: then a change of one makes answers
 * about the other look old, and never the other way round.
 */
#ifndef BASE_MARKS_H
#define BASE_MARKS_H

#include <stdatomic.h>

#include "base/buf.h"

#define MARKS_COUNT 65536

struct marks {
	_Atomic uint64_t newest[MARKS_COUNT];
};

/* Which mark is the key's, less than MARKS_COUNT. */
uint32_t marks_place(struct view key);

/*
 * A change of the key begins under that revision: to be called before any
 * reader can see it, and by one process at a time.  Who sees what the caller
 * does next by a release or stronger sees the mark.  Nothing for NULL.
 */
void marks_raise(struct marks *marks, struct view key, uint64_t revision);

/* Whether what was true of the key at a durable revision still is. */
bool marks_agree(const struct marks *marks, uint32_t place, uint64_t revision);

#endif
