/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How eagerly a worker runs when there is something to do.
 *
 * By itself the kernel lets a process that wakes up take the processor from
 * whoever has it.  That is right for one request, which somebody waits for.
 * When many come at one time it is lighttpd that loses the processor, with
 * one request handed over and the next ones still to be: the worker then wakes
 * up for each of them.  A process under SCHED_BATCH waits for its turn, and
 * finds all of them (docs/bench.md has what that gives, and what it would
 * cost if it was always so).  sched(7).
 */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stddef.h>

struct pace {
	unsigned company; /* requests to a round, an average, in 1/256 */
	bool patient;     /* under SCHED_BATCH */
	bool fixed;       /* somebody else has decided, and it stays so */
};

/* In the process it is for; one with another policy than usual keeps that. */
void pace_init(struct pace *pace);

/*
 * A round is over in which so many requests were taken.  Where it has to sync,
 * the worker sleeps until the disk is done, and all of them wait for it to
 * wake up: such rounds make it eager, however many requests they have.
 */
void pace_round(struct pace *pace, size_t taken, bool syncs);

#endif
