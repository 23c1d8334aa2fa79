/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waiting for the end of something that one process does for many, so that
 * all of them are woken by one call: a counter in shared memory, futex(2).
 *
 * Who waits: turn_now(); looks whether it still has to wait; turn_wait() with
 * that number.  Who has done it: makes it visible, then turn_end().  An end
 * between the two first steps is then seen by the third.
 *
 * The one who owes an end may be killed, so no wait is longer than
 * TURN_WAIT_MS; look again after each.
 */
#ifndef STORE_GDBM_TURN_H
#define STORE_GDBM_TURN_H

#include <stdatomic.h>
#include <stdint.h>

#define TURN_WAIT_MS 10

/* In memory that all sides share; begins as zeros. */
struct turn {
	_Atomic uint32_t ended;
};

uint32_t turn_now(const struct turn *turn);

/* Until turn_now() is another number, for TURN_WAIT_MS at most. */
void turn_wait(const struct turn *turn, uint32_t now);

/* Wakes all who wait. */
void turn_end(struct turn *turn);

#endif
