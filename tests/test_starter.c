/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "starter.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static int bound(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* What lighttpd leaves on descriptor 0. */
static int listening(const char *path)
{
	int fd = bound(path);

	CU_ASSERT_EQUAL_FATAL(listen(fd, 1), 0);
	return fd;
}

/* Run in a process that has `fd` as descriptor 0; its exit status. */
static int with_stdin(int fd, int (*run)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		dup2(fd, STDIN_FILENO);
		close(fd);
		_exit(run());
	}
	close(fd);
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

enum { /* bits of an exit status */
       NO_PARENT = 1,
       NO_SESSION = 2,
       NO_NULL = 4,
       NO_SOCKET = 8,
};

static bool is_listening(int fd)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) &&
	       listening;
}

static int attach(void)
{
	struct starter starter = starter_attach();
	struct pollfd parent = { .fd = starter.lighttpd_fd, .events = POLLIN };
	struct stat null;
	struct stat now;

	stat("/dev/null", &null);
	fstat(STDIN_FILENO, &now);
	return (parent.fd < 0 || poll(&parent, 1, 0) ? NO_PARENT : 0) |
	       (getsid(0) != getpid() ? NO_SESSION : 0) |
	       (now.st_rdev != null.st_rdev ? NO_NULL : 0) |
	       (starter.socket_fd <= STDERR_FILENO ||
				is_listening(STDIN_FILENO) ||
				!is_listening(starter.socket_fd) ||
				!(fcntl(starter.socket_fd, F_GETFL) &
				  O_NONBLOCK) ||
				!(fcntl(starter.socket_fd, F_GETFD) &
				  FD_CLOEXEC)
			? NO_SOCKET
			: 0);
}

static void what_lighttpd_started_gets_its_socket_and_knows_its_parent(void)
{
	CU_ASSERT_EQUAL(with_stdin(listening(harness_path("start")), attach),
			0);
}

/* Whether it is known to be dead, who had made the socket. */
static int attach_late(void)
{
	struct starter starter = starter_attach();
	struct pollfd lighttpd = { .fd = starter.lighttpd_fd,
				   .events = POLLIN };

	return poll(&lighttpd, 1, 0) == 1 && lighttpd.revents & POLLIN
		       ? 0
		       : NO_PARENT;
}

/* lighttpd is killed just after it has forked. */
static void a_lighttpd_that_was_dead_before_is_not_taken_for_another(void)
{
	int fd = bound(harness_path("start"));
	pid_t lighttpd = fork();

	if (lighttpd == 0)
		_exit(listen(fd, 1));
	CU_ASSERT_EQUAL_FATAL(waitpid(lighttpd, NULL, 0), lighttpd);
	CU_ASSERT_EQUAL(with_stdin(fd, attach_late), 0);
}

static int attach_to_nothing(void)
{
	pid_t session = getsid(0);
	struct starter starter;
	struct stat before;
	struct stat now;

	fstat(STDIN_FILENO, &before);
	starter = starter_attach();
	if (starter.socket_fd != -1 || starter.lighttpd_fd != -1 ||
	    fstat(STDIN_FILENO, &now))
		return 1;
	return now.st_ino != before.st_ino || getsid(0) != session;
}

static void what_somebody_else_started_is_left_as_it_is(void)
{
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CU_ASSERT_EQUAL(with_stdin(pair[0], attach_to_nothing), 0);
	close(pair[1]);
	CU_ASSERT_EQUAL(with_stdin(open("/dev/null", O_RDONLY | O_CLOEXEC),
				   attach_to_nothing),
			0);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(
		what_lighttpd_started_gets_its_socket_and_knows_its_parent),
	HARNESS_TEST(a_lighttpd_that_was_dead_before_is_not_taken_for_another),
	HARNESS_TEST(what_somebody_else_started_is_left_as_it_is),
};

int main(void)
{
	return harness_run("starter", tests, HARNESS_COUNT(tests));
}
