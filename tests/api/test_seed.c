/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/seed.c. */
#include "harness.h"

#include <string.h>

#include "api/client.h"

#define JSON "CONTENT_TYPE=application/json"

static struct client client;

static bool body_is(const char *text)
{
	return view_equal_string(client_body(&client), text);
}

static int post(const char *body)
{
	return client_send(&client, "POST", "/datas", body, JSON, NULL);
}

static void a_pair_is_made_read_changed_and_deleted(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(post("{\"key\":\"k\",\"value\":\"v\"}"), 201);
	CU_ASSERT_TRUE(body_is("{\"key\":\"k\",\"value\":\"v\"}\n"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Location"), "/datas/k");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "application/json");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"1\"");
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/datas/k", "", NULL), 200);
	CU_ASSERT_TRUE(body_is("{\"key\":\"k\",\"value\":\"v\"}\n"));
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/datas/k",
				    "{\"value\":\"w\"}", JSON, NULL),
			200);
	CU_ASSERT_TRUE(body_is("{\"key\":\"k\",\"value\":\"w\"}\n"));
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/datas/k", "", NULL), 200);
	CU_ASSERT_TRUE(body_is("{\"key\":\"k\",\"value\":\"w\"}\n"));
	CU_ASSERT_EQUAL(client_send(&client, "DELETE", "/datas/k", "", NULL),
			204);
	CU_ASSERT_EQUAL(client_body(&client).size, 0);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/datas/k", "", NULL), 404);
	client_close(&client);
}

static void a_post_replaces_what_is_there(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(post("{\"key\":\"k\",\"value\":\"1\"}"), 201);
	CU_ASSERT_EQUAL(post("{\"key\":\"k\",\"value\":\"2\"}"), 201);
	client_send(&client, "GET", "/datas/k", "", NULL);
	CU_ASSERT_TRUE(body_is("{\"key\":\"k\",\"value\":\"2\"}\n"));
	CU_ASSERT_EQUAL(client_send(&client, "POST", "/datas",
				    "{\"key\":\"k\",\"value\":\"3\"}",
				    "HTTP_IF_NONE_MATCH=*", NULL),
			412);
	client_close(&client);
}

static void what_is_absent_is_404(void)
{
	static const char *const methods[] = { "GET", "PUT", "DELETE" };

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(methods); i++) {
		CU_ASSERT_EQUAL(client_send(&client, methods[i], "/datas/no",
					    "{\"value\":\"x\"}", NULL),
				404);
		CU_ASSERT_STRING_EQUAL(client_code(&client), "key-not-found");
		CU_ASSERT_TRUE(client_body_has(
			&client,
			"\"error\":\"there is no value under this key\""));
	}
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/datas/no",
				    "{\"value\":\"x\"}", "HTTP_IF_MATCH=*",
				    NULL),
			404);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/kv/no", "", NULL),
			404);
	client_close(&client);
}

static void both_apis_share_the_keys(void)
{
	client_open(&client);
	post("{\"key\":\"a/b \\u00e9\",\"value\":\"w\\u00f6rld\"}");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Location"),
			       "/datas/a/b%20%C3%A9");
	CU_ASSERT_EQUAL(
		client_send(&client, "GET", "/v1/kv/a/b%20%C3%A9", "", NULL),
		200);
	CU_ASSERT_TRUE(body_is("w\xc3\xb6rld"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "text/plain; charset=utf-8");
	client_send(&client, "PUT", "/v1/kv/x", "a\n\"b\"", NULL);
	client_send(&client, "GET", "/datas/x", "", NULL);
	CU_ASSERT_TRUE(
		body_is("{\"key\":\"x\",\"value\":\"a\\n\\\"b\\\"\"}\n"));
	client_close(&client);
}

static void any_text_comes_back_as_it_was(void)
{
	client_open(&client);
	post("{\"key\":\"k\\u0000\",\"value\":\"\\u0000\\ud83d\\ude00\"}");
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/kv/k%00", "", NULL),
			200);
	CU_ASSERT_TRUE(view_equal(client_body(&client),
				  VIEW_LITERAL("\0\xf0\x9f\x98\x80")));
	post("{\"key\":\"k\",\"value\":\"\"}");
	client_send(&client, "GET", "/datas/k", "", NULL);
	CU_ASSERT_TRUE(body_is("{\"key\":\"k\",\"value\":\"\"}\n"));
	client_close(&client);
}

static void a_value_that_is_no_text_is_409_with_its_url(void)
{
	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a%20b", "\xff", NULL);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/datas/a%20b", "", NULL),
			409);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "not-text");
	CU_ASSERT_TRUE(client_body_has(&client, "\"url\":\"/v1/kv/a%20b\""));
	CU_ASSERT_TRUE(client_body_has(&client, "\"error\":\""));
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/datas/a%20b",
				    "{\"value\":\"x\"}", NULL),
			200);
	client_close(&client);
}

static void a_key_that_is_no_text_is_shown_in_base64(void)
{
	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/%FF", "x", NULL);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/datas/%FF", "", NULL),
			200);
	CU_ASSERT_TRUE(body_is("{\"key64\":\"/w==\",\"value\":\"x\"}\n"));
	client_close(&client);
}

static void every_member_that_is_wrong_is_named(void)
{
	static const struct {
		int line;
		const char *body;
		const char *code;
		const char *named;
	} cases[] = {
		{ __LINE__, "{}", "invalid-request",
		  "\"errors\":[{\"pointer\":\"#/key\",\"detail\":\"required\"}"
		  ",{\"pointer\":\"#/value\",\"detail\":\"required\"}]" },
		{ __LINE__, "{\"key\":1,\"value\":null}", "invalid-request",
		  "\"errors\":[{\"pointer\":\"#/key\",\"detail\":\"must be a "
		  "string\"},{\"pointer\":\"#/value\",\"detail\":\"must be a "
		  "string\"}]" },
		{ __LINE__, "{\"key\":\"a\"}", "invalid-request",
		  "\"errors\":[{\"pointer\":\"#/value\"" },
		{ __LINE__, "{\"value\":\"a\"}", "invalid-request",
		  "\"errors\":[{\"pointer\":\"#/key\"" },
		{ __LINE__, "{\"KEY\":\"a\",\"value\":\"a\"}",
		  "invalid-request", "\"errors\":[{\"pointer\":\"#/key\"" },
		{ __LINE__, "{\"key\":\"a\",\"value\":{}}", "invalid-request",
		  "\"errors\":[{\"pointer\":\"#/value\"" },
		{ __LINE__, "{\"key\":\"\",\"value\":\"a\"}", "invalid-key",
		  "\"errors\":[{\"pointer\":\"#/key\",\"detail\":\"must have "
		  "1 to 1024 bytes\"}]" },
		{ __LINE__, "[]", "invalid-request",
		  "\"errors\":[{\"pointer\":\"#\",\"detail\":\"must be an "
		  "object\"}]" },
		{ __LINE__, "null", "invalid-request", "must be an object" },
		{ __LINE__, "\"a\"", "invalid-request", "must be an object" },
		{ __LINE__, "", "invalid-request",
		  "the body is no JSON: byte 0: expected a value" },
		{ __LINE__, "{", "invalid-request", "no JSON: byte 1:" },
		{ __LINE__, "{\"key\":\"a\",\"value\":\"b\"}x",
		  "invalid-request", "no JSON: byte 23: expected the end" },
		{ __LINE__, "{\"key\":\"\xff\",\"value\":\"b\"}",
		  "invalid-request", "no JSON: byte 8: not UTF-8" },
		{ __LINE__, "{\"key\":\"a\",\"value\":\"\\ud800\"}",
		  "invalid-request", "half of a surrogate pair" },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		HARNESS_CASE(cases[i].line, post(cases[i].body) == 400);
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_code(&client), cases[i].code));
		HARNESS_CASE(cases[i].line,
			     client_body_has(&client, cases[i].named));
		HARNESS_CASE(cases[i].line,
			     client_body_has(&client, "\"error\":\""));
	}
	client_send(&client, "GET", "/v1", "", NULL);
	CU_ASSERT_TRUE(client_body_has(&client, "\"revision\":0"));
	client_close(&client);
}

static void a_key_in_a_body_has_the_same_bound(void)
{
	struct buf body = BUF_EMPTY;

	client_open(&client);
	for (int size = 1024; size <= 1025; size++) {
		buf_clear(&body);
		buf_add_string(&body, "{\"value\":\"v\",\"key\":\"");
		for (int i = 0; i < size; i++)
			buf_add_char(&body, 'k');
		buf_add_string(&body, "\"}");
		CU_ASSERT_EQUAL(post(buf_string(&body)),
				size == 1024 ? 201 : 400);
	}
	CU_ASSERT_STRING_EQUAL(client_code(&client), "invalid-key");
	buf_release(&body);
	client_close(&client);
}

static void a_value_larger_than_the_limit_is_413(void)
{
	struct buf body = BUF_EMPTY;

	client_open(&client);
	buf_add_string(&body, "{\"key\":\"k\",\"value\":\"");
	for (int i = 0; i < 1001; i++)
		buf_add_char(&body, 'v');
	buf_add_string(&body, "\"}");
	CU_ASSERT_EQUAL(post(buf_string(&body)), 413);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "value-too-large");
	CU_ASSERT_TRUE(client_body_has(&client, "\"limit\":1000"));
	buf_release(&body);
	client_close(&client);
}

static void members_that_are_not_known_are_passed_over(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(post("{\"key\":\"k\",\"value\":\"v\",\"x\":[1]}"), 201);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/datas/k",
				    "{\"key\":\"other\",\"value\":\"w\"}",
				    NULL),
			200);
	CU_ASSERT_TRUE(body_is("{\"key\":\"k\",\"value\":\"w\"}\n"));
	client_close(&client);
}

static void a_part_of_a_value_is_refused(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(post("{\"key\":\"k\",\"value\":\"v\"}"), 201);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/datas/k",
				    "{\"value\":\"w\"}",
				    "HTTP_CONTENT_RANGE=bytes 0-0/2", NULL),
			400);
	CU_ASSERT_TRUE(
		client_body_has(&client, "\"header\":\"Content-Range\""));
	client_send(&client, "GET", "/datas/k", "", NULL);
	CU_ASSERT_TRUE(body_is("{\"key\":\"k\",\"value\":\"v\"}\n"));
	client_close(&client);
}

static void a_body_is_json_whatever_old_clients_called_it(void)
{
	static const struct {
		int line;
		const char *type;
		int status;
	} cases[] = {
		{ __LINE__, "CONTENT_TYPE=application/json", 201 },
		{ __LINE__, "CONTENT_TYPE=Application/JSON; charset=utf-8",
		  201 },
		{ __LINE__, "NOTHING=", 201 },
		{ __LINE__, "CONTENT_TYPE=", 201 },
		{ __LINE__, "CONTENT_TYPE=application/x-www-form-urlencoded",
		  201 },
		{ __LINE__, "CONTENT_TYPE=text/plain;charset=UTF-8", 201 },
		{ __LINE__, "CONTENT_TYPE=application/xml", 415 },
		{ __LINE__, "CONTENT_TYPE=multipart/form-data; boundary=x",
		  415 },
		{ __LINE__, "HTTP_CONTENT_ENCODING=gzip", 415 },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     client_send(&client, "POST", "/datas",
					 "{\"key\":\"k\",\"value\":\"v\"}",
					 cases[i].type,
					 NULL) == cases[i].status);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "media-type");
	client_close(&client);
}

static void conditions_work_as_they_do_on_values(void)
{
	static const char body[] = "{\"value\":\"w\"}";

	client_open(&client);
	post("{\"key\":\"k\",\"value\":\"v\"}");
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/datas/k", "",
				    "HTTP_IF_NONE_MATCH=\"1\"", NULL),
			304);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"1\"");
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/datas/k", body,
				    "HTTP_IF_MATCH=\"9\"", NULL),
			412);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"1\"");
	CU_ASSERT_TRUE(client_body_has(&client, "\"error\":\""));
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/datas/k", body,
				    "HTTP_IF_MATCH=\"1\"", NULL),
			200);
	CU_ASSERT_EQUAL(client_send(&client, "DELETE", "/datas/k", "",
				    "HTTP_IF_MATCH=\"1\"", NULL),
			412);
	client_close(&client);
}

static void writes_wait_for_the_disk_and_reads_do_not(void)
{
	client_open(&client);
	post("{\"key\":\"k\",\"value\":\"v\"}");
	CU_ASSERT_TRUE(client.response.ticket > 0);
	client_send(&client, "PUT", "/datas/no", "{\"value\":\"v\"}", NULL);
	CU_ASSERT_TRUE(client.response.ticket > 0);
	client_send(&client, "GET", "/datas/k", "", NULL);
	CU_ASSERT_EQUAL(client.response.ticket, 0);
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_pair_is_made_read_changed_and_deleted),
	HARNESS_TEST(a_post_replaces_what_is_there),
	HARNESS_TEST(what_is_absent_is_404),
	HARNESS_TEST(both_apis_share_the_keys),
	HARNESS_TEST(any_text_comes_back_as_it_was),
	HARNESS_TEST(a_value_that_is_no_text_is_409_with_its_url),
	HARNESS_TEST(a_key_that_is_no_text_is_shown_in_base64),
	HARNESS_TEST(every_member_that_is_wrong_is_named),
	HARNESS_TEST(a_key_in_a_body_has_the_same_bound),
	HARNESS_TEST(a_value_larger_than_the_limit_is_413),
	HARNESS_TEST(members_that_are_not_known_are_passed_over),
	HARNESS_TEST(a_part_of_a_value_is_refused),
	HARNESS_TEST(a_body_is_json_whatever_old_clients_called_it),
	HARNESS_TEST(conditions_work_as_they_do_on_values),
	HARNESS_TEST(writes_wait_for_the_disk_and_reads_do_not),
};

int main(void)
{
	return harness_run("api/seed", tests, HARNESS_COUNT(tests));
}
