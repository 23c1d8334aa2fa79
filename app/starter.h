/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lighttpd as the one who has started us.
 *
 * As FastCGI has it, it then leaves a listening socket on descriptor 0.  The
 * service does not use that: lighttpd first connects to it when the process
 * that it started has died, and if anybody still listens, a dying worker for
 * one, it never starts another (1.4.69, gw_backend.c, gw_spawn_connection).
 * What nobody holds is refused, and the next one is started at once.
 */
#ifndef STARTER_H
#define STARTER_H

/*
 * To be called before any fork.  When descriptor 0 is a listening socket:
 * have /dev/null there, enter a session of our own, and return a descriptor
 * that is readable as soon as our parent is dead (pidfd_open(2)).  Otherwise,
 * or when that can't be told: -1.
 */
int starter_attach(void);

#endif
