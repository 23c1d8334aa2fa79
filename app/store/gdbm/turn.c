/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counters and futex(2), which the C library has no function for. */
#include "store/gdbm/turn.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static uint32_t bit_of(uint32_t number)
{
	return UINT32_C(1) << number % 32;
}

static void wake(const struct turn *turn, int most, uint32_t number)
{
	syscall(SYS_futex, &turn->ends, FUTEX_WAKE_BITSET, most, NULL, NULL,
		bit_of(number));
}

void turn_begin(struct turn *turn)
{
	atomic_fetch_add(&turn->begun, 1);
}

uint32_t turn_begun(const struct turn *turn)
{
	return atomic_load(&turn->begun);
}

/* First the one who keeps the others waiting. */
void turn_end(struct turn *turn, uint32_t number)
{
	atomic_fetch_add(&turn->ends, 1);
	wake(turn, 1, number + 1);
	wake(turn, INT_MAX, number);
}

uint32_t turn_now(const struct turn *turn)
{
	return atomic_load(&turn->ends);
}

bool turn_wait(const struct turn *turn, uint32_t now, uint32_t number)
{
	const struct timespec until = clock_deadline(TURN_WAIT_MS);

	/* Whatever ends it, the caller looks again. */
	return !syscall(SYS_futex, &turn->ends, FUTEX_WAIT_BITSET, now, &until,
			NULL, bit_of(number));
}

void turn_leave(const struct turn *turn, uint32_t number)
{
	if (number == turn_begun(turn) + 1)
		wake(turn, 1, number);
}
