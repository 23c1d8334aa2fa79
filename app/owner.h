/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Root may write to any data directory; but what root makes in one of another
 * user is root's, and the service that runs as that user can't open its own
 * store any more.
 */
#ifndef OWNER_H
#define OWNER_H

#include "base/err.h"

/*
 * As root, become the user and group that the folder belongs to, for good:
 * whatever only root can read has to be open by then.  As anybody else, or
 * where there is no such folder, nothing happens.
 *
 * ERR_SYSTEM when that is not permitted, logged.  setuid(2).
 */
enum err owner_become(const char *folder);

/* ERR_ACCESS, logged, when we are root and the folder is another user's. */
enum err owner_refuse(const char *folder);

#endif
