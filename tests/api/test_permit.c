/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every route with every token: what is served, and what is refused. */
#include "api/permit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/crc32c.h"
#include "base/sha256.h"
#include "harness.h"

#define HEAD       "{\"librapi\":1}\n"
#define HEAD_OF(p) "{\"librapi\":1,\"prefix\":\"" p "\"}\n"
#define LINE(k)    "{\"key\":\"" k "\",\"value\":\"\"}\n"

static struct client client;
static char path[4096]; /* of the tokens */

static void open_client(void)
{
	static const char *const lines[][2] = {
		{ "r", "read" },       { "w", "write" },       { "a", "admin" },
		{ "ra", "read app/" }, { "wa", "write app/" },
	};
	struct buf message = BUF_EMPTY;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tokens", harness_tmpdir());
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (size_t i = 0; i < HARNESS_COUNT(lines); i++) {
		struct sha256 digest = sha256_of(view_of(lines[i][0]));
		char hex[SHA256_HEX_SIZE];

		sha256_to_hex(&digest, hex);
		fprintf(f, "%s %s\n", hex, lines[i][1]);
	}
	fclose(f);
	client_open(&client);
	client.conf.data_dir = harness_tmpdir();
	client_send(&client, "PUT", "/v1/kv/app/x", "1", NULL);
	client_send(&client, "PUT", "/v1/kv/other", "2", NULL);
	CU_ASSERT_EQUAL(access_open(path, &client.api.access, &message),
			ERR_OK);
	buf_release(&message);
}

static void close_client(void)
{
	access_close(client.api.access);
	client_close(&client);
}

static int send(const char *token, const char *method, const char *target,
		const char *body)
{
	char field[64];

	snprintf(field, sizeof(field), "HTTP_AUTHORIZATION=Bearer %s", token);
	return *token ? client_send(&client, method, target, body, field, NULL)
		      : client_send(&client, method, target, body, NULL);
}

/* Who asks next may have another token, or none. */
static void what_a_token_is_for_is_not_given_again(void)
{
	static const char *const tokens[] = { "r", "ra", "wa", "a" };

	open_client();
	for (size_t i = 0; i < HARNESS_COUNT(tokens); i++) {
		CU_ASSERT_EQUAL(send(tokens[i], "GET", "/v1/kv/app/x", ""),
				200);
		CU_ASSERT_EQUAL(client.response.shown_at, 0);
	}
	close_client();
}

/* Refused: "" by 401, a name by 403 for that token. */
static void each_route_takes_its_role(void)
{
	static const struct {
		int line;
		const char *method;
		const char *target;
		const char *body;
		const char *least; /* the token that suffices, of "r", "w" */
	} cases[] = {
		{ __LINE__, "GET", "/v1/kv/app/x", "", "r" },
		{ __LINE__, "HEAD", "/v1/kv/app/x", "", "r" },
		{ __LINE__, "PUT", "/v1/kv/app/x", "", "w" },
		{ __LINE__, "PATCH", "/v1/kv/app/x", "{}", "w" },
		{ __LINE__, "DELETE", "/v1/kv/app/x", "", "w" },
		{ __LINE__, "GET", "/v1/kv", "", "r" },
		{ __LINE__, "DELETE", "/v1/kv?prefix=q", "", "w" },
		{ __LINE__, "POST", "/v1/txn", "{\"do\":[{\"get\":\"a\"}]}",
		  "r" },
		{ __LINE__, "POST", "/v1/txn",
		  "{\"do\":[{\"put\":\"a\",\"value\":\"\"}]}", "w" },
		{ __LINE__, "POST", "/v1/txn", "{\"do\":[{\"delete\":\"a\"}]}",
		  "w" },
		{ __LINE__, "POST", "/v1/txn",
		  "{\"do\":[{\"add\":\"a\",\"by\":1}]}", "w" },
		{ __LINE__, "POST", "/v1/txn",
		  "{\"do\":[{\"touch\":\"a\",\"ttl\":1}]}", "w" },
		{ __LINE__, "HEAD", "/v1/export", "", "r" },
		{ __LINE__, "GET", "/v1/watch?wait=0", "", "r" },
		{ __LINE__, "POST", "/v1/import", "", "w" },
		{ __LINE__, "GET", "/v1", "", "r" },
		{ __LINE__, "POST", "/datas", "{\"key\":\"a\",\"value\":\"\"}",
		  "w" },
		{ __LINE__, "GET", "/datas/a", "", "r" },
		{ __LINE__, "PUT", "/datas/a", "{\"value\":\"\"}", "w" },
		{ __LINE__, "DELETE", "/datas/a", "", "w" },
	};

	open_client();
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const char *method = cases[i].method;
		const char *target = cases[i].target;
		const char *body = cases[i].body;
		bool write = !strcmp(cases[i].least, "w");
		int status;

		HARNESS_CASE(cases[i].line,
			     send("", method, target, body) == 401);
		HARNESS_CASE(cases[i].line,
			     send("unknown", method, target, body) == 401);
		HARNESS_CASE(cases[i].line,
			     strstr(client_field(&client, "WWW-Authenticate"),
				    "invalid_token"));
		status = send("r", method, target, body);
		HARNESS_CASE(cases[i].line, (status == 403) == write);
		HARNESS_CASE(cases[i].line, status != 401);
		status = send("w", method, target, body);
		HARNESS_CASE(cases[i].line, status != 401 && status != 403);
		status = send("a", method, target, body);
		HARNESS_CASE(cases[i].line, status != 401 && status != 403);
	}
	close_client();
}

static void health_and_preflights_take_no_token(void)
{
	open_client();
	CU_ASSERT_EQUAL(send("", "GET", "/livez", ""), 200);
	CU_ASSERT_EQUAL(send("", "GET", "/readyz", ""), 200);
	CU_ASSERT_EQUAL(send("", "GET", "/hc", ""), 200);
	CU_ASSERT_EQUAL(send("", "OPTIONS", "/v1/kv/app/x", ""), 204);
	CU_ASSERT_EQUAL(send("", "OPTIONS", "*", ""), 204);
	CU_ASSERT_EQUAL(send("unknown", "GET", "/hc", ""), 200);
	close_client();
}

static void a_prefix_is_a_wall(void)
{
	static const struct {
		int line;
		const char *method;
		const char *target;
		const char *body;
		int status;
	} cases[] = {
		{ __LINE__, "GET", "/v1/kv/app/x", "", 200 },
		{ __LINE__, "GET", "/v1/kv/app%2Fx", "", 200 },
		{ __LINE__, "GET", "/v1/kv/app/absent", "", 404 },
		{ __LINE__, "GET", "/v1/kv/other", "", 403 },
		{ __LINE__, "GET", "/v1/kv/absent", "", 403 },
		{ __LINE__, "GET", "/v1/kv/app", "", 403 },
		{ __LINE__, "GET", "/v1/kv/%61pp", "", 403 },
		{ __LINE__, "GET", "/v1/kv//app/x", "", 403 },
		{ __LINE__, "GET", "/v1/kv/%2e%2e/app/x", "", 403 },
		{ __LINE__, "GET", "/datas/other", "", 403 },
		{ __LINE__, "PUT", "/v1/kv/other", "", 403 },
		{ __LINE__, "PATCH", "/v1/kv/other", "{}", 403 },
		{ __LINE__, "DELETE", "/v1/kv/other", "", 403 },
		{ __LINE__, "DELETE", "/datas/other", "", 403 },
		{ __LINE__, "PUT", "/datas/other", "{\"value\":\"\"}", 403 },
		{ __LINE__, "POST", "/datas",
		  "{\"key\":\"other\",\"value\":\"\"}", 403 },
		{ __LINE__, "POST", "/datas",
		  "{\"key\":\"app/y\",\"value\":\"\"}", 201 },
		{ __LINE__, "DELETE", "/v1/kv?prefix=o", "", 403 },
		{ __LINE__, "DELETE", "/v1/kv?prefix=a", "", 403 },
		{ __LINE__, "DELETE", "/v1/kv?prefix=app/q", "", 200 },
		{ __LINE__, "GET", "/v1/kv?prefix=o", "", 403 },
		{ __LINE__, "HEAD", "/v1/export?prefix=o", "", 403 },
		{ __LINE__, "GET", "/v1/watch?prefix=o&wait=0", "", 403 },
		{ __LINE__, "POST", "/v1/import?prefix=o", "", 403 },
		{ __LINE__, "POST", "/v1/txn", "{\"do\":[{\"get\":\"other\"}]}",
		  403 },
		{ __LINE__, "POST", "/v1/txn",
		  "{\"do\":[{\"get\":\"app/x\"},{\"get\":\"other\"}]}", 403 },
		{ __LINE__, "POST", "/v1/txn",
		  "{\"if\":[{\"key\":\"other\",\"rev\":0}],"
		  "\"do\":[{\"get\":\"app/x\"}]}",
		  403 },
		{ __LINE__, "POST", "/v1/txn",
		  "{\"do\":[{\"put64\":\"b3RoZXI=\",\"value\":\"\"}]}", 403 },
		{ __LINE__, "POST", "/v1/txn", "{\"do\":[{\"get\":\"app/x\"}]}",
		  200 },
	};

	open_client();
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		int status = send("wa", cases[i].method, cases[i].target,
				  cases[i].body);

		HARNESS_CASE(cases[i].line, status == cases[i].status);
		if (cases[i].status == 403)
			HARNESS_CASE(
				cases[i].line,
				!strcmp(client_code(&client), "forbidden"));
	}
	CU_ASSERT_EQUAL(send("a", "GET", "/v1/kv/other", ""), 200);
	CU_ASSERT(view_equal_string(client_body(&client), "2"));
	close_client();
}

static void lists_and_exports_show_what_is_ones_own(void)
{
	open_client();
	CU_ASSERT_EQUAL(send("ra", "GET", "/v1/kv", ""), 200);
	CU_ASSERT(client_body_has(&client, "app/x"));
	CU_ASSERT_FALSE(client_body_has(&client, "other"));
	CU_ASSERT_EQUAL(send("ra", "GET", "/v1/kv?limit=0", ""), 200);
	CU_ASSERT(client_body_has(&client, "\"count\":1"));
	CU_ASSERT_EQUAL(send("ra", "GET", "/v1/watch?since=0&wait=0", ""), 200);
	CU_ASSERT(client_body_has(&client, "app/x"));
	CU_ASSERT_FALSE(client_body_has(&client, "other"));
	CU_ASSERT_EQUAL(send("ra", "GET", "/v1/kv?prefix=ap&after=b", ""), 200);
	CU_ASSERT_FALSE(client_body_has(&client, "other"));
	close_client();
}

/* Lines with the right last line; then the status of their import. */
static int import_lines(const char *target, const char *lines, int count)
{
	struct buf body = BUF_EMPTY;
	int status;

	buf_addf(&body, "%s{\"count\":%d,\"crc32c\":\"%08" PRIx32 "\"}\n",
		 lines, count, crc32c(0, lines, strlen(lines)));
	status = send("wa", "POST", target, buf_string(&body));
	buf_release(&body);
	return status;
}

static void what_is_imported_has_to_be_ones_own(void)
{
	static const struct {
		int line;
		const char *target;
		const char *lines;
		int count;
		int status;
	} cases[] = {
		{ __LINE__, "/v1/import", HEAD LINE("app/y"), 1, 200 },
		{ __LINE__, "/v1/import", HEAD LINE("app/y") LINE("other"), 2,
		  403 },
		{ __LINE__, "/v1/import?mode=replace", HEAD LINE("other"), 1,
		  403 },
		{ __LINE__, "/v1/import?prefix=app/", HEAD LINE("other"), 1,
		  403 },
		{ __LINE__, "/v1/import?prefix=app/x/", HEAD LINE("other"), 1,
		  403 },
		{ __LINE__, "/v1/import?prefix=app/x/", HEAD LINE("app/y"), 1,
		  400 },
		{ __LINE__, "/v1/import", HEAD_OF("other"), 0, 403 },
		{ __LINE__, "/v1/import?prefix=app/x/", HEAD_OF("app/y"), 0,
		  400 },
		{ __LINE__, "/v1/import", HEAD_OF("a") LINE("app/z"), 1, 200 },
	};

	open_client();
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		int status = import_lines(cases[i].target, cases[i].lines,
					  cases[i].count);
		const char *code = client_code(&client);

		HARNESS_CASE(cases[i].line, status == cases[i].status);
		if (status == 403)
			HARNESS_CASE(cases[i].line, !strcmp(code, "forbidden"));
	}
	CU_ASSERT_EQUAL(send("a", "GET", "/v1/kv/other", ""), 200);
	CU_ASSERT(view_equal_string(client_body(&client), "2"));
	close_client();
}

/* What the streaming of an export is told when the tokens are these. */
static enum err check_export(const char *lines)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(lines, f);
	fclose(f);
	access_hurry(client.api.access);
	return client.response.stream_check(client.response.stream_arg);
}

static void an_export_lasts_as_long_as_its_token(void)
{
	const struct sha256 digest = sha256_of(VIEW_LITERAL("ra"));
	char hex[SHA256_HEX_SIZE];
	char lines[3][SHA256_HEX_SIZE + 32];

	sha256_to_hex(&digest, hex);
	snprintf(lines[0], sizeof(lines[0]), "%s admin", hex);
	snprintf(lines[1], sizeof(lines[1]), "%s read app/", hex);
	snprintf(lines[2], sizeof(lines[2]), "%s admin app/x", hex);
	open_client();
	CU_ASSERT_EQUAL(send("ra", "GET", "/v1/export", ""), 200);
	CU_ASSERT_EQUAL(check_export(lines[0]), ERR_OK);
	CU_ASSERT_EQUAL(check_export("broken"), ERR_OK);
	CU_ASSERT_EQUAL(check_export(lines[2]), ERR_FORBIDDEN);
	CU_ASSERT_EQUAL(check_export(lines[1]), ERR_OK);
	CU_ASSERT_EQUAL(check_export(""), ERR_FORBIDDEN);
	close_client();
	client_open(&client);
	CU_ASSERT_EQUAL(send("", "GET", "/v1/export", ""), 200);
	CU_ASSERT_EQUAL(
		client.response.stream_check(client.response.stream_arg),
		ERR_OK);
	client_close(&client);
}

static void one_token_and_nothing_else_is_taken(void)
{
	static const char *const fields[] = {
		"HTTP_AUTHORIZATION=",
		"HTTP_AUTHORIZATION=a",
		"HTTP_AUTHORIZATION=Basic a",
		"HTTP_AUTHORIZATION=Bearer a, Bearer a",
		"HTTP_AUTHORIZATION=Bearer a,",
		"HTTP_AUTHORIZATION=Bearer",
		"HTTP_X_HTTP_METHOD_OVERRIDE=OPTIONS",
		"REMOTE_USER=a",
	};

	open_client();
	for (size_t i = 0; i < HARNESS_COUNT(fields); i++)
		HARNESS_CASE((int)i, client_send(&client, "GET", "/v1/kv/app/x",
						 "", fields[i], NULL) == 401);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "unauthorized");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "WWW-Authenticate"),
			       "Bearer realm=\"librapi\"");
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/kv/app/x", "",
				    "HTTP_AUTHORIZATION=bearer a", NULL),
			200);
	close_client();
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_a_token_is_for_is_not_given_again),
	HARNESS_TEST(each_route_takes_its_role),
	HARNESS_TEST(health_and_preflights_take_no_token),
	HARNESS_TEST(a_prefix_is_a_wall),
	HARNESS_TEST(lists_and_exports_show_what_is_ones_own),
	HARNESS_TEST(what_is_imported_has_to_be_ones_own),
	HARNESS_TEST(an_export_lasts_as_long_as_its_token),
	HARNESS_TEST(one_token_and_nothing_else_is_taken),
};

int main(void)
{
	return harness_run("api/permit", tests, HARNESS_COUNT(tests));
}
