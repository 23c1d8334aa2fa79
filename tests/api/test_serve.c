/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of app/api/serve.c: the map, the guards and the error exit.  An
 * engine that says what the test wants plays the broken store.
 */
#include "harness.h"

#include <string.h>

#include "api/client.h"
#include "api/failure.h"
#include "base/marks.h"
#include "http/json.h"

#define UUID "0af76519-16cd-43dd-8448-eb211c80319c"

static struct client client;

static enum err broken_with;

static enum err broken_get(struct store *store, struct view key,
			   struct buf *hold, struct record *record,
			   uint64_t *revision)
{
	(void)store, (void)key, (void)hold, (void)record, (void)revision;
	return broken_with;
}

static enum err broken_commit(struct store *store, struct store_batch *batch,
			      uint64_t *ticket)
{
	(void)store, (void)batch;
	*ticket = 77;
	return broken_with;
}

static void broken_stats(struct store *store, struct store_stats *stats)
{
	(void)store;
	*stats = (struct store_stats){ .writable = broken_with == ERR_OK };
}

static const struct store_engine broken_engine = {
	.name = "broken",
	.get = broken_get,
	.commit = broken_commit,
	.stats = broken_stats,
};

static struct store broken = {
	.engine = &broken_engine,
	.value_max_bytes = 1000,
};

static void a_path_that_is_not_on_the_map_is_404(void)
{
	static const char *const paths[] = {
		"/",          "/v1/",      "/v2",         "/v1/txn/",
		"/v1/watch/", "/v1/k",     "/livez/",     "/LIVEZ",
		"/hc/",       "/metrics/", "/index.html",
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(paths); i++) {
		CU_ASSERT_EQUAL(client_send(&client, "GET", paths[i], "", NULL),
				404);
		CU_ASSERT_STRING_EQUAL(client_code(&client), "no-such-route");
		CU_ASSERT_EQUAL(
			client_send(&client, "OPTIONS", paths[i], "", NULL),
			404);
		CU_ASSERT_EQUAL(
			client_send(&client, "BREW", paths[i], "", NULL), 404);
	}
	client_close(&client);
}

static void options_and_405_tell_what_a_resource_allows(void)
{
	static const struct {
		int line;
		const char *path;
		const char *allow;
	} cases[] = {
		{ __LINE__, "/v1/kv/a",
		  "GET, HEAD, PUT, PATCH, DELETE, OPTIONS" },
		{ __LINE__, "/v1/kv/",
		  "GET, HEAD, PUT, PATCH, DELETE, OPTIONS" },
		{ __LINE__, "/v1/txn", "POST, OPTIONS" },
		{ __LINE__, "/v1/kv", "GET, HEAD, DELETE, OPTIONS" },
		{ __LINE__, "/v1", "GET, HEAD, OPTIONS" },
		{ __LINE__, "/livez", "GET, HEAD, OPTIONS" },
		{ __LINE__, "/readyz", "GET, HEAD, OPTIONS" },
		{ __LINE__, "/hc", "GET, HEAD, OPTIONS" },
		{ __LINE__, "/datas", "POST, OPTIONS" },
		{ __LINE__, "/datas/a", "GET, HEAD, PUT, DELETE, OPTIONS" },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const char *allow;

		HARNESS_CASE(cases[i].line,
			     client_send(&client, "OPTIONS", cases[i].path, "",
					 NULL) == 204);
		allow = client_field(&client, "Allow");
		HARNESS_CASE(cases[i].line,
			     allow && !strcmp(allow, cases[i].allow));
		HARNESS_CASE(cases[i].line,
			     client_send(&client, "PURGE", cases[i].path, "",
					 NULL) == 405);
		HARNESS_CASE(cases[i].line, !strcmp(client_code(&client),
						    "method-not-allowed"));
		allow = client_field(&client, "Allow");
		HARNESS_CASE(cases[i].line,
			     allow && !strcmp(allow, cases[i].allow));
		HARNESS_CASE(cases[i].line,
			     client_send(&client, "get", cases[i].path, "",
					 NULL) == 405);
	}
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/datas", "", NULL), 405);
	client_close(&client);
}

static void options_of_the_server_tells_all_methods(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(client_send(&client, "OPTIONS", "*", "", NULL), 204);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Allow"),
			       "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS");
	CU_ASSERT_EQUAL(client_send(&client, "GET", "*", "", NULL), 404);
	client_close(&client);
}

static void an_unknown_or_repeated_parameter_is_named(void)
{
	static const struct {
		int line;
		const char *method;
		const char *target;
		const char *named;
	} cases[] = {
		{ __LINE__, "PUT", "/v1/kv/a?tll=60",
		  "{\"parameter\":\"tll\",\"detail\":\"unknown; this "
		  "resource takes ttl\"}" },
		{ __LINE__, "PUT", "/v1/kv/a?ttl=1&ttl=2",
		  "{\"parameter\":\"ttl\",\"detail\":\"given more than "
		  "once\"}" },
		{ __LINE__, "PUT", "/v1/kv/a?ttl&ttl", "more than once" },
		{ __LINE__, "PUT", "/v1/kv/a?TTL=1", "\"parameter\":\"TTL\"" },
		{ __LINE__, "PUT", "/v1/kv/a?=1", "\"parameter\":\"\"" },
		{ __LINE__, "PUT", "/v1/kv/a?%zz=1", "\"parameter\":\"%zz\"" },
		{ __LINE__, "PUT", "/v1/kv/a?x=1&ttl=5&y",
		  "\"parameter\":\"y\"" },
		{ __LINE__, "GET", "/v1/kv/a?ttl=1",
		  "{\"parameter\":\"ttl\",\"detail\":\"unknown; this "
		  "resource takes none\"}" },
		{ __LINE__, "DELETE", "/v1/kv/a?x", "\"parameter\":\"x\"" },
		{ __LINE__, "GET", "/livez?verbose",
		  "\"parameter\":\"verbose\"" },
		{ __LINE__, "GET", "/hc?\xff\"=1",
		  "\"parameter\":\"\xef\xbf\xbd\\\"\"" },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		HARNESS_CASE(cases[i].line,
			     client_send(&client, cases[i].method,
					 cases[i].target, "", NULL) == 400);
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_code(&client), "invalid-request"));
		HARNESS_CASE(cases[i].line,
			     client_body_has(&client, cases[i].named));
	}
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/kv/a", "", NULL), 404);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/livez?", "", NULL), 200);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/livez?&&", "", NULL),
			200);
	client_close(&client);
}

/* The sentence is cut, within a character too, and the document is whole. */
static void a_parameter_of_any_length_is_named(void)
{
	struct buf target = BUF_EMPTY;
	struct json_error error;

	client_open(&client);
	buf_add_string(&target, "/v1/kv/a?x");
	for (int i = 0; i < 2000; i++)
		buf_add_string(&target, "\xc3\xa9");
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(client_send(&client, "PUT", buf_string(&target),
					    "", NULL),
				400);
		CU_ASSERT_EQUAL(json_check(client_body(&client), &error),
				ERR_OK);
		CU_ASSERT_TRUE(client_body_has(
			&client, buf_string(&target) + strlen("/v1/kv/a?")));
		buf_add_char(&target, 'y');
	}
	buf_release(&target);
	client_close(&client);
}

static void a_target_that_is_none_is_400(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "nowhere", "", NULL), 400);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "invalid-request");
	CU_ASSERT_EQUAL(
		client_send(&client, "GET", "http://host/livez", "", NULL),
		200);
	client_close(&client);
}

static void every_answer_bears_the_id_of_its_request(void)
{
	client_open(&client);
	client_send(&client, "GET", "/livez", "", "HTTP_X_REQUEST_ID=abc-1",
		    NULL);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "X-Request-Id"), "abc-1");
	client_send(&client, "GET", "/nowhere", "", "HTTP_X_REQUEST_ID=" UUID,
		    NULL);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "X-Request-Id"), UUID);
	CU_ASSERT_TRUE(
		client_body_has(&client, "\"instance\":\"urn:uuid:" UUID "\""));
	client_send(&client, "GET", "/livez", "", "HTTP_X_REQUEST_ID=a b",
		    NULL);
	CU_ASSERT_EQUAL(strlen(client_field(&client, "X-Request-Id")), 36);
	client_close(&client);
}

static void the_id_is_the_only_field_that_differs_from_request_to_request(void)
{
	struct buf fields = BUF_EMPTY;

	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a", "x", NULL);
	client_send(&client, "GET", "/v1/kv/a", "", "HTTP_X_REQUEST_ID=1",
		    "HTTP_ORIGIN=http://a", NULL);
	buf_add_view(&fields, buf_view(&client.response.fields));
	CU_ASSERT_PTR_NULL(strstr(buf_string(&fields), "X-Request-Id:"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "X-Request-Id"), "1");
	client_send(&client, "GET", "/v1/kv/a", "", "HTTP_X_REQUEST_ID=2",
		    "HTTP_ORIGIN=http://b", "HTTP_ACCEPT=text/html",
		    "HTTP_HOST=c", NULL);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "X-Request-Id"), "2");
	CU_ASSERT_TRUE(view_equal(buf_view(&fields),
				  buf_view(&client.response.fields)));
	buf_release(&fields);
	client_close(&client);
}

/* Of a key at revision 1, read at revision 3. */
static void only_a_value_that_is_everybody_s_may_be_given_again(void)
{
	static const struct {
		int line;
		const char *method, *target, *variable;
		int status;
		bool storable;
	} cases[] = {
		{ __LINE__, "GET", "/v1/kv/a%2Fb", "A=", 200, true },
		{ __LINE__, "GET", "/v1/kv/a/b", "A=", 200, true },
		{ __LINE__, "GET", "http://h/v1/kv/a/b", "A=", 200, true },
		{ __LINE__, "GET", "/v1/kv/a/b", "HTTP_ORIGIN=http://a", 200,
		  true },
		{ __LINE__, "GET", "/v1/kv/a/b", "HTTP_IF_MATCH=\"1\"", 200,
		  true },
		{ __LINE__, "GET", "/v1/kv/a/b", "HTTP_IF_NONE_MATCH=\"9\"",
		  200, true },
		{ __LINE__, "GET", "/v1/kv/a/b", "HTTP_IF_NONE_MATCH=\"1\"",
		  304, false },
		{ __LINE__, "GET", "/v1/kv/a/b", "HTTP_IF_MATCH=\"9\"", 412,
		  false },
		{ __LINE__, "HEAD", "/v1/kv/a/b", "A=", 200, false },
		{ __LINE__, "OPTIONS", "/v1/kv/a/b", "A=", 204, false },
		{ __LINE__, "GET", "/v1/kv/a/b?x=1", "A=", 400, false },
		{ __LINE__, "GET", "/v1/kv/absent", "A=", 404, false },
		{ __LINE__, "GET", "/v1/kv/mortal", "A=", 200, false },
		{ __LINE__, "GET", "/v1/kv", "A=", 200, false },
		{ __LINE__, "GET", "/v1/kv?prefix=a", "A=", 200, false },
		{ __LINE__, "GET", "/datas/a%2Fb", "A=", 200, false },
		{ __LINE__, "HEAD", "/datas/a%2Fb", "A=", 200, false },
		{ __LINE__, "GET", "/v1", "A=", 200, false },
		{ __LINE__, "GET", "/hc", "A=", 200, false },
		{ __LINE__, "GET", "/metrics", "A=", 200, false },
		{ __LINE__, "GET", "/nowhere", "A=", 404, false },
	};

	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a/b", "x", NULL);
	client_send(&client, "PUT", "/v1/kv/mortal?ttl=1000", "x", NULL);
	client_send(&client, "PUT", "/v1/kv/other", "x", NULL);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		HARNESS_CASE(cases[i].line,
			     client_send(&client, cases[i].method,
					 cases[i].target, "", cases[i].variable,
					 NULL) == cases[i].status);
		HARNESS_CASE(cases[i].line,
			     client.response.shown_at ==
				     (cases[i].storable ? 3 : 0));
		HARNESS_CASE(cases[i].line,
			     !cases[i].storable ||
				     client.response.mark ==
					     marks_place(view_of("a/b")));
	}
	client_close(&client);
}

static void what_changes_a_value_is_not_given_again(void)
{
	static const struct {
		int line;
		const char *method, *target, *body, *type;
		int status;
	} cases[] = {
		{ __LINE__, "PUT", "/v1/kv/a", "1", "A=", 201 },
		{ __LINE__, "PUT", "/v1/kv/a", "{}", "A=", 204 },
		{ __LINE__, "PATCH", "/v1/kv/a", "{\"b\":1}",
		  "CONTENT_TYPE=application/merge-patch+json", 200 },
		{ __LINE__, "POST", "/v1/txn", "{\"do\":[{\"get\":\"a\"}]}",
		  "CONTENT_TYPE=application/json", 200 },
		{ __LINE__, "DELETE", "/v1/kv/a", "", "A=", 204 },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		int status =
			client_send(&client, cases[i].method, cases[i].target,
				    cases[i].body, cases[i].type, NULL);

		HARNESS_CASE(cases[i].line, status == cases[i].status);
		HARNESS_CASE(cases[i].line, !client.response.shown_at);
	}
	client_close(&client);
}

static void what_depends_on_the_origin_is_not_given_again(void)
{
	static const struct {
		int line;
		const char *list;
		bool storable;
	} cases[] = {
		{ __LINE__, "*", true },
		{ __LINE__, "", true },
		{ __LINE__, "http://a", false },
		{ __LINE__, "http://a,https://b", false },
	};

	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a", "x", NULL);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		client.conf.cors_origin = cases[i].list;
		for (int with = 0; with < 2; with++) {
			client_send(&client, "GET", "/v1/kv/a", "",
				    with ? "HTTP_ORIGIN=http://a" : "A=", NULL);
			HARNESS_CASE(cases[i].line, client.response.shown_at ==
							    cases[i].storable);
		}
	}
	client_close(&client);
}

static void what_is_no_value_is_not_to_be_cached(void)
{
	static const char *const targets[] = { "/v1",           "/livez",
					       "/readyz",       "/hc",
					       "/v1/kv/absent", "/nowhere",
					       "/datas/absent" };

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(targets); i++) {
		client_send(&client, "GET", targets[i], "", NULL);
		CU_ASSERT_STRING_EQUAL(client_field(&client, "Cache-Control"),
				       "no-store");
	}
	client_close(&client);
}

static void head_is_get_without_the_body(void)
{
	static const char *const targets[] = { "/v1", "/livez", "/hc",
					       "/nowhere", "/v1/kv/absent" };

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(targets); i++) {
		static const char id[] = "HTTP_X_REQUEST_ID=1";
		struct buf head = BUF_EMPTY;
		int status =
			client_send(&client, "GET", targets[i], "", id, NULL);

		CU_ASSERT_TRUE(client_body(&client).size > 0);
		buf_add_view(&head, buf_view(&client.head));
		CU_ASSERT_EQUAL(
			client_send(&client, "HEAD", targets[i], "", id, NULL),
			status);
		CU_ASSERT_EQUAL(client_body(&client).size, 0);
		CU_ASSERT_TRUE(
			view_equal(buf_view(&head), buf_view(&client.head)));
		buf_release(&head);
	}
	client_close(&client);
}

static void whatever_a_store_says_the_answer_is_a_problem(void)
{
	struct store *store;

	client_open(&client);
	store = client.api.store;
	client.api.store = &broken;
	for (int err = 1; err < ERR_COUNT; err++) {
		const struct failure *failure = failure_of((enum err)err);
		struct json_error error;
		bool retry = failure->status == 503;

		broken_with = (enum err)err;
		CU_ASSERT_EQUAL(
			client_send(&client, "GET", "/v1/kv/a", "", NULL),
			failure->status);
		CU_ASSERT_STRING_EQUAL(client_code(&client), failure->code);
		CU_ASSERT_EQUAL(!client_field(&client, "Retry-After"), !retry);
		CU_ASSERT_EQUAL(client.response.ticket, 0);
		CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "x",
					    "HTTP_IF_MATCH=\"1\"", NULL),
				failure->status);
		CU_ASSERT_STRING_EQUAL(client_code(&client), failure->code);
		CU_ASSERT_EQUAL(client.response.ticket, 77);
		CU_ASSERT_EQUAL(json_check(client_body(&client), &error),
				ERR_OK);
	}
	client.api.store = store;
	client_close(&client);
}

static void a_failure_of_ours_tells_nothing_of_the_inside(void)
{
	struct store *store;

	client_open(&client);
	store = client.api.store;
	client.api.store = &broken;
	broken_with = ERR_DAMAGED;
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/kv/a", "",
				    "HTTP_X_REQUEST_ID=" UUID, NULL),
			500);
	CU_ASSERT_TRUE(view_equal_string(
		client_body(&client),
		"{\"type\":\"tag:librapi,2026:internal-error\","
		"\"title\":\"Internal error\",\"status\":500,"
		"\"code\":\"internal-error\","
		"\"detail\":\"the reason is in the server's log\","
		"\"instance\":\"urn:uuid:" UUID "\"}\n"));
	client.api.store = store;
	client_close(&client);
}

static void a_held_answer_becomes_a_failure_when_the_sync_failed(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "x", NULL),
			201);
	api_settle(&client.api, &client.request, &client.response, ERR_OK);
	CU_ASSERT_EQUAL(client.response.status, 201);
	api_settle(&client.api, &client.request, &client.response, ERR_STOPPED);
	buf_clear(&client.head);
	response_head(&client.response, &client.head);
	CU_ASSERT_EQUAL(client.response.status, 503);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "writes-stopped");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Retry-After"), "1");
	CU_ASSERT_PTR_NULL(client_field(&client, "ETag"));
	CU_ASSERT_PTR_NULL(client_field(&client, "Location"));
	client_close(&client);
}

static void a_body_that_was_too_large_to_read_is_413_with_the_limit(void)
{
	client_open(&client);
	client_send(&client, "POST", "/datas", "", "HTTP_ORIGIN=http://a",
		    NULL);
	api_settle(&client.api, &client.request, &client.response,
		   ERR_VALUE_TOO_LARGE);
	buf_clear(&client.head);
	response_head(&client.response, &client.head);
	CU_ASSERT_EQUAL(client.response.status, 413);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "value-too-large");
	CU_ASSERT_TRUE(client_body_has(&client, "\"limit\":1000"));
	CU_ASSERT_TRUE(client_body_has(&client, "\"error\":\""));
	CU_ASSERT_STRING_EQUAL(
		client_field(&client, "Access-Control-Allow-Origin"), "*");
	client_close(&client);
}

static void a_body_where_none_belongs_is_passed_over(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/livez", "{", NULL), 200);
	CU_ASSERT_EQUAL(client_send(&client, "DELETE", "/v1/kv/a", "{", NULL),
			404);
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_path_that_is_not_on_the_map_is_404),
	HARNESS_TEST(options_and_405_tell_what_a_resource_allows),
	HARNESS_TEST(options_of_the_server_tells_all_methods),
	HARNESS_TEST(an_unknown_or_repeated_parameter_is_named),
	HARNESS_TEST(a_parameter_of_any_length_is_named),
	HARNESS_TEST(a_target_that_is_none_is_400),
	HARNESS_TEST(every_answer_bears_the_id_of_its_request),
	HARNESS_TEST(
		the_id_is_the_only_field_that_differs_from_request_to_request),
	HARNESS_TEST(only_a_value_that_is_everybody_s_may_be_given_again),
	HARNESS_TEST(what_changes_a_value_is_not_given_again),
	HARNESS_TEST(what_depends_on_the_origin_is_not_given_again),
	HARNESS_TEST(what_is_no_value_is_not_to_be_cached),
	HARNESS_TEST(head_is_get_without_the_body),
	HARNESS_TEST(whatever_a_store_says_the_answer_is_a_problem),
	HARNESS_TEST(a_failure_of_ours_tells_nothing_of_the_inside),
	HARNESS_TEST(a_held_answer_becomes_a_failure_when_the_sync_failed),
	HARNESS_TEST(a_body_that_was_too_large_to_read_is_413_with_the_limit),
	HARNESS_TEST(a_body_where_none_belongs_is_passed_over),
};

int main(void)
{
	return harness_run("api/serve", tests, HARNESS_COUNT(tests));
}
