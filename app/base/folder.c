/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What changes a folder rather than a file (base/file.h declares it): a name
 * is on the disk only once its folder has been synced.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* A new file, written and synced; after a failure it is gone again. */
static enum err write_new(int dir, const char *name, struct view data,
			  mode_t mode)
{
	int fd;
	enum err err = file_remove(dir, name);
	enum err closed;

	if (err)
		return err;
	err = file_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, mode, &fd);
	if (err)
		return err;
	err = file_write_at(fd, name, data.data, data.size, 0);
	if (!err)
		err = file_sync(fd, name);
	closed = file_close(&fd, name);
	if (!err)
		err = closed;
	if (err)
		file_remove(dir, name);
	return err;
}

/* There is no way back from here: somebody may have read the new file. */
static enum err put_in_place(int dir, const char *new, const char *name)
{
	enum err err;

	if (!renameat(dir, new, dir, name))
		return file_sync(dir, name);
	err = log_errno("rename-failed", name, errno);
	file_remove(dir, new);
	return err;
}

/* "." for a name without a slash, "/" for one right below it. */
static void parent_of(const char *path, size_t length, char *parent)
{
	while (length > 0 && path[length - 1] != '/')
		length--;
	while (length > 1 && path[length - 1] == '/')
		length--;
	if (length == 0)
		parent[length++] = '.';
	else
		memcpy(parent, path, length);
	parent[length] = '\0';
}

static enum err sync_folder(const char *path)
{
	int fd;
	enum err err =
		file_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &fd);

	if (err)
		return err;
	err = file_sync(fd, path);
	file_close(&fd, path);
	return err;
}

static enum err check_is_folder(const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return log_errno("stat-failed", path, errno);
	if (!S_ISDIR(status.st_mode))
		return log_errno("make-folder-failed", path, ENOTDIR);
	return ERR_OK;
}

enum err file_replace(int dir, const char *name, struct view data, mode_t mode)
{
	char new[NAME_MAX + 1];
	int length = snprintf(new, sizeof(new), "%s.tmp", name);
	enum err err;

	if (length < 0 || (size_t)length >= sizeof(new))
		return log_errno("replace-failed", name, ENAMETOOLONG);
	err = write_new(dir, new, data, mode);
	if (err)
		return err;
	return put_in_place(dir, new, name);
}

static enum err open_and_remove(const char *folder, const char *name, int *fd)
{
	int dir;
	enum err err =
		file_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0, &dir);

	if (err)
		return err;
	err = file_remove(dir, name);
	if (!err)
		err = file_open(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600, fd);
	if (!err)
		err = file_remove(dir, name);
	if (err)
		file_close(fd, name);
	file_close(&dir, folder);
	return err;
}

enum err file_open_unnamed(const char *folder, const char *name, int *fd)
{
	*fd = openat(AT_FDCWD, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd >= 0)
		return ERR_OK;
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)
		return open_and_remove(folder, name, fd);
	return log_errno("open-failed", folder, errno);
}

enum err file_make_folder(const char *path, mode_t mode)
{
	size_t length = strlen(path);
	char parent[PATH_MAX];
	enum err err;

	if (length >= sizeof(parent))
		return log_errno("make-folder-failed", path, ENAMETOOLONG);
	while (length > 1 && path[length - 1] == '/')
		length--;
	parent_of(path, length, parent);
	if (mkdir(path, mode)) {
		if (errno == EEXIST)
			return check_is_folder(path);
		if (errno != ENOENT || !strcmp(path, "") ||
		    !strcmp(parent, "."))
			return log_errno("make-folder-failed", path, errno);
		err = file_make_folder(parent, mode);
		if (err)
			return err;
		if (mkdir(path, mode) && errno != EEXIST)
			return log_errno("make-folder-failed", path, errno);
	}
	return sync_folder(parent);
}

enum err file_each(int dir, enum err (*each)(void *arg, const char *name),
		   void *arg)
{
	enum err err = ERR_OK;
	int fd;
	DIR *folder;

	err = file_open(dir, ".", O_RDONLY | O_DIRECTORY, 0, &fd);
	if (err)
		return err;
	folder = fdopendir(fd);
	if (!folder) {
		err = log_errno("open-failed", ".", errno);
		file_close(&fd, ".");
		return err;
	}
	while (!err) {
		const struct dirent *entry;

		errno = 0;
		entry = readdir(folder);
		if (!entry) {
			if (errno)
				err = log_errno("read-failed", ".", errno);
			break;
		}
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = each(arg, entry->d_name);
	}
	closedir(folder);
	return err;
}

enum err file_link(int from, const char *name, int to)
{
	if (linkat(from, name, to, name, 0))
		return log_errno("link-failed", name, errno);
	return ERR_OK;
}

static enum err remove_in(void *arg, const char *name)
{
	return file_remove(*(const int *)arg, name);
}

enum err file_remove_folder(int dir, const char *name)
{
	int folder;
	enum err err =
		file_open_existing(dir, name, O_RDONLY | O_DIRECTORY, &folder);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = file_each(folder, remove_in, &folder);
	file_close(&folder, name);
	if (!err && unlinkat(dir, name, AT_REMOVEDIR) && errno != ENOENT)
		err = log_errno("remove-failed", name, errno);
	return err;
}
