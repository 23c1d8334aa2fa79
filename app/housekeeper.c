/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store knows what is due and when.  What is left to do here is to call
 * it in turns that are short enough to notice that the service ends.
 */
#include "housekeeper.h"

#include <signal.h>
#include <stdlib.h>

#define TURN_MS 200

/* After a failure the next turn would most likely fail at once, too. */
#define PAUSE_MS 1000

/* Whether we are asked to leave, waiting up to ms for that. */
static bool asked_to_leave(long ms)
{
	struct timespec timeout = { .tv_sec = ms / 1000,
				    .tv_nsec = ms % 1000 * 1000000 };
	sigset_t set;

	child_signals(&set);
	return sigtimedwait(&set, NULL, &timeout) > 0;
}

int housekeeper_run(const struct service *service)
{
	enum err err = ERR_OK;

	while (!asked_to_leave(err ? PAUSE_MS : 0))
		err = store_housekeep(service->store, TURN_MS);
	return EXIT_SUCCESS;
}
