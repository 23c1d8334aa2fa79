/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of app/http/stored.c: what is found is what was kept, or nothing, also
 * with several processes at one place, and with any bytes in it.
 */
#include "http/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "fault.h"
#include "harness.h"
#include "http/places.h"

#define MEMORY     ((size_t)1 << 20)
#define ONE_SET    ((size_t)12288) /* of small places; no large ones */
#define SMALL_ROOM 984             /* bytes that a small place has room for */
#define LARGE_ROOM 16344

/* Of the layout, as stored.c has it. */
#define PLACES_AT  (MARKS_COUNT * 8 + 65536 * 2 + 1024)
#define PLACE_SIZE 1024

struct place {
	uint64_t turn;
	uint64_t revision;
	uint32_t mark, hash, target_size, fields_size, body_size, edition;
	char bytes[SMALL_ROOM];
};

static struct stored *stored; /* librapi's side */
static struct stored *mapped; /* lighttpd's */
static struct buf hold;

static void begin(size_t bytes)
{
	CU_ASSERT_EQUAL_FATAL(stored_new(bytes, &stored), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(stored_map(stored_fds(stored), &mapped), ERR_OK);
}

static void end(void)
{
	stored_free(mapped);
	stored_free(stored);
	buf_release(&hold);
}

/* Its key is "key", unless the test says otherwise. */
static struct stored_response response_to(const char *target, uint64_t revision,
					  const char *body)
{
	return (struct stored_response){
		.target = view_of(target),
		.revision = revision,
		.mark = marks_place(view_of("key")),
		.fields = view_of("ETag: \"1\"\r\nA: b\r\n"),
		.body = view_of(body),
	};
}

static void keep(const char *target, uint64_t revision, const char *body)
{
	struct stored_response response = response_to(target, revision, body);

	stored_keep(stored, &response);
}

static void raise_mark(const char *key, uint64_t revision)
{
	marks_raise(stored_marks(stored), view_of(key), revision);
}

static bool gives(struct stored *from, const struct stored_response *expected)
{
	struct stored_response found = { 0 };

	return stored_find(from, expected->target, &hold, &found) &&
	       view_equal(found.target, expected->target) &&
	       found.revision == expected->revision &&
	       found.mark == expected->mark &&
	       view_equal(found.fields, expected->fields) &&
	       view_equal(found.body, expected->body);
}

/* The body that lighttpd would give, as a string; "-" for none. */
static const char *given(const char *target)
{
	static char text[64];
	struct stored_response found;

	if (!stored_find(mapped, view_of(target), &hold, &found))
		return "-";
	snprintf(text, sizeof(text), "%.*s", (int)found.body.size,
		 (const char *)found.body.data);
	return text;
}

static struct place *place(unsigned way)
{
	return (struct place *)((char *)stored_marks(stored) + PLACES_AT +
				way * PLACE_SIZE);
}

/* What is found */

static void what_was_kept_is_found_byte_for_byte(void)
{
	static const struct view pieces[] = {
		VIEW_LITERAL(""),
		VIEW_LITERAL("a"),
		VIEW_LITERAL("\0\0\0"),
		VIEW_LITERAL("ETag: \"1\"\r\n"),
		VIEW_LITERAL("\xff\0\r\n{}/v1/kv/a"),
	};
	struct stored_response response = response_to("/v1/kv/a", 7, "");

	begin(MEMORY);
	for (size_t i = 0; i < HARNESS_COUNT(pieces); i++) {
		for (size_t j = 0; j < HARNESS_COUNT(pieces); j++) {
			response.fields = pieces[i];
			response.body = pieces[j];
			response.revision++;
			raise_mark("key", response.revision);
			stored_keep(stored, &response);
			CU_ASSERT_TRUE(gives(stored, &response));
			CU_ASSERT_TRUE(gives(mapped, &response));
		}
	}
	end();
}

static void bodies_of_every_size_come_back(void)
{
	static char bytes[LARGE_ROOM];
	struct stored_response response = response_to("/v1/kv/a", 0, "");

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 256);
	begin(MEMORY);
	for (size_t size = 0; size <= 1100; size++) {
		response.body = (struct view){ bytes + size, size };
		raise_mark("key", ++response.revision);
		stored_keep(stored, &response);
		HARNESS_CASE((unsigned)size, gives(mapped, &response));
	}
	for (size_t size = 1100; size < LARGE_ROOM - 100; size += 997) {
		response.body = (struct view){ bytes, size };
		raise_mark("key", ++response.revision);
		stored_keep(stored, &response);
		HARNESS_CASE((unsigned)size, gives(mapped, &response));
	}
	end();
}

static void a_target_finds_its_own_response_only(void)
{
	static const struct view others[] = {
		VIEW_LITERAL(""),           VIEW_LITERAL("/"),
		VIEW_LITERAL("/v1/kv/"),    VIEW_LITERAL("/v1/kv/abc"),
		VIEW_LITERAL("/v1/kv/ac"),  VIEW_LITERAL("/v1/kv/ab\0"),
		VIEW_LITERAL("/v1/kv/ab?"), VIEW_LITERAL("/v1/kv/a"),
		VIEW_LITERAL("/v1/kv/Ab"),  VIEW_LITERAL("/v1/kv/%61b"),
	};
	struct stored_response found;

	begin(ONE_SET);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/ab"), "-");
	keep("/v1/kv/ab", 1, "one");
	for (size_t i = 0; i < HARNESS_COUNT(others); i++)
		HARNESS_CASE((unsigned)i,
			     !stored_find(mapped, others[i], &hold, &found));
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/ab"), "one");
	keep("/v1/kv/a", 1, "two");
	keep("/v1/kv/abc", 1, "");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/ab"), "one");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "two");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/abc"), "");
	end();
}

struct hashed {
	uint32_t hash;
	uint32_t number;
};

static int by_hash(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static void target_of(uint32_t number, char out[32])
{
	snprintf(out, 32, "/v1/kv/%016" PRIx64,
		 (number + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

static void targets_of_the_same_hash_are_told_apart(void)
{
	enum { COUNT = 400000 };
	static struct hashed seen[COUNT];
	char targets[2][32] = { "", "" };

	for (uint32_t i = 0; i < COUNT; i++) {
		target_of(i, targets[0]);
		seen[i].hash = crc32c(0, targets[0], strlen(targets[0]));
		seen[i].number = i;
	}
	qsort(seen, COUNT, sizeof(seen[0]), by_hash);
	for (uint32_t i = 1; i < COUNT && !*targets[1]; i++) {
		if (seen[i].hash != seen[i - 1].hash)
			continue;
		target_of(seen[i].number, targets[0]);
		target_of(seen[i - 1].number, targets[1]);
	}
	CU_ASSERT_STRING_NOT_EQUAL_FATAL(targets[1], "");
	begin(MEMORY);
	keep(targets[0], 1, "one");
	CU_ASSERT_STRING_EQUAL(given(targets[1]), "-");
	keep(targets[1], 1, "other");
	CU_ASSERT_STRING_EQUAL(given(targets[1]), "other");
	CU_ASSERT(!strcmp(given(targets[0]), "-") ||
		  !strcmp(given(targets[0]), "one"));
	end();
}

static void a_target_has_512_bytes_at_most(void)
{
	char bytes[STORED_TARGET_MAX + 1];
	struct stored_response response = response_to("", 1, "body");

	memset(bytes, 'x', sizeof(bytes));
	begin(MEMORY);
	response.target = (struct view){ bytes, STORED_TARGET_MAX };
	stored_keep(stored, &response);
	CU_ASSERT_TRUE(gives(mapped, &response));
	response.target = (struct view){ bytes, STORED_TARGET_MAX + 1 };
	stored_keep(stored, &response);
	CU_ASSERT_FALSE(gives(mapped, &response));
	end();
}

static void what_is_larger_than_a_place_is_not_kept(void)
{
	static char bytes[1 << 20];
	static const struct {
		int line;
		size_t memory, total;
		bool kept;
	} cases[] = {
		{ __LINE__, MEMORY, SMALL_ROOM, true },
		{ __LINE__, MEMORY, SMALL_ROOM + 1, true },
		{ __LINE__, MEMORY, LARGE_ROOM, true },
		{ __LINE__, MEMORY, LARGE_ROOM + 1, false },
		{ __LINE__, MEMORY, 16384, false },
		{ __LINE__, MEMORY, 16384 + 24, false },
		{ __LINE__, MEMORY, sizeof(bytes), false },
		{ __LINE__, ONE_SET, SMALL_ROOM, true },
		{ __LINE__, ONE_SET, SMALL_ROOM + 1, false },
		{ __LINE__, ONE_SET, LARGE_ROOM, false },
	};

	memset(bytes, 'b', sizeof(bytes));
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct stored_response response = response_to("/a", 1, "");

		begin(cases[i].memory);
		response.body.data = bytes;
		response.body.size = cases[i].total - response.target.size -
				     response.fields.size;
		stored_keep(stored, &response);
		HARNESS_CASE(cases[i].line,
			     gives(mapped, &response) == cases[i].kept);
		/* and the same in the fields */
		raise_mark("key", response.revision = 2);
		response.fields = response.body;
		response.fields.size = cases[i].total - response.target.size;
		response.body.size = 0;
		stored_keep(stored, &response);
		HARNESS_CASE(cases[i].line,
			     gives(mapped, &response) == cases[i].kept);
		end();
	}
}

/* What is true */

static void what_has_changed_since_is_not_found(void)
{
	begin(MEMORY);
	raise_mark("key", 4);
	keep("/v1/kv/key", 4, "as the change made it");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), "as the change made it");
	raise_mark("key", 5);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), "-");
	keep("/v1/kv/key", 5, "new");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), "new");
	raise_mark("key", 1000);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), "-");
	end();
}

static void what_is_kept_after_a_later_change_is_not_found(void)
{
	begin(MEMORY);
	raise_mark("key", 5);
	keep("/v1/kv/key", 4, "late");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), "-");
	keep("/v1/kv/key", 5, "new");
	keep("/v1/kv/key", 4, "old");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), "new");
	keep("/v1/kv/key", 4, "older");
	CU_ASSERT_STRING_NOT_EQUAL(given("/v1/kv/key"), "older");
	keep("/v1/kv/key", 6, "newer");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), "newer");
	end();
}

static void changes_of_other_keys_do_no_harm(void)
{
	struct stored_response other = response_to("/v1/kv/other", 1, "other");

	begin(MEMORY);
	other.mark = marks_place(view_of("other"));
	CU_ASSERT_NOT_EQUAL_FATAL(other.mark, marks_place(view_of("key")));
	stored_keep(stored, &other);
	keep("/v1/kv/key", 1, "here");
	raise_mark("other", 2);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), "here");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/other"), "-");
	end();
}

static void a_newer_response_takes_the_place_of_the_older(void)
{
	begin(ONE_SET);
	for (uint64_t revision = 1; revision < 40; revision++) {
		char body[16];

		snprintf(body, sizeof(body), "at %" PRIu64, revision % 13);
		raise_mark("key", revision);
		keep("/v1/kv/key", revision, body);
		CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), body);
	}
	for (unsigned way = 0, used = 0; way < PLACES_WAYS; way++) {
		used += place(way)->turn != 0;
		CU_ASSERT(used <= 1);
	}
	end();
}

/* From a small place to a large one and back. */
static void the_old_one_is_not_found_in_a_place_of_another_size(void)
{
	static char large[5000];
	struct stored_response response = response_to("/v1/kv/key", 1, "small");

	memset(large, 'l', sizeof(large));
	begin(MEMORY);
	for (uint64_t revision = 1; revision < 6; revision++) {
		response.revision = revision;
		response.body = revision % 2 ? view_of("small")
					     : (struct view){ large, 5000 };
		raise_mark("key", revision);
		CU_ASSERT_STRING_EQUAL(given("/v1/kv/key"), "-");
		stored_keep(stored, &response);
		CU_ASSERT_TRUE(gives(mapped, &response));
	}
	end();
}

static void what_was_kept_by_other_settings_is_not_found(void)
{
	begin(MEMORY);
	keep("/v1/kv/a", 1, "before");
	keep("/v1/kv/b", 1, "before");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "before");
	stored_forget(stored);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "-");
	keep("/v1/kv/a", 1, "behind");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "behind");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/b"), "-");
	stored_forget(stored);
	stored_forget(stored);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "-");
	end();
}

/* A child that says a word, and keeps a response when it is told one. */
static pid_t start_keeper(int *said)
{
	int ends[2];
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	*said = ends[0];
	if (pid == 0) {
		char word;

		if (write(ends[1], "x", 1) != 1 || read(ends[1], &word, 1) != 1)
			_exit(1);
		keep("/v1/kv/a", 1, "a child's");
		_exit(0);
	}
	close(ends[1]);
	return pid;
}

static void let_it_keep(pid_t pid, int said)
{
	int status = -1;

	CU_ASSERT_EQUAL(write(said, "x", 1), 1);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	close(said);
}

/* It has the settings of its fork, however long it takes to begin. */
static void what_a_child_keeps_is_by_the_settings_of_its_fork(void)
{
	static const struct {
		int line;
		bool forgotten;
	} cases[] = {
		{ __LINE__, false },
		{ __LINE__, true },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		char word;
		pid_t pid;
		int said;

		begin(MEMORY);
		stored_forget(stored);
		pid = start_keeper(&said);
		CU_ASSERT_EQUAL(read(said, &word, 1), 1);
		if (cases[i].forgotten)
			stored_forget(stored);
		let_it_keep(pid, said);
		HARNESS_CASE(cases[i].line, !strcmp(given("/v1/kv/a"), "-") ==
						    cases[i].forgotten);
		end();
	}
}

/* Full sets */

static size_t how_many_given(int from, int to)
{
	size_t count = 0;

	for (int i = from; i < to; i++) {
		char target[32];

		snprintf(target, sizeof(target), "/v1/kv/%d", i);
		if (!strcmp(given(target), "-"))
			continue;
		CU_ASSERT_STRING_EQUAL(given(target), target);
		count++;
	}
	return count;
}

static void keep_number(int i)
{
	struct stored_response response;
	char target[32];

	snprintf(target, sizeof(target), "/v1/kv/%d", i);
	response = response_to(target, 1, target);
	response.mark = marks_place(view_of(target));
	stored_keep(stored, &response);
}

static void of_a_full_set_only_as_many_go_as_come(void)
{
	begin(ONE_SET);
	for (int i = 0; i < 40; i++) {
		keep_number(i);
		CU_ASSERT_EQUAL(how_many_given(i, i + 1), 1);
		CU_ASSERT_EQUAL(how_many_given(0, i + 1),
				i < PLACES_WAYS ? (size_t)i + 1 : PLACES_WAYS);
	}
	end();
}

static void of_a_full_set_each_place_has_its_turn(void)
{
	begin(ONE_SET);
	for (int i = 0; i < 2 * PLACES_WAYS; i++)
		keep_number(i);
	CU_ASSERT_EQUAL(how_many_given(0, PLACES_WAYS), 0);
	CU_ASSERT_EQUAL(how_many_given(PLACES_WAYS, 2 * PLACES_WAYS),
			PLACES_WAYS);
	end();
}

static void what_is_not_true_any_more_makes_room_first(void)
{
	begin(ONE_SET);
	for (int i = 0; i < PLACES_WAYS; i++)
		keep_number(i);
	raise_mark("/v1/kv/3", 2);
	keep_number(8);
	CU_ASSERT_EQUAL(how_many_given(0, 9), PLACES_WAYS);
	CU_ASSERT_EQUAL(how_many_given(3, 4), 0);
	stored_forget(stored);
	for (int i = 10; i < 10 + PLACES_WAYS; i++)
		keep_number(i);
	CU_ASSERT_EQUAL(how_many_given(10, 10 + PLACES_WAYS), PLACES_WAYS);
	end();
}

static void what_is_there_is_not_written_again(void)
{
	uint64_t turns[PLACES_WAYS];

	begin(ONE_SET);
	keep_number(1);
	for (unsigned way = 0; way < PLACES_WAYS; way++)
		turns[way] = place(way)->turn;
	for (int i = 0; i < 10; i++)
		keep_number(1);
	for (unsigned way = 0; way < PLACES_WAYS; way++)
		CU_ASSERT_EQUAL(place(way)->turn, turns[way]);
	end();
}

static void several_sets_keep_thousands(void)
{
	begin((size_t)16 << 20);
	for (int i = 0; i < 4000; i++)
		keep_number(i);
	CU_ASSERT(how_many_given(0, 4000) > 3900);
	end();
}

static void memory_that_is_too_small_keeps_nothing(void)
{
	static const size_t sizes[] = { 0, 1, 8, 1024, 8192, 10920 };

	for (size_t i = 0; i < HARNESS_COUNT(sizes); i++) {
		begin(sizes[i]);
		keep("/v1/kv/a", 1, "a");
		HARNESS_CASE((unsigned)i, !strcmp(given("/v1/kv/a"), "-"));
		raise_mark("key", 2);
		CU_ASSERT_FALSE(marks_agree(stored_marks(mapped),
					    marks_place(view_of("key")), 1));
		end();
	}
}

/* Any size may be set, and all of the memory has to be there. */
static void memory_of_any_size_is_used_within_its_bounds(void)
{
	static char large[LARGE_ROOM - 100];

	memset(large, 'x', sizeof(large));
	for (size_t bytes = 500000; bytes < 1400000; bytes += 77777) {
		struct stored_response response = response_to("", 1, "");

		begin(bytes);
		response.body = (struct view){ large, sizeof(large) };
		for (uint32_t i = 0; i < 400; i++) {
			char target[32];

			target_of(i, target);
			keep(target, 1, "small");
			CU_ASSERT_STRING_EQUAL(given(target), "small");
			response.target = view_of(strcat(target, "+"));
			stored_keep(stored, &response);
		}
		end();
	}
}

/* Bytes that nobody has kept */

static void a_place_whose_writer_died_is_not_used_again(void)
{
	struct place before;
	size_t kept = 0;

	begin(ONE_SET);
	for (int i = 0; i < PLACES_WAYS; i++)
		keep_number(i);
	place(5)->turn++;
	memset(place(5)->bytes + 4, '?', 10);
	before = *place(5);
	CU_ASSERT_EQUAL(how_many_given(0, PLACES_WAYS), PLACES_WAYS - 1);
	for (int i = 0; i < 200; i++) {
		keep_number(i);
		kept += how_many_given(i, i + 1);
		CU_ASSERT(how_many_given(0, 200) <= PLACES_WAYS - 1);
	}
	CU_ASSERT(kept >= 200 / PLACES_WAYS * (PLACES_WAYS - 1));
	CU_ASSERT_EQUAL(how_many_given(0, 200), PLACES_WAYS - 1);
	CU_ASSERT_EQUAL(memcmp(&before, place(5), sizeof(before)), 0);
	end();
}

/* It died where nothing has ever been. */
static void an_empty_place_whose_writer_died_is_passed_over(void)
{
	size_t kept = 0;

	begin(ONE_SET);
	place(3)->turn = 1;
	for (int i = 0; i < 200; i++) {
		keep_number(i);
		kept += how_many_given(i, i + 1);
	}
	CU_ASSERT(kept >= 200 / PLACES_WAYS * (PLACES_WAYS - 1));
	CU_ASSERT_EQUAL(how_many_given(0, 200), PLACES_WAYS - 1);
	CU_ASSERT_EQUAL(place(3)->turn, 1);
	end();
}

static void where_all_writers_died_nothing_is_kept(void)
{
	begin(ONE_SET);
	for (int i = 0; i < PLACES_WAYS; i++)
		keep_number(i);
	for (unsigned way = 0; way < PLACES_WAYS; way++)
		CU_ASSERT_EQUAL(++place(way)->turn, 3);
	for (int i = 0; i < 40; i++)
		keep_number(i);
	CU_ASSERT_EQUAL(how_many_given(0, 40), 0);
	for (unsigned way = 0; way < PLACES_WAYS; way++)
		CU_ASSERT_EQUAL(place(way)->turn, 3);
	end();
}

/* Of a set with one response in it. */
static struct place *the_place_used(void)
{
	for (unsigned way = 0; way < PLACES_WAYS; way++)
		if (place(way)->turn)
			return place(way);
	CU_FAIL_FATAL("no place is used");
	return NULL;
}

/* Not to the end of all memory, nor beyond it. */
static void sizes_past_the_place_do_no_harm(void)
{
	static const struct {
		int line;
		uint32_t target_size, fields_size, body_size;
		bool found;
	} cases[] = {
		{ __LINE__, 2, 0, 0, true },
		{ __LINE__, 2, 0, SMALL_ROOM - 2, true },
		{ __LINE__, 2, SMALL_ROOM - 2, 0, true },
		{ __LINE__, 2, 0, SMALL_ROOM - 1, false },
		{ __LINE__, 2, SMALL_ROOM - 1, 0, false },
		{ __LINE__, 2, 400, 600, false },
		{ __LINE__, 2, 0, 1 << 20, false },
		{ __LINE__, 2, 1 << 30, 1 << 30, false },
		{ __LINE__, 2, UINT32_MAX, UINT32_MAX, false },
		{ __LINE__, 2, UINT32_MAX, 0, false },
		{ __LINE__, 2, UINT32_MAX, 2, false },
		{ __LINE__, 2, UINT32_MAX - 2, 1, false },
		{ __LINE__, 2, 1u << 31, 1u << 31, false },
		{ __LINE__, 0, 0, 0, false },
		{ __LINE__, 1, 0, 0, false },
		{ __LINE__, 3, 0, 0, false },
		{ __LINE__, UINT32_MAX, 0, 0, false },
		{ __LINE__, UINT32_MAX, 3, 3, false },
	};
	struct stored_response found;

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct place *used;

		begin(ONE_SET);
		keep("/a", 1, "");
		used = the_place_used();
		used->target_size = cases[i].target_size;
		used->fields_size = cases[i].fields_size;
		used->body_size = cases[i].body_size;
		HARNESS_CASE(cases[i].line,
			     stored_find(mapped, view_of("/a"), &hold,
					 &found) == cases[i].found);
		if (cases[i].found)
			CU_ASSERT_EQUAL(found.fields.size + found.body.size,
					cases[i].fields_size +
						cases[i].body_size);
		/* What is kept over it is right. */
		raise_mark("key", 2);
		keep("/a", 2, "good");
		CU_ASSERT_STRING_EQUAL(given("/a"), "good");
		end();
	}
}

static void bytes_at_random_do_no_harm(void)
{
	unsigned short state[3] = { 1, 2, 3 };
	struct place *used;

	begin(ONE_SET);
	keep("/a", 1, "");
	used = the_place_used();
	for (int n = 0; n < 20000; n++) {
		char *at = (char *)used;

		for (size_t i = 0; i < 48; i++)
			if (nrand48(state) % 3)
				at[i] = (char)nrand48(state);
		used->turn = 2;
		used->hash = crc32c(0, "/a", 2);
		given("/a");
		keep("/a", 1, "good");
	}
	end();
}

static void a_mark_that_is_none_is_not_true(void)
{
	struct stored_response response = response_to("/a", 1, "body");

	begin(MEMORY);
	response.mark = MARKS_COUNT;
	stored_keep(stored, &response);
	CU_ASSERT_STRING_EQUAL(given("/a"), "-");
	response.mark = UINT32_MAX;
	stored_keep(stored, &response);
	CU_ASSERT_STRING_EQUAL(given("/a"), "-");
	end();
}

/* The memory */

static void a_mapping_sees_what_comes_later(void)
{
	struct stored *other = NULL;

	begin(MEMORY);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "-");
	keep("/v1/kv/a", 1, "later");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "later");
	CU_ASSERT_EQUAL_FATAL(stored_map(stored_fds(stored), &other), ERR_OK);
	stored_free(mapped);
	mapped = other;
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "later");
	raise_mark("key", 2);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "-");
	end();
}

static void a_mapping_outlives_who_made_it(void)
{
	begin(MEMORY);
	keep("/v1/kv/a", 1, "here");
	stored_free(stored);
	stored = NULL;
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "here");
	end();
}

static void the_responses_can_not_be_written_to_by_who_is_given_them(void)
{
	int fd;

	begin(MEMORY);
	keep("/v1/kv/a", 1, "here");
	fd = stored_fds(stored)[0];
	errno = 0;
	CU_ASSERT_EQUAL(pwrite(fd, "x", 1, 0), -1);
	CU_ASSERT_EQUAL(errno, EPERM);
	CU_ASSERT(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
		  MAP_FAILED);
	CU_ASSERT_EQUAL(errno, EPERM);
	CU_ASSERT_EQUAL(
		mprotect(stored_marks(mapped), 4096, PROT_READ | PROT_WRITE),
		-1);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "here");
	end();
}

static void the_memory_stays_as_long_as_it_is(void)
{
	begin(MEMORY);
	for (int i = 0; i < STORED_FDS; i++) {
		int fd = stored_fds(stored)[i];
		off_t size = lseek(fd, 0, SEEK_END);

		errno = 0;
		CU_ASSERT_EQUAL(ftruncate(fd, 0), -1);
		CU_ASSERT_EQUAL(errno, EPERM);
		CU_ASSERT_EQUAL(ftruncate(fd, size - 1), -1);
		CU_ASSERT_EQUAL(ftruncate(fd, size + 4096), -1);
		CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), size);
		CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
		CU_ASSERT_EQUAL(errno, EPERM);
		CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	end();
}

static int file_of(const char *name, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* As what stored_new() has made begins, if `ours`. */
static int responses_of(size_t size, bool ours)
{
	static char front[PLACES_AT];
	int fd = file_of("r", size);

	begin(MEMORY);
	CU_ASSERT_EQUAL(pread(stored_fds(stored)[0], front, sizeof(front), 0),
			sizeof(front));
	end();
	if (size > sizeof(front))
		size = sizeof(front);
	if (ours)
		CU_ASSERT_EQUAL(pwrite(fd, front, size, 0), (ssize_t)size);
	return fd;
}

/* Nor is what another version made: lighttpd may have loaded an older one. */
static void memory_of_another_layout_is_none_of_ours(void)
{
	struct stored *memory = (struct stored *)1;
	int fds[STORED_FDS] = { responses_of(MEMORY, false), file_of("c", 16) };

	CU_ASSERT_EQUAL(stored_map(fds, &memory), ERR_FORMAT);
	CU_ASSERT_PTR_NULL(memory);
	for (int i = 0; i < STORED_FDS; i++)
		close(fds[i]);
}

static void memory_that_is_too_short_is_none_of_ours(void)
{
	static const struct {
		int line;
		size_t responses, counts;
		enum err err;
	} cases[] = {
		{ __LINE__, 0, 0, ERR_FORMAT },
		{ __LINE__, 0, 4096, ERR_FORMAT },
		{ __LINE__, MEMORY, 0, ERR_FORMAT },
		{ __LINE__, MEMORY, 15, ERR_FORMAT },
		{ __LINE__, MARKS_COUNT * 8, 16, ERR_FORMAT },
		{ __LINE__, PLACES_AT - 1, 16, ERR_FORMAT },
		{ __LINE__, PLACES_AT, 16, ERR_OK },
		{ __LINE__, MEMORY + 5, 4096, ERR_OK },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct stored *memory = (struct stored *)1;
		int fds[STORED_FDS] = { responses_of(cases[i].responses, true),
					file_of("c", cases[i].counts) };

		HARNESS_CASE(cases[i].line,
			     stored_map(fds, &memory) == cases[i].err);
		HARNESS_CASE(cases[i].line, !memory == (cases[i].err != 0));
		stored_free(memory);
		close(fds[0]);
		close(fds[1]);
	}
}

static void what_is_no_memory_can_not_be_mapped(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int good = file_of("good", MEMORY);
	const int bad[][STORED_FDS] = {
		{ -1, -1 }, { good, -1 }, { -1, good }, { null, null }
	};

	for (size_t i = 0; i < HARNESS_COUNT(bad); i++) {
		struct stored *memory = (struct stored *)1;

		HARNESS_CASE((unsigned)i, stored_map(bad[i], &memory) != 0);
		CU_ASSERT_PTR_NULL(memory);
	}
	close(null);
	close(good);
}

static void what_was_given_is_counted(void)
{
	uint64_t count = 7, bytes = 7;
	pid_t pid;

	begin(MEMORY);
	stored_counts(stored, &count, &bytes);
	CU_ASSERT(count == 0 && bytes == 0);
	stored_count(mapped, 0);
	stored_count(mapped, 1000);
	stored_counts(stored, &count, &bytes);
	CU_ASSERT(count == 2 && bytes == 1000);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 10000; i++)
			stored_count(mapped, 3);
		_exit(0);
	}
	CU_ASSERT_FATAL(pid > 0);
	for (int i = 0; i < 10000; i++)
		stored_count(mapped, 2);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	stored_counts(stored, &count, &bytes);
	CU_ASSERT(count == 20002 && bytes == 51000);
	end();
}

static void without_memory_there_are_no_marks(void)
{
	CU_ASSERT_PTR_NULL(stored_marks(NULL));
	stored_forget(NULL);
	stored_free(NULL);
}

static size_t open_fds(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* n calls of stored_new() and stored_map(), one of which fails. */
static void whatever_fails_nothing_is_left(enum fault fault, int errnum)
{
	size_t before = open_fds();

	for (unsigned n = 1; fault_available(fault); n++) {
		struct stored *memory, *mapping = NULL;
		enum err err;
		bool struck;

		fault_arm(fault, n, errnum);
		err = stored_new(MEMORY, &memory);
		if (!err)
			err = stored_map(stored_fds(memory), &mapping);
		struck = fault_disarm();
		HARNESS_CASE(n, (err != ERR_OK) == struck);
		HARNESS_CASE(n, (mapping == NULL) == struck);
		stored_free(mapping);
		stored_free(memory);
		HARNESS_CASE(n, open_fds() == before);
		if (!struck) {
			CU_ASSERT(n > 2);
			break;
		}
	}
}

static void a_failure_leaves_nothing_open(void)
{
	whatever_fails_nothing_is_left(FAULT_MEMORY, ENOMEM);
	whatever_fails_nothing_is_left(FAULT_CALL, EIO);
}

static void without_memory_nothing_is_kept_or_found(void)
{
	if (!fault_available(FAULT_MEMORY))
		return;
	begin(MEMORY);
	fault_arm(FAULT_MEMORY, 1, ENOMEM);
	keep("/v1/kv/a", 1, "here");
	CU_ASSERT_TRUE(fault_disarm());
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "-");
	keep("/v1/kv/a", 1, "here");
	buf_release(&hold);
	fault_arm(FAULT_MEMORY, 1, ENOMEM);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "-");
	CU_ASSERT_TRUE(fault_disarm());
	buf_release(&hold);
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/a"), "here");
	end();
}

/* Processes */

#define TURNS 60000

/* What the processes of a test tell each other. */
struct board {
	_Atomic uint64_t changed; /* newest revision whose mark was raised */
	_Atomic bool stop;
};

static struct board *board;

static void board_new(void)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(board != MAP_FAILED);
}

/* Small and large ones, each of one letter; fields that tell the revision. */
static struct stored_response at_revision(uint64_t revision)
{
	static char bytes[2][4000];
	static char fields[64];
	struct stored_response response =
		response_to("/v1/kv/key", revision, "");
	char *letters = bytes[revision % 2];

	memset(letters, revision % 2 ? 'a' : 'b', sizeof(bytes[0]));
	snprintf(fields, sizeof(fields), "ETag: \"%" PRIu64 "\"\r\n", revision);
	response.fields = view_of(fields);
	response.body =
		(struct view){ letters, revision % 5 ? revision * 37 % 900
						     : revision % 4000 };
	return response;
}

static void keep_at(uint64_t revision)
{
	struct stored_response response = at_revision(revision);

	stored_keep(stored, &response);
}

static int change_on(void)
{
	for (;;) {
		uint64_t revision = atomic_load(&board->changed) + 1;

		raise_mark("key", revision);
		atomic_store(&board->changed, revision);
		keep_at(revision);
		if (atomic_load(&board->stop))
			return EXIT_SUCCESS;
	}
}

/* Another worker, whose read is of a moment ago. */
static int keep_late_on(void)
{
	while (!atomic_load(&board->stop)) {
		uint64_t revision = atomic_load(&board->changed);

		if (revision)
			keep_at(revision);
	}
	return EXIT_SUCCESS;
}

static pid_t start(int (*work)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(work());
	CU_ASSERT_FATAL(pid > 0);
	return pid;
}

/* Look once: true when something was found, which has to be right. */
static bool look(void)
{
	uint64_t before = atomic_load(&board->changed);
	struct stored_response found, expected;

	if (!stored_find(mapped, view_of("/v1/kv/key"), &hold, &found))
		return false;
	CU_ASSERT(found.revision >= before);
	expected = at_revision(found.revision);
	CU_ASSERT(view_equal(found.fields, expected.fields));
	CU_ASSERT(view_equal(found.body, expected.body));
	return true;
}

static void stop(pid_t pid)
{
	int status = -1;

	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static void what_is_found_is_whole_and_true_while_others_keep(void)
{
	pid_t writer, late;
	unsigned hits = 0;

	begin(MEMORY);
	board_new();
	writer = start(change_on);
	late = start(keep_late_on);
	for (int i = 0; i < TURNS; i++)
		hits += look();
	/* Where there is one processor, or a sanitizer. */
	for (int64_t until_ms = clock_monotonic_ms() + 10000;
	     hits < 1000 && clock_monotonic_ms() < until_ms;)
		hits += look();
	atomic_store(&board->stop, true);
	stop(writer);
	stop(late);
	CU_ASSERT(hits >= 1000);
	CU_ASSERT(atomic_load(&board->changed) > 100);
	munmap(board, sizeof(*board));
	end();
}

#define SHARERS (3 * PLACES_WAYS) /* targets, for the places of one set */

/* Each has a letter of its own; all are always true. */
static struct stored_response of_sharer(unsigned number)
{
	static char targets[SHARERS][16];
	static char bodies[SHARERS][900];
	struct stored_response response = response_to("", 1, "");

	snprintf(targets[number], sizeof(targets[number]), "/%u", number);
	memset(bodies[number], 'A' + (int)number, sizeof(bodies[number]));
	response.target = view_of(targets[number]);
	response.body = (struct view){ bodies[number], sizeof(bodies[0]) };
	return response;
}

static int share_on(void)
{
	for (unsigned i = 0; !atomic_load(&board->stop); i++) {
		struct stored_response response = of_sharer(i * 7 % SHARERS);

		stored_keep(stored, &response);
	}
	return EXIT_SUCCESS;
}

/* How many of all are found, each of which has to be its own. */
static unsigned look_at_sharers(void)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < SHARERS; i++) {
		struct stored_response expected = of_sharer(i);
		struct stored_response found;

		if (!stored_find(mapped, expected.target, &hold, &found))
			continue;
		hits++;
		CU_ASSERT(view_equal(found.body, expected.body));
	}
	return hits;
}

/* No change of a key saves who reads it: only the place can tell. */
static void a_place_that_is_given_to_another_is_not_mixed(void)
{
	int64_t until_ms;
	unsigned hits = 0;
	pid_t writer;

	begin(ONE_SET);
	board_new();
	writer = start(share_on);
	until_ms = clock_monotonic_ms() + 1000;
	while (clock_monotonic_ms() < until_ms)
		hits += look_at_sharers();
	atomic_store(&board->stop, true);
	stop(writer);
	CU_ASSERT(hits > 1000);
	munmap(board, sizeof(*board));
	end();
}

/* The place that it was at is lost, and nothing else. */
static void writers_that_are_killed_do_no_harm(void)
{
	begin((size_t)4 << 20);
	board_new();
	for (int i = 0; i < 60; i++) {
		pid_t pid = start(change_on);
		int64_t until_ms = clock_monotonic_ms() + 1 + i % 3;

		while (clock_monotonic_ms() < until_ms)
			look();
		kill(pid, SIGKILL);
		CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
		look();
	}
	keep("/v1/kv/another", UINT64_MAX, "kept");
	CU_ASSERT_STRING_EQUAL(given("/v1/kv/another"), "kept");
	munmap(board, sizeof(*board));
	end();
}

/* What is wanted */

static bool wanted(const char *target)
{
	const struct stored_response response = response_to(target, 1, "body");

	return stored_wants(stored, &response);
}

static void fill_the_set(void)
{
	begin(ONE_SET);
	for (int i = 0; i < PLACES_WAYS; i++)
		keep_number(i);
}

static void while_there_is_room_all_is_wanted(void)
{
	begin(ONE_SET);
	for (int i = 0; i < PLACES_WAYS; i++) {
		CU_ASSERT_TRUE(wanted("/v1/kv/a"));
		CU_ASSERT_TRUE(wanted("/v1/kv/b"));
		keep_number(i);
	}
	CU_ASSERT_FALSE(wanted("/v1/kv/a"));
	end();
}

static void in_a_full_set_what_is_asked_for_again_is_wanted(void)
{
	fill_the_set();
	CU_ASSERT_FALSE(wanted("/v1/kv/a"));
	CU_ASSERT_FALSE(wanted("/v1/kv/b"));
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(wanted("/v1/kv/a"));
		CU_ASSERT_TRUE(wanted("/v1/kv/b"));
	}
	CU_ASSERT_FALSE(wanted("/v1/kv/aa"));
	end();
}

static void in_a_full_set_what_has_changed_is_wanted_at_once(void)
{
	char target[32];

	fill_the_set();
	snprintf(target, sizeof(target), "/v1/kv/%d", 3);
	raise_mark(target, 2);
	CU_ASSERT_EQUAL(how_many_given(3, 4), 0);
	CU_ASSERT_TRUE(wanted(target));
	end();
}

static void what_is_too_large_is_never_wanted(void)
{
	static char body[LARGE_ROOM + 1];
	struct stored_response response = response_to("", 1, "");

	begin(MEMORY);
	response.fields = view_of("");
	for (int i = 0; i < 3; i++) {
		response.body = (struct view){ body, LARGE_ROOM };
		CU_ASSERT_TRUE(stored_wants(stored, &response));
		response.body.size++;
		CU_ASSERT_FALSE(stored_wants(stored, &response));
	}
	response.body.size = 1;
	response.target = (struct view){ body, STORED_TARGET_MAX };
	CU_ASSERT_TRUE(stored_wants(stored, &response));
	response.target.size++;
	CU_ASSERT_FALSE(stored_wants(stored, &response));
	end();
	begin(1);
	CU_ASSERT_FALSE(wanted("/v1/kv/a"));
	CU_ASSERT_FALSE(wanted("/v1/kv/a"));
	end();
}

static void a_child_wants_what_another_was_asked_for(void)
{
	int status = -1;
	pid_t pid;

	fill_the_set();
	pid = fork();
	if (pid == 0)
		_exit(wanted("/v1/kv/a"));
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_TRUE(wanted("/v1/kv/a"));
	end();
}

/* Of a thousand targets nearly all are still known, of a million few. */
static void what_was_asked_for_long_ago_is_forgotten(void)
{
	static const struct {
		int line;
		int count;
		int least, most; /* wanted in the second round */
	} cases[] = {
		{ __LINE__, 1000, 950, 1000 },
		{ __LINE__, 1000000, 0, 10000 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		char target[32];
		int again = 0;

		fill_the_set();
		for (int round = 0; round < 2; round++) {
			for (int n = 0; n < cases[i].count; n++) {
				snprintf(target, sizeof(target), "/v1/kv/k%d",
					 n);
				again += wanted(target) && round;
			}
		}
		HARNESS_CASE(cases[i].line, again >= cases[i].least);
		HARNESS_CASE(cases[i].line, again <= cases[i].most);
		end();
	}
}

static void what_there_may_be_is_told_without_a_look(void)
{
	const struct view target = view_of("/v1/kv/key");

	for (size_t size = 1; size <= 10000; size += 9999) {
		char *body = calloc(1, size);
		struct stored_response response =
			response_to("/v1/kv/key", 1, "");

		begin(MEMORY);
		response.body = (struct view){ body, size };
		CU_ASSERT_FALSE(stored_may_have(mapped, target));
		stored_keep(stored, &response);
		CU_ASSERT_TRUE(stored_may_have(mapped, target));
		CU_ASSERT_FALSE(stored_may_have(mapped, view_of("/v1/kv/ke")));
		raise_mark("key", 2);
		CU_ASSERT_TRUE(stored_may_have(mapped, target));
		end();
		free(body);
	}
	begin(1);
	CU_ASSERT_FALSE(stored_may_have(mapped, target));
	end();
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_was_kept_is_found_byte_for_byte),
	HARNESS_TEST(bodies_of_every_size_come_back),
	HARNESS_TEST(a_target_finds_its_own_response_only),
	HARNESS_TEST(targets_of_the_same_hash_are_told_apart),
	HARNESS_TEST(a_target_has_512_bytes_at_most),
	HARNESS_TEST(what_is_larger_than_a_place_is_not_kept),
	HARNESS_TEST(what_has_changed_since_is_not_found),
	HARNESS_TEST(what_is_kept_after_a_later_change_is_not_found),
	HARNESS_TEST(changes_of_other_keys_do_no_harm),
	HARNESS_TEST(a_newer_response_takes_the_place_of_the_older),
	HARNESS_TEST(the_old_one_is_not_found_in_a_place_of_another_size),
	HARNESS_TEST(what_was_kept_by_other_settings_is_not_found),
	HARNESS_TEST(what_a_child_keeps_is_by_the_settings_of_its_fork),
	HARNESS_TEST(of_a_full_set_only_as_many_go_as_come),
	HARNESS_TEST(of_a_full_set_each_place_has_its_turn),
	HARNESS_TEST(what_is_not_true_any_more_makes_room_first),
	HARNESS_TEST(what_is_there_is_not_written_again),
	HARNESS_TEST(several_sets_keep_thousands),
	HARNESS_TEST(memory_that_is_too_small_keeps_nothing),
	HARNESS_TEST(memory_of_any_size_is_used_within_its_bounds),
	HARNESS_TEST(a_place_whose_writer_died_is_not_used_again),
	HARNESS_TEST(an_empty_place_whose_writer_died_is_passed_over),
	HARNESS_TEST(where_all_writers_died_nothing_is_kept),
	HARNESS_TEST(sizes_past_the_place_do_no_harm),
	HARNESS_TEST(bytes_at_random_do_no_harm),
	HARNESS_TEST(a_mark_that_is_none_is_not_true),
	HARNESS_TEST(a_mapping_sees_what_comes_later),
	HARNESS_TEST(a_mapping_outlives_who_made_it),
	HARNESS_TEST(the_responses_can_not_be_written_to_by_who_is_given_them),
	HARNESS_TEST(the_memory_stays_as_long_as_it_is),
	HARNESS_TEST(memory_that_is_too_short_is_none_of_ours),
	HARNESS_TEST(memory_of_another_layout_is_none_of_ours),
	HARNESS_TEST(what_is_no_memory_can_not_be_mapped),
	HARNESS_TEST(what_was_given_is_counted),
	HARNESS_TEST(without_memory_there_are_no_marks),
	HARNESS_TEST(a_failure_leaves_nothing_open),
	HARNESS_TEST(without_memory_nothing_is_kept_or_found),
	HARNESS_TEST(while_there_is_room_all_is_wanted),
	HARNESS_TEST(in_a_full_set_what_is_asked_for_again_is_wanted),
	HARNESS_TEST(in_a_full_set_what_has_changed_is_wanted_at_once),
	HARNESS_TEST(what_is_too_large_is_never_wanted),
	HARNESS_TEST(a_child_wants_what_another_was_asked_for),
	HARNESS_TEST(what_was_asked_for_long_ago_is_forgotten),
	HARNESS_TEST(what_there_may_be_is_told_without_a_look),
	HARNESS_TEST(what_is_found_is_whole_and_true_while_others_keep),
	HARNESS_TEST(a_place_that_is_given_to_another_is_not_mixed),
	HARNESS_TEST(writers_that_are_killed_do_no_harm),
};

int main(void)
{
	return harness_run("http/stored", tests, HARNESS_COUNT(tests));
}
