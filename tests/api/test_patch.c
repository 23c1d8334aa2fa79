/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/patch.c. */
#include "harness.h"

#include <string.h>

#include "api/client.h"

#define PATCH_TYPE "CONTENT_TYPE=application/merge-patch+json"
#define DOC        "/v1/kv/doc"

static struct client client;

static void open_with(const char *target, const char *value)
{
	client_open(&client);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", target, value, NULL), 201);
}

static int patch(const char *target, const char *body)
{
	return client_send(&client, "PATCH", target, body, PATCH_TYPE, NULL);
}

static bool body_is(const char *text)
{
	return view_equal_string(client_body(&client), text);
}

static bool stays(const char *value)
{
	return client_send(&client, "GET", DOC, "", NULL) == 200 &&
	       body_is(value);
}

static void a_patch_is_merged_and_the_result_told(void)
{
	open_with(DOC, "{\"a\":1,\"b\":{\"c\":2}}");
	CU_ASSERT_EQUAL(patch(DOC, "{\"a\":null,\"b\":{\"d\":3}}"), 200);
	CU_ASSERT_TRUE(body_is("{\"b\":{\"c\":2,\"d\":3}}"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"2\"");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "application/json");
	CU_ASSERT_EQUAL(client.response.ticket, 2);
	CU_ASSERT_EQUAL(client_send(&client, "GET", DOC, "", NULL), 200);
	CU_ASSERT_TRUE(body_is("{\"b\":{\"c\":2,\"d\":3}}"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"2\"");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "application/json");
	client_close(&client);
}

static void the_time_to_live_is_kept_set_or_removed(void)
{
	open_with(DOC "?ttl=600", "{}");
	CU_ASSERT_EQUAL(patch(DOC, "{\"a\":1}"), 200);
	client_send(&client, "GET", DOC, "", NULL);
	CU_ASSERT_PTR_NOT_NULL(client_field(&client, "Librapi-Expires"));
	CU_ASSERT_EQUAL(patch(DOC "?ttl=0", "{\"a\":2}"), 200);
	client_send(&client, "GET", DOC, "", NULL);
	CU_ASSERT_PTR_NULL(client_field(&client, "Librapi-Expires"));
	CU_ASSERT_EQUAL(patch(DOC "?ttl=60", "{}"), 200);
	client_send(&client, "GET", DOC, "", NULL);
	CU_ASSERT_PTR_NOT_NULL(client_field(&client, "Librapi-Expires"));
	CU_ASSERT_EQUAL(patch(DOC "?ttl=-1", "{}"), 400);
	CU_ASSERT_EQUAL(patch(DOC "?ttl=", "{}"), 400);
	CU_ASSERT_EQUAL(patch(DOC "?ttl=315360001", "{}"), 400);
	client_close(&client);
}

static void only_a_merge_patch_is_taken(void)
{
	static const struct {
		int line;
		const char *type;
		int status;
	} cases[] = {
		{ __LINE__, "CONTENT_TYPE=application/json", 415 },
		{ __LINE__, "CONTENT_TYPE=application/json-patch+json", 415 },
		{ __LINE__, "CONTENT_TYPE=", 415 },
		{ __LINE__, "IGNORED=1", 415 },
		{ __LINE__, "CONTENT_TYPE=Application/Merge-Patch+JSON;a=b",
		  200 },
	};

	open_with(DOC, "{}");
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const char *accept;
		int status = client_send(&client, "PATCH", DOC, "{}",
					 cases[i].type, NULL);

		HARNESS_CASE(cases[i].line, status == cases[i].status);
		accept = client_field(&client, "Accept-Patch");
		HARNESS_CASE(cases[i].line,
			     status == 200 ||
				     (accept &&
				      !strcmp(accept,
					      "application/merge-patch+json")));
	}
	CU_ASSERT_EQUAL(client_send(&client, "PATCH", DOC, "{}", PATCH_TYPE,
				    "HTTP_CONTENT_ENCODING=gzip", NULL),
			415);
	CU_ASSERT_EQUAL(client_send(&client, "OPTIONS", DOC, "", NULL), 204);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Accept-Patch"),
			       "application/merge-patch+json");
	CU_ASSERT_EQUAL(client_send(&client, "OPTIONS", "/v1", "", NULL), 204);
	CU_ASSERT_PTR_NULL(client_field(&client, "Accept-Patch"));
	client_close(&client);
}

static void what_can_not_be_patched_stays(void)
{
	open_with(DOC, "{no json");
	CU_ASSERT_EQUAL(patch(DOC, "{\"a\":1}"), 409);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "not-json");
	CU_ASSERT_TRUE(stays("{no json"));
	CU_ASSERT_EQUAL(patch("/v1/kv/absent", "{}"), 404);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "key-not-found");
	CU_ASSERT_EQUAL(patch(DOC, "{\"a\":}"), 400);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "invalid-request");
	CU_ASSERT_EQUAL(patch(DOC, ""), 400);
	CU_ASSERT_EQUAL(patch("/v1/kv/", "{}"), 400);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "invalid-key");
	client_close(&client);
}

static void a_result_past_the_limit_is_refused(void)
{
	static char value[1001], body[1001];

	memset(value, 'x', 600);
	memcpy(value, "{\"a\":\"", 6);
	memcpy(value + 598, "\"}", 3);
	memset(body, 'y', 600);
	memcpy(body, "{\"b\":\"", 6);
	memcpy(body + 598, "\"}", 3);
	open_with(DOC, value);
	CU_ASSERT_EQUAL(patch(DOC, body), 413);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "value-too-large");
	CU_ASSERT_TRUE(client_body_has(&client, "\"limit\":1000"));
	CU_ASSERT_TRUE(stays(value));
	client_close(&client);
}

static void conditions_are_kept(void)
{
	open_with(DOC, "{}");
	CU_ASSERT_EQUAL(client_send(&client, "PATCH", DOC, "{\"a\":1}",
				    PATCH_TYPE, "HTTP_IF_MATCH=\"7\"", NULL),
			412);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"1\"");
	CU_ASSERT_TRUE(stays("{}"));
	CU_ASSERT_EQUAL(client_send(&client, "PATCH", DOC, "{\"a\":1}",
				    PATCH_TYPE, "HTTP_IF_MATCH=\"1\"", NULL),
			200);
	CU_ASSERT_EQUAL(client_send(&client, "PATCH", DOC, "{\"a\":2}",
				    PATCH_TYPE, "HTTP_IF_NONE_MATCH=*", NULL),
			412);
	client.conf.require_conditions = true;
	CU_ASSERT_EQUAL(patch(DOC, "{}"), 428);
	CU_ASSERT_TRUE(stays("{\"a\":1}"));
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_patch_is_merged_and_the_result_told),
	HARNESS_TEST(the_time_to_live_is_kept_set_or_removed),
	HARNESS_TEST(only_a_merge_patch_is_taken),
	HARNESS_TEST(what_can_not_be_patched_stays),
	HARNESS_TEST(a_result_past_the_limit_is_refused),
	HARNESS_TEST(conditions_are_kept),
};

int main(void)
{
	return harness_run("api/patch", tests, HARNESS_COUNT(tests));
}
