/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/clock.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "harness.h"

static void dates_are_as_the_rfcs_write_them(void)
{
	static const struct {
		unsigned line;
		int64_t wall_ms;
		const char *http, *rfc3339;
	} cases[] = {
		{ __LINE__, 784111777000, "Sun, 06 Nov 1994 08:49:37 GMT",
		  "1994-11-06T08:49:37.000Z" },
		{ __LINE__, 0, "Thu, 01 Jan 1970 00:00:00 GMT",
		  "1970-01-01T00:00:00.000Z" },
		{ __LINE__, 999, "Thu, 01 Jan 1970 00:00:00 GMT",
		  "1970-01-01T00:00:00.999Z" },
		{ __LINE__, -1, "Wed, 31 Dec 1969 23:59:59 GMT",
		  "1969-12-31T23:59:59.999Z" },
		{ __LINE__, -1000, "Wed, 31 Dec 1969 23:59:59 GMT",
		  "1969-12-31T23:59:59.000Z" },
		{ __LINE__, 1709164799123, "Wed, 28 Feb 2024 23:59:59 GMT",
		  "2024-02-28T23:59:59.123Z" },
		{ __LINE__, 1709164800000, "Thu, 29 Feb 2024 00:00:00 GMT",
		  "2024-02-29T00:00:00.000Z" },
		{ __LINE__, 253402300799999, "Fri, 31 Dec 9999 23:59:59 GMT",
		  "9999-12-31T23:59:59.999Z" },
		{ __LINE__, INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT",
		  "9999-12-31T23:59:59.999Z" },
		{ __LINE__, INT64_MIN, "Sat, 01 Jan 0000 00:00:00 GMT",
		  "0000-01-01T00:00:00.000Z" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		char http[CLOCK_HTTP_DATE_SIZE], rfc3339[CLOCK_RFC3339_SIZE];

		clock_http_date(cases[i].wall_ms, http);
		clock_rfc3339(cases[i].wall_ms, rfc3339);
		HARNESS_CASE(cases[i].line, !strcmp(http, cases[i].http));
		HARNESS_CASE(cases[i].line, !strcmp(rfc3339, cases[i].rfc3339));
	}
}

static void the_wall_clock_is_the_systems(void)
{
	int64_t before = (int64_t)time(NULL) * 1000;
	int64_t now = clock_wall_ms();

	CU_ASSERT(now >= before - 1000);
	CU_ASSERT(now < before + 60000);
}

static void monotonic_time_goes_on(void)
{
	int64_t us = clock_monotonic_us();
	int64_t ms = clock_monotonic_ms();

	CU_ASSERT(ms >= us / 1000);
	CU_ASSERT(ms < us / 1000 + 60000);
	CU_ASSERT(clock_monotonic_us() >= us);
}

static void a_deadline_lies_its_timeout_ahead(void)
{
	static const long timeouts_ms[] = { 0,         1,  999,  1000,
					    123456789, -1, -999, -1500 };

	for (size_t i = 0; i < HARNESS_COUNT(timeouts_ms); i++) {
		int64_t before = clock_monotonic_us();
		struct timespec at = clock_deadline(timeouts_ms[i]);
		int64_t ahead_us = (int64_t)at.tv_sec * 1000000 +
				   at.tv_nsec / 1000 - before;

		CU_ASSERT(at.tv_nsec >= 0 && at.tv_nsec < 1000000000);
		CU_ASSERT(ahead_us >= timeouts_ms[i] * 1000L);
		CU_ASSERT(ahead_us < timeouts_ms[i] * 1000L + 60000000);
	}
}

static void ignore_alarm(int signal)
{
	(void)signal;
}

static void a_sleep_lasts_whatever_signals_come(void)
{
	const struct sigaction action = { .sa_handler = ignore_alarm };
	const struct itimerval every_2_ms = { { 0, 2000 }, { 0, 2000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	int64_t before;

	CU_ASSERT_EQUAL(sigaction(SIGALRM, &action, NULL), 0);
	setitimer(ITIMER_REAL, &every_2_ms, NULL);
	before = clock_monotonic_us();
	clock_sleep_ms(30);
	CU_ASSERT(clock_monotonic_us() - before >= 30000);
	setitimer(ITIMER_REAL, &never, NULL);
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(dates_are_as_the_rfcs_write_them),
		HARNESS_TEST(the_wall_clock_is_the_systems),
		HARNESS_TEST(monotonic_time_goes_on),
		HARNESS_TEST(a_deadline_lies_its_timeout_ahead),
		HARNESS_TEST(a_sleep_lasts_whatever_signals_come),
	};

	return harness_run("base/clock", tests, HARNESS_COUNT(tests));
}
