/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "child.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "harness.h"

static struct conf conf;
static struct store *store;

static void open_store(void)
{
	static char engine[] = "--engine=memory";
	static char workers[] = "--workers=1";
	char *argv[] = { engine, workers, NULL };
	char *env[] = { NULL };
	struct buf message = BUF_EMPTY;
	struct store_conf store_conf;

	if (conf_load(&conf, 2, argv, env, &message))
		abort();
	store_conf = service_store_conf(&conf);
	if (store_open(&store_conf, &store))
		abort();
	child_block_signals();
	log_setup(LOG_ERROR, "test");
}

/* Roles.  A child of a test ends by _exit(), as harness.h wants it. */

static int leave_at_once(const struct service *service)
{
	(void)service;
	_exit(EXIT_SUCCESS);
}

static int fail_at_once(const struct service *service)
{
	(void)service;
	_exit(EXIT_FAILURE);
}

static int wait_until_asked(const struct service *service)
{
	sigset_t set;
	int signal;

	(void)service;
	child_signals(&set);
	sigwait(&set, &signal);
	_exit(EXIT_SUCCESS);
}

static int never_leave(const struct service *service)
{
	(void)service;
	for (;;)
		pause();
	return EXIT_FAILURE;
}

static const struct role leaver = { .name = "leaver", .run = leave_at_once };
static const struct role failer = { .name = "failer", .run = fail_at_once };
static const struct role waiter = { .name = "waiter", .run = wait_until_asked };
static const struct role sleeper = { .name = "sleeper", .run = never_leave };

static void start(struct child *child, const struct role *role)
{
	const struct service service = { .conf = &conf, .store = store };

	child->role = role;
	CU_ASSERT_EQUAL_FATAL(child_start(child, &service), ERR_OK);
	CU_ASSERT_FATAL(child->pid > 0);
}

static void reap(struct child *child)
{
	const struct service service = { .conf = &conf, .store = store };
	int status;

	CU_ASSERT_EQUAL(waitpid(child->pid, &status, 0), child->pid);
	child_ended(child, &service, status);
	CU_ASSERT_EQUAL(child->pid, 0);
}

static void early_deaths_make_the_next_one_wait_longer(void)
{
	static const struct {
		int line;
		unsigned deaths;
		long ms;
	} cases[] = {
		{ __LINE__, 0, 0 },      { __LINE__, 1, 0 },
		{ __LINE__, 2, 100 },    { __LINE__, 3, 200 },
		{ __LINE__, 4, 400 },    { __LINE__, 5, 800 },
		{ __LINE__, 7, 3200 },   { __LINE__, 8, 5000 },
		{ __LINE__, 100, 5000 }, { __LINE__, 4000000000U, 5000 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     child_backoff_ms(cases[i].deaths) == cases[i].ms);
}

static void one_that_keeps_dying_is_due_ever_later(void)
{
	static const long waits_ms[] = { 0, 100, 200, 400 };
	struct child child = { 0 };

	for (size_t i = 0; i < HARNESS_COUNT(waits_ms); i++) {
		int64_t before_ms = clock_monotonic_ms();

		start(&child, &failer);
		reap(&child);
		CU_ASSERT(child.due_ms >= before_ms + waits_ms[i]);
		CU_ASSERT(child.due_ms <= clock_monotonic_ms() + waits_ms[i]);
	}
}

static void one_that_lived_long_is_due_at_once_and_forgiven(void)
{
	struct child child = { .deaths = 5 };

	start(&child, &failer);
	child.started_ms -= 20000;
	reap(&child);
	CU_ASSERT_EQUAL(child.deaths, 0);
	CU_ASSERT(child.due_ms <= clock_monotonic_ms());
}

static void one_that_lived_for_a_while_is_due_at_once_but_not_forgiven(void)
{
	struct child child = { .deaths = 5 };

	start(&child, &failer);
	child.started_ms -= 5000;
	reap(&child);
	CU_ASSERT_EQUAL(child.deaths, 5);
	CU_ASSERT(child.due_ms <= clock_monotonic_ms());
}

static void leaving_when_asked_is_no_death(void)
{
	static const int signals[] = { CHILD_DRAIN, CHILD_YIELD };

	for (size_t i = 0; i < HARNESS_COUNT(signals); i++) {
		struct child child = { .stale = true };

		start(&child, &waiter);
		CU_ASSERT_FALSE(child.stale);
		child_ask(&child, signals[i], 60000);
		CU_ASSERT(child.kill_ms > clock_monotonic_ms());
		reap(&child);
		CU_ASSERT_EQUAL(child.deaths, 0);
		CU_ASSERT_EQUAL(child.kill_ms, 0);
	}
}

static void leaving_without_being_asked_is_a_death(void)
{
	struct child child = { 0 };

	start(&child, &leaver);
	reap(&child);
	CU_ASSERT_EQUAL(child.deaths, 1);
}

static void one_that_does_not_leave_in_time_is_killed(void)
{
	struct child child = { 0 };
	int64_t now_ms;

	log_setup(LOG_ERROR, "test");
	start(&child, &sleeper);
	child_hurry(&child, clock_monotonic_ms() + 1000000);
	child_ask(&child, CHILD_DRAIN, 1000);
	now_ms = clock_monotonic_ms();
	child_hurry(&child, now_ms);
	CU_ASSERT_EQUAL(waitpid(child.pid, NULL, WNOHANG), 0);
	child_hurry(&child, now_ms + 2000);
	reap(&child);
}

static void asking_nobody_does_nothing(void)
{
	struct child child = { .role = &waiter };

	child_ask(&child, CHILD_DRAIN, 0);
	child_hurry(&child, clock_monotonic_ms() + 1000);
	CU_ASSERT_EQUAL(child.kill_ms, 0);
}

static void a_child_dies_with_its_parent(void)
{
	int fds[2];
	char byte;
	pid_t parent;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	parent = fork();
	if (parent == 0) {
		const struct service service = { .conf = &conf,
						 .store = store };
		struct child child = { .role = &sleeper };

		child_start(&child, &service);
		kill(getpid(), SIGKILL);
	}
	close(fds[1]);
	CU_ASSERT_EQUAL(waitpid(parent, NULL, 0), parent);
	/* The grandchild held the pipe open; its end is the end of file. */
	CU_ASSERT_EQUAL(read(fds[0], &byte, 1), 0);
	close(fds[0]);
}

static void the_signals_of_the_service_are_blocked(void)
{
	static const int signals[] = { SIGCHLD, SIGHUP,  SIGINT,     SIGPIPE,
				       SIGTERM, SIGUSR1, CHILD_YIELD };
	sigset_t set;

	signal(SIGCHLD, SIG_IGN);
	child_block_signals();
	sigprocmask(SIG_BLOCK, NULL, &set);
	for (size_t i = 0; i < HARNESS_COUNT(signals); i++)
		CU_ASSERT(sigismember(&set, signals[i]));
	CU_ASSERT_FALSE(sigismember(&set, SIGSEGV));
	CU_ASSERT_PTR_EQUAL(signal(SIGCHLD, SIG_DFL), SIG_DFL);
}

static void the_end_of_the_service_counts_for_more_than_a_successor(void)
{
	static const struct {
		int line;
		int first, second;
		int asked;
	} cases[] = {
		{ __LINE__, CHILD_YIELD, CHILD_YIELD, CHILD_YIELD },
		{ __LINE__, CHILD_DRAIN, CHILD_DRAIN, CHILD_DRAIN },
		{ __LINE__, CHILD_YIELD, CHILD_DRAIN, CHILD_DRAIN },
		{ __LINE__, CHILD_DRAIN, CHILD_YIELD, CHILD_DRAIN },
	};
	int fd = child_signal_fd();

	CU_ASSERT_EQUAL(child_read_signal(fd), 0);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		kill(getpid(), cases[i].first);
		kill(getpid(), cases[i].second);
		HARNESS_CASE(cases[i].line,
			     child_read_signal(fd) == cases[i].asked);
		HARNESS_CASE(cases[i].line, child_read_signal(fd) == 0);
	}
	close(fd);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(early_deaths_make_the_next_one_wait_longer),
	HARNESS_TEST(one_that_keeps_dying_is_due_ever_later),
	HARNESS_TEST(one_that_lived_long_is_due_at_once_and_forgiven),
	HARNESS_TEST(
		one_that_lived_for_a_while_is_due_at_once_but_not_forgiven),
	HARNESS_TEST(leaving_when_asked_is_no_death),
	HARNESS_TEST(leaving_without_being_asked_is_a_death),
	HARNESS_TEST(one_that_does_not_leave_in_time_is_killed),
	HARNESS_TEST(asking_nobody_does_nothing),
	HARNESS_TEST(a_child_dies_with_its_parent),
	HARNESS_TEST(the_signals_of_the_service_are_blocked),
	HARNESS_TEST(the_end_of_the_service_counts_for_more_than_a_successor),
};

int main(void)
{
	int status;

	open_store();
	status = harness_run("child", tests, HARNESS_COUNT(tests));
	store_close(store);
	conf_release(&conf);
	return status;
}
