/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pace.h"

#include <sched.h>

#include "harness.h"

#define ROUNDS 100

static void work(struct pace *pace, size_t taken)
{
	for (int i = 0; i < ROUNDS; i++)
		pace_round(pace, taken, false);
}

static void become_usual(void)
{
	const struct sched_param param = { .sched_priority = 0 };

	CU_ASSERT_EQUAL_FATAL(sched_setscheduler(0, SCHED_OTHER, &param), 0);
}

static void one_request_at_a_time_is_taken_up_eagerly(void)
{
	struct pace pace;

	become_usual();
	pace_init(&pace);
	work(&pace, 1);
	CU_ASSERT_EQUAL(sched_getscheduler(0), SCHED_OTHER);
}

static void many_at_a_time_are_waited_for(void)
{
	struct pace pace;

	become_usual();
	pace_init(&pace);
	work(&pace, 4);
	CU_ASSERT_EQUAL(sched_getscheduler(0), SCHED_BATCH);
	work(&pace, 1);
	CU_ASSERT_EQUAL(sched_getscheduler(0), SCHED_OTHER);
}

static void who_has_to_sync_is_eager(void)
{
	struct pace pace;

	become_usual();
	pace_init(&pace);
	work(&pace, 4);
	for (int i = 0; i < ROUNDS; i++)
		pace_round(&pace, 4, true);
	CU_ASSERT_EQUAL(sched_getscheduler(0), SCHED_OTHER);
}

static void a_round_without_requests_changes_nothing(void)
{
	struct pace pace;

	become_usual();
	pace_init(&pace);
	work(&pace, 4);
	work(&pace, 0);
	CU_ASSERT_EQUAL(sched_getscheduler(0), SCHED_BATCH);
}

static void more_requests_than_a_round_ever_has_do_no_harm(void)
{
	struct pace pace;

	become_usual();
	pace_init(&pace);
	work(&pace, 1 << 20);
	work(&pace, 1);
	CU_ASSERT_EQUAL(sched_getscheduler(0), SCHED_OTHER);
}

static void what_somebody_else_has_decided_stays(void)
{
	const struct sched_param param = { .sched_priority = 0 };
	struct pace pace;

	CU_ASSERT_EQUAL_FATAL(sched_setscheduler(0, SCHED_BATCH, &param), 0);
	pace_init(&pace);
	work(&pace, 4);
	work(&pace, 1);
	CU_ASSERT_EQUAL(sched_getscheduler(0), SCHED_BATCH);
	become_usual();
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(one_request_at_a_time_is_taken_up_eagerly),
		HARNESS_TEST(many_at_a_time_are_waited_for),
		HARNESS_TEST(who_has_to_sync_is_eager),
		HARNESS_TEST(a_round_without_requests_changes_nothing),
		HARNESS_TEST(more_requests_than_a_round_ever_has_do_no_harm),
		HARNESS_TEST(what_somebody_else_has_decided_stays),
	};

	return harness_run("pace", tests, HARNESS_COUNT(tests));
}
