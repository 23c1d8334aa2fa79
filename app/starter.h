/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lighttpd as the one who has started us.
 *
 * As FastCGI has it, it then leaves a listening socket on descriptor 0, which
 * it has made at a path of its own.  The service takes that socket, but to
 * another path (listener_take()): when the process that lighttpd has started
 * dies, it first connects to its own path, and if anybody listens there, a
 * worker that is about to die as well for one, it never starts another one
 * (1.4.69, gw_backend.c, gw_spawn_connection).
 */
#ifndef STARTER_H
#define STARTER_H

struct starter {
	int socket_fd;   /* the socket: close-on-exec, not blocking */
	int lighttpd_fd; /* readable when lighttpd is dead, or was before */
};

/*
 * To be called before any fork.  When descriptor 0 is a listening socket: have
 * /dev/null there, and enter a session of our own.  Otherwise, and what can't
 * be had (logged): -1.
 */
struct starter starter_attach(void);

#endif
