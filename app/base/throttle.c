/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Work in portions; see throttle.h. */
#include "base/throttle.h"

#include <signal.h>
#include <time.h>

#include "base/clock.h"

static bool is_throttled;
static int64_t slept_us; /* when it did so last, by the monotonic clock */

void throttle_set(bool throttled)
{
	is_throttled = throttled;
}

static bool is_wanted(void)
{
	sigset_t pending;

	return !sigpending(&pending) && !sigisemptyset(&pending);
}

void throttle_point(void)
{
	const struct timespec sleep = { .tv_nsec = THROTTLE_SLEEP_US * 1000 };

	if (!is_throttled ||
	    clock_monotonic_us() - slept_us < THROTTLE_WORK_US || is_wanted())
		return;
	nanosleep(&sleep, NULL);
	slept_us = clock_monotonic_us();
}
