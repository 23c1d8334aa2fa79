/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Telling the service manager how we are: lines VARIABLE=value in a datagram
 * to the unix socket that NOTIFY_SOCKET names.  That is the whole of a
 * protocol that systemd promises to keep (sd_notify(3), "Standalone
 * Implementations"), so libsystemd is not linked for it.
 *
 * Where there is no service manager there is no NOTIFY_SOCKET, and nothing
 * happens.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdbool.h>

#include "base/err.h"

struct notify {
	int fd;           /* -1: nobody wants to know */
	long watchdog_ms; /* how often it must hear from us; 0: need not */
};

/*
 * From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID in the environment.
 * A socket that can't be reached is logged and then as if there were none:
 * it must not keep the service from starting.
 */
void notify_init(struct notify *notify);
void notify_release(struct notify *notify);

/*
 * Send "READY=1", "STOPPING=1\nSTATUS=draining" and the like; what the
 * manager does not take (its queue is full, it is gone) is lost, and logged.
 * False when it may take the same later.
 */
bool notify_send(const struct notify *notify, const char *lines);

/* RELOADING=1 with the time that the manager wants with it. */
void notify_reloading(const struct notify *notify);

#endif
