/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every call of a phase fails once, or is the last one: for each kind of
 * fault, a child lives through the phase with call number n struck, for n =
 * 1, 2, 3, ... until the phase passes untouched (tests/fault.h).  Then we
 * look at what it left.
 *
 * In make check n goes in steps, from a random start.  LIBRAPI_TORTURE=1 tries
 * every n; LIBRAPI_SEED=N repeats a run.
 */
#ifndef TESTS_TORTURE_STRIKE_H
#define TESTS_TORTURE_STRIKE_H

#include <stdbool.h>

struct strike_phase {
	const char *name;
	unsigned step; /* between two n in make check; 0 for the usual one */

	/* Here, before each try: a new folder, and a new model. */
	void (*begin)(void);

	/*
	 * In a child of its own each, which it ends by _exit(0).  `prepare`
	 * may be NULL.  `live` calls strike_arm() and strike_disarm() around
	 * the phase, and exits with another status when the phase was not
	 * struck and did not take place.
	 */
	void (*prepare)(void);
	void (*live)(void);

	/* Here, afterwards: NULL, or what is wrong. */
	const char *(*wrong)(void);
};

/*
 * What children are struck with stands in memory that they share with us.
 * Folders are in memory from here on, when it has room: nothing needs a disk.
 */
bool strike_share(void);

void strike_arm(void);
bool strike_disarm(void); /* whether it was struck */

/* All kinds of faults; how many there were is printed. */
void strike_walk(const struct strike_phase *phase);

/* The last calls of the phase, each one: EIO, SIGKILL, no memory. */
void strike_end(const struct strike_phase *phase);

#endif
