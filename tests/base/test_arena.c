/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/base/arena.c. */
#include "harness.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "base/arena.h"
#include "fault.h"

#define PIECES 1000

static void pieces_are_zeroed_aligned_and_stay(void)
{
	struct arena arena = { 0 };
	unsigned char *pieces[PIECES];

	for (size_t i = 0; i < PIECES; i++) {
		size_t size = i * 7;

		pieces[i] = arena_add(&arena, size);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pieces[i]);
		CU_ASSERT_EQUAL((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		for (size_t k = 0; k < size; k++)
			CU_ASSERT_EQUAL_FATAL(pieces[i][k], 0);
		memset(pieces[i], (int)(i & 0xff), size);
	}
	for (size_t i = 0; i < PIECES; i++)
		for (size_t k = 0; k < i * 7; k++)
			CU_ASSERT_EQUAL_FATAL(pieces[i][k], i & 0xff);
	arena_release(&arena);
	CU_ASSERT_PTR_NULL(arena.blocks);
	CU_ASSERT_PTR_NOT_NULL(arena_add(&arena, 1));
	arena_release(&arena);
}

static void what_is_copied_is_a_copy(void)
{
	struct arena arena = { 0 };
	char text[] = "bytes";
	struct view copy;

	CU_ASSERT_EQUAL(arena_copy(&arena, view_of(text), &copy), ERR_OK);
	text[0] = 'x';
	CU_ASSERT_TRUE(view_equal_string(copy, "bytes"));
	CU_ASSERT_EQUAL(arena_copy(&arena, (struct view){ 0 }, &copy), ERR_OK);
	CU_ASSERT_EQUAL(copy.size, 0);
	arena_release(&arena);
}

static void sizes_that_overflow_are_refused(void)
{
	struct arena arena = { 0 };

	CU_ASSERT_PTR_NULL(arena_add(&arena, SIZE_MAX));
	CU_ASSERT_PTR_NULL(arena_add_array(&arena, SIZE_MAX / 8, 16));
	CU_ASSERT_PTR_NOT_NULL(arena_add_array(&arena, 0, 16));
	arena_release(&arena);
}

static void without_memory_nothing_is_added(void)
{
	struct arena arena = { 0 };
	struct view copy;

	if (!fault_available(FAULT_MEMORY))
		return;
	fault_arm(FAULT_MEMORY, 1, ENOMEM);
	CU_ASSERT_EQUAL(arena_copy(&arena, VIEW_LITERAL("a"), &copy),
			ERR_NO_MEMORY);
	CU_ASSERT_TRUE(fault_disarm());
	CU_ASSERT_PTR_NULL(arena.blocks);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(pieces_are_zeroed_aligned_and_stay),
	HARNESS_TEST(what_is_copied_is_a_copy),
	HARNESS_TEST(sizes_that_overflow_are_refused),
	HARNESS_TEST(without_memory_nothing_is_added),
};

int main(void)
{
	return harness_run("base/arena", tests, HARNESS_COUNT(tests));
}
