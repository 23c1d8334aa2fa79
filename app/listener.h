/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A listening socket at a path, for lighttpd to connect to.  It is not
 * blocking: many workers wait for the same connection, and all but one find
 * that it is gone.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>
#include <sys/un.h>

#include "base/err.h"

/*
 * listen   "unix:/path"
 *
 * A socket at the path that nobody listens on any more is replaced, after a
 * moment also one whose owner is dead and whose heirs are on their way out.
 * One that is in use is left alone, and so is anything that is no socket.
 *
 * ERR_ACCESS when there is no such socket to be had, ERR_OWNED when another
 * process listens there, ERR_SYSTEM; logged with a sentence, *fd is -1 then.
 */
enum err listener_open(const char *listen, int *fd);

/*
 * The same with a listening socket that somebody else has made and that is at
 * another path of the same folder: it is moved.  A symbolic link to it, which
 * has let others connect so far, is replaced as well.  `made` is taken over,
 * and closed on failure.
 */
enum err listener_take(int made, const char *listen, int *fd);

/*
 * Where one connects to it.  ERR_ACCESS, logged, when the path is too long for
 * a socket.
 */
enum err listener_address(const char *listen, struct sockaddr_un *address);

/*
 * Whether listener_open() would find the socket in use.  False and logged where
 * there can be no socket of that name.
 */
bool listener_is_used(const char *listen);

/*
 * The next connection that is pending, close-on-exec and with `flags` of
 * accept4(2); -1 when there is none, or no more after listener_refuse().  Any
 * other failure is waited out for a moment, which is -1 too: out of
 * descriptors, say, where those of others may be free soon.  It is logged, but
 * while it lasts, which is kept in *failing, only once.
 */
int listener_accept(int listen_fd, int flags, bool *failing);

/*
 * Let nobody connect any more, while who is pending can still be accepted;
 * when that is all, accept(2) says EAGAIN or EINVAL.  The path is removed, and
 * from then on a successor's to use.  Does nothing with -1; to be called once,
 * before fd is closed.
 */
void listener_refuse(const char *listen, int fd);

#endif
