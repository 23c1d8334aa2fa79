/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The process that lighttpd starts.  It does nothing but wait for the
 * supervisor, which is its child.
 *
 * When the process that it started dies, lighttpd connects to the socket to
 * see whether it is needed: if anybody still listens, that is the service
 * from then on, and lighttpd never starts another one (1.4.69, gw_backend.c,
 * gw_spawn_connection).  But workers whose supervisor was killed listen for a
 * moment longer, until they are dead as well.  So the process that lighttpd
 * waits for has to be the last one to go.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>

/*
 * Fork.  True in the child, which goes on as the supervisor; *lighttpd_fd is
 * then readable as soon as lighttpd is dead (pidfd_open(2); -1: can't tell).
 *
 * False in the guard, which by then has passed signals on, and has seen the
 * supervisor and all that this ever forked go: *status is for exit(3).
 */
bool guard_fork(int *lighttpd_fd, int *status);

#endif
