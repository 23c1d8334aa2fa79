/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk that can't be synced: preloaded, this lets fsync(2) and fdatasync(2)
 * fail with EIO as long as the file SYNC_FAILS_FILE is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(void)
{
	const char *path = getenv("SYNC_FAILS_FILE");

	if (!path || access(path, F_OK))
		return 0;
	errno = EIO;
	return 1;
}

int fsync(int fd)
{
	return fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}
