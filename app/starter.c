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

static void let_go_of_socket(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0) {
		log_errno("start-failed", "/dev/null", errno);
		close(STDIN_FILENO);
	}
	if (null > STDERR_FILENO)
		close(null);
}

int starter_attach(void)
{
	if (!is_started_by_lighttpd())
		return -1;
	let_go_of_socket();
	/*
	 * Out of the terminal's reach: lighttpd gets its Ctrl-C as well,
	 * finishes its requests, and then stops us.
	 */
	setsid();
	return pidfd_open(getppid(), 0);
}
