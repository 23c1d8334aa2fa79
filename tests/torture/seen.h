/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Everything that a store tells, held against what it was made to hold
 * (lived.h): every key, both listings, all changes that are kept.  An answer
 * may be refused as damaged; none may be wrong.
 */
#ifndef TESTS_TORTURE_SEEN_H
#define TESTS_TORTURE_SEEN_H

#include "torture/lived.h"

struct seen {
	unsigned wrong;  /* answers that are not what was committed */
	int line;        /* where the first of them was seen */
	unsigned denied; /* keys, listings: ERR_DAMAGED */
	enum err unlike; /* an error that says something else */
};

/* All keys and listings, as they were at that revision. */
void seen_read(struct seen *seen, struct store *store, uint64_t revision);

/* All that is still told of the past leads to that revision. */
void seen_changes(struct seen *seen, struct store *store, uint64_t revision);

/* For what else must hold: count it as wrong when it is not so. */
void seen_wrong_if(struct seen *seen, int line, bool is);

#endif
