/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

static bool is_started_by_lighttpd(void)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	return !getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listening,
			   &size) &&
	       listening;
}

/* Leave /dev/null on descriptor 0, so that no connection ever gets it. */
static int take_socket(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		log_errno("start-failed", "descriptor 0", errno);
	if (null >= 0)
		close(null);
	return fd;
}

/* Who has made the socket, also when that process is dead (unix(7)). */
static pid_t maker_of(int socket_fd)
{
	struct ucred maker = { 0 };
	socklen_t size = sizeof(maker);

	if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &maker, &size) ||
	    maker.pid <= 0)
		return getppid();
	return maker.pid;
}

/*
 * Not by our parent, which is another process when lighttpd has died already.
 * Then what can be read at once stands for it.
 */
static int watch_lighttpd(int socket_fd)
{
	int fd = pidfd_open(maker_of(socket_fd), 0);

	if (fd < 0 && errno == ESRCH)
		fd = eventfd(1, EFD_CLOEXEC);
	if (fd < 0)
		log_errno("start-failed", "watch over lighttpd", errno);
	return fd;
}

struct starter starter_attach(void)
{
	struct starter starter = { -1, -1 };

	if (!is_started_by_lighttpd())
		return starter;
	/*
	 * Out of the terminal's reach: lighttpd gets its Ctrl-C as well,
	 * finishes its requests, and then stops us.
	 */
	setsid();
	starter.lighttpd_fd = watch_lighttpd(STDIN_FILENO);
	starter.socket_fd = take_socket();
	return starter;
}
