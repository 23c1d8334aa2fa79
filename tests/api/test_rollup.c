/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/rollup.c, on a store that says what it is asked for. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/rollup.h"

#define MANY 5000

/* What the sink has been given: names, each with a space behind it. */
static struct buf seen;
static int seen_left; /* entries until the sink says stop */

static struct store *store;
static struct store_engine spy; /* the engine, with another list() */
static const struct store_engine *engine;
static unsigned listings;
static unsigned visits;
static unsigned writes_left; /* after each of so many listings, one write */

static void put(const char *key)
{
	struct store_op op = {
		.verb = STORE_PUT,
		.key = view_of(key),
		.value = VIEW_LITERAL("v"),
	};
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t ticket;

	CU_ASSERT_EQUAL_FATAL(store_commit(store, &batch, &ticket), ERR_OK);
}

struct visitor {
	bool (*each)(void *arg, struct view key, const struct record *record);
	void *arg;
};

static bool count_visit(void *arg, struct view key, const struct record *record)
{
	struct visitor *visitor = arg;

	visits++;
	return visitor->each(visitor->arg, key, record);
}

static enum err spy_list(struct store *s, const struct store_range *range,
			 bool (*each)(void *arg, struct view key,
				      const struct record *record),
			 void *arg, uint64_t *revision)
{
	struct visitor visitor = { each, arg };
	enum err err = engine->list(s, range, count_visit, &visitor, revision);

	listings++;
	if (writes_left > 0) {
		writes_left--;
		put("zz");
	}
	return err;
}

static void open_store(void)
{
	const struct store_conf conf = {
		.engine = "memory",
		.value_max_bytes = 100,
	};

	CU_ASSERT_EQUAL_FATAL(store_open(&conf, &store), ERR_OK);
	engine = store->engine;
	spy = *engine;
	spy.list = spy_list;
	store->engine = &spy;
	listings = visits = writes_left = 0;
}

static void close_store(void)
{
	store_close(store);
	buf_release(&seen);
}

/* "a/0000" to "a/<count - 1>", between "a" and "b" */
static void put_folder(int count)
{
	char key[32];

	put("a");
	put("b");
	for (int i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "a/%04d", i);
		put(key);
	}
}

static bool see(void *arg, struct view name, const struct record *record)
{
	(void)arg;
	(void)record;
	if (seen_left-- == 0)
		return false;
	buf_add_view(&seen, name);
	buf_add_char(&seen, ' ');
	return true;
}

static void forget(void *arg)
{
	seen_left = *(int *)arg;
	buf_clear(&seen);
}

static const char *list(struct rollup_range range, int limit,
			uint64_t *revision)
{
	struct rollup_sink sink = { see, forget, &limit };

	forget(&limit);
	listings = visits = 0;
	CU_ASSERT_EQUAL(rollup_list(store, &range, &sink, revision), ERR_OK);
	return buf_string(&seen);
}

static const char *list_folders(const char *prefix, const char *delimiter,
				const char *after)
{
	struct rollup_range range = {
		.prefix = view_of(prefix),
		.delimiter = view_of(delimiter),
		.after = view_of(after),
	};
	uint64_t revision;

	return list(range, -1, &revision);
}

static void keys_with_the_delimiter_are_one_entry(void)
{
	static const char *const keys[] = { "a",      "a/b",  "a/b/c", "a/b/d",
					    "a/c/",   "a//x", "b--c",  "b---d",
					    "c/\xff", "/",    "//" };
	static const struct {
		int line;
		const char *prefix, *delimiter, *after, *entries;
	} cases[] = {
		{ __LINE__, "", "/", NULL, "/ a a/ b---d b--c c/ " },
		{ __LINE__, "a/", "/", NULL, "a// a/b a/b/ a/c/ " },
		{ __LINE__, "a/b/", "/", NULL, "a/b/c a/b/d " },
		{ __LINE__, "", "--", NULL,
		  "/ // a a//x a/b a/b/c a/b/d a/c/ b-- c/\xff " },
		{ __LINE__, "", "a/b/", NULL,
		  "/ // a a//x a/b a/b/ a/c/ b---d b--c c/\xff " },
		{ __LINE__, "no", "/", NULL, "" },
		{ __LINE__, "", "/", "a", "a/ b---d b--c c/ " },
		{ __LINE__, "", "/", "a/", "b---d b--c c/ " },
		{ __LINE__, "", "/", "a/b", "b---d b--c c/ " },
		{ __LINE__, "", "/", "a/zzz", "b---d b--c c/ " },
		{ __LINE__, "", "/", "", "/ a a/ b---d b--c c/ " },
		{ __LINE__, "a/", "/", "a/b", "a/b/ a/c/ " },
		{ __LINE__, "a/", "/", "a/b/", "a/c/ " },
		{ __LINE__, "a/", "/", "/x/", "a// a/b a/b/ a/c/ " },
		{ __LINE__, "a/", "/", "b/", "" },
		{ __LINE__, "", "/", "c/", "" },
	};

	open_store();
	for (size_t i = 0; i < HARNESS_COUNT(keys); i++)
		put(keys[i]);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     !strcmp(list_folders(cases[i].prefix,
						  cases[i].delimiter,
						  cases[i].after),
				     cases[i].entries));
	close_store();
}

static void what_is_rolled_up_is_not_visited(void)
{
	open_store();
	put_folder(MANY);
	CU_ASSERT_STRING_EQUAL(list_folders("", "/", NULL), "a a/ b ");
	CU_ASSERT_TRUE(visits < 150);
	CU_ASSERT_EQUAL(listings, 2);
	CU_ASSERT_STRING_EQUAL(list_folders("", "/", "a/"), "b ");
	CU_ASSERT_EQUAL(visits, 1);
	CU_ASSERT_EQUAL(listings, 1);
	close_store();
}

static void a_few_that_are_rolled_up_need_no_other_listing(void)
{
	open_store();
	put_folder(20);
	CU_ASSERT_STRING_EQUAL(list_folders("", "/", NULL), "a a/ b ");
	CU_ASSERT_EQUAL(listings, 1);
	close_store();
}

static void a_prefix_as_long_as_a_key_is_left_behind(void)
{
	char key[STORE_KEY_MAX + 1];

	open_store();
	memset(key, 0xff, sizeof(key));
	key[STORE_KEY_MAX] = '\0';
	put("a");
	put(key);
	CU_ASSERT_STRING_EQUAL(list_folders("", "\xff", "a"), "\xff ");
	CU_ASSERT_STRING_EQUAL(list_folders("", "\xff", "\xff"), "");
	close_store();
}

static void a_listing_that_was_torn_begins_again(void)
{
	struct rollup_range range = { .delimiter = VIEW_LITERAL("/") };
	uint64_t revision;

	open_store();
	put_folder(MANY);
	writes_left = 1;
	CU_ASSERT_STRING_EQUAL(list(range, -1, &revision), "a a/ b zz ");
	CU_ASSERT_EQUAL(revision, MANY + 3);
	CU_ASSERT_EQUAL(listings, 4);
	CU_ASSERT_TRUE(visits < 300);
	close_store();
}

static void where_no_revision_stays_one_listing_visits_all(void)
{
	struct rollup_range range = { .delimiter = VIEW_LITERAL("/") };
	uint64_t revision;

	open_store();
	put_folder(MANY);
	writes_left = 1000;
	CU_ASSERT_STRING_EQUAL(list(range, -1, &revision), "a a/ b zz ");
	CU_ASSERT_EQUAL(listings, 7);
	CU_ASSERT_EQUAL(revision, MANY + 2 + 6);
	CU_ASSERT_TRUE(visits > MANY);
	close_store();
}

static void a_listing_ends_when_the_sink_says_so(void)
{
	struct rollup_range range = { .delimiter = VIEW_LITERAL("/") };
	uint64_t revision;

	open_store();
	put_folder(MANY);
	CU_ASSERT_STRING_EQUAL(list(range, 1, &revision), "a ");
	CU_ASSERT_STRING_EQUAL(list(range, 2, &revision), "a a/ ");
	CU_ASSERT_TRUE(visits < 150);
	CU_ASSERT_STRING_EQUAL(list(range, 0, &revision), "");
	close_store();
}

static const struct harness_test tests[] = {
	HARNESS_TEST(keys_with_the_delimiter_are_one_entry),
	HARNESS_TEST(what_is_rolled_up_is_not_visited),
	HARNESS_TEST(a_few_that_are_rolled_up_need_no_other_listing),
	HARNESS_TEST(a_prefix_as_long_as_a_key_is_left_behind),
	HARNESS_TEST(a_listing_that_was_torn_begins_again),
	HARNESS_TEST(where_no_revision_stays_one_listing_visits_all),
	HARNESS_TEST(a_listing_ends_when_the_sink_says_so),
};

int main(void)
{
	return harness_run("api/rollup", tests, HARNESS_COUNT(tests));
}
