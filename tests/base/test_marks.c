/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/marks.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define KEYS 100000

static struct marks marks;

static void forget_all(void)
{
	for (size_t i = 0; i < MARKS_COUNT; i++)
		atomic_store(&marks.newest[i], 0);
}

static void a_key_always_has_the_same_place(void)
{
	char copy[] = "key";

	CU_ASSERT_EQUAL(marks_place(view_of("key")),
			marks_place(view_of(copy)));
	CU_ASSERT_NOT_EQUAL(marks_place(view_of("key")),
			    marks_place(view_of("kez")));
	CU_ASSERT_NOT_EQUAL(marks_place(VIEW_LITERAL("a\0b")),
			    marks_place(VIEW_LITERAL("a\0c")));
	CU_ASSERT(marks_place(view_of("")) < MARKS_COUNT);
}

/* Keys that differ in little spread over all the places there are. */
static void places_are_used_evenly(void)
{
	static unsigned used[MARKS_COUNT];
	unsigned most = 0;
	size_t empty = 0;
	char key[16];

	for (int i = 0; i < KEYS; i++) {
		uint32_t place;

		snprintf(key, sizeof(key), "key %d", i);
		place = marks_place(view_of(key));
		CU_ASSERT_FATAL(place < MARKS_COUNT);
		if (++used[place] > most)
			most = used[place];
	}
	for (size_t i = 0; i < MARKS_COUNT; i++)
		empty += used[i] == 0;
	CU_ASSERT(most < 16);
	CU_ASSERT(empty < MARKS_COUNT / 2);
}

static void what_never_changed_is_true_at_every_revision(void)
{
	forget_all();
	for (uint32_t place = 0; place < MARKS_COUNT; place++)
		CU_ASSERT_FATAL(marks_agree(&marks, place, 0));
}

static void what_is_older_than_a_change_is_not_true_any_more(void)
{
	static const struct {
		int line;
		uint64_t change, read;
		bool agree;
	} cases[] = {
		{ __LINE__, 1, 0, false },
		{ __LINE__, 1, 1, true },
		{ __LINE__, 1, 2, true },
		{ __LINE__, 8, 7, false },
		{ __LINE__, 8, 8, true },
		{ __LINE__, (uint64_t)1 << 32, UINT32_MAX, false },
		{ __LINE__, (uint64_t)1 << 32, (uint64_t)1 << 32, true },
		{ __LINE__, UINT64_MAX, UINT64_MAX - 1, false },
		{ __LINE__, UINT64_MAX, UINT64_MAX, true },
	};
	struct view key = view_of("key");

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		forget_all();
		marks_raise(&marks, key, cases[i].change);
		HARNESS_CASE(cases[i].line,
			     marks_agree(&marks, marks_place(key),
					 cases[i].read) == cases[i].agree);
	}
}

static void a_change_of_one_key_leaves_others_as_they_were(void)
{
	uint32_t place = marks_place(view_of("key"));

	forget_all();
	marks_raise(&marks, view_of("key"), 9);
	for (uint32_t i = 0; i < MARKS_COUNT; i++)
		CU_ASSERT_FATAL(marks_agree(&marks, i, 8) == (i != place));
}

static void a_mark_never_falls(void)
{
	struct view key = view_of("key");

	forget_all();
	marks_raise(&marks, key, 9);
	marks_raise(&marks, key, 4);
	CU_ASSERT_EQUAL(atomic_load(&marks.newest[marks_place(key)]), 9);
	marks_raise(&marks, key, 9);
	CU_ASSERT_EQUAL(atomic_load(&marks.newest[marks_place(key)]), 9);
	marks_raise(&marks, key, 10);
	CU_ASSERT_EQUAL(atomic_load(&marks.newest[marks_place(key)]), 10);
}

/* It may come from memory that others can write. */
static void a_place_that_is_none_never_agrees(void)
{
	forget_all();
	CU_ASSERT_TRUE(marks_agree(&marks, MARKS_COUNT - 1, UINT64_MAX));
	CU_ASSERT_FALSE(marks_agree(&marks, MARKS_COUNT, UINT64_MAX));
	CU_ASSERT_FALSE(marks_agree(&marks, UINT32_MAX, UINT64_MAX));
}

static void without_marks_nothing_is_raised(void)
{
	marks_raise(NULL, view_of("key"), 1);
}

static void what_one_process_raises_another_one_sees(void)
{
	struct marks *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t place = marks_place(view_of("key"));
	pid_t pid;

	CU_ASSERT_FATAL(shared != MAP_FAILED);
	CU_ASSERT_TRUE(marks_agree(shared, place, 6));
	pid = fork();
	if (pid == 0) {
		marks_raise(shared, view_of("key"), 7);
		_exit(0);
	}
	CU_ASSERT_FATAL(pid > 0);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT_FALSE(marks_agree(shared, place, 6));
	CU_ASSERT_TRUE(marks_agree(shared, place, 7));
	munmap(shared, sizeof(*shared));
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_key_always_has_the_same_place),
	HARNESS_TEST(places_are_used_evenly),
	HARNESS_TEST(what_never_changed_is_true_at_every_revision),
	HARNESS_TEST(what_is_older_than_a_change_is_not_true_any_more),
	HARNESS_TEST(a_change_of_one_key_leaves_others_as_they_were),
	HARNESS_TEST(a_mark_never_falls),
	HARNESS_TEST(a_place_that_is_none_never_agrees),
	HARNESS_TEST(without_marks_nothing_is_raised),
	HARNESS_TEST(what_one_process_raises_another_one_sees),
};

int main(void)
{
	return harness_run("base/marks", tests, HARNESS_COUNT(tests));
}
