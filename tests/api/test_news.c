/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of app/api/news.c: pieces of a history with large and small
 * revisions, each change in exactly one of them.
 */
#include "api/news.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

#define LARGE 1200 /* operations of one commit: more than two pieces */

static struct store *open_store(void)
{
	static const struct store_conf conf = {
		.engine = "memory",
		.value_max_bytes = 1 << 20,
		.lock_timeout_ms = 1000,
		.history_bytes = 64 << 20,
	};
	struct store *store;

	CU_ASSERT_EQUAL_FATAL(store_open(&conf, &store), ERR_OK);
	return store;
}

static void commit(struct store *store, struct store_op *ops, size_t count)
{
	struct store_batch batch = { .ops = ops, .op_count = count };
	uint64_t ticket;

	CU_ASSERT_EQUAL_FATAL(store_commit(store, &batch, &ticket), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(store_sync(store, ticket), ERR_OK);
}

static void put(struct store *store, const char *key, struct view value)
{
	struct store_op op = { .verb = STORE_PUT,
			       .key = view_of(key),
			       .value = value };

	commit(store, &op, 1);
}

static void put_many(struct store *store, size_t count)
{
	static struct store_op ops[LARGE];
	static char keys[LARGE][16];

	for (size_t i = 0; i < count; i++) {
		snprintf(keys[i], sizeof(keys[i]), "many/%04zu", i);
		ops[i] = (struct store_op){ .verb = STORE_PUT,
					    .key = view_of(keys[i]),
					    .value = view_of("x") };
	}
	commit(store, ops, count);
}

static void every_change_is_in_one_piece_and_in_order(void)
{
	struct store *store = open_store();
	struct news news;
	struct place place = { 0, 0 };
	uint64_t oldest, seen = 0, ends = 0;

	put(store, "first", view_of("1"));
	put_many(store, LARGE);
	put(store, "last", view_of("2"));
	CU_ASSERT_EQUAL_FATAL(news_init(&news), ERR_OK);
	do {
		CU_ASSERT_EQUAL_FATAL(
			news_read(&news, store, place, false, &oldest), ERR_OK);
		CU_ASSERT_FALSE(place_before(news.from, place));
		for (size_t i = 0; i < news.count; i++) {
			const struct news_item *item = &news.items[i];

			CU_ASSERT(place_before(place, item->after));
			place = item->after;
			seen++;
			ends += item->last;
		}
		CU_ASSERT_FALSE(place_before(place, news.to));
		place = news.to;
	} while (!news.all);
	CU_ASSERT_EQUAL(seen, LARGE + 2);
	CU_ASSERT_EQUAL(ends, 3);
	CU_ASSERT_EQUAL(place.revision, 3);
	CU_ASSERT_EQUAL(place.index, 0);
	news_release(&news);
	store_close(store);
}

static void a_piece_serves_those_who_are_within_it(void)
{
	struct store *store = open_store();
	struct news news;
	uint64_t oldest;

	for (int i = 0; i < 5; i++)
		put(store, "a", view_of("x"));
	CU_ASSERT_EQUAL_FATAL(news_init(&news), ERR_OK);
	CU_ASSERT_EQUAL(
		news_read(&news, store, (struct place){ 2, 0 }, false, &oldest),
		ERR_OK);
	CU_ASSERT_EQUAL(news.count, 3);
	CU_ASSERT_FALSE(news_serve(&news, (struct place){ 1, 0 }));
	CU_ASSERT_TRUE(news_serve(&news, (struct place){ 2, 0 }));
	CU_ASSERT_TRUE(news_serve(&news, (struct place){ 4, 0 }));
	CU_ASSERT_FALSE(news_serve(&news, (struct place){ 5, 0 }));
	news_release(&news);
	store_close(store);
}

static void a_large_value_ends_a_piece_and_is_whole(void)
{
	static char value[NEWS_BYTES_MAX * 3];
	struct store *store = open_store();
	struct news news;
	struct view text;
	uint64_t oldest;

	memset(value, 'v', sizeof(value));
	put(store, "large", (struct view){ value, sizeof(value) });
	put(store, "small", view_of("x"));
	CU_ASSERT_EQUAL_FATAL(news_init(&news), ERR_OK);
	CU_ASSERT_EQUAL(
		news_read(&news, store, (struct place){ 0, 0 }, true, &oldest),
		ERR_OK);
	CU_ASSERT_EQUAL(news.count, 1);
	CU_ASSERT_FALSE(news.all);
	text = news_text(&news, &news.items[0], true);
	CU_ASSERT(text.size > sizeof(value));
	CU_ASSERT(memmem(text.data, text.size, value, sizeof(value)) != NULL);
	text = news_text(&news, &news.items[0], false);
	CU_ASSERT(view_equal_string(
		text, "{\"key\":\"large\",\"rev\":1,\"size\":196608}"));
	news_release(&news);
	store_close(store);
}

static void each_verb_has_its_text(void)
{
	struct store *store = open_store();
	struct store_op ops[] = {
		{ .verb = STORE_PUT,
		  .key = { "\xff", 1 },
		  .value = { "\xfe", 1 } },
		{ .verb = STORE_PUT,
		  .key = VIEW_LITERAL("b\""),
		  .type = VIEW_LITERAL("text/plain"),
		  .value = VIEW_LITERAL("y") },
	};
	struct store_op gone = { .verb = STORE_DELETE,
				 .key = VIEW_LITERAL("b\"") };
	static const struct {
		int line;
		bool values;
		size_t item;
		const char *event;
		const char *text;
	} cases[] = {
		{ __LINE__, false, 0, "put",
		  "{\"key64\":\"/w==\",\"rev\":1,\"size\":1}" },
		{ __LINE__, true, 0, "put",
		  "{\"key64\":\"/w==\",\"rev\":1,\"size\":1,"
		  "\"type\":\"application/octet-stream\","
		  "\"value64\":\"/g==\"}" },
		{ __LINE__, true, 1, "put",
		  "{\"key\":\"b\\\"\",\"rev\":1,\"size\":1,"
		  "\"type\":\"text/plain\",\"value\":\"y\"}" },
		{ __LINE__, true, 2, "delete",
		  "{\"key\":\"b\\\"\",\"rev\":2}" },
		{ __LINE__, false, 2, "delete",
		  "{\"key\":\"b\\\"\",\"rev\":2}" },
	};
	struct news news;
	uint64_t oldest;

	commit(store, ops, 2);
	commit(store, &gone, 1);
	CU_ASSERT_EQUAL_FATAL(news_init(&news), ERR_OK);
	CU_ASSERT_EQUAL(
		news_read(&news, store, (struct place){ 0, 0 }, true, &oldest),
		ERR_OK);
	CU_ASSERT_EQUAL_FATAL(news.count, 3);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct news_item *item = &news.items[cases[i].item];

		HARNESS_CASE(cases[i].line,
			     !strcmp(news_event(item), cases[i].event));
		HARNESS_CASE(cases[i].line,
			     view_equal_string(
				     news_text(&news, item, cases[i].values),
				     cases[i].text));
	}
	news_release(&news);
	store_close(store);
}

static void what_is_not_there_is_an_error_and_an_empty_piece(void)
{
	struct store *store = open_store();
	struct news news;
	uint64_t oldest;

	put(store, "a", view_of("x"));
	CU_ASSERT_EQUAL_FATAL(news_init(&news), ERR_OK);
	CU_ASSERT_EQUAL(
		news_read(&news, store, (struct place){ 2, 0 }, false, &oldest),
		ERR_GONE);
	CU_ASSERT_EQUAL(oldest, 0);
	CU_ASSERT_EQUAL(news.count, 0);
	CU_ASSERT_FALSE(news_serve(&news, (struct place){ 2, 0 }));
	news_release(&news);
	store_close(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(every_change_is_in_one_piece_and_in_order),
	HARNESS_TEST(a_piece_serves_those_who_are_within_it),
	HARNESS_TEST(a_large_value_ends_a_piece_and_is_whole),
	HARNESS_TEST(each_verb_has_its_text),
	HARNESS_TEST(what_is_not_there_is_an_error_and_an_empty_piece),
};

int main(void)
{
	return harness_run("api/news", tests, HARNESS_COUNT(tests));
}
