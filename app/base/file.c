/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * System calls on files, each repeated after EINTR, finished after a short
 * count, and logged where it fails.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/throttle.h"

enum { CHUNK_BYTES = 64 * 1024, ZEROS_BYTES = 16 * 1024 };

static int open_retrying(int dir, const char *name, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dir, name, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static ssize_t read_retrying(int fd, void *data, size_t size)
{
	ssize_t got;

	do
		got = read(fd, data, size);
	while (got < 0 && errno == EINTR);
	return got;
}

static ssize_t read_at_retrying(int fd, void *data, size_t size,
				int64_t position)
{
	ssize_t got;

	do
		got = pread(fd, data, size, (off_t)position);
	while (got < 0 && errno == EINTR);
	return got;
}

/* Both kinds of sync; EINTR means that nothing was promised yet. */
static enum err sync_with(int (*sync_call)(int fd), const char *event, int fd,
			  const char *name)
{
	int failed;

	do
		failed = sync_call(fd);
	while (failed && errno == EINTR);
	return failed ? log_errno(event, name, errno) : ERR_OK;
}

enum err file_open(int dir, const char *name, int flags, mode_t mode, int *fd)
{
	*fd = open_retrying(dir, name, flags, mode);
	return *fd < 0 ? log_errno("open-failed", name, errno) : ERR_OK;
}

enum err file_open_existing(int dir, const char *name, int flags, int *fd)
{
	*fd = open_retrying(dir, name, flags, 0);
	if (*fd < 0 && errno == ENOENT)
		return ERR_NOT_FOUND;
	return *fd < 0 ? log_errno("open-failed", name, errno) : ERR_OK;
}

/* Linux has closed the fd even when close(2) fails, so never twice. */
enum err file_close(int *fd, const char *name)
{
	int failed;

	if (*fd < 0)
		return ERR_OK;
	failed = close(*fd);
	*fd = -1;
	if (failed && errno != EINTR)
		return log_errno("close-failed", name, errno);
	return ERR_OK;
}

enum err file_write_at(int fd, const char *name, const void *data, size_t size,
		       int64_t position)
{
	const char *at = data;

	while (size > 0) {
		ssize_t written = pwrite(fd, at, size, (off_t)position);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return log_errno("write-failed", name,
					 written < 0 ? errno : EIO);
		at += written;
		position += written;
		size -= (size_t)written;
	}
	return ERR_OK;
}

enum err file_write_zeros(int fd, const char *name, uint64_t size,
			  int64_t position)
{
	static const char zeros[ZEROS_BYTES];
	enum err err = ERR_OK;

	while (!err && size > 0) {
		size_t part = size < ZEROS_BYTES ? (size_t)size : ZEROS_BYTES;

		err = file_write_at(fd, name, zeros, part, position);
		position += (int64_t)part;
		size -= part;
	}
	return err;
}

enum err file_read_at(int fd, const char *name, void *data, size_t size,
		      int64_t position)
{
	char *at = data;

	while (size > 0) {
		ssize_t got = read_at_retrying(fd, at, size, position);

		if (got < 0)
			return log_errno("read-failed", name, errno);
		if (got == 0) {
			log_eventf(LOG_ERROR, "file-too-short",
				   "%s ends at byte %jd, %zu more are needed",
				   name, (intmax_t)position, size);
			return ERR_DAMAGED;
		}
		at += got;
		position += got;
		size -= (size_t)got;
	}
	return ERR_OK;
}

enum err file_read_some(int fd, const char *name, void *data, size_t size,
			int64_t position, size_t *got)
{
	*got = 0;
	while (*got < size) {
		ssize_t more =
			read_at_retrying(fd, (char *)data + *got, size - *got,
					 position + (int64_t)*got);

		if (more < 0)
			return log_errno("read-failed", name, errno);
		if (more == 0)
			break;
		*got += (size_t)more;
	}
	return ERR_OK;
}

/*
 * One byte more than allowed is asked for, so that too much shows.  0, or the
 * errno.
 */
static int read_up_to(int fd, size_t max, struct buf *out)
{
	while (max > 0) {
		size_t size = max < CHUNK_BYTES ? max : CHUNK_BYTES;
		ssize_t got;

		buf_reserve(out, size);
		if (out->err)
			return ENOMEM;
		got = read_retrying(fd, out->data + out->size, size);
		if (got < 0)
			return errno;
		if (got == 0)
			return 0;
		out->size += (size_t)got;
		max -= (size_t)got;
	}
	return EFBIG;
}

enum err file_read_quietly(int fd, size_t max, struct buf *out)
{
	const size_t before = out->size;
	int errnum = read_up_to(fd, max + 1, out);

	if (!errnum)
		return ERR_OK;
	if (!out->err)
		out->size = before;
	errno = errnum;
	return err_from_errno(errnum);
}

enum err file_read_all(int fd, const char *name, size_t max, struct buf *out)
{
	enum err err = file_read_quietly(fd, max, out);

	if (!err)
		return ERR_OK;
	return log_errno(err == ERR_FULL ? "file-too-large" : "read-failed",
			 name, errno);
}

enum err file_size(int fd, const char *name, int64_t *size)
{
	struct stat status;

	if (fstat(fd, &status))
		return log_errno("stat-failed", name, errno);
	*size = status.st_size;
	return ERR_OK;
}

enum err file_sync(int fd, const char *name)
{
	return sync_with(fsync, "sync-failed", fd, name);
}

enum err file_sync_data(int fd, const char *name)
{
	return sync_with(fdatasync, "sync-failed", fd, name);
}

enum err file_allocate(int fd, const char *name, int64_t size)
{
	int errnum;

	if (size == 0)
		return ERR_OK;
	do
		errnum = posix_fallocate(fd, 0, (off_t)size);
	while (errnum == EINTR);
	return errnum ? log_errno("allocate-failed", name, errnum) : ERR_OK;
}

/* Not posix_fallocate(3), which writes where this can't be had. */
enum err file_hold(int fd, const char *name, int64_t size)
{
	int result;

	do
		result = fallocate(fd, 0, 0, (off_t)size);
	while (result && errno == EINTR);
	if (result && errno != EOPNOTSUPP && errno != ENOSYS)
		return log_errno("allocate-failed", name, errno);
	return ERR_OK;
}

enum err file_held(int fd, const char *name, uint64_t *bytes)
{
	struct stat status;

	if (fstat(fd, &status))
		return log_errno("stat-failed", name, errno);
	*bytes = (uint64_t)status.st_blocks * 512;
	return ERR_OK;
}

/* What is kept for root counts for root only. */
enum err file_room(int fd, const char *name, struct file_room *room)
{
	struct statvfs status;
	uint64_t blocks;

	if (fstatvfs(fd, &status))
		return log_errno("stat-failed", name, errno);
	blocks = geteuid() == 0 ? status.f_bfree : status.f_bavail;
	room->bytes = status.f_blocks ? blocks * status.f_frsize : UINT64_MAX;
	room->files = status.f_files ? status.f_ffree : UINT64_MAX;
	return ERR_OK;
}

bool file_is_read_only(int fd)
{
	struct statvfs status;

	return !fstatvfs(fd, &status) && (status.f_flag & ST_RDONLY);
}

enum err file_truncate(int fd, const char *name, int64_t size)
{
	int result;

	do
		result = ftruncate(fd, (off_t)size);
	while (result && errno == EINTR);
	return result ? log_errno("truncate-failed", name, errno) : ERR_OK;
}

/*
 * Bytes, not a shared extent: to change a copy that shares its blocks needs
 * room that the device may not have.
 */
enum err file_copy(int from, int to, const char *name)
{
	char chunk[CHUNK_BYTES];
	int64_t position = 0;

	for (;;) {
		ssize_t got =
			read_at_retrying(from, chunk, sizeof(chunk), position);
		enum err err;

		if (got < 0)
			return log_errno("read-failed", name, errno);
		if (got == 0)
			return ERR_OK;
		err = file_write_at(to, name, chunk, (size_t)got, position);
		if (err)
			return err;
		position += got;
		throttle_point();
	}
}

enum err file_remove(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return log_errno("remove-failed", name, errno);
	return ERR_OK;
}
