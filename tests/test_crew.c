/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of app/crew.c with children of its own making, and with a fork(2) that
 * fails when it is told to.
 */
#include "crew.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "harness.h"
#include "logged.h"

#define COUNT   3
#define LONG_MS 60000 /* so that nobody is killed */
#define WITHIN  10000 /* turns, of a millisecond each */
#define FEW     300

static struct conf conf;
static struct service service = { .conf = &conf };
static bool no_process;

/* Instead of the C library's. */
pid_t fork(void)
{
	if (!no_process)
		return _Fork();
	errno = EAGAIN;
	return -1;
}

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
	if (store_open(&store_conf, &service.store))
		abort();
	child_block_signals();
	log_setup(LOG_ERROR, "test");
}

/* A child of a test ends by _exit(), as harness.h wants it. */
static int wait_until_asked(const struct service *s)
{
	sigset_t set;
	int asked;

	(void)s;
	child_signals(&set);
	sigwait(&set, &asked);
	_exit(EXIT_SUCCESS);
}

static const struct role waiter = { .name = "waiter", .run = wait_until_asked };

static void open_crew(struct crew *crew)
{
	*crew = (struct crew){ .count = COUNT };
	crew->children = calloc(COUNT, sizeof(*crew->children));
	CU_ASSERT_PTR_NOT_NULL_FATAL(crew->children);
	for (unsigned i = 0; i < COUNT; i++)
		crew->children[i] =
			(struct child){ .role = &waiter, .slot = i };
	crew_start_due(crew, &service);
	CU_ASSERT_EQUAL_FATAL(crew_alive(crew, CREW_SERVING), COUNT);
}

/* As the supervisor's loop; whether the last one has been replaced. */
static bool turn(struct crew *crew)
{
	bool rolled;

	crew_start_due(crew, &service);
	rolled = crew_roll(crew, LONG_MS);
	clock_sleep_ms(1);
	crew_look_after(crew, &service);
	return rolled;
}

static void close_crew(struct crew *crew)
{
	crew_drain(crew, CREW_SERVING, LONG_MS);
	for (int i = 0; crew_alive(crew, CREW_SERVING) && i < WITHIN; i++) {
		clock_sleep_ms(1);
		crew_look_after(crew, &service);
	}
	CU_ASSERT_EQUAL(crew_alive(crew, CREW_SERVING), 0);
	crew_release(crew);
}

static void note_pids(const struct crew *crew, pid_t pids[COUNT])
{
	for (size_t i = 0; i < COUNT; i++)
		pids[i] = crew->children[i].pid;
}

/* How many are still who they were. */
static size_t remaining(const struct crew *crew, const pid_t pids[COUNT])
{
	size_t count = 0;

	for (size_t i = 0; i < COUNT; i++)
		count += pids[i] && crew->children[i].pid == pids[i];
	return count;
}

static void all_are_replaced_one_after_another(void)
{
	struct crew crew;
	pid_t pids[COUNT];
	bool rolled = false;

	open_crew(&crew);
	note_pids(&crew, pids);
	crew_renew(&crew);
	for (int i = 0; !rolled && i < WITHIN; i++) {
		rolled = turn(&crew);
		CU_ASSERT(crew_alive(&crew, CREW_SERVING) >= COUNT - 1);
	}
	CU_ASSERT(rolled);
	CU_ASSERT_EQUAL(remaining(&crew, pids), 0);
	CU_ASSERT_EQUAL(crew_alive(&crew, CREW_SERVING), COUNT);
	CU_ASSERT_FALSE(turn(&crew));
	close_crew(&crew);
}

static void without_a_successor_nobody_else_has_to_leave(void)
{
	struct logged logged;
	struct crew crew;
	pid_t pids[COUNT];
	bool rolled = false;

	open_crew(&crew);
	note_pids(&crew, pids);
	crew_renew(&crew);
	logged_begin(&logged);
	no_process = true;
	for (int i = 0; i < FEW; i++)
		CU_ASSERT_FALSE(turn(&crew));
	CU_ASSERT_EQUAL(remaining(&crew, pids), COUNT - 1);
	no_process = false;
	for (int i = 0; !rolled && i < WITHIN; i++)
		rolled = turn(&crew);
	logged_end(&logged);
	CU_ASSERT(rolled);
	CU_ASSERT_EQUAL(remaining(&crew, pids), 0);
	CU_ASSERT_EQUAL(crew_alive(&crew, CREW_SERVING), COUNT);
	close_crew(&crew);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(all_are_replaced_one_after_another),
	HARNESS_TEST(without_a_successor_nobody_else_has_to_leave),
};

int main(void)
{
	int status;

	open_store();
	status = harness_run("crew", tests, HARNESS_COUNT(tests));
	store_close(service.store);
	conf_release(&conf);
	return status;
}
