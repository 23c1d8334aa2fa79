/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/txn.c and app/api/txn_read.c. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "api/client.h"

#define JSON_TYPE "CONTENT_TYPE=application/json"

static struct client client;

static int txn(const char *body)
{
	return client_send(&client, "POST", "/v1/txn", body, JSON_TYPE, NULL);
}

static bool body_is(const char *text)
{
	return view_equal_string(client_body(&client), text);
}

static bool answers(const char *request, const char *text)
{
	return txn(request) == 200 && body_is(text);
}

static bool has(const char *text)
{
	return client_body_has(&client, text);
}

static int get(const char *key)
{
	char target[64];

	snprintf(target, sizeof(target), "/v1/kv/%s", key);
	return client_send(&client, "GET", target, "", NULL);
}

static void values_are_text_bytes_or_json(void)
{
	static const struct {
		int line;
		const char *key;
		const char *type;
		struct view value;
	} stored[] = {
		{ __LINE__, "a", "text/plain; charset=utf-8",
		  VIEW_LITERAL("x\ny") },
		{ __LINE__, "b", "application/octet-stream",
		  VIEW_LITERAL("\xff\0") },
		{ __LINE__, "c", "application/json",
		  VIEW_LITERAL("{\"n\": 12345678901234567890123}") },
		{ __LINE__, "d", "text/html", VIEW_LITERAL("") },
		{ __LINE__, "%FF", "text/plain; charset=utf-8",
		  VIEW_LITERAL("z") },
	};

	client_open(&client);
	CU_ASSERT_TRUE(answers(
		"{\"do\":[{\"put\":\"a\",\"value\":\"x\\ny\"},"
		"{\"put\":\"b\",\"value64\":\"/wA=\"},"
		"{\"put\":\"c\",\"json\": {\"n\": 12345678901234567890123} },"
		"{\"put\":\"d\",\"value\":\"\",\"type\":\"text/html\"},"
		"{\"put64\":\"/w==\",\"value\":\"z\",\"ttl\":60}]}",
		"{\"rev\":1,\"results\":[{\"rev\":1},{\"rev\":1},{\"rev\":1},"
		"{\"rev\":1},{\"rev\":1}]}\n"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "application/json");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Cache-Control"),
			       "no-store");
	CU_ASSERT_EQUAL(client.response.ticket, 1);
	for (size_t i = 0; i < HARNESS_COUNT(stored); i++) {
		HARNESS_CASE(stored[i].line, get(stored[i].key) == 200);
		HARNESS_CASE(stored[i].line,
			     view_equal(client_body(&client), stored[i].value));
		HARNESS_CASE(stored[i].line,
			     !strcmp(client_field(&client, "Content-Type"),
				     stored[i].type));
	}
	CU_ASSERT_PTR_NOT_NULL(client_field(&client, "Librapi-Expires"));
	client_close(&client);
}

static void gets_tell_value_type_and_revision(void)
{
	client_open(&client);
	txn("{\"do\":[{\"put\":\"a\",\"value\":\"\\\"\\u00e9\"}]}");
	txn("{\"do\":[{\"put\":\"b\",\"value64\":\"/w==\",\"ttl\":60}]}");
	CU_ASSERT_TRUE(answers(
		"{\"do\":[{\"get\":\"a\"},{\"get\":\"no\"},{\"get64\":\"YQ==\"}"
		"]}",
		"{\"rev\":2,\"results\":[{\"value\":\"\\\"\xc3\xa9\",\"type\":"
		"\"text/plain; charset=utf-8\",\"rev\":1},null,"
		"{\"value\":\"\\\"\xc3\xa9\",\"type\":"
		"\"text/plain; charset=utf-8\",\"rev\":1}]}\n"));
	CU_ASSERT_EQUAL(txn("{\"do\":[{\"get\":\"b\"}]}"), 200);
	CU_ASSERT_TRUE(has("[{\"value64\":\"/w==\",\"type\":"
			   "\"application/octet-stream\",\"expires\":\"20"));
	CU_ASSERT_TRUE(has("Z\",\"rev\":2}]}\n"));
	client_close(&client);
}

static void an_operation_sees_those_before_it(void)
{
	client_open(&client);
	CU_ASSERT_TRUE(answers(
		"{\"do\":[{\"get\":\"a\"},{\"put\":\"a\",\"value\":\"7\"},"
		"{\"get\":\"a\"},{\"add\":\"a\",\"by\":-10},{\"get\":\"a\"},"
		"{\"delete\":\"a\"},{\"get\":\"a\"},{\"delete\":\"a\"},"
		"{\"add\":\"a\"}]}",
		"{\"rev\":1,\"results\":[null,{\"rev\":1},"
		"{\"value\":\"7\",\"type\":\"text/plain; charset=utf-8\","
		"\"rev\":1},{\"value\":\"-3\",\"rev\":1},"
		"{\"value\":\"-3\",\"type\":\"text/plain; charset=utf-8\","
		"\"rev\":1},{\"rev\":1},null,null,"
		"{\"value\":\"1\",\"rev\":1}]}\n"));
	CU_ASSERT_EQUAL(get("a"), 200);
	CU_ASSERT_TRUE(body_is("1"));
	client_close(&client);
}

static void an_add_starts_at_0_and_keeps_type_and_ttl(void)
{
	client_open(&client);
	CU_ASSERT_TRUE(answers("{\"do\":[{\"add\":\"n\",\"by\":5}]}",
			       "{\"rev\":1,\"results\":[{\"value\":\"5\","
			       "\"rev\":1}]}\n"));
	client_send(&client, "PUT", "/v1/kv/t?ttl=60", "41",
		    "CONTENT_TYPE=text/x-count", NULL);
	CU_ASSERT_EQUAL(txn("{\"do\":[{\"add\":\"t\"}]}"), 200);
	CU_ASSERT_EQUAL(get("t"), 200);
	CU_ASSERT_TRUE(body_is("42"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "text/x-count");
	CU_ASSERT_PTR_NOT_NULL(client_field(&client, "Librapi-Expires"));
	txn("{\"do\":[{\"add\":\"t\",\"ttl\":0}]}");
	get("t");
	CU_ASSERT_PTR_NULL(client_field(&client, "Librapi-Expires"));
	txn("{\"do\":[{\"add\":\"t\",\"ttl\":9}]}");
	get("t");
	CU_ASSERT_TRUE(body_is("44"));
	CU_ASSERT_PTR_NOT_NULL(client_field(&client, "Librapi-Expires"));
	client_close(&client);
}

static void what_is_no_number_is_409(void)
{
	static const struct {
		int line;
		const char *value;
		const char *by;
		int status;
	} cases[] = {
		{ __LINE__, "", "1", 409 },
		{ __LINE__, "1 ", "1", 409 },
		{ __LINE__, "1.5", "1", 409 },
		{ __LINE__, "+1", "1", 409 },
		{ __LINE__, "-", "1", 409 },
		{ __LINE__, "0x1", "1", 409 },
		{ __LINE__, "9223372036854775808", "-1", 409 },
		{ __LINE__, "9223372036854775807", "1", 409 },
		{ __LINE__, "-9223372036854775808", "-1", 409 },
		{ __LINE__, "9223372036854775807", "-9223372036854775808",
		  200 },
		{ __LINE__, "-9223372036854775808", "9223372036854775807",
		  200 },
		{ __LINE__, "-0", "0", 200 },
		{ __LINE__, "007", "1", 200 },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		char body[200];

		client_send(&client, "PUT", "/v1/kv/n", cases[i].value, NULL);
		snprintf(body, sizeof(body),
			 "{\"do\":[{\"put\":\"other\",\"value\":\"x\"},"
			 "{\"add\":\"n\",\"by\":%s}]}",
			 cases[i].by);
		HARNESS_CASE(cases[i].line, txn(body) == cases[i].status);
		if (cases[i].status == 200) {
			client_send(&client, "DELETE", "/v1/kv/other", "",
				    NULL);
			continue;
		}
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_code(&client), "not-a-number"));
		HARNESS_CASE(cases[i].line, has("\"pointer\":\"#/do/1/add\""));
		HARNESS_CASE(cases[i].line, get("other") == 404);
		HARNESS_CASE(cases[i].line, get("n") == 200);
		HARNESS_CASE(cases[i].line, body_is(cases[i].value));
	}
	client_close(&client);
}

static void a_touch_changes_nothing_but_the_ttl(void)
{
	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/s", "v", "CONTENT_TYPE=text/x-s",
		    NULL);
	CU_ASSERT_TRUE(answers("{\"do\":[{\"touch\":\"s\",\"ttl\":60}]}",
			       "{\"rev\":2,\"results\":[{\"rev\":2}]}\n"));
	CU_ASSERT_EQUAL(get("s"), 200);
	CU_ASSERT_TRUE(body_is("v"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "text/x-s");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "ETag"), "\"2\"");
	CU_ASSERT_PTR_NOT_NULL(client_field(&client, "Librapi-Expires"));
	CU_ASSERT_EQUAL(txn("{\"do\":[{\"touch\":\"s\",\"ttl\":0}]}"), 200);
	get("s");
	CU_ASSERT_PTR_NULL(client_field(&client, "Librapi-Expires"));
	CU_ASSERT_TRUE(answers("{\"do\":[{\"touch\":\"no\",\"ttl\":60}]}",
			       "{\"rev\":3,\"results\":[null]}\n"));
	CU_ASSERT_EQUAL(get("no"), 404);
	client_close(&client);
}

static void conditions_that_hold_let_it_happen(void)
{
	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a", "1", NULL);
	CU_ASSERT_TRUE(answers(
		"{\"if\":[{\"key\":\"a\",\"rev\":1},{\"key64\":\"YQ==\","
		"\"rev\":\"*\"},{\"key\":\"b\",\"rev\":0}],"
		"\"do\":[{\"put\":\"b\",\"value\":\"2\"}]}",
		"{\"rev\":2,\"results\":[{\"rev\":2}]}\n"));
	CU_ASSERT_TRUE(answers("{\"if\":[{\"key\":\"a\",\"rev\":1}],\"do\":[]}",
			       "{\"rev\":2,\"results\":[]}\n"));
	client_close(&client);
}

static void each_false_condition_is_told(void)
{
	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a", "1", NULL);
	client_send(&client, "PUT", "/v1/kv/%FF", "2", NULL);
	CU_ASSERT_EQUAL(txn("{\"if\":[{\"key\":\"a\",\"rev\":7},"
			    "{\"key\":\"a\",\"rev\":1},"
			    "{\"key\":\"no\",\"rev\":\"*\"},"
			    "{\"key64\":\"/w==\",\"rev\":0}],"
			    "\"do\":[{\"put\":\"c\",\"value\":\"\"}]}"),
			412);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "condition-failed");
	CU_ASSERT_TRUE(has("\"failed\":[{\"key\":\"a\",\"rev\":1},"
			   "{\"key\":\"no\",\"rev\":0},"
			   "{\"key64\":\"/w==\",\"rev\":2}]"));
	CU_ASSERT_TRUE(has("{\"pointer\":\"#/if/0\",\"detail\":\"false: the "
			   "key's revision is 1\"}"));
	CU_ASSERT_TRUE(has("\"#/if/2\",\"detail\":\"false: the key is "
			   "absent\""));
	CU_ASSERT_TRUE(has("\"#/if/3\""));
	CU_ASSERT_FALSE(has("\"#/if/1\""));
	CU_ASSERT_EQUAL(get("c"), 404);
	client_close(&client);
}

static void what_is_malformed_is_named_by_its_pointer(void)
{
	static const struct {
		int line;
		const char *body;
		const char *pointer;
	} cases[] = {
		{ __LINE__, "[]", "#" },
		{ __LINE__, "{}", "#/do" },
		{ __LINE__, "{\"do\":{}}", "#/do" },
		{ __LINE__, "{\"if\":1,\"do\":[]}", "#/if" },
		{ __LINE__, "{\"do\":[7]}", "#/do/0" },
		{ __LINE__, "{\"do\":[{}]}", "#/do/0" },
		{ __LINE__, "{\"do\":[{\"get\":\"a\",\"delete\":\"a\"}]}",
		  "#/do/0" },
		{ __LINE__, "{\"do\":[{\"get\":\"a\",\"get\":\"a\"}]}",
		  "#/do/0" },
		{ __LINE__, "{\"do\":[{\"get\":1}]}", "#/do/0/get" },
		{ __LINE__, "{\"do\":[{\"get\":\"\"}]}", "#/do/0/get" },
		{ __LINE__, "{\"do\":[{\"get64\":\"YQ\"}]}", "#/do/0/get64" },
		{ __LINE__, "{\"do\":[{\"get\":\"a\",\"x/y~ \":1}]}",
		  "#/do/0/x~1y~0%20" },
		{ __LINE__, "{\"do\":[{\"get\":\"a\",\"ttl\":1}]}",
		  "#/do/0/ttl" },
		{ __LINE__, "{\"do\":[{\"put\":\"a\"}]}", "#/do/0" },
		{ __LINE__,
		  "{\"do\":[{\"put\":\"a\",\"value\":\"\",\"json\":1}]}",
		  "#/do/0" },
		{ __LINE__, "{\"do\":[{\"put\":\"a\",\"value\":1}]}",
		  "#/do/0/value" },
		{ __LINE__, "{\"do\":[{\"put\":\"a\",\"value64\":\"*\"}]}",
		  "#/do/0/value64" },
		{ __LINE__,
		  "{\"do\":[{\"put\":\"a\",\"value\":\"\",\"ttl\":0}]}",
		  "#/do/0/ttl" },
		{ __LINE__,
		  "{\"do\":[{\"put\":\"a\",\"value\":\"\",\"ttl\":\"1\"}]}",
		  "#/do/0/ttl" },
		{ __LINE__,
		  "{\"do\":[{\"put\":\"a\",\"value\":\"\",\"ttl\":1.5}]}",
		  "#/do/0/ttl" },
		{ __LINE__,
		  "{\"do\":[{\"put\":\"a\",\"value\":\"\",\"type\":\"\"}]}",
		  "#/do/0/type" },
		{ __LINE__,
		  "{\"do\":[{\"put\":\"a\",\"value\":\"\",\"type\":\"a\\n\"}]}",
		  "#/do/0/type" },
		{ __LINE__, "{\"do\":[{\"add\":\"a\",\"by\":1.5}]}",
		  "#/do/0/by" },
		{ __LINE__,
		  "{\"do\":[{\"add\":\"a\",\"by\":9223372036854775808}]}",
		  "#/do/0/by" },
		{ __LINE__, "{\"do\":[{\"touch\":\"a\"}]}", "#/do/0" },
		{ __LINE__, "{\"do\":[{\"get\":\"a\"},{\"gut\":\"a\"}]}",
		  "#/do/1/gut" },
		{ __LINE__, "{\"if\":[{\"key\":\"a\"}],\"do\":[]}", "#/if/0" },
		{ __LINE__, "{\"if\":[{\"rev\":0}],\"do\":[]}", "#/if/0" },
		{ __LINE__, "{\"if\":[{\"key\":\"a\",\"rev\":-1}],\"do\":[]}",
		  "#/if/0/rev" },
		{ __LINE__,
		  "{\"if\":[{\"key\":\"a\",\"rev\":\"1\"}],\"do\":[]}",
		  "#/if/0/rev" },
		{ __LINE__,
		  "{\"if\":[{\"key\":\"a\",\"rev\":9}],\"if\":[],\"do\":[]}",
		  "#/if" },
		{ __LINE__, "{\"do\":[{\"delete\":\"a\"}],\"do\":[]}", "#/do" },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		char pointer[64];

		snprintf(pointer, sizeof(pointer), "{\"pointer\":\"%s\",",
			 cases[i].pointer);
		HARNESS_CASE(cases[i].line, txn(cases[i].body) == 400);
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_code(&client), "invalid-request"));
		HARNESS_CASE(cases[i].line, has(pointer));
	}
	CU_ASSERT_EQUAL(txn("{\"do\":["), 400);
	CU_ASSERT_TRUE(has("byte 7"));
	CU_ASSERT_EQUAL(txn("{\"do\":[],\"then\":[]}"), 400);
	CU_ASSERT_TRUE(has("'then' is unknown"));
	client_close(&client);
}

static void all_that_is_malformed_is_told_together(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(txn("{\"if\":[{\"key\":\"\",\"rev\":0}],\"do\":["
			    "{\"put\":\"good\",\"value\":\"\"},"
			    "{\"put\":\"a\",\"value\":\"\",\"ttl\":0},"
			    "{\"get\":\"b\",\"by\":1},{\"x\":1,\"y\":2}]}"),
			400);
	CU_ASSERT_TRUE(has("#/if/0/key"));
	CU_ASSERT_TRUE(has("#/do/1/ttl"));
	CU_ASSERT_TRUE(has("#/do/2/by"));
	CU_ASSERT_TRUE(has("#/do/3/x"));
	CU_ASSERT_TRUE(has("#/do/3/y"));
	CU_ASSERT_EQUAL(get("good"), 404);
	client_close(&client);
}

static void add_ops(struct buf *body, int count, const char *op)
{
	buf_clear(body);
	buf_add_string(body, "{\"do\":[");
	for (int i = 0; i < count; i++)
		buf_addf(body, "%s%s", i ? "," : "", op);
	buf_add_string(body, "]}");
}

static void what_is_past_a_limit_is_413(void)
{
	struct buf body = BUF_EMPTY;
	char op[1100], value[1002];

	client_open(&client);
	add_ops(&body, 20, "{\"get\":\"a\"}");
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 200);
	add_ops(&body, 21, "{\"get\":\"a\"}");
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 413);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "batch-too-large");
	CU_ASSERT_TRUE(has("\"limit\":20"));

	memset(value, 'x', sizeof(value));
	value[1001] = '\0';
	snprintf(op, sizeof(op), "{\"put\":\"a\",\"value\":\"%s\"}", value);
	add_ops(&body, 1, op);
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 413);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "value-too-large");
	CU_ASSERT_TRUE(has("\"limit\":1000"));

	value[999] = '\0';
	snprintf(op, sizeof(op), "{\"put\":\"a\",\"value\":\"%s\"}", value);
	add_ops(&body, 4, op);
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 200);
	add_ops(&body, 5, op);
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 413);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "batch-too-large");
	CU_ASSERT_TRUE(has("\"limit\":4000"));

	add_ops(&body, 4, "{\"get\":\"a\"}");
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 200);
	add_ops(&body, 5, "{\"get\":\"a\"}");
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 413);
	CU_ASSERT_TRUE(has("\"limit\":4000"));

	add_ops(&body, 4, "{\"touch\":\"a\",\"ttl\":60}");
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 200);
	add_ops(&body, 5, "{\"touch\":\"a\",\"ttl\":60}");
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 413);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "batch-too-large");
	CU_ASSERT_TRUE(has("\"limit\":4000"));
	client.conf.txn_max_bytes = 500;
	add_ops(&body, 1, "{\"touch\":\"a\",\"ttl\":60}");
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 200);
	buf_release(&body);
	client_close(&client);
}

static void an_answer_about_faults_is_bounded(void)
{
	struct buf body = BUF_EMPTY;

	client_open(&client);
	client.conf.txn_max_ops = 10000;
	add_ops(&body, 10000, "{\"x\":1}");
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 400);
	CU_ASSERT_TRUE(has("#/do/99/x"));
	CU_ASSERT_FALSE(has("#/do/100/x"));
	buf_clear(&body);
	buf_add_string(&body, "{\"do\":[]");
	for (int i = 0; i < 10000; i++)
		buf_add_string(&body, ",\"do\":[]");
	buf_add_char(&body, '}');
	CU_ASSERT_EQUAL(txn(buf_string(&body)), 400);
	CU_ASSERT_TRUE(has("given more than once"));
	CU_ASSERT_TRUE(client_body(&client).size < 10000);
	buf_release(&body);
	client_close(&client);
}

static void the_body_is_json_and_has_the_conditions(void)
{
	static const struct {
		int line;
		const char *variable;
		int status;
	} cases[] = {
		{ __LINE__, "CONTENT_TYPE=application/json; charset=utf-8",
		  200 },
		{ __LINE__, "CONTENT_TYPE=", 200 },
		{ __LINE__, "CONTENT_TYPE=application/x-www-form-urlencoded",
		  200 },
		{ __LINE__, "CONTENT_TYPE=text/plain", 415 },
		{ __LINE__, "HTTP_CONTENT_ENCODING=gzip", 415 },
		{ __LINE__, "HTTP_IF_MATCH=\"1\"", 400 },
		{ __LINE__, "HTTP_IF_NONE_MATCH=*", 400 },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     client_send(&client, "POST", "/v1/txn",
					 "{\"do\":[]}", cases[i].variable,
					 NULL) == cases[i].status);
	/* RFC 9110 12.5.3: of another coding, 415 does not speak. */
	CU_ASSERT_EQUAL(client_send(&client, "POST", "/v1/txn", "{\"do\":[]}",
				    "CONTENT_TYPE=text/plain", NULL),
			415);
	CU_ASSERT_PTR_NULL(client_field(&client, "Accept-Encoding"));
	CU_ASSERT_EQUAL(client_send(&client, "POST", "/v1/txn?x=1", "{}", NULL),
			400);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/txn", "", NULL), 405);
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(values_are_text_bytes_or_json),
	HARNESS_TEST(gets_tell_value_type_and_revision),
	HARNESS_TEST(an_operation_sees_those_before_it),
	HARNESS_TEST(an_add_starts_at_0_and_keeps_type_and_ttl),
	HARNESS_TEST(what_is_no_number_is_409),
	HARNESS_TEST(a_touch_changes_nothing_but_the_ttl),
	HARNESS_TEST(conditions_that_hold_let_it_happen),
	HARNESS_TEST(each_false_condition_is_told),
	HARNESS_TEST(what_is_malformed_is_named_by_its_pointer),
	HARNESS_TEST(all_that_is_malformed_is_told_together),
	HARNESS_TEST(what_is_past_a_limit_is_413),
	HARNESS_TEST(an_answer_about_faults_is_bounded),
	HARNESS_TEST(the_body_is_json_and_has_the_conditions),
};

int main(void)
{
	return harness_run("api/txn", tests, HARNESS_COUNT(tests));
}
