/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Something that one process at a time does for many: turns, one after the
 * other.  Who waits knows which turn is to serve it, and is woken by the end of
 * that one; the end of the turn before wakes but one of them, to begin it.  So
 * nobody wakes up in vain (futex(2), FUTEX_WAKE_BITSET: a bit for a turn).
 *
 * Who waits: turn_now(); looks whether it still has to wait, and finds that
 * somebody else has the turn; turn_wait() with that number.  Who has the turn
 * makes what it has done visible, then calls turn_end().  An end between the
 * two first steps is then seen by the third.
 *
 * The one who owes an end, or was woken to begin, may be killed, so no wait is
 * longer than TURN_WAIT_MS; look again after each.
 */
#ifndef STORE_GDBM_TURN_H
#define STORE_GDBM_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TURN_WAIT_MS 10

/* In memory that all sides share; begins as zeros. */
struct turn {
	_Atomic uint32_t begun; /* number of the last turn that did */
	_Atomic uint32_t ends;  /* also of turns that had nothing to do */
};

/* For who alone may begin one. */
void turn_begin(struct turn *turn);

/* The number of the last one that began, or 0. */
uint32_t turn_begun(const struct turn *turn);

/*
 * Others may begin turns again.  Wakes all who wait for turn `number`, which
 * was turn_begun() until then, and one who waits for the next.
 */
void turn_end(struct turn *turn, uint32_t number);

uint32_t turn_now(const struct turn *turn);

/*
 * For turn `number`, which is the last that began or the next, while
 * turn_now() is `now`, and TURN_WAIT_MS at most.  True when an end woke it.
 */
bool turn_wait(const struct turn *turn, uint32_t now, uint32_t number);

/*
 * Who has waited for turn `number`, and neither begins it nor waits on: if that
 * was woken to begin it, another one is.
 */
void turn_leave(const struct turn *turn, uint32_t number);

#endif
