/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/entry.c; conditions are in test_condition.c. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/clock.h"
#include "http/date.h"

static struct client client;

/* GET gives exactly these bytes. */
static bool holds(const char *target, struct view value)
{
	return client_send(&client, "GET", target, "", NULL) == 200 &&
	       view_equal(client_body(&client), value);
}

static bool absent(const char *target)
{
	return client_send(&client, "GET", target, "", NULL) == 404 &&
	       !strcmp(client_code(&client), "key-not-found");
}

static void what_was_put_comes_back_byte_for_byte(void)
{
	static const struct view values[] = {
		VIEW_LITERAL(""),
		VIEW_LITERAL("hello"),
		VIEW_LITERAL("\0\r\n\xff{}"),
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(values); i++) {
		client_send_bytes(&client, "PUT", "/v1/kv/a", values[i],
				  "CONTENT_TYPE=x/y; z=\"1\"", NULL);
		CU_ASSERT_TRUE(holds("/v1/kv/a", values[i]));
		CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
				       "x/y; z=\"1\"");
	}
	client_close(&client);
}

static void a_value_is_sent_from_where_the_store_has_put_it(void)
{
	const char *hold;

	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a", "hello", NULL);
	CU_ASSERT_TRUE(holds("/v1/kv/a", VIEW_LITERAL("hello")));
	hold = client.response.hold.data;
	CU_ASSERT_PTR_NOT_NULL_FATAL(hold);
	CU_ASSERT_TRUE((const char *)client.response.body.data >= hold);
	CU_ASSERT_TRUE((const char *)client.response.body.data + 5 <=
		       hold + client.response.hold.size);
	CU_ASSERT_EQUAL(client.response.text.size, 0);
	client_close(&client);
}

static void a_put_says_whether_it_made_the_key(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "1", NULL),
			201);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Location"), "/v1/kv/a");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"1\"");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Length"), "0");
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "2", NULL),
			204);
	CU_ASSERT_PTR_NULL(client_field(&client, "Location"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"2\"");
	CU_ASSERT_PTR_NULL(client_field(&client, "Content-Length"));
	CU_ASSERT_EQUAL(client_send(&client, "DELETE", "/v1/kv/a", "", NULL),
			204);
	CU_ASSERT_PTR_NULL(client_field(&client, "ETag"));
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "3", NULL),
			201);
	client_close(&client);
}

static void a_value_has_the_fields_of_a_value(void)
{
	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a", "hello", NULL);
	client_send(&client, "GET", "/v1/kv/a", "", NULL);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"1\"");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Cache-Control"),
			       "no-cache");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "X-Content-Type-Options"),
			       "nosniff");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Security-Policy"),
			       "default-src 'none'; sandbox");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Length"), "5");
	CU_ASSERT_PTR_NULL(client_field(&client, "Librapi-Expires"));
	CU_ASSERT_STRING_EQUAL(
		client_field(&client, "Access-Control-Allow-Origin"), "*");
	client_close(&client);
}

static void head_has_the_same_fields_and_no_body(void)
{
	struct buf head = BUF_EMPTY;

	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a?ttl=9", "hello", NULL);
	client_send(&client, "GET", "/v1/kv/a", "", "HTTP_X_REQUEST_ID=1",
		    NULL);
	buf_add_view(&head, buf_view(&client.head));
	CU_ASSERT_EQUAL(client_send(&client, "HEAD", "/v1/kv/a", "",
				    "HTTP_X_REQUEST_ID=1", NULL),
			200);
	CU_ASSERT_TRUE(view_equal(buf_view(&head), buf_view(&client.head)));
	CU_ASSERT_EQUAL(client_body(&client).size, 0);
	buf_release(&head);
	client_close(&client);
}

static void last_modified_is_the_time_of_the_write(void)
{
	int64_t before_s = clock_wall_ms() / 1000;
	int64_t after_s, stamp_s = 0;

	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a", "x", NULL);
	after_s = clock_wall_ms() / 1000;
	client_send(&client, "GET", "/v1/kv/a", "", NULL);
	CU_ASSERT_EQUAL(
		date_parse(view_of(client_field(&client, "Last-Modified")),
			   after_s, &stamp_s),
		ERR_OK);
	CU_ASSERT_TRUE(before_s <= stamp_s && stamp_s <= after_s);
	client_close(&client);
}

static void every_key_that_a_url_can_carry_comes_back(void)
{
	static const struct {
		int line;
		const char *put;
		const char *get; /* names the same key */
		const char *location;
	} cases[] = {
		{ __LINE__, "/v1/kv/a//b", "/v1/kv/a%2F/b", "/v1/kv/a//b" },
		{ __LINE__, "/v1/kv/a/", "/v1/kv/a%2f", "/v1/kv/a/" },
		{ __LINE__, "/v1/kv//a", "/v1/kv/%2Fa", "/v1/kv//a" },
		{ __LINE__, "/v1/kv/..", "/v1/kv/%2e%2E", "/v1/kv/.." },
		{ __LINE__, "/v1/kv/../x", "/v1/kv/..%2Fx", "/v1/kv/..%2Fx" },
		{ __LINE__, "/v1/kv/%00", "/v1/kv/%00", "/v1/kv/%00" },
		{ __LINE__, "/v1/kv/%ff", "/v1/kv/\xff", "/v1/kv/%FF" },
		{ __LINE__, "/v1/kv/%0D%0A", "/v1/kv/%0d%0a", "/v1/kv/%0D%0A" },
		{ __LINE__, "/v1/kv/a+b", "/v1/kv/a%2Bb", "/v1/kv/a%2Bb" },
		{ __LINE__, "/v1/kv/%2525", "/v1/kv/%25%32%35",
		  "/v1/kv/%2525" },
		{ __LINE__, "/v1/kv/%3F", "/v1/kv/%3f?", "/v1/kv/%3F" },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const char *location;

		HARNESS_CASE(cases[i].line,
			     client_send(&client, "PUT", cases[i].put,
					 cases[i].put, NULL) == 201);
		location = client_field(&client, "Location");
		HARNESS_CASE(cases[i].line,
			     location && !strcmp(location, cases[i].location));
		HARNESS_CASE(cases[i].line,
			     holds(cases[i].get, view_of(cases[i].put)));
	}
	client_close(&client);
}

static void every_single_byte_is_a_key_of_its_own(void)
{
	char target[32];

	client_open(&client);
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;

		snprintf(target, sizeof(target), "/v1/kv/%%%02x", (unsigned)c);
		CU_ASSERT_EQUAL(client_send_bytes(&client, "PUT", target,
						  (struct view){ &byte, 1 },
						  NULL),
				201);
	}
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;

		snprintf(target, sizeof(target), "/v1/kv/%%%02X", (unsigned)c);
		CU_ASSERT_TRUE(holds(target, (struct view){ &byte, 1 }));
	}
	client_close(&client);
}

static void a_key_of_1024_bytes_is_kept_and_one_of_1025_refused(void)
{
	static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE" };
	struct buf target = BUF_EMPTY;

	client_open(&client);
	buf_add_string(&target, "/v1/kv/");
	for (int i = 0; i < 1024; i++)
		buf_add_string(&target, "%ff");
	CU_ASSERT_EQUAL(
		client_send(&client, "PUT", buf_string(&target), "x", NULL),
		201);
	CU_ASSERT_TRUE(holds(buf_string(&target), VIEW_LITERAL("x")));
	buf_add_char(&target, 'a');
	for (size_t i = 0; i < HARNESS_COUNT(methods); i++) {
		CU_ASSERT_EQUAL(client_send(&client, methods[i],
					    buf_string(&target), "x", NULL),
				414);
		CU_ASSERT_STRING_EQUAL(client_code(&client), "key-too-long");
		CU_ASSERT_PTR_NOT_NULL(strstr(buf_string(&client.response.text),
					      "\"limit\":1024"));
	}
	buf_release(&target);
	client_close(&client);
}

static void a_key_that_is_none_is_named(void)
{
	static const struct {
		int line;
		const char *target;
		const char *detail;
	} cases[] = {
		{ __LINE__, "/v1/kv/", "the key is empty" },
		{ __LINE__, "/v1/kv/?", "the key is empty" },
		{ __LINE__, "/v1/kv/%", "byte 0 of the encoded key: '%'" },
		{ __LINE__, "/v1/kv/a%4", "byte 1 of the encoded key: '%4'" },
		{ __LINE__, "/v1/kv/%zzz", "'%zz' is no percent-encoding" },
		{ __LINE__, "/v1/kv/%\xff", "'%\xef\xbf\xbd'" },
		{ __LINE__, "/datas/", "the key is empty" },
		{ __LINE__, "/datas/%", "byte 0" },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		HARNESS_CASE(cases[i].line,
			     client_send(&client, "GET", cases[i].target, "",
					 NULL) == 400);
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_code(&client), "invalid-key"));
		HARNESS_CASE(cases[i].line,
			     client_body_has(&client, cases[i].detail));
		HARNESS_CASE(cases[i].line,
			     client_send(&client, "DELETE", cases[i].target, "",
					 NULL) == 400);
		HARNESS_CASE(cases[i].line,
			     client_send(&client, "PUT", cases[i].target, "{}",
					 NULL) == 400);
	}
	client_close(&client);
}

static void a_type_that_says_nothing_is_a_stream_of_bytes(void)
{
	static const char *const types[] = {
		"NOTHING=",
		"CONTENT_TYPE=",
		"CONTENT_TYPE= \t",
		"CONTENT_TYPE=application/x-www-form-urlencoded",
		"CONTENT_TYPE=Application/X-WWW-Form-UrlEncoded; charset=x",
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(types); i++) {
		client_send(&client, "PUT", "/v1/kv/a", "x", types[i], NULL);
		client_send(&client, "GET", "/v1/kv/a", "", NULL);
		CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
				       "application/octet-stream");
	}
	client_close(&client);
}

static void a_type_that_can_not_be_sent_back_is_refused(void)
{
	char type[16 + 256] = "CONTENT_TYPE=";
	char *end = type + strlen(type);
	static const char *const types[] = {
		"CONTENT_TYPE=text/plain\x01",
		"CONTENT_TYPE=text/\xc3\xa9",
		"CONTENT_TYPE=a\x7f",
		"CONTENT_TYPE=a\r\nX: y",
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(types); i++) {
		CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "x",
					    types[i], NULL),
				400);
		CU_ASSERT_STRING_EQUAL(client_code(&client), "invalid-request");
		CU_ASSERT_TRUE(client_body_has(&client,
					       "\"header\":\"Content-Type\""));
	}
	memset(end, 'x', 256);
	end[256] = '\0';
	CU_ASSERT_EQUAL(
		client_send(&client, "PUT", "/v1/kv/a", "x", type, NULL), 400);
	CU_ASSERT_TRUE(absent("/v1/kv/a"));
	end[255] = '\0';
	CU_ASSERT_EQUAL(
		client_send(&client, "PUT", "/v1/kv/a", "x", type, NULL), 201);
	CU_ASSERT_TRUE(holds("/v1/kv/a", VIEW_LITERAL("x")));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"), end);
	client_close(&client);
}

static void a_compressed_or_partial_body_is_refused(void)
{
	static const char *const codings[] = {
		"HTTP_CONTENT_ENCODING=gzip",
		"HTTP_CONTENT_ENCODING=identity, gzip",
		"HTTP_CONTENT_ENCODING=x",
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(codings); i++) {
		CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "x",
					    codings[i], NULL),
				415);
		CU_ASSERT_STRING_EQUAL(client_code(&client), "media-type");
		CU_ASSERT_STRING_EQUAL(client_field(&client, "Accept-Encoding"),
				       "identity");
		CU_ASSERT_TRUE(client_body_has(
			&client, "\"header\":\"Content-Encoding\""));
	}
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "x",
				    "HTTP_CONTENT_RANGE=bytes 0-0/2", NULL),
			400);
	CU_ASSERT_TRUE(
		client_body_has(&client, "\"header\":\"Content-Range\""));
	CU_ASSERT_TRUE(absent("/v1/kv/a"));
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "x",
				    "HTTP_CONTENT_ENCODING=Identity", NULL),
			201);
	client_close(&client);
}

static void a_value_larger_than_the_limit_is_413_with_the_limit(void)
{
	char value[1001];

	memset(value, 'x', sizeof(value));
	client_open(&client);
	CU_ASSERT_EQUAL(client_send_bytes(&client, "PUT", "/v1/kv/a",
					  (struct view){ value, sizeof(value) },
					  NULL),
			413);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "value-too-large");
	CU_ASSERT_TRUE(client_body_has(&client, "\"limit\":1000"));
	CU_ASSERT_TRUE(absent("/v1/kv/a"));
	CU_ASSERT_EQUAL(client_send_bytes(&client, "PUT", "/v1/kv/a",
					  (struct view){ value, 1000 }, NULL),
			201);
	client_close(&client);
}

static void a_ttl_is_told_as_a_date(void)
{
	int64_t now_s = clock_wall_ms() / 1000;
	int64_t expires_s = 0;

	client_open(&client);
	CU_ASSERT_EQUAL(
		client_send(&client, "PUT", "/v1/kv/a?ttl=60", "x", NULL), 201);
	client_send(&client, "GET", "/v1/kv/a", "", NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(client_field(&client, "Librapi-Expires"));
	CU_ASSERT_EQUAL(
		date_parse(view_of(client_field(&client, "Librapi-Expires")),
			   now_s, &expires_s),
		ERR_OK);
	CU_ASSERT_TRUE(expires_s >= now_s + 60 && expires_s <= now_s + 62);
	client_send(&client, "PUT", "/v1/kv/a", "x", NULL);
	client_send(&client, "GET", "/v1/kv/a", "", NULL);
	CU_ASSERT_PTR_NULL(client_field(&client, "Librapi-Expires"));
	client_close(&client);
}

static void what_has_expired_is_absent(void)
{
	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a?ttl=1", "x", NULL);
	clock_sleep_ms(1050);
	CU_ASSERT_TRUE(absent("/v1/kv/a"));
	CU_ASSERT_EQUAL(client_send(&client, "DELETE", "/v1/kv/a", "", NULL),
			404);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "x",
				    "HTTP_IF_NONE_MATCH=*", NULL),
			201);
	client_close(&client);
}

static void a_ttl_is_whole_seconds_within_bounds(void)
{
	static const char *const refused[] = {
		"ttl=0",
		"ttl=",
		"ttl",
		"ttl=-1",
		"ttl=+1",
		"ttl=1.5",
		"ttl=1e3",
		"ttl=0x10",
		"ttl= 1",
		"ttl=1%20",
		"ttl=%31x",
		"ttl=%",
		"ttl=315360001",
		"ttl=99999999999999999999",
		"ttl=0000000000000000000000000000000000000000001",
	};
	static const char *const taken[] = { "ttl=1", "ttl=315360000",
					     "ttl=%36%30", "t%74l=60",
					     "ttl=060" };
	char target[96];

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(refused); i++) {
		snprintf(target, sizeof(target), "/v1/kv/a?%s", refused[i]);
		CU_ASSERT_EQUAL(client_send(&client, "PUT", target, "x", NULL),
				400);
		CU_ASSERT_STRING_EQUAL(client_code(&client), "invalid-request");
		CU_ASSERT_TRUE(client_body_has(
			&client,
			"\"errors\":[{\"parameter\":\"ttl\",\"detail\":"
			"\"takes whole seconds, 1 to 315360000\"}]"));
	}
	CU_ASSERT_TRUE(absent("/v1/kv/a"));
	for (size_t i = 0; i < HARNESS_COUNT(taken); i++) {
		int status;

		snprintf(target, sizeof(target), "/v1/kv/a?%s", taken[i]);
		status = client_send(&client, "PUT", target, "x", NULL);
		CU_ASSERT_TRUE(status == 201 || status == 204);
	}
	client_close(&client);
}

static void what_is_absent_is_404(void)
{
	client_open(&client);
	CU_ASSERT_TRUE(absent("/v1/kv/a"));
	CU_ASSERT_EQUAL(client_send(&client, "DELETE", "/v1/kv/a", "", NULL),
			404);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "key-not-found");
	CU_ASSERT_EQUAL(client_send(&client, "HEAD", "/v1/kv/a", "", NULL),
			404);
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_was_put_comes_back_byte_for_byte),
	HARNESS_TEST(a_value_is_sent_from_where_the_store_has_put_it),
	HARNESS_TEST(a_put_says_whether_it_made_the_key),
	HARNESS_TEST(a_value_has_the_fields_of_a_value),
	HARNESS_TEST(head_has_the_same_fields_and_no_body),
	HARNESS_TEST(last_modified_is_the_time_of_the_write),
	HARNESS_TEST(every_key_that_a_url_can_carry_comes_back),
	HARNESS_TEST(every_single_byte_is_a_key_of_its_own),
	HARNESS_TEST(a_key_of_1024_bytes_is_kept_and_one_of_1025_refused),
	HARNESS_TEST(a_key_that_is_none_is_named),
	HARNESS_TEST(a_type_that_says_nothing_is_a_stream_of_bytes),
	HARNESS_TEST(a_type_that_can_not_be_sent_back_is_refused),
	HARNESS_TEST(a_compressed_or_partial_body_is_refused),
	HARNESS_TEST(a_value_larger_than_the_limit_is_413_with_the_limit),
	HARNESS_TEST(a_ttl_is_told_as_a_date),
	HARNESS_TEST(what_has_expired_is_absent),
	HARNESS_TEST(a_ttl_is_whole_seconds_within_bounds),
	HARNESS_TEST(what_is_absent_is_404),
};

int main(void)
{
	return harness_run("api/entry", tests, HARNESS_COUNT(tests));
}
