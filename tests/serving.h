/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A store, the service's sockets, and one worker in a process of its own, as
 * the supervisor would start it.  Whatever fails, fails the test.
 */
#ifndef TESTS_SERVING_H
#define TESTS_SERVING_H

#include <sys/types.h>

#include "service.h"

struct serving {
	struct store *store;
	struct conf conf;
	struct service service;
	char listen[LISTEN_REQUESTS][256];
	pid_t pid;
};

/* Who connects is pending until the worker is there. */
void serving_open(struct serving *s, const struct conf *conf);
void serving_start(struct serving *s);

/* Ask the worker to leave (child.h), which has to end well; and close all. */
void serving_leave(struct serving *s, int signal);
void serving_stop(struct serving *s, int signal);

#endif
