/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a librapi that runs answers, asked as lighttpd asks it but without
 * lighttpd: what watches over librapi alone shall not hear of another's
 * trouble.
 */
#ifndef PING_H
#define PING_H

#include "base/err.h"

/*
 * GET /livez over the socket `listen`, "unix:/path", and some seconds for it.
 * ERR_OK when a worker says 200, else any other; logged.
 */
enum err ping(const char *listen);

#endif
