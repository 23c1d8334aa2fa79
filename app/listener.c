/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A path in the file system outlives the process that bound it, so whether it
 * is in use can only be learnt by connecting: ECONNREFUSED says that nobody
 * is there.  After unix(7).
 */
#include "listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Requests that may wait for a worker, as in lighttpd/spawn.conf. */
#define BACKLOG     10000
#define UNIX_PREFIX "unix:"

/* How long workers may outlive their supervisor, and how often to look. */
#define HEIRS_MS      1000
#define HEIRS_LOOK_MS 5

/* Whoever polls would be back at once. */
#define ACCEPT_PAUSE_MS 10

/* lighttpd runs in the same group and has to write to the socket. */
#define SOCKET_UMASK 0117

/*
 * Connect, to see whether somebody listens at the address: true, and *pid,
 * which is 0 when that can't be told.
 */
static bool in_use(const struct sockaddr_un *address, pid_t *pid)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int failed =
		connect(fd, (const struct sockaddr *)address, sizeof(*address));
	bool used = !failed || (errno != ECONNREFUSED && errno != ENOENT);

	if (!failed && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		*pid = peer.pid;
	else
		*pid = 0;
	close(fd);
	return used;
}

/* In use, and not only by children of a process that was just killed. */
static bool stays_in_use(const struct sockaddr_un *address, pid_t *pid)
{
	int64_t until_ms = clock_monotonic_ms() + HEIRS_MS;

	while (in_use(address, pid)) {
		if (!*pid || !kill(*pid, 0) || errno != ESRCH ||
		    clock_monotonic_ms() > until_ms)
			return true;
		clock_sleep_ms(HEIRS_LOOK_MS);
	}
	return false;
}

/* Make the path free for bind(2), if it is ours to free. */
static enum err clear_path(const struct sockaddr_un *address)
{
	struct stat st;
	pid_t pid;
	char by[32] = "";

	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? ERR_OK
				       : log_errno("listen-failed",
						   address->sun_path, errno);
	if (!S_ISSOCK(st.st_mode)) {
		log_eventf(
			LOG_ERROR, "listen-failed",
			"%s exists and is not a socket; remove it or choose another path for listen",
			address->sun_path);
		return ERR_ACCESS;
	}
	if (stays_in_use(address, &pid)) {
		if (pid)
			snprintf(by, sizeof(by), " by process %d", (int)pid);
		log_eventf(
			LOG_ERROR, "listen-failed",
			"%s is in use%s; stop that or choose another path for listen",
			address->sun_path, by);
		return ERR_OWNED;
	}
	if (unlink(address->sun_path) && errno != ENOENT)
		return log_errno("listen-failed", address->sun_path, errno);
	return ERR_OK;
}

static enum err bind_and_listen(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(SOCKET_UMASK);
	int failed =
		bind(fd, (const struct sockaddr *)address, sizeof(*address));
	int errnum = errno;

	umask(mask);
	if (failed)
		return log_errno("listen-failed", address->sun_path, errnum);
	if (listen(fd, BACKLOG))
		return log_errno("listen-failed", address->sun_path, errno);
	return ERR_OK;
}

static enum err set_address(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path)) {
		log_eventf(LOG_ERROR, "listen-failed",
			   "%s is too long for a socket: at most %zu bytes",
			   path, sizeof(address->sun_path) - 1);
		return ERR_ACCESS;
	}
	memcpy(address->sun_path, path, strlen(path));
	return ERR_OK;
}

static enum err open_path(const char *path, int *fd)
{
	struct sockaddr_un address;
	enum err err = set_address(path, &address);

	if (!err)
		err = clear_path(&address);
	if (err)
		return err;
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0) {
		log_errno("listen-failed", path, errno);
		return ERR_SYSTEM;
	}
	err = bind_and_listen(*fd, &address);
	if (err) {
		close(*fd);
		*fd = -1;
	}
	return err;
}

enum err listener_open(const char *listen, int *fd)
{
	size_t prefix = strlen(UNIX_PREFIX);

	*fd = -1;
	assert(!strncmp(listen, UNIX_PREFIX, prefix));
	return open_path(listen + prefix, fd);
}

static bool lead_to_the_same(const char *a, const char *b)
{
	struct stat at_a;
	struct stat at_b;

	return !stat(a, &at_a) && !stat(b, &at_b) &&
	       at_a.st_dev == at_b.st_dev && at_a.st_ino == at_b.st_ino;
}

/* Give the socket at `from` the name `to`, which is never missing meanwhile. */
static enum err move_socket(const char *from, const char *to)
{
	char new[sizeof(struct sockaddr_un) + sizeof(".new")];

	snprintf(new, sizeof(new), "%s.new", from);
	unlink(new);
	if (link(from, new) || rename(new, to) || unlink(from))
		return log_errno("listen-failed", to, errno);
	return ERR_OK;
}

enum err listener_take(int made, const char *listen, int *fd)
{
	const char *path = listen + strlen(UNIX_PREFIX);
	struct sockaddr_un at = { 0 };
	struct sockaddr_un address;
	socklen_t size = sizeof(at) - 1;
	enum err err = set_address(path, &address);

	*fd = -1;
	if (!err && getsockname(made, (struct sockaddr *)&at, &size))
		err = log_errno("listen-failed", path, errno);
	if (!err && !lead_to_the_same(path, at.sun_path))
		err = clear_path(&address);
	if (!err)
		err = move_socket(at.sun_path, path);
	if (err)
		close(made);
	else
		*fd = made;
	return err;
}

enum err listener_address(const char *listen, struct sockaddr_un *address)
{
	return set_address(listen + strlen(UNIX_PREFIX), address);
}

bool listener_is_used(const char *listen)
{
	struct sockaddr_un address;
	pid_t pid;

	return !listener_address(listen, &address) &&
	       stays_in_use(&address, &pid);
}

int listener_accept(int listen_fd, int flags, bool *failing)
{
	int fd;

	do
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | flags);
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd >= 0)
		*failing = false;
	/* EINVAL: the last one, after listener_refuse() */
	if (fd >= 0 || errno == EAGAIN || errno == EINVAL)
		return fd;
	if (!*failing)
		log_errno("accept-failed", "listening socket", errno);
	*failing = true;
	clock_sleep_ms(ACCEPT_PAUSE_MS);
	return -1;
}

void listener_refuse(const char *listen, int fd)
{
	if (fd < 0)
		return;
	unlink(listen + strlen(UNIX_PREFIX));
	shutdown(fd, SHUT_RD);
}
