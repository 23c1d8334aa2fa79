/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The skip list of one journal segment. */
#include "store/gdbm/memtable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define ARENA_SIZE (64 * 1024)

static struct memtable *new_memtable(void)
{
	void *arena = aligned_alloc(8, ARENA_SIZE);

	CU_ASSERT_PTR_NOT_NULL_FATAL(arena);
	memset(arena, 0xff, ARENA_SIZE); /* what a former segment left */
	return memtable_init(arena, ARENA_SIZE);
}

static enum err add(struct memtable *memtable, const char *key,
		    uint64_t revision)
{
	struct memtable_entry entry = { .revision = revision,
					.position = (uint32_t)revision * 8 };

	return memtable_add(memtable, view_of(key), &entry);
}

static uint64_t found(const struct memtable *memtable, const char *key,
		      uint64_t revision)
{
	const struct memtable_entry *entry =
		memtable_find(memtable, view_of(key), revision);

	return entry ? entry->revision : 0;
}

static void a_reader_sees_the_newest_up_to_its_revision(void)
{
	struct memtable *memtable = new_memtable();

	CU_ASSERT_EQUAL(add(memtable, "a", 1), ERR_OK);
	CU_ASSERT_EQUAL(add(memtable, "b", 2), ERR_OK);
	CU_ASSERT_EQUAL(add(memtable, "a", 5), ERR_OK);
	CU_ASSERT_EQUAL(found(memtable, "a", UINT64_MAX), 5);
	CU_ASSERT_EQUAL(found(memtable, "a", 5), 5);
	CU_ASSERT_EQUAL(found(memtable, "a", 4), 1);
	CU_ASSERT_EQUAL(found(memtable, "b", 1), 0);
	CU_ASSERT_EQUAL(found(memtable, "aa", UINT64_MAX), 0);
	free(memtable);
}

static void a_walk_is_in_bytewise_order_and_newest_first(void)
{
	static const char *const order[] = { "a", "a", "a\x01", "b", "\xff" };
	static const uint64_t revisions[] = { 4, 2, 5, 1, 3 };
	struct memtable *memtable = new_memtable();
	const struct memtable_entry *entry;
	size_t i = 0;

	add(memtable, "b", 1);
	add(memtable, "a", 2);
	add(memtable, "\xff", 3);
	add(memtable, "a", 4);
	add(memtable, "a\x01", 5);
	for (entry = memtable_seek(memtable, (struct view){ 0 }, false); entry;
	     entry = memtable_next(memtable, entry), i++) {
		CU_ASSERT_FATAL(i < 5);
		CU_ASSERT(view_equal_string(memtable_key(entry), order[i]));
		CU_ASSERT_EQUAL(entry->revision, revisions[i]);
	}
	CU_ASSERT_EQUAL(i, 5);
	entry = memtable_seek(memtable, view_of("a"), true);
	CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
	CU_ASSERT(view_equal_string(memtable_key(entry), "a\x01"));
	free(memtable);
}

static void adding_again_changes_nothing(void)
{
	struct memtable *memtable = new_memtable();
	uint64_t used;

	add(memtable, "a", 1);
	used = memtable->used;
	CU_ASSERT_EQUAL(add(memtable, "a", 1), ERR_OK);
	CU_ASSERT_EQUAL(memtable->used, used);
	CU_ASSERT_EQUAL(memtable->entries, 1);
	free(memtable);
}

static void what_has_room_never_fails_and_a_full_one_says_so(void)
{
	struct memtable *memtable = new_memtable();
	char key[32];
	uint64_t n = 0;
	enum err err = ERR_OK;

	while (!err) {
		bool room;

		snprintf(key, sizeof(key), "key %llu",
			 (unsigned long long)n * 7919 % 10007);
		room = memtable_has_room(memtable, 1, strlen(key));
		err = add(memtable, key, ++n);
		if (room)
			CU_ASSERT_EQUAL(err, ERR_OK);
	}
	CU_ASSERT_EQUAL(err, ERR_FULL);
	CU_ASSERT(n > ARENA_SIZE / 100);
	for (uint64_t i = 0; i + 1 < n; i++) {
		snprintf(key, sizeof(key), "key %llu",
			 (unsigned long long)i * 7919 % 10007);
		CU_ASSERT_EQUAL(found(memtable, key, UINT64_MAX), i + 1);
	}
	free(memtable);
}

static void keys_of_1024_bytes_stay_apart(void)
{
	struct memtable *memtable = new_memtable();
	struct memtable_entry entry = { .revision = 1 };
	char key[1024];

	memset(key, 'k', sizeof(key));
	memtable_add(memtable, (struct view){ key, 1024 }, &entry);
	entry.revision = 2;
	memtable_add(memtable, (struct view){ key, 1023 }, &entry);
	CU_ASSERT_EQUAL(memtable_find(memtable, (struct view){ key, 1024 }, 9)
				->revision,
			1);
	CU_ASSERT_EQUAL(memtable_find(memtable, (struct view){ key, 1023 }, 9)
				->revision,
			2);
	free(memtable);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_reader_sees_the_newest_up_to_its_revision),
	HARNESS_TEST(a_walk_is_in_bytewise_order_and_newest_first),
	HARNESS_TEST(adding_again_changes_nothing),
	HARNESS_TEST(what_has_room_never_fails_and_a_full_one_says_so),
	HARNESS_TEST(keys_of_1024_bytes_stay_apart),
};

int main(void)
{
	return harness_run("store/gdbm/memtable", tests, HARNESS_COUNT(tests));
}
