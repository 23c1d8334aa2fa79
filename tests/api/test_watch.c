/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of app/api/watch.c: what is asked for, what is answered where nobody
 * waits, and what a parked watch is sent.
 */
#include "api/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "fault.h"
#include "harness.h"

#define LARGE 1200 /* operations of one commit: more than two pieces */

static const char accept_stream[] = "HTTP_ACCEPT=text/event-stream";

static void put(struct client *c, const char *target)
{
	int status = client_send(c, "PUT", target, "xyz", NULL);

	CU_ASSERT(status == 201 || status == 204);
}

static void commit(struct client *c, struct store_op *ops, size_t count)
{
	struct store_batch batch = { .ops = ops, .op_count = count };
	uint64_t ticket;

	CU_ASSERT_EQUAL_FATAL(store_commit(c->api.store, &batch, &ticket),
			      ERR_OK);
	CU_ASSERT_EQUAL_FATAL(store_sync(c->api.store, ticket), ERR_OK);
}

static void put_many(struct client *c, size_t count, size_t size)
{
	static const char value[1000];
	static struct store_op ops[LARGE];
	static char keys[LARGE][16];

	for (size_t i = 0; i < count; i++) {
		snprintf(keys[i], sizeof(keys[i]), "many/%04zu", i);
		ops[i] = (struct store_op){ .verb = STORE_PUT,
					    .key = view_of(keys[i]),
					    .value = { value, size } };
	}
	commit(c, ops, count);
}

static void a_poll_tells_what_came_after_since(void)
{
	static const struct {
		int line;
		const char *target;
		const char *answer;
	} cases[] = {
		{ __LINE__, "/v1/watch", "{\"rev\":3,\"events\":[]}\n" },
		{ __LINE__, "/v1/watch?since=3",
		  "{\"rev\":3,\"events\":[]}\n" },
		{ __LINE__, "/v1/watch?since=2",
		  "{\"rev\":3,\"events\":[{\"event\":\"delete\",\"key\":\"a\","
		  "\"rev\":3}]}\n" },
		{ __LINE__, "/v1/watch?since=0&prefix=b",
		  "{\"rev\":3,\"events\":[{\"event\":\"put\",\"key\":\"b\","
		  "\"rev\":2,\"size\":3}]}\n" },
		{ __LINE__, "/v1/watch?since=1&values=1&prefix=b",
		  "{\"rev\":3,\"events\":[{\"event\":\"put\",\"key\":\"b\","
		  "\"rev\":2,\"size\":3,\"type\":\"text/plain\","
		  "\"value\":\"xyz\"}]}\n" },
		{ __LINE__, "/v1/watch?since=0&prefix=%FF",
		  "{\"rev\":3,\"events\":[]}\n" },
	};
	struct client c;

	client_open(&c);
	put(&c, "/v1/kv/a");
	client_send(&c, "PUT", "/v1/kv/b", "xyz", "CONTENT_TYPE=text/plain",
		    NULL);
	client_send(&c, "DELETE", "/v1/kv/a", NULL, NULL);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		HARNESS_CASE(cases[i].line,
			     client_send(&c, "GET", cases[i].target, NULL,
					 NULL) == 200);
		HARNESS_CASE(cases[i].line, view_equal_string(client_body(&c),
							      cases[i].answer));
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_field(&c, "Content-Type"),
				     "application/json"));
	}
	client_close(&c);
}

static void a_stream_begins_with_where_it_is(void)
{
	struct client c;

	client_open(&c);
	put(&c, "/v1/kv/a");
	put(&c, "/v1/kv/b");
	CU_ASSERT_EQUAL(client_send(&c, "GET", "/v1/watch?since=1", NULL,
				    accept_stream, NULL),
			200);
	CU_ASSERT_STRING_EQUAL(client_field(&c, "Content-Type"),
			       "text/event-stream");
	CU_ASSERT_STRING_EQUAL(client_field(&c, "Cache-Control"), "no-store");
	CU_ASSERT_STRING_EQUAL(client_field(&c, "X-Accel-Buffering"), "no");
	CU_ASSERT(view_equal_string(
		client_body(&c), "retry: 1000\n\nid: 1\n\n"
				 "id: 2\nevent: put\ndata: "
				 "{\"key\":\"b\",\"rev\":2,\"size\":3}\n\n"));
	client_close(&c);
}

static void the_last_id_goes_before_since(void)
{
	struct client c;

	client_open(&c);
	put(&c, "/v1/kv/a");
	put(&c, "/v1/kv/b");
	client_send(&c, "GET", "/v1/watch?since=0", NULL, accept_stream,
		    "HTTP_LAST_EVENT_ID=2", NULL);
	CU_ASSERT(
		view_equal_string(client_body(&c), "retry: 1000\n\nid: 2\n\n"));
	client_send(&c, "GET", "/v1/watch?since=2", NULL, accept_stream,
		    "HTTP_LAST_EVENT_ID=", NULL);
	CU_ASSERT(
		view_equal_string(client_body(&c), "retry: 1000\n\nid: 2\n\n"));
	client_close(&c);
}

static void what_is_malformed_is_told(void)
{
	static const struct {
		int line;
		const char *query;
		const char *variable;
		int status;
		const char *code;
		const char *says;
	} cases[] = {
		{ __LINE__, "since=x", NULL, 400, "invalid-request",
		  "\"parameter\":\"since\"" },
		{ __LINE__, "since=-1", NULL, 400, "invalid-request",
		  "\"parameter\":\"since\"" },
		{ __LINE__, "wait=301", NULL, 400, "invalid-request",
		  "\"parameter\":\"wait\"" },
		{ __LINE__, "values=2", NULL, 400, "invalid-request",
		  "\"parameter\":\"values\"" },
		{ __LINE__, "prefix=%F", NULL, 400, "invalid-request",
		  "\"parameter\":\"prefix\"" },
		{ __LINE__, "limit=1", NULL, 400, "invalid-request",
		  "\"parameter\":\"limit\"" },
		{ __LINE__, "", "HTTP_LAST_EVENT_ID=one", 400,
		  "invalid-request", "\"header\":\"Last-Event-ID\"" },
		{ __LINE__, "", "HTTP_ACCEPT=text/html", 406, "not-acceptable",
		  "\"header\":\"Accept\"" },
		{ __LINE__, "since=2", NULL, 410, "gone", "\"oldest\":0" },
		{ __LINE__, "", "HTTP_LAST_EVENT_ID=2", 410, "gone",
		  "\"oldest\":0" },
	};
	struct client c;

	client_open(&c);
	put(&c, "/v1/kv/a");
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		char target[64];

		snprintf(target, sizeof(target), "/v1/watch?%s",
			 cases[i].query);
		HARNESS_CASE(cases[i].line,
			     client_send(&c, "GET", target, NULL,
					 cases[i].variable,
					 NULL) == cases[i].status);
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_code(&c), cases[i].code));
		HARNESS_CASE(cases[i].line, client_body_has(&c, cases[i].says));
	}
	client_close(&c);
}

static void changes_that_are_no_longer_kept_are_gone(void)
{
	struct client c;
	char oldest[64];
	struct store_stats stats;

	client_open(&c);
	for (int i = 0; i < 10000; i++)
		put(&c, "/v1/kv/a");
	store_stats(c.api.store, &stats);
	CU_ASSERT_FATAL(stats.oldest > 0);
	CU_ASSERT_EQUAL(client_send(&c, "GET", "/v1/watch?since=0", NULL, NULL),
			410);
	snprintf(oldest, sizeof(oldest), "\"oldest\":%llu",
		 (unsigned long long)stats.oldest);
	CU_ASSERT(client_body_has(&c, oldest));
	client_close(&c);
}

static void head_is_answered_without_waiting(void)
{
	struct parking parking = { .room = 1 };
	struct client c;

	client_open(&c);
	c.api.parking = &parking;
	CU_ASSERT_EQUAL(
		client_send(&c, "HEAD", "/v1/watch", NULL, accept_stream, NULL),
		200);
	CU_ASSERT_STRING_EQUAL(client_field(&c, "Content-Type"),
			       "text/event-stream");
	CU_ASSERT_PTR_NULL(client_field(&c, "Content-Length"));
	CU_ASSERT_PTR_NULL(parking.parked);
	CU_ASSERT_EQUAL(
		client_send(&c, "HEAD", "/v1/watch?since=0&wait=0", NULL, NULL),
		200);
	CU_ASSERT_PTR_NULL(client_field(&c, "Content-Length"));
	client_close(&c);
}

/* Else whoever comes back with the last id is shown the same for ever. */
static void an_answer_at_once_ends_with_a_revision(void)
{
	struct client c;

	client_open(&c);
	put_many(&c, 200, 1000);
	put(&c, "/v1/kv/last");
	CU_ASSERT_EQUAL(client_send(&c, "GET", "/v1/watch?since=0&values=1",
				    NULL, accept_stream, NULL),
			200);
	CU_ASSERT(client_body(&c).size > 1 << 20);
	CU_ASSERT(client_body_has(&c, "id: 1\nevent: put\n"
				      "data: {\"key\":\"many/0199\""));
	CU_ASSERT_EQUAL(client_send(&c, "GET", "/v1/watch?since=1&values=1",
				    NULL, accept_stream, NULL),
			200);
	CU_ASSERT(client_body_has(&c, "{\"key\":\"last\""));
	client_close(&c);
}

/* Parked */

/* The watch that a request asks for; NULL when it was not parked. */
static struct watch *park(struct client *c, const char *target,
			  const char *variable)
{
	struct parking parking = { .room = 1 };

	c->api.parking = &parking;
	client_send(c, "GET", target, NULL, variable, NULL);
	c->api.parking = NULL;
	if (!parking.parked)
		return NULL;
	CU_ASSERT_EQUAL(response_move(&c->response, &parking.parked->head),
			ERR_OK);
	return parking.parked;
}

/* Show it all that there is: how many pieces that were. */
static size_t feed(struct client *c, struct watch *watch, struct buf *out)
{
	struct news news;
	uint64_t oldest;
	size_t count = 0;

	CU_ASSERT_EQUAL_FATAL(news_init(&news), ERR_OK);
	do {
		CU_ASSERT_EQUAL_FATAL(news_read(&news, c->api.store,
						watch->place, true, &oldest),
				      ERR_OK);
		CU_ASSERT_EQUAL(watch_feed(watch, &news, out), ERR_OK);
		count++;
	} while (!news.all);
	news_release(&news);
	return count;
}

static size_t occurrences(struct buf *buf, const char *text)
{
	const char *at = buf_string(buf);
	size_t count = 0;

	while ((at = strstr(at, text))) {
		at += strlen(text);
		count++;
	}
	return count;
}

static void without_room_there_is_503_and_when_to_try_again(void)
{
	struct parking parking = { .room = 0 };
	struct client c;

	client_open(&c);
	c.api.parking = &parking;
	CU_ASSERT_EQUAL(client_send(&c, "GET", "/v1/watch", NULL, NULL), 503);
	CU_ASSERT_STRING_EQUAL(client_code(&c), "too-many-watchers");
	CU_ASSERT_PTR_NOT_NULL(client_field(&c, "Retry-After"));
	CU_ASSERT_PTR_NULL(parking.parked);
	client_close(&c);
}

static void a_revision_is_told_with_its_last_event(void)
{
	struct store_op ops[] = {
		{ .verb = STORE_PUT, .key = VIEW_LITERAL("a/1") },
		{ .verb = STORE_PUT, .key = VIEW_LITERAL("a/2") },
		{ .verb = STORE_PUT, .key = VIEW_LITERAL("b/1") },
	};
	static const struct {
		int line;
		const char *target;
		const char *sent;
	} cases[] = {
		{ __LINE__, "/v1/watch?since=0",
		  "event: put\n"
		  "data: {\"key\":\"a/1\",\"rev\":1,\"size\":0}\n\n"
		  "event: put\n"
		  "data: {\"key\":\"a/2\",\"rev\":1,\"size\":0}\n\n"
		  "id: 1\nevent: put\n"
		  "data: {\"key\":\"b/1\",\"rev\":1,\"size\":0}\n\n" },
		{ __LINE__, "/v1/watch?since=0&prefix=a/1",
		  "event: put\n"
		  "data: {\"key\":\"a/1\",\"rev\":1,\"size\":0}\n\n"
		  "id: 1\n\n" },
		{ __LINE__, "/v1/watch?since=0&prefix=b",
		  "id: 1\nevent: put\n"
		  "data: {\"key\":\"b/1\",\"rev\":1,\"size\":0}\n\n" },
		{ __LINE__, "/v1/watch?since=0&prefix=c", "" },
	};
	struct client c;

	client_open(&c);
	commit(&c, ops, HARNESS_COUNT(ops));
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct watch *watch = park(&c, cases[i].target, accept_stream);
		struct buf out = BUF_EMPTY;

		CU_ASSERT_PTR_NOT_NULL_FATAL(watch);
		feed(&c, watch, &out);
		HARNESS_CASE(cases[i].line,
			     view_equal_string(buf_view(&out), cases[i].sent));
		HARNESS_CASE(cases[i].line, watch->place.revision == 1);
		watch_free(watch);
		buf_release(&out);
	}
	client_close(&c);
}

static void a_large_revision_is_whole_for_both_kinds(void)
{
	struct client c;
	struct watch *stream, *poll;
	struct buf out = BUF_EMPTY;
	struct buf none = BUF_EMPTY;

	client_open(&c);
	stream = park(&c, "/v1/watch", accept_stream);
	poll = park(&c, "/v1/watch", NULL);
	put_many(&c, LARGE, 0);
	CU_ASSERT_FATAL(stream && poll);
	CU_ASSERT(feed(&c, stream, &out) > 2);
	CU_ASSERT_EQUAL(occurrences(&out, "event: put\n"), LARGE);
	CU_ASSERT_EQUAL(occurrences(&out, "id: "), 1);
	CU_ASSERT(feed(&c, poll, &none) > 2);
	CU_ASSERT_EQUAL(none.size, 0);
	CU_ASSERT(watch_is_due(poll, 0, false));
	watch_answer(poll, &none);
	CU_ASSERT_EQUAL(occurrences(&none, "{\"event\":\"put\","), LARGE);
	CU_ASSERT_EQUAL(occurrences(&none, "{\"rev\":1,\"events\":["), 1);
	watch_free(stream);
	watch_free(poll);
	buf_release(&out);
	buf_release(&none);
	client_close(&c);
}

/* Pieces and revisions need never end at one place. */
static void a_poll_is_due_at_the_first_revision_that_has_events(void)
{
	struct client c;
	struct watch *poll;
	struct buf out = BUF_EMPTY;
	struct news news;
	uint64_t oldest;

	client_open(&c);
	poll = park(&c, "/v1/watch?prefix=many/", NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(poll);
	put(&c, "/v1/kv/other");
	for (int i = 0; i < 3; i++)
		put_many(&c, 300, 0);
	CU_ASSERT_EQUAL_FATAL(news_init(&news), ERR_OK);
	CU_ASSERT_EQUAL(
		news_read(&news, c.api.store, poll->place, false, &oldest),
		ERR_OK);
	CU_ASSERT(news.to.index > 0 && news.to.revision == 2);
	CU_ASSERT_EQUAL(watch_feed(poll, &news, &out), ERR_OK);
	CU_ASSERT_FATAL(watch_is_due(poll, 0, false));
	watch_answer(poll, &out);
	CU_ASSERT_EQUAL(occurrences(&out, "{\"event\":\"put\","), 300);
	CU_ASSERT_EQUAL(occurrences(&out, "{\"rev\":2,\"events\":["), 1);
	news_release(&news);
	watch_free(poll);
	buf_release(&out);
	client_close(&c);
}

static void within_a_large_revision_there_is_no_id_and_no_answer(void)
{
	struct client c;
	struct watch *watches[2];
	struct news news;
	uint64_t oldest;
	struct buf out = BUF_EMPTY;

	client_open(&c);
	watches[0] = park(&c, "/v1/watch", accept_stream);
	watches[1] = park(&c, "/v1/watch", NULL);
	put_many(&c, LARGE, 0);
	CU_ASSERT_EQUAL_FATAL(news_init(&news), ERR_OK);
	news_read(&news, c.api.store, (struct place){ 0, 0 }, false, &oldest);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(watches[i]);
		CU_ASSERT_EQUAL(watch_feed(watches[i], &news, &out), ERR_OK);
		CU_ASSERT_FALSE(watch_is_due(watches[i], 0, true));
		watch_beat(watches[i], &out);
		watch_free(watches[i]);
	}
	CU_ASSERT_EQUAL(occurrences(&out, "id: "), 0);
	news_release(&news);
	buf_release(&out);
	client_close(&c);
}

static void a_heartbeat_tells_how_far_a_quiet_stream_is(void)
{
	struct client c;
	struct watch *watch;
	struct buf out = BUF_EMPTY;

	client_open(&c);
	watch = park(&c, "/v1/watch?prefix=none", accept_stream);
	CU_ASSERT_PTR_NOT_NULL_FATAL(watch);
	for (int i = 0; i < 7; i++)
		put(&c, "/v1/kv/a");
	feed(&c, watch, &out);
	CU_ASSERT_EQUAL(out.size, 0);
	watch_beat(watch, &out);
	CU_ASSERT_STRING_EQUAL(buf_string(&out), "id: 7\n\n");
	watch_free(watch);
	buf_release(&out);
	client_close(&c);
}

static void a_poll_that_is_late_is_answered_with_where_it_is(void)
{
	struct client c;
	struct watch *watch;
	struct buf out = BUF_EMPTY;

	client_open(&c);
	put(&c, "/v1/kv/a");
	watch = park(&c, "/v1/watch?since=0&prefix=b&wait=0", NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(watch);
	CU_ASSERT_EQUAL(watch->wait_ms, 0);
	/* Not before it was looked whether there is something. */
	CU_ASSERT_FALSE(watch_is_due(watch, 1, true));
	feed(&c, watch, &out);
	CU_ASSERT_FALSE(watch_is_due(watch, 1, false));
	CU_ASSERT_TRUE(watch_is_due(watch, 1, true));
	watch_answer(watch, &out);
	CU_ASSERT(strstr(buf_string(&out), "Status: 200 OK\r\n") != NULL);
	CU_ASSERT(strstr(buf_string(&out),
			 "\r\n\r\n{\"rev\":1,\"events\":[]}\n") != NULL);
	watch_free(watch);
	buf_release(&out);
	client_close(&c);
}

/* A watch that may have missed something says so; it never goes on. */
static void without_memory_nothing_is_passed_over(void)
{
	for (unsigned n = 1; fault_available(FAULT_MEMORY); n++) {
		struct client c;
		struct watch *watch;
		struct news news;
		struct buf out = BUF_EMPTY;
		uint64_t oldest;
		enum err err;

		client_open(&c);
		watch = park(&c, "/v1/watch?values=1",
			     n % 2 ? accept_stream : NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(watch);
		put(&c, "/v1/kv/a");
		put(&c, "/v1/kv/b");
		CU_ASSERT_EQUAL_FATAL(news_init(&news), ERR_OK);
		fault_arm(FAULT_MEMORY, (n + 1) / 2, ENOMEM);
		err = news_read(&news, c.api.store, watch->place, true,
				&oldest);
		if (!err)
			err = watch_feed(watch, &news, &out);
		if (!err && watch_is_due(watch, 0, false)) {
			watch_answer(watch, &out);
			err = out.err;
		}
		if (!fault_disarm() && n % 2 == 0)
			n = 0;
		if (n) {
			CU_ASSERT(err == ERR_NO_MEMORY || err == ERR_OK);
			if (!err)
				CU_ASSERT_EQUAL(occurrences(&out, "xyz"), 2);
		}
		watch_free(watch);
		news_release(&news);
		buf_release(&out);
		client_close(&c);
		if (!n)
			return;
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_poll_tells_what_came_after_since),
	HARNESS_TEST(a_stream_begins_with_where_it_is),
	HARNESS_TEST(the_last_id_goes_before_since),
	HARNESS_TEST(what_is_malformed_is_told),
	HARNESS_TEST(changes_that_are_no_longer_kept_are_gone),
	HARNESS_TEST(head_is_answered_without_waiting),
	HARNESS_TEST(an_answer_at_once_ends_with_a_revision),
	HARNESS_TEST(without_room_there_is_503_and_when_to_try_again),
	HARNESS_TEST(a_revision_is_told_with_its_last_event),
	HARNESS_TEST(a_large_revision_is_whole_for_both_kinds),
	HARNESS_TEST(a_poll_is_due_at_the_first_revision_that_has_events),
	HARNESS_TEST(within_a_large_revision_there_is_no_id_and_no_answer),
	HARNESS_TEST(a_heartbeat_tells_how_far_a_quiet_stream_is),
	HARNESS_TEST(a_poll_that_is_late_is_answered_with_where_it_is),
	HARNESS_TEST(without_memory_nothing_is_passed_over),
};

int main(void)
{
	return harness_run("api/watch", tests, HARNESS_COUNT(tests));
}
