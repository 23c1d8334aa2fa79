/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Work in the background, in portions.  A process that never waits keeps the
 * processor for whole time slices of the scheduler, which are milliseconds,
 * while a request takes some ten microseconds.  After each portion it sleeps;
 * so who serves requests on the same processor waits for a portion at most.
 * (A lower priority does not do that: app/docs/bench.md has the figures.)
 *
 * It is the whole process that is throttled or not; at first it is not.
 */
#ifndef BASE_THROTTLE_H
#define BASE_THROTTLE_H

#include <stdbool.h>

#define THROTTLE_WORK_US  400
#define THROTTLE_SLEEP_US 400

/* So all work takes up to twice as long. */
void throttle_set(bool throttled);

/*
 * Here the process sleeps, if it is throttled and has worked for long enough
 * since it did so last.  To be called each few microseconds, where nobody
 * waits for a lock that the caller holds.  It does not sleep while a signal is
 * pending: somebody wants the process to come to an end of its work.
 */
void throttle_point(void);

#endif
