/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of app/api/condition.c.  Most are rows of a table: what is there
 * before, what is asked, what the answer is and what is there afterwards.
 */
#include "harness.h"

#include <string.h>

#include "api/client.h"

#define PAST   "Sun, 06 Nov 1994 08:49:37 GMT"
#define FUTURE "Fri, 31 Dec 9999 23:59:59 GMT"
#define MATCH  "HTTP_IF_MATCH="
#define NONE   "HTTP_IF_NONE_MATCH="
#define SINCE  "HTTP_IF_MODIFIED_SINCE="
#define UNTIL  "HTTP_IF_UNMODIFIED_SINCE="

static struct client client;

struct condition_case {
	int line;
	const char *method;
	const char *key;
	int status;
	const char *first;  /* a header */
	const char *second; /* another, or NULL */
};

/* A store where "here" has revision 3 and "gone" was deleted. */
static void begin(void)
{
	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/gone", "x", NULL);
	client_send(&client, "DELETE", "/v1/kv/gone", "", NULL);
	client_send(&client, "PUT", "/v1/kv/here", "old", NULL);
}

static bool unchanged(void)
{
	return client_send(&client, "GET", "/v1/kv/here", "", NULL) == 200 &&
	       view_equal_string(client_body(&client), "old") &&
	       client_send(&client, "GET", "/v1/kv/gone", "", NULL) == 404;
}

/* 412 tells the revision that it met, and nothing when there is none. */
static bool etag_is_right(const struct condition_case *c)
{
	const char *etag = client_field(&client, "ETag");

	if (c->status != 412 && c->status != 304)
		return true;
	if (!strcmp(c->key, "/v1/kv/gone"))
		return !etag;
	return etag && !strcmp(etag, "\"3\"");
}

static void run(const struct condition_case *c)
{
	int status;

	begin();
	status = client_send(&client, c->method, c->key, "new", c->first,
			     c->second, NULL);
	HARNESS_CASE(c->line, status == c->status);
	HARNESS_CASE(c->line, etag_is_right(c));
	if (status == 412)
		HARNESS_CASE(c->line,
			     !strcmp(client_code(&client), "condition-failed"));
	if (status >= 300)
		HARNESS_CASE(c->line, unchanged());
	client_close(&client);
}

static void run_all(const struct condition_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		run(&cases[i]);
}

#define HERE "/v1/kv/here"
#define GONE "/v1/kv/gone"

static void a_write_happens_only_where_its_conditions_hold(void)
{
	static const struct condition_case cases[] = {
		{ __LINE__, "PUT", HERE, 204, MATCH "\"3\"", NULL },
		{ __LINE__, "PUT", HERE, 204, MATCH "W/\"3\"", NULL },
		{ __LINE__, "PUT", HERE, 204, MATCH "\"3-gzip\"", NULL },
		{ __LINE__, "PUT", HERE, 204, MATCH "\"1\", \"3\"", NULL },
		{ __LINE__, "PUT", HERE, 204, MATCH "*", NULL },
		{ __LINE__, "PUT", HERE, 412, MATCH "\"1\"", NULL },
		{ __LINE__, "PUT", HERE, 412, MATCH "\"03\"", NULL },
		{ __LINE__, "PUT", HERE, 412, MATCH "\"other\"", NULL },
		{ __LINE__, "PUT", GONE, 412, MATCH "*", NULL },
		{ __LINE__, "PUT", GONE, 412, MATCH "\"1\"", NULL },
		{ __LINE__, "PUT", GONE, 412, MATCH "\"0\"", NULL },
		{ __LINE__, "PUT", GONE, 201, NONE "*", NULL },
		{ __LINE__, "PUT", HERE, 412, NONE "*", NULL },
		{ __LINE__, "PUT", HERE, 412, NONE "\"3\"", NULL },
		{ __LINE__, "PUT", HERE, 412, NONE "\"1\",W/\"3\"", NULL },
		{ __LINE__, "PUT", HERE, 204, NONE "\"1\"", NULL },
		{ __LINE__, "PUT", HERE, 204, NONE "\"other\"", NULL },
		{ __LINE__, "PUT", GONE, 201, NONE "\"1\"", NULL },
		{ __LINE__, "PUT", HERE, 204, MATCH "\"3\"", NONE "\"1\"" },
		{ __LINE__, "PUT", HERE, 412, MATCH "\"3\"", NONE "\"3\"" },
		{ __LINE__, "PUT", HERE, 412, MATCH "\"1\"", NONE "\"1\"" },
		{ __LINE__, "DELETE", HERE, 204, MATCH "\"3\"", NULL },
		{ __LINE__, "DELETE", HERE, 204, MATCH "*", NULL },
		{ __LINE__, "DELETE", HERE, 412, MATCH "\"1\"", NULL },
		{ __LINE__, "DELETE", HERE, 412, NONE "*", NULL },
		{ __LINE__, "DELETE", HERE, 204, NONE "\"1\"", NULL },
		{ __LINE__, "DELETE", GONE, 404, MATCH "*", NULL },
		{ __LINE__, "DELETE", GONE, 404, MATCH "\"3\"", NULL },
		{ __LINE__, "DELETE", GONE, 404, NONE "*", NULL },
	};

	run_all(cases, HARNESS_COUNT(cases));
}

static void a_read_answers_by_its_conditions(void)
{
	static const struct condition_case cases[] = {
		{ __LINE__, "GET", HERE, 200, MATCH "\"3\"", NULL },
		{ __LINE__, "GET", HERE, 200, MATCH "*", NULL },
		{ __LINE__, "GET", HERE, 412, MATCH "\"1\"", NULL },
		{ __LINE__, "HEAD", HERE, 412, MATCH "\"1\"", NULL },
		{ __LINE__, "GET", HERE, 304, NONE "\"3\"", NULL },
		{ __LINE__, "GET", HERE, 304, NONE "W/\"3\"", NULL },
		{ __LINE__, "GET", HERE, 304, NONE "\"3-br\"", NULL },
		{ __LINE__, "GET", HERE, 304, NONE "*", NULL },
		{ __LINE__, "HEAD", HERE, 304, NONE "*", NULL },
		{ __LINE__, "GET", HERE, 200, NONE "\"1\"", NULL },
		{ __LINE__, "GET", HERE, 412, MATCH "\"1\"", NONE "\"3\"" },
		{ __LINE__, "GET", HERE, 304, MATCH "\"3\"", NONE "\"3\"" },
		{ __LINE__, "GET", GONE, 404, MATCH "*", NULL },
		{ __LINE__, "GET", GONE, 404, NONE "*", NULL },
	};

	run_all(cases, HARNESS_COUNT(cases));
}

static void a_date_counts_where_there_is_no_tag(void)
{
	static const struct condition_case cases[] = {
		{ __LINE__, "GET", HERE, 304, SINCE FUTURE, NULL },
		{ __LINE__, "GET", HERE, 200, SINCE PAST, NULL },
		{ __LINE__, "GET", HERE, 200, SINCE FUTURE, NONE "\"1\"" },
		{ __LINE__, "GET", HERE, 304, SINCE PAST, NONE "\"3\"" },
		{ __LINE__, "GET", HERE, 412, UNTIL PAST, NULL },
		{ __LINE__, "GET", HERE, 200, UNTIL FUTURE, NULL },
		{ __LINE__, "GET", HERE, 200, UNTIL PAST, MATCH "\"3\"" },
		{ __LINE__, "GET", HERE, 412, UNTIL FUTURE, MATCH "\"1\"" },
		{ __LINE__, "GET", HERE, 412, UNTIL PAST, SINCE FUTURE },
		{ __LINE__, "PUT", HERE, 412, UNTIL PAST, NULL },
		{ __LINE__, "PUT", HERE, 204, UNTIL FUTURE, NULL },
		{ __LINE__, "PUT", HERE, 204, UNTIL PAST, MATCH "\"3\"" },
		{ __LINE__, "PUT", GONE, 201, UNTIL PAST, NULL },
		{ __LINE__, "PUT", HERE, 204, SINCE FUTURE, NULL },
		{ __LINE__, "DELETE", HERE, 412, UNTIL PAST, NULL },
		{ __LINE__, "DELETE", HERE, 204, UNTIL FUTURE, NULL },
		{ __LINE__, "DELETE", GONE, 404, UNTIL FUTURE, NULL },
		{ __LINE__, "GET", HERE, 200, SINCE "yesterday", NULL },
		{ __LINE__, "GET", HERE, 200, UNTIL "1994-11-06", NULL },
		{ __LINE__, "PUT", HERE, 204, UNTIL "", NULL },
	};

	run_all(cases, HARNESS_COUNT(cases));
}

static void the_date_of_the_last_write_is_not_before_itself(void)
{
	char since[64] = SINCE;

	begin();
	client_send(&client, "GET", HERE, "", NULL);
	strcat(since, client_field(&client, "Last-Modified"));
	CU_ASSERT_EQUAL(client_send(&client, "GET", HERE, "", since, NULL),
			304);
	client_close(&client);
}

static void an_unchanged_value_is_told_by_its_fields(void)
{
	begin();
	CU_ASSERT_EQUAL(
		client_send(&client, "GET", HERE, "", NONE "\"3\"", NULL), 304);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"3\"");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Cache-Control"),
			       "no-cache");
	CU_ASSERT_PTR_NOT_NULL(client_field(&client, "Last-Modified"));
	CU_ASSERT_PTR_NULL(client_field(&client, "Content-Type"));
	CU_ASSERT_PTR_NULL(client_field(&client, "Content-Length"));
	CU_ASSERT_EQUAL(client_body(&client).size, 0);
	client_close(&client);
}

static void a_malformed_condition_is_named_and_changes_nothing(void)
{
	static const char *const methods[] = { "GET", "PUT", "DELETE" };
	static const char *const headers[] = { MATCH "3", MATCH "", MATCH "\"3",
					       MATCH "**" };

	begin();
	for (size_t m = 0; m < HARNESS_COUNT(methods); m++)
		for (size_t h = 0; h < HARNESS_COUNT(headers); h++) {
			CU_ASSERT_EQUAL(client_send(&client, methods[m], HERE,
						    "new", headers[h], NULL),
					400);
			CU_ASSERT_STRING_EQUAL(client_code(&client),
					       "invalid-request");
			CU_ASSERT_TRUE(client_body_has(
				&client, "\"header\":\"If-Match\""));
		}
	client_send(&client, "PUT", HERE, "new", MATCH "3", NONE "3", NULL);
	CU_ASSERT_TRUE(client_body_has(&client, "\"header\":\"If-Match\""));
	CU_ASSERT_TRUE(
		client_body_has(&client, "\"header\":\"If-None-Match\""));
	CU_ASSERT_TRUE(unchanged());
	client_close(&client);
}

static void every_condition_that_is_false_is_named(void)
{
	begin();
	CU_ASSERT_EQUAL(client_send(&client, "PUT", HERE, "new", MATCH "\"1\"",
				    NONE "*", NULL),
			412);
	CU_ASSERT_TRUE(client_body_has(
		&client, "\"errors\":[{\"header\":\"If-Match\",\"detail\":"
			 "\"false: the key's revision is 3\"},"
			 "{\"header\":\"If-None-Match\",\"detail\":"
			 "\"false: the key's revision is 3\"}]"));
	client_send(&client, "PUT", GONE, "new", MATCH "*", NULL);
	CU_ASSERT_TRUE(client_body_has(&client,
				       "\"detail\":\"false: the key is "
				       "absent\""));
	client_close(&client);
}

static void an_answer_that_rests_on_a_commit_waits_for_it(void)
{
	uint64_t written;

	begin();
	client_send(&client, "PUT", HERE, "old", NULL);
	written = client.response.ticket;
	CU_ASSERT_TRUE(written > 0);
	client_send(&client, "PUT", HERE, "new", MATCH "\"1\"", NULL);
	CU_ASSERT_TRUE(client.response.ticket >= written);
	client_send(&client, "DELETE", GONE, "", NULL);
	CU_ASSERT_TRUE(client.response.ticket >= written);
	client_send(&client, "GET", HERE, "", NULL);
	CU_ASSERT_EQUAL(client.response.ticket, 0);
	client_send(&client, "GET", GONE, "", NULL);
	CU_ASSERT_EQUAL(client.response.ticket, 0);
	client_close(&client);
}

static void a_list_of_a_thousand_tags_is_no_trouble(void)
{
	struct buf header = BUF_EMPTY;

	begin();
	buf_add_string(&header, MATCH);
	for (uint64_t n = 1000; n > 3; n--)
		buf_addf(&header, "\"%d\", ", (int)n);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", HERE, "new",
				    buf_string(&header), NULL),
			412);
	buf_add_string(&header, "\"3\"");
	CU_ASSERT_EQUAL(client_send(&client, "PUT", HERE, "new",
				    buf_string(&header), NULL),
			204);
	buf_release(&header);
	client_close(&client);
}

static void where_conditions_are_required_a_write_without_is_428(void)
{
	static const char body[] = "{\"key\":\"here\",\"value\":\"new\"}";

	begin();
	client.conf.require_conditions = true;
	CU_ASSERT_EQUAL(client_send(&client, "PUT", HERE, "new", NULL), 428);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "condition-required");
	CU_ASSERT_EQUAL(
		client_send(&client, "PUT", HERE, "new", UNTIL FUTURE, NULL),
		428);
	CU_ASSERT_EQUAL(client_send(&client, "DELETE", HERE, "", NULL), 428);
	CU_ASSERT_EQUAL(client_send(&client, "POST", "/datas", body, NULL),
			428);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/datas/here", body, NULL),
			428);
	CU_ASSERT_EQUAL(client_send(&client, "DELETE", "/datas/here", "", NULL),
			428);
	CU_ASSERT_TRUE(unchanged());
	CU_ASSERT_EQUAL(
		client_send(&client, "PUT", HERE, "new", MATCH "\"3\"", NULL),
		204);
	CU_ASSERT_EQUAL(
		client_send(&client, "PUT", GONE, "new", NONE "*", NULL), 201);
	CU_ASSERT_EQUAL(
		client_send(&client, "DELETE", HERE, "", MATCH "*", NULL), 204);
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_write_happens_only_where_its_conditions_hold),
	HARNESS_TEST(a_read_answers_by_its_conditions),
	HARNESS_TEST(a_date_counts_where_there_is_no_tag),
	HARNESS_TEST(the_date_of_the_last_write_is_not_before_itself),
	HARNESS_TEST(an_unchanged_value_is_told_by_its_fields),
	HARNESS_TEST(a_malformed_condition_is_named_and_changes_nothing),
	HARNESS_TEST(every_condition_that_is_false_is_named),
	HARNESS_TEST(an_answer_that_rests_on_a_commit_waits_for_it),
	HARNESS_TEST(a_list_of_a_thousand_tags_is_no_trouble),
	HARNESS_TEST(where_conditions_are_required_a_write_without_is_428),
};

int main(void)
{
	return harness_run("api/condition", tests, HARNESS_COUNT(tests));
}
