/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What failed says only "Permission denied"; here we look for the reason: the
 * folder, or the first file in it that we can't both read and write.
 */
#include "store/gdbm/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

struct foreign {
	int dir;
	const char *folder;
	struct stat status; /* of the folder */
};

static bool is_denied(int dir, const char *name, int mode)
{
	return faccessat(dir, name, mode, AT_EACCESS) && errno == EACCES;
}

static enum err look_at(void *arg, const char *name)
{
	const struct foreign *f = arg;
	struct stat status;

	if (!is_denied(f->dir, name, R_OK | W_OK) ||
	    fstatat(f->dir, name, &status, 0))
		return ERR_OK;
	log_eventf(
		LOG_ERROR, "store-refused",
		"user %d can't use the file %s of user %d; the folder belongs to user %d, and so should all that is in it: chown -R %d:%d %s",
		(int)geteuid(), name, (int)status.st_uid, (int)f->status.st_uid,
		(int)f->status.st_uid, (int)f->status.st_gid, f->folder);
	return ERR_ACCESS;
}

void foreign_tell(const char *folder)
{
	struct foreign f = { .folder = folder };

	if (stat(folder, &f.status))
		return;
	if (is_denied(AT_FDCWD, folder, R_OK | W_OK | X_OK)) {
		log_eventf(
			LOG_ERROR, "store-refused",
			"user %d can't use the folder %s, which belongs to user %d; run librapi as that user",
			(int)geteuid(), folder, (int)f.status.st_uid);
		return;
	}
	if (file_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0, &f.dir))
		return;
	file_each(f.dir, look_at, &f);
	file_close(&f.dir, folder);
}
