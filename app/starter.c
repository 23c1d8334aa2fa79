/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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

struct starter starter_attach(void)
{
	if (!is_started_by_lighttpd())
		return (struct starter){ -1, -1 };
	/*
	 * Out of the terminal's reach: lighttpd gets its Ctrl-C as well,
	 * finishes its requests, and then stops us.
	 */
	setsid();
	return (struct starter){
		.socket_fd = take_socket(),
		.lighttpd_fd = pidfd_open(getppid(), 0),
	};
}
