/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Giving descriptors to whoever connects: lighttpd, for stored responses.  The
 * connection is then kept, so that the peer can tell when this process is gone.
 */
#ifndef HANDOUT_H
#define HANDOUT_H

#include <stdbool.h>
#include <stddef.h>

#define HANDOUT_FDS_MAX   4
#define HANDOUT_PEERS_MAX 64

/* All zero: nobody has come yet. */
struct handout {
	int peers[HANDOUT_PEERS_MAX];
	size_t count;
	bool failing; /* to accept any */
};

/*
 * Accept all who are pending at the socket, which does not block, and send
 * each one byte with the descriptors (SCM_RIGHTS, unix(7)), of which there are
 * HANDOUT_FDS_MAX at most.  Never waits: who can't be sent these at once is
 * closed, and so is the oldest peer where there is room for no more.
 */
void handout_serve(struct handout *handout, int listen_fd, const int *fds,
		   size_t count);

/*
 * Close all connections: the peers find them at their end.  In a child, which
 * has them as well, they find nothing.  NULL is allowed.
 */
void handout_release(struct handout *handout);

#endif
