/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk that can't be synced, or is slow: preloaded, this lets fsync(2) and
 * fdatasync(2) fail with EIO as long as the file BAD_DISK/fails is there, and
 * waits before each of them, or before each pwrite(2), for as many
 * milliseconds as BAD_DISK/sync or BAD_DISK/pwrite says.  Meanwhile the pid is
 * in BAD_DISK/sync.pid, or pwrite.pid.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A file of the folder; -1 when there is none. */
static int open_file(const char *name, const char *ending, int flags)
{
	const char *folder = getenv("BAD_DISK");
	char path[256];

	if (!folder)
		return -1;
	snprintf(path, sizeof(path), "%s/%s%s", folder, name, ending);
	return open(path, flags | O_CLOEXEC, 0600);
}

/* What stands in the file of that name; -1 without it. */
static int look(const char *name)
{
	int fd = open_file(name, "", O_RDONLY);
	char text[16] = "";

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return atoi(text);
}

static void tell(const char *name, int pid)
{
	int fd = open_file(name, ".pid", O_WRONLY | O_CREAT | O_TRUNC);

	if (fd < 0)
		return;
	if (pid)
		dprintf(fd, "%d\n", pid);
	close(fd);
}

static void wait_for(const char *name)
{
	int kept = errno;
	int ms = look(name);
	struct timespec left = { ms / 1000, ms % 1000 * 1000000L };

	if (ms > 0) {
		tell(name, getpid());
		while (nanosleep(&left, &left) && errno == EINTR)
			;
		tell(name, 0);
	}
	errno = kept;
}

static int synced(long call, int fd)
{
	wait_for("sync");
	if (look("fails") < 0)
		return (int)syscall(call, fd);
	errno = EIO;
	return -1;
}

int fsync(int fd)
{
	return synced(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return synced(SYS_fdatasync, fd);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t position)
{
	wait_for("pwrite");
	return syscall(SYS_pwrite64, fd, data, size, position);
}
