/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker: takes connections from the listening socket, reads one FastCGI
 * request from each, has it answered by the API, and writes the answer.
 */
#ifndef WORKER_H
#define WORKER_H

#include "child.h"

/*
 * Serve until asked to leave (child.h), then take once more what is pending,
 * answer that, and return the exit status.  Where there is one process only,
 * it serves all sockets.
 */
int worker_run(const struct service *service);

/* The same for the socket of transfers, one request at a time. */
int transfer_run(const struct service *service);

#endif
