/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Forking, and what follows from how a child ended.
 *
 * A child that dies is replaced at once: a request may be waiting.  One that
 * keeps dying as soon as it has started would only burn the processor, so
 * each early death in a row makes the next one wait longer.
 */
#include "child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define EARLY_MS       1000  /* a death before it is early */
#define SETTLED_MS     10000 /* a life that long makes up for early deaths */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000

void child_block_signals(void)
{
	/* SIGPIPE: a write says EPIPE.  SIGTTOU: the log is never stopped. */
	static const int blocked[] = { SIGCHLD, SIGHUP,  SIGINT,  SIGPIPE,
				       SIGTERM, SIGTTOU, SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++)
		sigaddset(&set, blocked[i]);
	sigprocmask(SIG_SETMASK, &set, NULL);
	/* Ignored, as a parent may have left it, children could not be reaped.
	 */
	signal(SIGCHLD, SIG_DFL);
}

void child_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, CHILD_DRAIN);
	sigaddset(set, CHILD_YIELD);
}

int child_signal_fd(void)
{
	sigset_t set;
	int fd;

	child_signals(&set);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		log_errno("start-failed", "signalfd", errno);
	return fd;
}

int child_read_signal(int signal_fd)
{
	struct signalfd_siginfo info;
	int asked = 0;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info))
		if (asked != CHILD_DRAIN)
			asked = (int)info.ssi_signo;
	return asked;
}

long child_backoff_ms(unsigned deaths)
{
	long ms = BACKOFF_MIN_MS;

	if (deaths <= 1)
		return 0;
	while (deaths-- > 2 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* The life of the child, from fork to exit. */
static int live(const struct child *child, const struct service *service,
		pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		return EXIT_FAILURE;
	prctl(PR_SET_NAME, child->role->name); /* for ps and top */
	service_log_setup(service->conf, child->role->name);
	metrics_attach(service->metrics, child->slot, child->role->name);
	handout_release(service->handout);
	if (store_attach(service->store, child->slot))
		return EXIT_FAILURE;
	return child->role->run(service);
}

static void plan_successor(struct child *child, int64_t now_ms)
{
	int64_t lived_ms = now_ms - child->started_ms;

	if (lived_ms >= SETTLED_MS)
		child->deaths = 0;
	child->due_ms = now_ms;
	if (lived_ms < EARLY_MS)
		child->due_ms += child_backoff_ms(++child->deaths);
}

enum err child_start(struct child *child, const struct service *service)
{
	pid_t parent = getpid();
	pid_t pid;

	fflush(NULL);
	child->started_ms = clock_monotonic_ms();
	pid = fork();
	if (pid == 0)
		exit(live(child, service, parent));
	if (pid < 0) {
		log_errno("fork-failed", child->role->name, errno);
		plan_successor(child, child->started_ms);
		return ERR_SYSTEM;
	}
	child->pid = pid;
	child->kill_ms = 0;
	child->stale = false;
	return ERR_OK;
}

void child_ask(struct child *child, int signal, long timeout_ms)
{
	if (!child->pid)
		return;
	kill(child->pid, signal);
	child->kill_ms = signal == CHILD_YIELD && child->role->patient
				 ? CHILD_PATIENT
				 : clock_monotonic_ms() + timeout_ms;
}

void child_hurry(struct child *child, int64_t now_ms)
{
	if (!child->pid || !child->kill_ms || now_ms < child->kill_ms)
		return;
	log_eventf(LOG_WARN, "child-killed",
		   "%s %d did not stop in time and is killed",
		   child->role->name, (int)child->pid);
	kill(child->pid, SIGKILL);
	child->kill_ms = 0;
}

/* "signal 9 (Killed)" or "status 1". */
static void describe(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(out, size, "status %d", WEXITSTATUS(status));
}

void child_ended(struct child *child, const struct service *service, int status)
{
	int64_t now_ms = clock_monotonic_ms();
	bool asked = child->kill_ms && WIFEXITED(status) &&
		     WEXITSTATUS(status) == EXIT_SUCCESS;
	char pid[24];
	char how[64];
	char wait_ms[24];

	if (child->role->keeps)
		stored_forget(service->stored);
	store_reap(service->store, child->slot);
	metrics_reap(service->metrics, child->slot, !asked);
	snprintf(pid, sizeof(pid), "%d", (int)child->pid);
	child->pid = 0;
	child->kill_ms = 0;
	if (asked) {
		child->due_ms = now_ms;
		log_event(LOG_INFO, "child-left", "child", child->role->name,
			  "child_pid", pid, NULL);
		return;
	}
	plan_successor(child, now_ms);
	describe(status, how, sizeof(how));
	snprintf(wait_ms, sizeof(wait_ms), "%lld",
		 (long long)(child->due_ms - now_ms));
	log_event(LOG_WARN, "child-died", "child", child->role->name,
		  "child_pid", pid, "by", how, "restart_in_ms", wait_ms, NULL);
}
