/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/cors.c. */
#include "harness.h"

#include <string.h>

#include "api/client.h"

#define ORIGIN "HTTP_ORIGIN=http://example.org"
#define ASK    "HTTP_ACCESS_CONTROL_REQUEST_METHOD=PUT"
#define FIELDS "HTTP_ACCESS_CONTROL_REQUEST_HEADERS="

static struct client client;

static void every_answer_may_be_read_by_scripts(void)
{
	static const struct {
		int line;
		const char *method;
		const char *target;
	} cases[] = {
		{ __LINE__, "GET", "/datas/absent" },
		{ __LINE__, "GET", "/datas/%" },
		{ __LINE__, "POST", "/datas" },
		{ __LINE__, "GET", "/datas" },
		{ __LINE__, "DELETE", "/datas/absent" },
		{ __LINE__, "OPTIONS", "/datas" },
		{ __LINE__, "GET", "/hc" },
		{ __LINE__, "PUT", "/hc" },
		{ __LINE__, "GET", "/hc?x" },
		{ __LINE__, "GET", "/v1" },
		{ __LINE__, "GET", "/v1/kv/absent" },
		{ __LINE__, "GET", "/nowhere" },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const char *field;

		client_send(&client, cases[i].method, cases[i].target, "{",
			    ORIGIN, NULL);
		field = client_field(&client, "Access-Control-Allow-Origin");
		HARNESS_CASE(cases[i].line, field && !strcmp(field, "*"));
		field = client_field(&client, "Access-Control-Expose-Headers");
		HARNESS_CASE(
			cases[i].line,
			field &&
				!strcmp(field,
					"ETag, Link, Location, Librapi-Expires, Allow, Accept-Patch, Retry-After, WWW-Authenticate, X-Request-Id"));
		HARNESS_CASE(cases[i].line, !client_field(&client, "Vary"));
	}
	client_close(&client);
}

static void a_preflight_needs_no_token_of_any_route(void)
{
	static const char *const targets[] = { "/v1", "/v1/kv/a", "/v1/kv",
					       "/v1/txn", "/v1/export" };

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(targets); i++) {
		CU_ASSERT_EQUAL(client_send(&client, "OPTIONS", targets[i], "",
					    ORIGIN, ASK, FIELDS "authorization",
					    NULL),
				204);
		CU_ASSERT_STRING_EQUAL(
			client_field(&client, "Access-Control-Allow-Headers"),
			"authorization");
		CU_ASSERT_STRING_EQUAL(
			client_field(&client, "Access-Control-Allow-Origin"),
			"*");
	}
	client_close(&client);
}

static void a_preflight_is_granted(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(client_send(&client, "OPTIONS", "/datas/a", "", ORIGIN,
				    ASK, FIELDS "content-type, x-custom", NULL),
			204);
	CU_ASSERT_STRING_EQUAL(
		client_field(&client, "Access-Control-Allow-Methods"),
		"GET, HEAD, PUT, DELETE, OPTIONS");
	CU_ASSERT_STRING_EQUAL(
		client_field(&client, "Access-Control-Allow-Headers"),
		"content-type, x-custom");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Access-Control-Max-Age"),
			       "600");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Allow"),
			       "GET, HEAD, PUT, DELETE, OPTIONS");
	client_close(&client);
}

static void fields_that_are_no_names_are_not_granted(void)
{
	static const char *const fields[] = { "OTHER=", FIELDS "",
					      FIELDS "a: b", FIELDS "a\r\nb" };

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(fields); i++) {
		CU_ASSERT_EQUAL(client_send(&client, "OPTIONS", "/datas", "",
					    ORIGIN, ASK, fields[i], NULL),
				204);
		CU_ASSERT_PTR_NULL(
			client_field(&client, "Access-Control-Allow-Headers"));
	}
	client_close(&client);
}

static void options_that_are_no_preflight_grant_nothing(void)
{
	client_open(&client);
	client_send(&client, "OPTIONS", "/datas", "", NULL);
	CU_ASSERT_PTR_NULL(
		client_field(&client, "Access-Control-Allow-Methods"));
	client_close(&client);
}

static void the_setting_lists_the_origins(void)
{
	static const struct {
		int line;
		const char *list;
		const char *origin; /* the variable */
		bool allowed;
	} cases[] = {
		{ __LINE__, "http://example.org", ORIGIN, true },
		{ __LINE__, "http://a,http://example.org", ORIGIN, true },
		{ __LINE__, "http://example.org,http://a", ORIGIN, true },
		{ __LINE__, "http://example.or", ORIGIN, false },
		{ __LINE__, "http://example.org:80", ORIGIN, false },
		{ __LINE__, "http://example.org,http://a", "OTHER=", false },
		{ __LINE__, "http://example.org", "HTTP_ORIGIN=", false },
		{ __LINE__, "http://a,http://b",
		  "HTTP_ORIGIN=http://a,http://b", false },
		{ __LINE__, "http://a", "HTTP_ORIGIN=*", false },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const char *value = strchr(cases[i].origin, '=') + 1;
		const char *field;

		client.conf.cors_origin = cases[i].list;
		client_send(&client, "OPTIONS", "/hc", "", cases[i].origin, ASK,
			    NULL);
		field = client_field(&client, "Access-Control-Allow-Origin");
		HARNESS_CASE(cases[i].line, !field == !cases[i].allowed);
		HARNESS_CASE(cases[i].line, !field || !strcmp(field, value));
		field = client_field(&client, "Access-Control-Allow-Methods");
		HARNESS_CASE(cases[i].line, !field == !cases[i].allowed);
		field = client_field(&client, "Vary");
		HARNESS_CASE(cases[i].line, field && !strcmp(field, "Origin"));
	}
	client_close(&client);
}

static void without_origins_nothing_is_said(void)
{
	client_open(&client);
	client.conf.cors_origin = "";
	client_send(&client, "OPTIONS", "/datas", "", ORIGIN, ASK, NULL);
	CU_ASSERT_PTR_NULL(
		client_field(&client, "Access-Control-Allow-Origin"));
	CU_ASSERT_PTR_NULL(
		client_field(&client, "Access-Control-Allow-Methods"));
	CU_ASSERT_PTR_NULL(client_field(&client, "Vary"));
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(every_answer_may_be_read_by_scripts),
	HARNESS_TEST(a_preflight_needs_no_token_of_any_route),
	HARNESS_TEST(a_preflight_is_granted),
	HARNESS_TEST(fields_that_are_no_names_are_not_granted),
	HARNESS_TEST(options_that_are_no_preflight_grant_nothing),
	HARNESS_TEST(the_setting_lists_the_origins),
	HARNESS_TEST(without_origins_nothing_is_said),
};

int main(void)
{
	return harness_run("api/cors", tests, HARNESS_COUNT(tests));
}
