/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The watcher: one process, one event loop, and everybody who waits for
 * changes.  What else comes to its socket it answers like a worker.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include "child.h"

/*
 * Serve until asked to leave (child.h); then end every watch as it is, so
 * that its client comes back to the next process, and return the exit status.
 */
int watcher_run(const struct service *service);

#endif
