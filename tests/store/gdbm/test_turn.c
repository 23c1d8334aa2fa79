/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/gdbm/turn.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "harness.h"

#define WAITERS 3
#define TRIALS  50

/*
 * A waiter's time may be over before it is woken, on a busy machine: what must
 * happen is looked for in many trials, what must not happen in each of them.
 */
static struct turn turn;
static _Atomic int waiting;

struct waiter {
	pthread_t thread;
	uint32_t number;
	bool woken;
};

static void *wait_once(void *arg)
{
	struct waiter *waiter = arg;
	uint32_t now = turn_now(&turn);

	atomic_fetch_add(&waiting, 1);
	waiter->woken = turn_wait(&turn, now, waiter->number);
	return NULL;
}

static void begin_waiting(struct waiter *waiters, uint32_t number)
{
	const struct timespec until_they_sleep = { .tv_nsec = 1000000 };

	atomic_store(&waiting, 0);
	for (int i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){ .number = number };
		CU_ASSERT_EQUAL_FATAL(pthread_create(&waiters[i].thread, NULL,
						     wait_once, &waiters[i]),
				      0);
	}
	while (atomic_load(&waiting) < WAITERS)
		sched_yield();
	nanosleep(&until_they_sleep, NULL);
}

/* How many of them were woken by an end. */
static int end_waiting(struct waiter *waiters)
{
	int woken = 0;

	for (int i = 0; i < WAITERS; i++) {
		pthread_join(waiters[i].thread, NULL);
		woken += waiters[i].woken;
	}
	return woken;
}

/* The most of them that were woken, in all trials. */
static int most_woken(uint32_t (*number)(void), void (*end)(void))
{
	struct waiter waiters[WAITERS];
	int most = 0;

	for (int i = 0; i < TRIALS; i++) {
		int woken;

		turn_begin(&turn);
		begin_waiting(waiters, number());
		end();
		woken = end_waiting(waiters);
		if (woken > most)
			most = woken;
	}
	return most;
}

static uint32_t this_turn(void)
{
	return turn_begun(&turn);
}

static uint32_t next_turn(void)
{
	return turn_begun(&turn) + 1;
}

static uint32_t the_one_after(void)
{
	return turn_begun(&turn) + 2;
}

static void end(void)
{
	turn_end(&turn, turn_begun(&turn));
}

static void end_and_leave(void)
{
	end();
	turn_leave(&turn, next_turn());
}

static void leave_what_began(void)
{
	turn_leave(&turn, this_turn());
}

/* As when the next turn begins before this one could wake anybody. */
static void end_late(void)
{
	uint32_t number = turn_begun(&turn);

	turn_begin(&turn);
	turn_end(&turn, number);
}

static void all_who_wait_for_a_turn_are_woken_by_its_end(void)
{
	CU_ASSERT_EQUAL(most_woken(this_turn, end), WAITERS);
}

static void one_is_woken_to_begin_the_next(void)
{
	CU_ASSERT_EQUAL(most_woken(next_turn, end), 1);
}

static void who_leaves_the_next_has_another_woken(void)
{
	CU_ASSERT_EQUAL(most_woken(next_turn, end_and_leave), 2);
}

static void who_leaves_a_turn_that_began_wakes_nobody(void)
{
	CU_ASSERT_EQUAL(most_woken(this_turn, leave_what_began), 0);
}

static void nobody_else_is_woken(void)
{
	CU_ASSERT_EQUAL(most_woken(the_one_after, end), 0);
}

static void an_end_is_of_its_own_turn(void)
{
	CU_ASSERT_EQUAL(most_woken(this_turn, end_late), WAITERS);
}

static void an_end_before_the_wait_is_seen(void)
{
	uint32_t now = turn_now(&turn);

	turn_begin(&turn);
	end();
	CU_ASSERT_FALSE(turn_wait(&turn, now, turn_begun(&turn)));
	CU_ASSERT_NOT_EQUAL(turn_now(&turn), now);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(all_who_wait_for_a_turn_are_woken_by_its_end),
	HARNESS_TEST(one_is_woken_to_begin_the_next),
	HARNESS_TEST(who_leaves_the_next_has_another_woken),
	HARNESS_TEST(who_leaves_a_turn_that_began_wakes_nobody),
	HARNESS_TEST(nobody_else_is_woken),
	HARNESS_TEST(an_end_is_of_its_own_turn),
	HARNESS_TEST(an_end_before_the_wait_is_seen),
};

int main(void)
{
	return harness_run("store/gdbm/turn", tests, HARNESS_COUNT(tests));
}
