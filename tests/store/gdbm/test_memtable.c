/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The index of one journal segment. */
#include "store/gdbm/memtable.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "harness.h"

#define ARENA_SIZE (64 * 1024)
#define ALIKE      (3 * MEMTABLE_CHAIN_MAX) /* keys of one chain */

static struct memtable *new_memtable(void)
{
	void *arena = aligned_alloc(8, ARENA_SIZE);

	CU_ASSERT_PTR_NOT_NULL_FATAL(arena);
	memset(arena, 0, ARENA_SIZE);
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

static void a_walk_has_each_key_once_in_bytewise_order(void)
{
	static const char *const order[] = { "a", "a\x01", "b", "\xff" };
	static const uint64_t revisions[] = { 4, 5, 1, 3 };
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
		CU_ASSERT_FATAL(i < 4);
		CU_ASSERT(view_equal_string(memtable_key(entry), order[i]));
		CU_ASSERT_EQUAL(entry->revision, revisions[i]);
	}
	CU_ASSERT_EQUAL(i, 4);
	entry = memtable_seek(memtable, view_of("a"), true);
	CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
	CU_ASSERT(view_equal_string(memtable_key(entry), "a\x01"));
	CU_ASSERT_PTR_NULL(memtable_seek(memtable, view_of("\xff"), true));
	entry = memtable_seek(memtable, view_of("a"), false);
	entry = memtable_not_newer(memtable, entry, 3);
	CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
	CU_ASSERT_EQUAL(entry->revision, 2);
	CU_ASSERT_PTR_NULL(memtable_not_newer(memtable, entry, 1));
	free(memtable);
}

static void the_order_in_which_entries_come_is_of_no_matter(void)
{
	static const uint64_t revisions[] = { 5, 9, 1, 7, 3 };
	struct memtable *memtable = new_memtable();

	for (size_t i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(add(memtable, "a", revisions[i]), ERR_OK);
	for (uint64_t at = 1; at <= 10; at++)
		CU_ASSERT_EQUAL(found(memtable, "a", at),
				at < 10 ? (at - 1) / 2 * 2 + 1 : 9);
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

static _Atomic uint32_t *chains_of(struct memtable *memtable)
{
	return (void *)((char *)memtable + memtable->size);
}

/* What a writer leaves that dies before it comes to the hash table. */
static void forget_chains(struct memtable *memtable)
{
	for (uint64_t i = 0; i < memtable->chains; i++)
		atomic_store(&chains_of(memtable)[i], 0);
}

static void what_a_dead_writer_did_not_link_is_linked_by_adding_it_again(void)
{
	struct memtable *memtable = new_memtable();
	uint64_t used;

	add(memtable, "a", 1);
	add(memtable, "b", 2);
	used = memtable->used;
	forget_chains(memtable);
	CU_ASSERT_EQUAL(found(memtable, "b", UINT64_MAX), 0);
	CU_ASSERT_EQUAL(add(memtable, "b", 2), ERR_OK);
	CU_ASSERT_EQUAL(found(memtable, "b", UINT64_MAX), 2);
	CU_ASSERT_EQUAL(add(memtable, "a", 3), ERR_OK);
	CU_ASSERT_EQUAL(found(memtable, "a", UINT64_MAX), 3);
	CU_ASSERT_EQUAL(found(memtable, "a", 2), 1);
	CU_ASSERT(memtable->used > used);
	CU_ASSERT_EQUAL(memtable->entries, 3);
	free(memtable);
}

#define STEPPED_SIZE (4 * 1024)
#define STEPS_MAX    1000000

/* Between two stops of its own, for who counts the steps. */
static pid_t start_adding(struct memtable *memtable, const char *key,
			  uint64_t revision)
{
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	raise(SIGSTOP);
	add(memtable, key, revision);
	raise(SIGSTOP);
	_exit(0);
}

static bool stopped_by(pid_t pid, int signal)
{
	int status = 0;

	return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == signal;
}

/* Whether it has made one more step of the adding. */
static bool step(pid_t pid)
{
	return !ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) &&
	       stopped_by(pid, SIGTRAP);
}

/*
 * Of a writer that dies after any instruction of the adding, whoever comes next
 * finds a memtable like this one was then.  As many steps as there are; 0 where
 * nobody may trace.
 */
static unsigned die_anywhere(struct memtable *memtable, const char *key,
			     uint64_t revision)
{
	struct memtable *left = aligned_alloc(8, STEPPED_SIZE);
	pid_t pid = start_adding(memtable, key, revision);
	bool traced = stopped_by(pid, SIGSTOP);
	unsigned wrong = 0;
	unsigned steps = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(left);
	while (traced && steps < STEPS_MAX && step(pid)) {
		steps++;
		memcpy(left, memtable, STEPPED_SIZE);
		wrong += add(left, key, revision) != ERR_OK ||
			 found(left, key, UINT64_MAX) != revision;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(steps < STEPS_MAX);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) == pid)
		;
	free(left);
	if (!traced)
		printf("# no process may be traced here\n");
	return steps;
}

static struct memtable *new_stepped(void)
{
	void *arena = mmap(NULL, STEPPED_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CU_ASSERT_FATAL(arena != MAP_FAILED);
	return memtable_init(arena, STEPPED_SIZE);
}

/* It had room for what it did not get to, and the next one has no more. */
static void adding_again_needs_no_room_of_its_own(void)
{
	struct memtable *memtable = new_stepped();
	char key[700];
	uint64_t n = 0;

	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	add(memtable, "a", ++n);
	while (memtable_has_room(memtable, 2, strlen(key)))
		add(memtable, "a", ++n);
	CU_ASSERT(memtable_has_room(memtable, 1, strlen(key)));
	if (die_anywhere(memtable, key, ++n))
		CU_ASSERT_EQUAL(found(memtable, key, UINT64_MAX), n);
	munmap(memtable, STEPPED_SIZE);

	memtable = new_stepped();
	n = 0;
	while (memtable_has_room(memtable, 1, 1))
		add(memtable, "a", ++n);
	while (memtable->size - memtable->used >=
	       2 * sizeof(struct memtable_entry))
		add(memtable, "a", ++n);
	if (die_anywhere(memtable, "a", ++n)) {
		CU_ASSERT_EQUAL(found(memtable, "a", UINT64_MAX), n);
		CU_ASSERT_EQUAL(add(memtable, "a", n + 1), ERR_FULL);
	}
	munmap(memtable, STEPPED_SIZE);
}

/* Keys whose hashes say the same. */
static void make_alike(const struct memtable *memtable,
		       char keys[ALIKE + 1][16])
{
	uint64_t n = 0;

	for (size_t i = 0; i <= ALIKE; n++) {
		uint32_t hash;

		snprintf(keys[i], sizeof(keys[i]), "%llu",
			 (unsigned long long)n * 7919 % 1000003);
		hash = crc32c(0, keys[i], strlen(keys[i]));
		i += (hash & (memtable->chains - 1)) == 0;
	}
}

static void keys_made_to_collide_are_found_in_chains_of_bounded_length(void)
{
	struct memtable *memtable = new_memtable();
	char keys[ALIKE + 1][16];

	make_alike(memtable, keys);
	for (uint64_t i = 0; i < ALIKE; i++)
		CU_ASSERT_EQUAL(add(memtable, keys[i], i + 1), ERR_OK);
	for (uint64_t i = 0; i < ALIKE; i++)
		CU_ASSERT_EQUAL(add(memtable, keys[i], i + 101), ERR_OK);
	CU_ASSERT_EQUAL(memtable->entries, 2 * ALIKE);
	for (uint64_t i = 0; i < ALIKE; i++) {
		CU_ASSERT_EQUAL(found(memtable, keys[i], 100), i + 1);
		CU_ASSERT_EQUAL(found(memtable, keys[i], UINT64_MAX), i + 101);
	}
	CU_ASSERT_EQUAL(found(memtable, keys[ALIKE], UINT64_MAX), 0);

	/* Of a full chain, nobody knows where a key that it lacks should be. */
	atomic_store(&chains_of(memtable)[0], 0);
	for (uint64_t i = 0; i < ALIKE; i++)
		CU_ASSERT_EQUAL(add(memtable, keys[i], i + 201), ERR_OK);
	for (uint64_t i = 0; i < ALIKE; i++)
		CU_ASSERT_EQUAL(found(memtable, keys[i], UINT64_MAX), i + 201);
	free(memtable);
}

static void a_cleared_arena_is_as_new(void)
{
	static const char zero[ARENA_SIZE];
	struct memtable *memtable = new_memtable();

	for (uint64_t n = 1; n <= 500; n++) {
		char key[16];

		snprintf(key, sizeof(key), "%llu", (unsigned long long)n);
		CU_ASSERT_EQUAL(add(memtable, key, n), ERR_OK);
	}
	memtable_clear(memtable);
	CU_ASSERT(!memcmp(memtable, zero, ARENA_SIZE));
	memtable = memtable_init(memtable, ARENA_SIZE);
	CU_ASSERT_EQUAL(found(memtable, "1", UINT64_MAX), 0);
	CU_ASSERT_PTR_NULL(memtable_seek(memtable, view_of(""), false));
	CU_ASSERT_EQUAL(add(memtable, "1", 1), ERR_OK);
	CU_ASSERT_EQUAL(found(memtable, "1", UINT64_MAX), 1);
	free(memtable);
}

/* Runs in order, each of which goes into the middle of those before. */
static void runs_of_keys_in_order_end_up_in_one_order(void)
{
	struct memtable *memtable = new_memtable();
	const struct memtable_entry *entry;
	uint64_t n = 0;
	int before = -1;

	for (int run = 0; run < 20; run++) {
		for (int i = 0; i < 20; i++) {
			char key[16];

			snprintf(key, sizeof(key), "%03d",
				 (run * 7 % 20 + i * 23) % 460);
			CU_ASSERT_EQUAL(add(memtable, key, ++n), ERR_OK);
			CU_ASSERT_EQUAL(found(memtable, key, UINT64_MAX), n);
		}
	}
	CU_ASSERT_EQUAL(memtable->entries, n);
	for (entry = memtable_seek(memtable, (struct view){ 0 }, false); entry;
	     entry = memtable_next(memtable, entry)) {
		char text[4] = "";
		int number;

		memcpy(text, memtable_key(entry).data, 3);
		number = atoi(text);
		CU_ASSERT(number > before);
		before = number;
		n--;
	}
	CU_ASSERT_EQUAL(n, 0);
	free(memtable);
}

static void what_has_room_never_fails_and_a_full_one_says_so(void)
{
	struct memtable *memtable = new_memtable();
	char key[32];
	uint64_t n = 0;
	size_t most = 0;
	enum err err = ERR_OK;

	while (memtable_has_room(memtable, most + 1, 0))
		most++;
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
	CU_ASSERT_FALSE(memtable_has_room(memtable, 1, strlen(key)));
	CU_ASSERT(memtable_would_hold(memtable, most, 0));
	CU_ASSERT_FALSE(memtable_would_hold(memtable, most + 1, 0));
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
	HARNESS_TEST(a_walk_has_each_key_once_in_bytewise_order),
	HARNESS_TEST(the_order_in_which_entries_come_is_of_no_matter),
	HARNESS_TEST(adding_again_changes_nothing),
	HARNESS_TEST(
		what_a_dead_writer_did_not_link_is_linked_by_adding_it_again),
	HARNESS_TEST(adding_again_needs_no_room_of_its_own),
	HARNESS_TEST(
		keys_made_to_collide_are_found_in_chains_of_bounded_length),
	HARNESS_TEST(runs_of_keys_in_order_end_up_in_one_order),
	HARNESS_TEST(a_cleared_arena_is_as_new),
	HARNESS_TEST(what_has_room_never_fails_and_a_full_one_says_so),
	HARNESS_TEST(keys_of_1024_bytes_stay_apart),
};

int main(void)
{
	return harness_run("store/gdbm/memtable", tests, HARNESS_COUNT(tests));
}
