/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One call after the other is struck; see strike.h. */
#include "torture/strike.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "harness.h"

#define STEP   23 /* between two n in make check */
#define LAST   50 /* calls at the end of a phase that are tried each one */
#define N_MOST 100000

static const struct kind {
	const char *name;
	enum fault fault;
	int errnum;
	bool end; /* is tried by strike_end() */
} kinds[] = {
	{ "EIO", FAULT_CALL, EIO, true },
	{ "ENOSPC", FAULT_CALL, ENOSPC, false },
	{ "EDQUOT", FAULT_CALL, EDQUOT, false },
	{ "EINTR", FAULT_CALL, EINTR, false },
	{ "short", FAULT_CALL, FAULT_SHORT, false },
	{ "kill", FAULT_CALL, FAULT_KILL, true },
	{ "ENOMEM", FAULT_MEMORY, ENOMEM, true },
};

static struct strike {
	const struct kind *kind;
	unsigned n;
	bool struck;
} * strike;

bool strike_share(void)
{
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	strike = mmap(NULL, sizeof(*strike), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return strike != MAP_FAILED;
}

void strike_arm(void)
{
	fault_arm(strike->kind->fault, strike->n, strike->kind->errnum);
}

bool strike_disarm(void)
{
	strike->struck = fault_disarm();
	return strike->struck;
}

static int in_child(void (*work)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		work();
		_exit(0);
	}
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	return status;
}

/* Whether the fault struck. */
static bool try(const struct strike_phase *phase, const struct kind *kind,
		unsigned n)
{
	const char *wrong;
	int status;

	*strike = (struct strike){ .kind = kind, .n = n };
	phase->begin();
	if (phase->prepare)
		CU_ASSERT_EQUAL_FATAL(in_child(phase->prepare), 0);
	status = in_child(phase->live);
	if (kind->errnum == FAULT_KILL && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGKILL) {
		strike->struck = true;
		status = 0;
	}
	wrong = phase->wrong();
	if (wrong || status)
		printf("# %s, %s, call %u: status %d, the store %s\n",
		       phase->name, kind->name, n, status,
		       wrong ? wrong : "is well");
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_PTR_NULL(wrong);
	return strike->struck;
}

static unsigned seed(void)
{
	const char *given = getenv("LIBRAPI_SEED");

	return given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
}

void strike_walk(const struct strike_phase *phase)
{
	unsigned step = phase->step ? phase->step : STEP;
	unsigned tried = 0;

	if (getenv("LIBRAPI_TORTURE"))
		step = 1;
	for (size_t i = 0; i < HARNESS_COUNT(kinds); i++) {
		unsigned n = 1 + (seed() + (unsigned)i * 5) % step;

		if (!fault_available(kinds[i].fault))
			continue;
		for (; n < N_MOST && try(phase, &kinds[i], n); n += step)
			tried++;
		CU_ASSERT(n < N_MOST);
	}
	printf("# %s: %u faults, seed %u\n", phase->name, tried, seed());
	CU_ASSERT(tried > 0);
}

void strike_end(const struct strike_phase *phase)
{
	for (size_t i = 0; i < HARNESS_COUNT(kinds); i++) {
		const struct kind *kind = &kinds[i];
		unsigned n = 1;

		if (!kind->end || !fault_available(kind->fault))
			continue;
		while (n < N_MOST && try(phase, kind, n))
			n += STEP;
		for (unsigned end = n; n > 1 && n + LAST > end; n--)
			try(phase, kind, n);
	}
}
