/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A position in the service: a role to play, and the process that plays it
 * now.  The position stays when the process dies, and with it the slot in
 * the store; the supervisor fills it again.
 */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "service.h"

/*
 * What a child is asked to do.  Both arrive blocked, so that they never cut
 * a system call short; the child looks for them between two pieces of work.
 */
#define CHILD_DRAIN SIGTERM /* the service ends: finish and exit */
#define CHILD_YIELD SIGUSR2 /* a successor is waiting: finish and exit */

struct role {
	const char *name;
	/* Returns the exit status once asked to leave. */
	int (*run)(const struct service *service);
	bool patient; /* may take any time to yield */
	bool keeps;   /* the store is in its memory, and lost with it */
};

struct child {
	const struct role *role;
	unsigned slot;

	pid_t pid;          /* 0: nobody is there now */
	int64_t started_ms; /* monotonic, as the other two */
	int64_t due_ms;     /* not to be started before */
	int64_t kill_ms;    /* SIGKILL when still there then; 0: never */
	unsigned deaths;    /* early ones in a row */
	bool stale;         /* started with settings that are no more */
};

/* Block the signals that supervisor and children wait for. */
void child_block_signals(void);

/*
 * What a child can be asked: as a set; as a descriptor to be polled, which is
 * not blocking and the caller's to close (signalfd(2); -1: none, logged); and
 * what has been asked there since, 0 for nothing.  Of both it is CHILD_DRAIN:
 * where the service ends no successor comes.
 */
void child_signals(sigset_t *set);
int child_signal_fd(void);
int child_read_signal(int signal_fd);

/*
 * Fork.  The child is killed with its parent, attaches to the store, plays
 * its role, and exits.  ERR_SYSTEM (logged) when there is no process to be
 * had; it is then due again as after an early death.
 */
enum err child_start(struct child *child, const struct service *service);

/* In place of a time to be killed at: whatever it does may last. */
#define CHILD_PATIENT INT64_MAX

/*
 * Ask it to leave, and have it killed after timeout_ms; of a role that is
 * patient, only when the service ends.
 */
void child_ask(struct child *child, int signal, long timeout_ms);

/* Kill it when its time is up; a killed child is reaped as any other. */
void child_hurry(struct child *child, int64_t now_ms);

/*
 * The process is gone: give its slot back, count and log how it ended, and
 * decide when the next one is due.  What was stored of the answers of one that
 * kept the store is no longer true.
 */
void child_ended(struct child *child, const struct service *service,
		 int status);

/*
 * How long to wait after the n-th early death in a row, n from 1: not at all
 * at first, then 100 ms, doubled up to 5 s.
 */
long child_backoff_ms(unsigned deaths);

#endif
