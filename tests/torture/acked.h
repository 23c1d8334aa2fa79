/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a store has acknowledged, and the commit that it was about to make:
 * all that a child does to a store is noted, before and after, in memory that
 * it shares with us.  When it ends, the store has to hold exactly that, and
 * of the commit in flight all or nothing.
 *
 * Keys are known by their index.  Every third begins with "p/".
 */
#ifndef TESTS_TORTURE_ACKED_H
#define TESTS_TORTURE_ACKED_H

#include "store/store.h"

#define ACKED_KEYS 48

struct acked {
	struct store_conf conf; /* of the store that all of this is about */

	/* Of each key the number that its value is made of, 0 when absent. */
	unsigned settled[ACKED_KEYS];
	unsigned next[ACKED_KEYS]; /* what the commit in flight makes of it */
	bool in_flight;
	uint64_t revision;  /* the last one that was acknowledged */
	unsigned surprises; /* things that the child saw and must not have */
	bool gave_up;       /* test_faults_tables.c: its history */
};

extern struct acked *acked;
bool acked_share(void);

/* A new folder, nothing acknowledged, the usual conf; begins a try. */
void acked_begin(void);

/* In a child: open the store, or end the child. */
struct store *acked_open(void);

/*
 * Keys [from, from + count) in one commit, with number, number + 1, ..., or
 * deleted (number 0).  Like those below, it does nothing once a commit is in
 * flight: after an error of store_sync() nobody knows.
 */
void acked_commit(struct store *store, unsigned from, unsigned count,
		  unsigned number);

/* As one transaction, key i is put, and the next one, if there, deleted. */
void acked_transact(struct store *store, unsigned i, unsigned number);

/* All that begin with "p/". */
void acked_delete_prefix(struct store *store);

/*
 * NULL, or what is wrong with what the child left: after its end, and once
 * more after a clean stop, the store opens, holds what it has to, tells each
 * revision that it keeps once, and passes its check.
 */
const char *acked_wrong(void);

#endif
