/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lighttpd's way to the memory of stored responses (http/stored.h): connect to
 * the socket stored-listen, and be given it.  Never waits: what is not there
 * at once is looked for again with a later request.
 *
 * What was received is good for as long as
 *  - the connection that it came by is open: the supervisor lives, and
 *  - the socket that this was made to has its name.  Each librapi that starts
 *    makes new memory and, before it takes a write, a new socket in the place
 *    of the old one.  That is held open here (O_PATH), and has no link any
 *    more when its name is gone or another's; fstat(2) tells, at a third of
 *    what stat(2) costs.
 * Nobody else can have the store before: its lock is also the children's, who
 * die after the supervisor.
 */
#ifndef FRONT_RECEIVER_H
#define FRONT_RECEIVER_H

#include <sys/un.h>

#include "http/stored.h"

#define RECEIVER_LAST_MS 100

struct receiver {
	struct sockaddr_un address;
	int place;        /* the socket's inode, or -1 */
	int fd;           /* the connection, or -1 */
	int64_t again_ms; /* do not try before */
	int64_t seen_ms;  /* when the last look began */
	struct stored *stored;
};

/*
 * Where librapi's settings in the environment say, LIBRAPI_STORED_LISTEN or
 * LIBRAPI_RUN_DIR, or else in that folder.  False when that is no name for a
 * socket.
 */
bool receiver_init(struct receiver *receiver, const char *run_dir);
void receiver_release(struct receiver *receiver);

/*
 * What librapi keeps, or NULL; good until the next call.  It was librapi's no
 * longer ago than STORED_TRUST_MS: a look is two system calls, 2 of the 14 us
 * that a GET took (app/docs/bench.md).
 */
struct stored *receiver_look(struct receiver *receiver);

/*
 * What the last look gave, or NULL when that was RECEIVER_LAST_MS ago.  It may
 * no longer be librapi's, so it only tells what is not kept, without the
 * look's system calls.
 */
struct stored *receiver_last(const struct receiver *receiver);

#endif
