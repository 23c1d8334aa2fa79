/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A store as JSON lines, and back; on the engine "memory". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/lines.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "harness.h"

#define NOW_MS INT64_C(1700000000000)
#define HEAD   "{\"librapi\":1}\n"

static int64_t wall_ms(void)
{
	return NOW_MS;
}

static struct store *open_store(void)
{
	const struct store_conf conf = {
		.engine = "memory",
		.value_max_bytes = 10000,
		.wall_ms = wall_ms,
	};
	struct store *store = NULL;

	CU_ASSERT_EQUAL_FATAL(store_open(&conf, &store), ERR_OK);
	return store;
}

static uint64_t revision_of(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.revision;
}

static void put(struct store *store, struct view key, struct view value,
		struct view type, int64_t expires_ms)
{
	struct store_op op = { .verb = STORE_PUT,
			       .key = key,
			       .value = value,
			       .type = type,
			       .expires_ms = expires_ms };
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t ticket;

	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
}

/* Keys and values of all kinds, and one that has expired. */
static struct store *filled_store(void)
{
	struct store *store = open_store();
	char bytes[256];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;

	struct view all = { bytes, sizeof(bytes) };

	put(store, view_of("plain"), view_of("text"), view_of("text/plain"), 0);
	put(store, view_of("ключ"), view_of("значение \"\\\n\t\x7f"),
	    view_of("a/b"), 0);
	put(store, all, all, view_of("application/octet-stream"), 0);
	put(store, VIEW_LITERAL("a\0b"), VIEW_LITERAL("\0"), view_of(""), 0);
	put(store, view_of("empty"), view_of(""), VIEW_LITERAL("\xff"), 0);
	put(store, view_of("brief"), view_of("x"), view_of("t"), NOW_MS + 1);
	put(store, view_of("gone"), view_of("x"), view_of("t"), NOW_MS - 1);
	return store;
}

static enum err write_to(void *arg, struct view bytes)
{
	return fwrite(bytes.data, 1, bytes.size, arg) == bytes.size ? ERR_OK
								    : ERR_FULL;
}

static enum err dump_to(struct store *store, FILE *out)
{
	const struct sink sink = { write_to, out };
	uint64_t revision;
	enum err err = lines_dump(store, VIEW_LITERAL(""), &sink, &revision);

	return !err && fflush(out) ? ERR_FULL : err;
}

/* Loads, and sees that what failed is told. */
static enum err load_from(struct store *store, FILE *in)
{
	struct lines_load load = { .store = store,
				   .alone = true,
				   .folder = harness_tmpdir(),
				   .read = lines_read_stdio,
				   .read_arg = in };
	enum err err = lines_load(&load);

	CU_ASSERT_EQUAL(load.message.size > 0, err != ERR_OK);
	lines_load_free(&load);
	return err;
}

/* The dump as a string of its own, to be freed. */
static char *dump_of(struct store *store, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	CU_ASSERT_EQUAL(dump_to(store, out), ERR_OK);
	fclose(out);
	return text;
}

static enum err load_text(struct store *store, const char *text, size_t size)
{
	const char *path = harness_path("lines");
	FILE *in = fopen(path, "w+");
	enum err err;

	CU_ASSERT_PTR_NOT_NULL_FATAL(in);
	fwrite(text, 1, size, in);
	rewind(in);
	err = load_from(store, in);
	fclose(in);
	return err;
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

/* The second store's listing is held against the first's, key by key. */
static bool compare_record(void *arg, struct view key,
			   const struct record *record)
{
	struct store *other = arg;
	struct buf hold = BUF_EMPTY;
	struct record found = { 0 };

	CU_ASSERT_EQUAL(store_get(other, key, &hold, &found, NULL), ERR_OK);
	CU_ASSERT_TRUE(view_equal(found.value, record->value));
	CU_ASSERT_TRUE(view_equal(found.type, record->type));
	CU_ASSERT_EQUAL(found.expires_ms, record->expires_ms);
	buf_release(&hold);
	return true;
}

static void compare_stores(struct store *a, struct store *b)
{
	struct store_range all = { .values = true };

	CU_ASSERT_EQUAL(store_list(a, &all, compare_record, b, NULL), ERR_OK);
	CU_ASSERT_EQUAL(store_list(b, &all, compare_record, a, NULL), ERR_OK);
}

static void a_dump_loads_into_another_store(void)
{
	struct store *first = filled_store();
	struct store *second = open_store();
	size_t size;
	char *text = dump_of(first, &size);

	CU_ASSERT_EQUAL(count_lines(text), 8);
	put(second, view_of("plain"), view_of("to be replaced"), view_of(""),
	    0);
	CU_ASSERT_EQUAL(load_text(second, text, size), ERR_OK);
	compare_stores(first, second);
	free(text);
	store_close(first);
	store_close(second);
}

static void a_dump_says_what_it_is(void)
{
	struct store *store = open_store();
	size_t size;

	put(store, view_of("a"), view_of("one"), view_of("text/plain"), 0);
	put(store, view_of("b"), VIEW_LITERAL("\xff"), view_of(""), NOW_MS + 1);

	char *text = dump_of(store, &size);

	CU_ASSERT_STRING_EQUAL(
		text,
		"{\"librapi\":1,\"engine\":\"memory\"}\n"
		"{\"key\":\"a\",\"rev\":1,"
		"\"modified\":\"2023-11-14T22:13:20.000Z\",\"expires\":null,"
		"\"type\":\"text/plain\",\"value\":\"one\"}\n"
		"{\"key\":\"b\",\"rev\":2,"
		"\"modified\":\"2023-11-14T22:13:20.000Z\","
		"\"expires\":\"2023-11-14T22:13:20.001Z\","
		"\"type\":\"\",\"value64\":\"/w==\"}\n"
		"{\"count\":2,\"rev\":2,\"crc32c\":\"0f8c503b\"}\n");
	free(text);
	store_close(store);
}

static void a_pipe_can_be_loaded(void)
{
	struct store *first = filled_store();
	struct store *second = open_store();
	size_t size;
	char *text = dump_of(first, &size);
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	CU_ASSERT_EQUAL(write(fds[1], text, size), (ssize_t)size);
	close(fds[1]);

	FILE *in = fdopen(fds[0], "r");

	CU_ASSERT_EQUAL(load_from(second, in), ERR_OK);
	fclose(in);
	compare_stores(first, second);
	free(text);
	store_close(first);
	store_close(second);
}

/* Up to 16384 keys go in by one commit, more by 512 at a time. */
static void some_keys_load_in_one_commit_many_in_several(void)
{
	static const struct {
		int line;
		int keys;
		uint64_t commits;
	} cases[] = {
		{ __LINE__, 0, 0 },
		{ __LINE__, 1000, 1 },
		{ __LINE__, 16384, 1 },
		{ __LINE__, 16385, 33 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct store *first = open_store();
		struct store *second = open_store();
		char key[32];
		size_t size;

		for (int n = 0; n < cases[i].keys; n++) {
			snprintf(key, sizeof(key), "key/%d", n);
			put(first, view_of(key), view_of(key), view_of("t"), 0);
		}

		char *text = dump_of(first, &size);

		HARNESS_CASE(cases[i].line,
			     load_text(second, text, size) == ERR_OK);
		HARNESS_CASE(cases[i].line,
			     revision_of(second) == cases[i].commits);
		compare_stores(first, second);
		free(text);
		store_close(first);
		store_close(second);
	}
}

static void a_dump_that_was_cut_changes_nothing(void)
{
	struct store *first = filled_store();
	struct store *second = open_store();
	size_t size;
	char *text = dump_of(first, &size);

	for (size_t cut = 0; cut < size; cut++) {
		FILE *in = fmemopen(text, cut + 1, "r");

		CU_ASSERT_PTR_NOT_NULL_FATAL(in);
		if (cut + 1 < size)
			CU_ASSERT_NOT_EQUAL(load_from(second, in), ERR_OK);
		fclose(in);
	}
	CU_ASSERT_EQUAL(revision_of(second), 0);
	free(text);
	store_close(first);
	store_close(second);
}

static void a_changed_byte_changes_nothing(void)
{
	struct store *first = filled_store();
	struct store *second = open_store();
	size_t size;
	char *text = dump_of(first, &size);
	size_t last = (size_t)(strstr(text, "{\"count\"") - text);

	for (size_t at = 0; at < last; at++) {
		text[at] ^= 1;

		FILE *in = fmemopen(text, size, "r");

		CU_ASSERT_NOT_EQUAL(load_from(second, in), ERR_OK);
		fclose(in);
		text[at] ^= 1;
	}
	CU_ASSERT_EQUAL(revision_of(second), 0);
	free(text);
	store_close(first);
	store_close(second);
}

/* Lines, to which the right last line is added. */
static enum err load_lines(struct store *store, const char *lines, size_t count)
{
	struct buf text = BUF_EMPTY;
	enum err err;

	buf_add_string(&text, lines);
	buf_addf(&text, "{\"count\":%zu,\"crc32c\":\"%08" PRIx32 "\"}\n", count,
		 crc32c(0, lines, strlen(lines)));
	err = load_text(store, text.data, text.size);
	buf_release(&text);
	return err;
}

static void lines_that_are_wrong_are_refused(void)
{
	static const struct {
		int line;
		const char *lines;
	} cases[] = {
		{ __LINE__, "" },
		{ __LINE__, "{}\n" },
		{ __LINE__, "{\"librapi\":2}\n" },
		{ __LINE__, "{\"librapi\":\"1\"}\n" },
		{ __LINE__, "[]\n" },
		{ __LINE__, HEAD "[]\n" },
		{ __LINE__, HEAD "\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\"\n" },
		{ __LINE__, HEAD "{\"key\":\"a\"}\n" },
		{ __LINE__, HEAD "{\"value\":\"x\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"\",\"value\":\"x\"}\n" },
		{ __LINE__, HEAD "{\"key\":1,\"value\":\"x\"}\n" },
		{ __LINE__, HEAD "{\"key\":null,\"value\":\"x\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":7}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":null}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"key64\":\"YQ==\","
				 "\"value\":\"x\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value64\":\"x\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\","
				 "\"type\":[]}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\","
				 "\"type\":\"a\\r\\nb: c\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\","
				 "\"type\":\"\\u0000\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\","
				 "\"type\":\"\\u007f\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\","
				 "\"expires\":1}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\","
				 "\"expires\":\"tomorrow\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\","
				 "\"expires\":\"2026-13-01T00:00:00Z\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\","
				 "\"expires\":\"2026-02-30T00:00:00Z\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"a\",\"value\":\"x\","
				 "\"expires\":\"2026-01-01 00:00:00Z\"}\n" },
		{ __LINE__, HEAD "{\"key\":\"\xff\",\"value\":\"x\"}\n" },
	};
	struct store *store = open_store();

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line, load_lines(store, cases[i].lines,
						       1) == ERR_INVALID);
	CU_ASSERT_EQUAL(revision_of(store), 0);
	store_close(store);
}

static void records_past_the_limits_are_refused(void)
{
	static const struct {
		int line;
		size_t key, value, type;
		enum err err;
	} cases[] = {
		{ __LINE__, 1024, 10000, 255, ERR_OK },
		{ __LINE__, 1025, 1, 1, ERR_INVALID },
		{ __LINE__, 1, 10001, 1, ERR_INVALID },
		{ __LINE__, 1, 1, 256, ERR_INVALID },
	};
	struct store *store = open_store();
	char many[10002];

	memset(many, 'x', sizeof(many));
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf lines = BUF_EMPTY;

		buf_addf(&lines, HEAD "{\"key\":\"%.*s\",\"value\":\"%.*s\",",
			 (int)cases[i].key, many, (int)cases[i].value, many);
		buf_addf(&lines, "\"type\":\"%.*s\"}\n", (int)cases[i].type,
			 many);
		HARNESS_CASE(cases[i].line,
			     load_lines(store, buf_string(&lines), 1) ==
				     cases[i].err);
		buf_release(&lines);
	}
	CU_ASSERT_EQUAL(revision_of(store), 1);
	store_close(store);
}

static void a_wrong_end_is_refused(void)
{
	static const struct {
		int line;
		const char *end;
		enum err err;
	} cases[] = {
		{ __LINE__, "", ERR_DAMAGED },
		{ __LINE__, "{\"count\":0,\"crc32c\":\"%08x\"}", ERR_DAMAGED },
		{ __LINE__, "{\"count\":1,\"crc32c\":\"%08x\"}\n",
		  ERR_DAMAGED },
		{ __LINE__, "{\"count\":0,\"crc32c\":\"%08X0\"}\n",
		  ERR_DAMAGED },
		{ __LINE__, "{\"count\":0,\"crc32c\":%u}\n", ERR_INVALID },
		{ __LINE__, "{\"count\":0}\n", ERR_INVALID },
		{ __LINE__, "{\"count\":-1,\"crc32c\":\"%08x\"}\n",
		  ERR_INVALID },
		{ __LINE__, "{\"count\":0,\"crc32c\":\"%08x\"}\n\n",
		  ERR_INVALID },
		{ __LINE__, "{\"count\":0,\"crc32c\":\"%08x\"}\n", ERR_OK },
	};
	struct store *store = open_store();

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf text = BUF_EMPTY;
		char end[100];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(end, sizeof(end), cases[i].end,
			 crc32c(0, HEAD, strlen(HEAD)));
#pragma GCC diagnostic pop
		buf_add_string(&text, HEAD);
		buf_add_string(&text, end);
		HARNESS_CASE(cases[i].line,
			     load_text(store, text.data, text.size) ==
				     cases[i].err);
		buf_release(&text);
	}
	store_close(store);
}

static void times_are_read_with_and_without_milliseconds(void)
{
	struct store *store = open_store();
	struct buf hold = BUF_EMPTY;
	struct record record = { 0 };

	CU_ASSERT_EQUAL(load_lines(store,
				   HEAD
				   "{\"key\":\"a\",\"value\":\"\",\"expires\":"
				   "\"2100-02-28T23:59:59Z\"}\n"
				   "{\"key\":\"b\",\"value\":\"\",\"expires\":"
				   "\"2100-02-28T23:59:59.250Z\"}\n",
				   2),
			ERR_OK);
	CU_ASSERT_EQUAL(store_get(store, view_of("a"), &hold, &record, NULL),
			ERR_OK);
	CU_ASSERT_EQUAL(record.expires_ms, INT64_C(4107542399000));
	CU_ASSERT_EQUAL(store_get(store, view_of("b"), &hold, &record, NULL),
			ERR_OK);
	CU_ASSERT_EQUAL(record.expires_ms, INT64_C(4107542399250));
	buf_release(&hold);
	store_close(store);
}

/* 0 is how a record says that it never expires. */
static void a_time_of_1970_is_long_past(void)
{
	struct store *store = open_store();
	struct buf hold = BUF_EMPTY;
	struct record record = { 0 };

	CU_ASSERT_EQUAL(load_lines(store,
				   HEAD
				   "{\"key\":\"a\",\"value\":\"\",\"expires\":"
				   "\"1970-01-01T00:00:00Z\"}\n",
				   1),
			ERR_OK);
	CU_ASSERT_EQUAL(store_get(store, view_of("a"), &hold, &record, NULL),
			ERR_NOT_FOUND);
	buf_release(&hold);
	store_close(store);
}

static void a_full_disk_fails_the_dump(void)
{
	struct store *store = filled_store();
	FILE *out = fopen("/dev/full", "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	CU_ASSERT_EQUAL(dump_to(store, out), ERR_FULL);
	fclose(out);
	store_close(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_dump_loads_into_another_store),
	HARNESS_TEST(a_dump_says_what_it_is),
	HARNESS_TEST(a_pipe_can_be_loaded),
	HARNESS_TEST(some_keys_load_in_one_commit_many_in_several),
	HARNESS_TEST(a_dump_that_was_cut_changes_nothing),
	HARNESS_TEST(a_changed_byte_changes_nothing),
	HARNESS_TEST(lines_that_are_wrong_are_refused),
	HARNESS_TEST(records_past_the_limits_are_refused),
	HARNESS_TEST(a_wrong_end_is_refused),
	HARNESS_TEST(times_are_read_with_and_without_milliseconds),
	HARNESS_TEST(a_time_of_1970_is_long_past),
	HARNESS_TEST(a_full_disk_fails_the_dump),
};

int main(void)
{
	return harness_run("api/lines", tests, HARNESS_COUNT(tests));
}
