/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * As a subreaper (prctl(2)) the guard inherits the children of a supervisor
 * that was killed, and so can wait for them.  Should the guard itself be
 * killed, the service goes on without it.
 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "child.h"

/* Leave the listening socket to the supervisor. */
static void let_go_of_socket(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	close(null);
}

/* Pass on what lighttpd and people ask for; returns when a child has died. */
static void pass_signals(pid_t supervisor)
{
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	while (!sigwait(&set, &signal) && signal != SIGCHLD)
		kill(supervisor, signal);
}

/* The supervisor's exit status, once it is gone. */
static int wait_for(pid_t supervisor)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(supervisor, &status, WNOHANG);

		if (pid == 0)
			pass_signals(supervisor);
		else if (pid == supervisor && WIFEXITED(status))
			return WEXITSTATUS(status);
		else if (pid == supervisor || errno != EINTR)
			return EXIT_FAILURE;
	}
}

/* Those whom it left behind are dying; see them off. */
static void wait_for_orphans(void)
{
	while (wait(NULL) > 0 || errno == EINTR)
		continue;
}

bool guard_fork(int *lighttpd_fd, int *status)
{
	pid_t pid;

	*lighttpd_fd = pidfd_open(getppid(), 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child_block_signals();
	/*
	 * Out of the terminal's reach: lighttpd gets its Ctrl-C as well,
	 * finishes its requests, and then stops us.
	 */
	setsid();
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_CHILD_SUBREAPER, 0);
		return true;
	}
	if (pid < 0)
		log_errno("fork-failed", "supervisor", errno);
	let_go_of_socket();
	*status = pid > 0 ? wait_for(pid) : EXIT_FAILURE;
	wait_for_orphans();
	return false;
}
