/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A store that has lived, and what it held at each of its revisions: history,
 * tables of two generations, a sealed segment, one being written, deletes and
 * expiries.  The number that a key has says what its value is made of.
 *
 * The child that makes it ends without closing it; what it made is in memory
 * that it shares with us.
 */
#ifndef TESTS_TORTURE_LIVED_H
#define TESTS_TORTURE_LIVED_H

#include "store/store.h"

#define LIVED_KEYS      48
#define LIVED_VALUE_MAX 400
#define LIVED_REVISIONS 64

/* Of each key its number, 0 when absent. */
struct state {
	unsigned numbers[LIVED_KEYS];
};

struct lived {
	int64_t now_ms; /* what the store's clock says */
	uint64_t revision;
	struct state states[LIVED_REVISIONS];
};

/* The one that all of this is about; its memory is shared with children. */
extern struct lived *lived;
bool lived_share(void);

struct store_conf lived_conf(void);
struct view lived_key(unsigned i, char out[32]);
struct view lived_value(unsigned number, char out[LIVED_VALUE_MAX]);

/* Whether a key of that number is there, now. */
bool lived_is(unsigned number);

/*
 * Keys from, from + step, ..., count of them, get number, number + 1, ... in
 * one commit that is synced; or they are deleted (number 0).
 */
enum err lived_commit(struct store *store, unsigned from, unsigned count,
		      unsigned step, unsigned number);

/* What the making child does; exits with 1 when something fails. */
void lived_make(void);

#endif
