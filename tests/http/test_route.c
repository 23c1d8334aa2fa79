/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/route.c. */
#include "harness.h"

#include <string.h>

#include "http/route.h"

static const struct route routes[] = {
	{ METHOD_GET, "/v1/kv/{key}", .seed = false },
	{ METHOD_PUT, "/v1/kv/{key}", .seed = false },
	{ METHOD_GET, "/v1", .seed = false },
	{ METHOD_POST, "/datas", .seed = true },
	{ METHOD_DELETE, "/datas/{key}", .seed = true },
};

enum { KV_GET, KV_PUT, ABOUT, POST, DATA, NONE };

static enum err find(enum method method, struct view path,
		     struct route_match *match)
{
	return route_find(routes, HARNESS_COUNT(routes), method, path, match);
}

static void a_path_and_a_method_find_their_row(void)
{
	static const struct {
		int line;
		enum method method;
		const char *path;
		int row;
		const char *key; /* NULL: the pattern has none */
	} cases[] = {
		{ __LINE__, METHOD_GET, "/v1", ABOUT, NULL },
		{ __LINE__, METHOD_HEAD, "/v1", ABOUT, NULL },
		{ __LINE__, METHOD_GET, "/v1/kv/a", KV_GET, "a" },
		{ __LINE__, METHOD_HEAD, "/v1/kv/a", KV_GET, "a" },
		{ __LINE__, METHOD_PUT, "/v1/kv/a", KV_PUT, "a" },
		{ __LINE__, METHOD_GET, "/v1/kv/", KV_GET, "" },
		{ __LINE__, METHOD_GET, "/v1/kv//", KV_GET, "/" },
		{ __LINE__, METHOD_GET, "/v1/kv/a//b/", KV_GET, "a//b/" },
		{ __LINE__, METHOD_GET, "/v1/kv/%2e%2e/x", KV_GET, "%2e%2e/x" },
		{ __LINE__, METHOD_GET, "/v1/kv/../../livez", KV_GET,
		  "../../livez" },
		{ __LINE__, METHOD_POST, "/datas", POST, NULL },
		{ __LINE__, METHOD_DELETE, "/datas/{key}", DATA, "{key}" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct route_match match;

		HARNESS_CASE(cases[i].line,
			     find(cases[i].method, view_of(cases[i].path),
				  &match) == ERR_OK);
		HARNESS_CASE(cases[i].line,
			     match.route == &routes[cases[i].row]);
		HARNESS_CASE(cases[i].line,
			     match.methods & 1u << cases[i].method);
		HARNESS_CASE(cases[i].line, !match.key.data == !cases[i].key);
		HARNESS_CASE(cases[i].line,
			     view_equal_string(match.key, cases[i].key));
	}
}

static void a_path_that_fits_nothing_has_no_route(void)
{
	static const char *const paths[] = {
		"",          "/",    "/v1/", "/v1/kv",     "/v1/kvx/a",
		"/v1//kv/a", "//v1", "/V1",  "/v1/%6bv/a", "/data",
		"/datass",   "*",    "/v1?",
	};

	for (size_t i = 0; i < HARNESS_COUNT(paths); i++) {
		struct route_match match;
		enum err err = find(METHOD_GET, view_of(paths[i]), &match);

		CU_ASSERT_EQUAL(err, ERR_NO_ROUTE);
		CU_ASSERT_PTR_NULL(match.resource);
	}
}

static void a_nul_is_a_byte_like_others(void)
{
	static const struct view paths[] = {
		VIEW_LITERAL("/v1\0"),
		VIEW_LITERAL("/v1\0\0M/"),
		VIEW_LITERAL("/datas\0/datas"),
		VIEW_LITERAL("\0"),
	};
	struct route_match match;

	for (size_t i = 0; i < HARNESS_COUNT(paths); i++)
		CU_ASSERT_EQUAL(find(METHOD_GET, paths[i], &match),
				ERR_NO_ROUTE);
	CU_ASSERT_EQUAL(find(METHOD_GET, VIEW_LITERAL("/v1/kv/\0"), &match),
			ERR_OK);
	CU_ASSERT_EQUAL(match.key.size, 1);
}

static void no_path_has_no_route(void)
{
	struct route_match match;

	CU_ASSERT_EQUAL(find(METHOD_GET, (struct view){ 0 }, &match),
			ERR_NO_ROUTE);
}

static void what_is_allowed_is_told_for_each_resource(void)
{
	static const struct {
		int line;
		enum method method;
		const char *path;
		const char *allow;
	} cases[] = {
		{ __LINE__, METHOD_DELETE, "/v1/kv/a",
		  "GET, HEAD, PUT, OPTIONS" },
		{ __LINE__, METHOD_OTHER, "/v1/kv/a",
		  "GET, HEAD, PUT, OPTIONS" },
		{ __LINE__, METHOD_OPTIONS, "/v1", "GET, HEAD, OPTIONS" },
		{ __LINE__, METHOD_GET, "/datas", "POST, OPTIONS" },
		{ __LINE__, METHOD_HEAD, "/datas", "POST, OPTIONS" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct route_match match;
		char allow[ROUTE_ALLOW_SIZE];

		HARNESS_CASE(cases[i].line,
			     find(cases[i].method, view_of(cases[i].path),
				  &match) == ERR_METHOD);
		HARNESS_CASE(cases[i].line, match.resource != NULL);
		HARNESS_CASE(cases[i].line,
			     !strcmp(route_allow(match.methods, allow),
				     cases[i].allow));
	}
}

static void the_longest_allow_has_room(void)
{
	char allow[ROUTE_ALLOW_SIZE];

	route_allow((1u << METHOD_COUNT) - 1, allow);
	CU_ASSERT_STRING_EQUAL(allow,
			       "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS");
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_path_and_a_method_find_their_row),
	HARNESS_TEST(a_path_that_fits_nothing_has_no_route),
	HARNESS_TEST(a_nul_is_a_byte_like_others),
	HARNESS_TEST(no_path_has_no_route),
	HARNESS_TEST(what_is_allowed_is_told_for_each_resource),
	HARNESS_TEST(the_longest_allow_has_room),
};

int main(void)
{
	return harness_run("http/route", tests, HARNESS_COUNT(tests));
}
