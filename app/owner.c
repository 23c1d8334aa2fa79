/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A service has more that is its user's than the store: it is refused. */
#include "owner.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* What is wrong with a folder that can't be asked is told by its opening. */
static bool is_foreign(const char *folder, struct stat *status)
{
	return geteuid() == 0 && !stat(folder, status) && status->st_uid != 0;
}

enum err owner_become(const char *folder)
{
	struct stat status;

	if (!is_foreign(folder, &status))
		return ERR_OK;
	if (!setgroups(0, NULL) && !setgid(status.st_gid) &&
	    !setuid(status.st_uid))
		return ERR_OK;
	log_errno("user-not-changed", folder, errno);
	log_eventf(LOG_ERROR, "user-not-changed",
		   "%s belongs to user %d; run this command as that user",
		   folder, (int)status.st_uid);
	return ERR_SYSTEM;
}

enum err owner_refuse(const char *folder)
{
	struct stat status;

	if (!is_foreign(folder, &status))
		return ERR_OK;
	log_eventf(
		LOG_ERROR, "start-failed",
		"the folder %s belongs to user %d, who could not open what root makes in it; run librapi as that user, or give the folder to root",
		folder, (int)status.st_uid);
	return ERR_ACCESS;
}
