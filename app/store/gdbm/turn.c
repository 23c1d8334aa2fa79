/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A counter and futex(2), which the C library has no function for. */
#include "store/gdbm/turn.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint32_t turn_now(const struct turn *turn)
{
	return atomic_load(&turn->ended);
}

void turn_wait(const struct turn *turn, uint32_t now)
{
	const struct timespec most = { .tv_nsec = TURN_WAIT_MS * 1000000 };

	/* Whatever ends it, the caller looks again. */
	syscall(SYS_futex, &turn->ended, FUTEX_WAIT, now, &most, NULL, 0);
}

void turn_end(struct turn *turn)
{
	atomic_fetch_add(&turn->ended, 1);
	syscall(SYS_futex, &turn->ended, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
