/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A process that sleeps has given up the processor by itself. */
#include "base/throttle.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "harness.h"

#define WORK_MS   20
#define SLEEPS    5
#define AT_MOST_S 10

static long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

/* Work for a while, or until it has slept so often: how often it slept. */
static long work(long ms, long enough)
{
	int64_t until_ms = clock_monotonic_ms() + ms;
	long before = sleeps();

	while (clock_monotonic_ms() < until_ms && sleeps() - before < enough)
		throttle_point();
	return sleeps() - before;
}

static void who_is_not_throttled_never_sleeps(void)
{
	CU_ASSERT_EQUAL(work(WORK_MS, SLEEPS), 0);
}

static void who_is_throttled_sleeps_between_portions(void)
{
	int64_t begun_us = clock_monotonic_us();

	throttle_set(true);
	CU_ASSERT_EQUAL(work(AT_MOST_S * 1000, SLEEPS), SLEEPS);
	CU_ASSERT(clock_monotonic_us() - begun_us >=
		  (SLEEPS - 1) * (THROTTLE_WORK_US + THROTTLE_SLEEP_US));
	throttle_set(false);
	CU_ASSERT_EQUAL(work(WORK_MS, SLEEPS), 0);
}

static void who_is_asked_to_end_does_not_sleep(void)
{
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	throttle_set(true);
	CU_ASSERT_EQUAL(work(WORK_MS, SLEEPS), 0);
	sigwait(&set, &signal);
	CU_ASSERT_EQUAL(work(AT_MOST_S * 1000, SLEEPS), SLEEPS);
	throttle_set(false);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(who_is_not_throttled_never_sleeps),
	HARNESS_TEST(who_is_throttled_sleeps_between_portions),
	HARNESS_TEST(who_is_asked_to_end_does_not_sleep),
};

int main(void)
{
	return harness_run("base/throttle", tests, HARNESS_COUNT(tests));
}
