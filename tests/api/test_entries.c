/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/entries.c; rolling up is tested in test_rollup.c too. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client.h"
#include "base/clock.h"
#include "http/json.h"

#define FOLDERS   20
#define IN_FOLDER 200
#define KEYS      (FOLDERS * IN_FOLDER)

static struct client client;

static int list(const char *query)
{
	char target[4096];

	snprintf(target, sizeof(target), "/v1/kv%s", query);
	return client_send(&client, "GET", target, "", NULL);
}

static int list_as(const char *query, const char *accept)
{
	char target[256], variable[256];

	snprintf(target, sizeof(target), "/v1/kv%s", query);
	snprintf(variable, sizeof(variable), "HTTP_ACCEPT=%s", accept);
	return client_send(&client, "GET", target, "", variable, NULL);
}

static bool body_is(const char *text)
{
	return view_equal_string(client_body(&client), text);
}

static void put(const char *key, const char *value)
{
	char target[4096];

	snprintf(target, sizeof(target), "/v1/kv/%s", key);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", target, value,
				    "CONTENT_TYPE=text/plain", NULL),
			201);
}

/* Keys without what differs from run to run. */
static bool lists(const char *query, const char *keys)
{
	return list_as(query, "text/plain") == 200 && body_is(keys);
}

static void an_entry_tells_all_but_the_value(void)
{
	static const char begin[] =
		"{\"rev\":2,\"keys\":["
		"{\"key\":\"a\",\"rev\":1,\"size\":5,\"type\":\"text/plain\","
		"\"modified\":\"20";
	static const char end[] = "Z\",\"expires\":null}],\"prefixes\":[]}\n";
	struct view body;

	client_open(&client);
	put("a", "hello");
	put("b?ttl=60", "");
	CU_ASSERT_EQUAL(list("?prefix=a"), 200);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "application/json");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Cache-Control"),
			       "no-store");
	CU_ASSERT_PTR_NULL(client_field(&client, "ETag"));
	CU_ASSERT_PTR_NULL(client_field(&client, "Link"));
	body = client_body(&client);
	CU_ASSERT_TRUE(view_starts_with(body, view_of(begin)));
	CU_ASSERT_EQUAL(body.size, strlen(begin) +
					   strlen("26-11-24T10:00:00.000") +
					   strlen(end));
	CU_ASSERT_TRUE(client_body_has(&client, end));
	CU_ASSERT_EQUAL(list("?prefix=b"), 200);
	CU_ASSERT_TRUE(client_body_has(&client, "\"size\":0,"));
	CU_ASSERT_TRUE(client_body_has(&client, "\"expires\":\"2"));
	client_close(&client);
}

static void values_come_when_they_are_asked_for(void)
{
	client_open(&client);
	put("a", "say \"hi\"\n");
	client_send_bytes(&client, "PUT", "/v1/kv/b", VIEW_LITERAL("\xff\0"),
			  NULL);
	list("?values=0");
	CU_ASSERT_FALSE(client_body_has(&client, "\"value"));
	list("?values=1");
	CU_ASSERT_TRUE(client_body_has(
		&client, "\"expires\":null,\"value\":\"say \\\"hi\\\"\\n\"}"));
	CU_ASSERT_TRUE(client_body_has(&client, ",\"value64\":\"/wA=\"}"));
	list_as("?values=1", "application/jsonl");
	CU_ASSERT_TRUE(client_body_has(&client, ",\"value64\":\"/wA=\"}\n"));
	client_close(&client);
}

static void an_empty_store_has_an_empty_page(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(list(""), 200);
	CU_ASSERT_TRUE(body_is("{\"rev\":0,\"keys\":[],\"prefixes\":[]}\n"));
	CU_ASSERT_EQUAL(list("?limit=0"), 200);
	CU_ASSERT_TRUE(body_is("{\"rev\":0,\"count\":0}\n"));
	CU_ASSERT_TRUE(lists("", ""));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Length"), "0");
	CU_ASSERT_EQUAL(list_as("", "application/jsonl"), 200);
	CU_ASSERT_TRUE(body_is(""));
	client_close(&client);
}

static void keys_are_in_the_order_of_their_bytes(void)
{
	client_open(&client);
	for (unsigned i = 0; i < 256; i++) {
		char key[8];

		snprintf(key, sizeof(key), "%%%02X", i * 167 & 255);
		put(key, "");
	}
	CU_ASSERT_EQUAL(list_as("?limit=256", "text/plain"), 200);

	struct view rest = client_body(&client);

	for (unsigned i = 0; i < 256; i++) {
		struct view line = view_cut(rest, '\n', &rest);
		const char *p = line.data;

		CU_ASSERT_TRUE_FATAL(line.size > 0);
		CU_ASSERT_EQUAL(*p == '%' ? strtoul(p + 1, NULL, 16)
					  : (unsigned char)*p,
				i);
	}
	CU_ASSERT_EQUAL(rest.size, 0);
	client_close(&client);
}

static void what_is_not_utf8_is_base64(void)
{
	client_open(&client);
	put("%FF/1", "");
	put("%FF/2", "");
	put("a/1", "");
	put("b", "");
	put("%C3%A9/1", "");
	list("?prefix=%FF&limit=1");
	CU_ASSERT_TRUE(client_body_has(&client, "{\"key64\":\"/y8x\","));
	CU_ASSERT_TRUE(client_body_has(&client, ",\"next64\":\"/y8x\"}\n"));
	CU_ASSERT_STRING_EQUAL(
		client_field(&client, "Link"),
		"</v1/kv?prefix=%FF&limit=1&after=%FF%2F1>; rel=\"next\"");
	list("?delimiter=/");
	CU_ASSERT_TRUE(client_body_has(&client,
				       "],\"prefixes\":[\"a/\",\"\xc3\xa9/\"],"
				       "\"prefixes64\":[\"/y8=\"]}\n"));
	list_as("?delimiter=/&after=b", "application/jsonl");
	CU_ASSERT_TRUE(body_is("{\"prefix\":\"\xc3\xa9/\"}\n"
			       "{\"prefix64\":\"/y8=\"}\n"));
	client_close(&client);
}

static void the_forms_agree(void)
{
	client_open(&client);
	put("a%20b", "x");
	put("a/b", "x");
	put("a/../c", "x");
	put("z", "x");
	CU_ASSERT_EQUAL(list_as("", "text/plain"), 200);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "text/plain; charset=utf-8");
	CU_ASSERT_TRUE(body_is("a%20b\na%2F..%2Fc\na/b\nz\n"));
	CU_ASSERT_TRUE(lists("?delimiter=/", "a%20b\na/\nz\n"));
	CU_ASSERT_EQUAL(list_as("?delimiter=/&limit=2", "application/jsonl"),
			200);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "application/jsonl");
	CU_ASSERT_TRUE(view_starts_with(client_body(&client),
					VIEW_LITERAL("{\"key\":\"a b\",")));
	CU_ASSERT_TRUE(
		client_body_has(&client, "null}\n{\"prefix\":\"a/\"}\n"));
	CU_ASSERT_STRING_EQUAL(
		client_field(&client, "Link"),
		"</v1/kv?delimiter=%2F&limit=2&after=a%2F>; rel=\"next\"");
	client_close(&client);
}

static void accept_chooses_the_form(void)
{
	static const struct {
		int line;
		const char *query, *accept;
		const char *type; /* NULL: 406 */
	} cases[] = {
		{ __LINE__, "", "*/*", "application/json" },
		{ __LINE__, "", "application/*", "application/json" },
		{ __LINE__, "", "text/html,*/*;q=0.1", "application/json" },
		{ __LINE__, "", "application/jsonl", "application/jsonl" },
		{ __LINE__, "", "text/*", "text/plain; charset=utf-8" },
		{ __LINE__, "", "application/json;q=0.1, text/plain;q=0.2",
		  "text/plain; charset=utf-8" },
		{ __LINE__, "?values=1", "text/plain, */*;q=0.1",
		  "application/json" },
		{ __LINE__, "?values=0", "text/plain",
		  "text/plain; charset=utf-8" },
		{ __LINE__, "?values=1", "text/plain", NULL },
		{ __LINE__, "", "image/png", NULL },
		{ __LINE__, "", "*/*;q=0", NULL },
		{ __LINE__, "?limit=0", "image/png", NULL },
	};

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		int status = list_as(cases[i].query, cases[i].accept);

		HARNESS_CASE(cases[i].line,
			     status == (cases[i].type ? 200 : 406));
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_code(&client),
				     cases[i].type ? "" : "not-acceptable"));
		HARNESS_CASE(cases[i].line,
			     cases[i].type ||
				     client_body_has(&client,
						     "\"header\":\"Accept\""));
		HARNESS_CASE(
			cases[i].line,
			!cases[i].type ||
				!strcmp(client_field(&client, "Content-Type"),
					cases[i].type));
	}
	client_close(&client);
}

static void a_parameter_that_is_wrong_is_named(void)
{
	static const struct {
		int line;
		const char *query, *parameter, *detail;
	} cases[] = {
		{ __LINE__, "limit=1001", "limit",
		  "a whole number, 0 to 1000" },
		{ __LINE__, "limit=", "limit", "a whole number, 0 to 1000" },
		{ __LINE__, "limit", "limit", "a whole number, 0 to 1000" },
		{ __LINE__, "limit=-1", "limit", "a whole number, 0 to 1000" },
		{ __LINE__, "limit=1.5", "limit", "a whole number, 0 to 1000" },
		{ __LINE__, "limit=%zz", "limit", "a whole number, 0 to 1000" },
		{ __LINE__, "limit=99999999999999999999", "limit",
		  "0 to 1000" },
		{ __LINE__, "limit=1&limit=2", "limit", "more than once" },
		{ __LINE__, "values=2", "values", "takes 0 or 1" },
		{ __LINE__, "values=true", "values", "takes 0 or 1" },
		{ __LINE__, "values=", "values", "takes 0 or 1" },
		{ __LINE__, "values=1&values=1", "values", "more than once" },
		{ __LINE__, "delimiter=", "delimiter", "takes 1 to 16 bytes" },
		{ __LINE__, "delimiter=12345678901234567", "delimiter",
		  "takes 1 to 16 bytes" },
		{ __LINE__, "delimiter=%f", "delimiter", "percent-encoded" },
		{ __LINE__, "delimiter=/&delimiter=/", "delimiter",
		  "more than once" },
		{ __LINE__, "prefix=%", "prefix", "takes 0 to 1024 bytes" },
		{ __LINE__, "prefix=a&prefix=b", "prefix", "more than once" },
		{ __LINE__, "after=%4x", "after", "takes 0 to 1024 bytes" },
		{ __LINE__, "after=a&after=a", "after", "more than once" },
		{ __LINE__, "lmit=1", "lmit",
		  "unknown; this resource takes prefix, delimiter, after, "
		  "limit, values" },
		{ __LINE__, "limit=x&values=x", "values", "takes 0 or 1" },
	};
	char target[128], name[64];

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		snprintf(target, sizeof(target), "/v1/kv?%s", cases[i].query);
		snprintf(name, sizeof(name), "{\"parameter\":\"%s\",",
			 cases[i].parameter);
		HARNESS_CASE(cases[i].line, client_send(&client, "GET", target,
							"", NULL) == 400);
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_code(&client), "invalid-request"));
		HARNESS_CASE(cases[i].line, client_body_has(&client, name));
		HARNESS_CASE(cases[i].line,
			     client_body_has(&client, cases[i].detail));
		HARNESS_CASE(cases[i].line, client_send(&client, "HEAD", target,
							"", NULL) == 400);
	}
	client_close(&client);
}

static void a_parameter_has_its_bounds(void)
{
	static const char *const taken[] = {
		"",          "prefix=",    "after=",
		"limit=1",   "limit=0",    "limit=1000",
		"values=0",  "values=%31", "delimiter=1234567890123456",
		"limit=007", "&&limit=1",  "pr%65fix=a",
	};
	static const char *const names[] = { "prefix", "after" };
	char target[128];
	struct buf query = BUF_EMPTY;

	client_open(&client);
	for (size_t i = 0; i < HARNESS_COUNT(taken); i++) {
		snprintf(target, sizeof(target), "?%s", taken[i]);
		CU_ASSERT_EQUAL(list(target), 200);
	}
	for (size_t i = 0; i < HARNESS_COUNT(names); i++) {
		buf_clear(&query);
		buf_addf(&query, "?%s=%%ff", names[i]);
		for (int n = 1; n < STORE_KEY_MAX; n++)
			buf_add_char(&query, 'x');
		CU_ASSERT_EQUAL(list(buf_string(&query)), 200);
		buf_add_char(&query, 'x');
		CU_ASSERT_EQUAL(list(buf_string(&query)), 400);
	}
	buf_release(&query);
	client_close(&client);
}

static void a_page_ends_at_its_limit_and_next_leads_on(void)
{
	client_open(&client);
	put("a", "");
	put("b/1", "");
	put("b/2", "");
	put("c", "");
	list("?limit=2&delimiter=/&values=1");
	CU_ASSERT_TRUE(client_body_has(
		&client, "],\"prefixes\":[\"b/\"],\"next\":\"b/\"}\n"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Link"),
			       "</v1/kv?delimiter=%2F&limit=2&values=1"
			       "&after=b%2F>; rel=\"next\"");
	CU_ASSERT_TRUE(lists("?limit=2&delimiter=/&after=b/", "c\n"));
	CU_ASSERT_PTR_NULL(client_field(&client, "Link"));
	CU_ASSERT_TRUE(lists("?limit=2&after=b/1", "b/2\nc\n"));
	CU_ASSERT_PTR_NULL(client_field(&client, "Link"));
	CU_ASSERT_TRUE(lists("?after=b/1x", "b/2\nc\n"));
	CU_ASSERT_TRUE(lists("?after=c", ""));
	CU_ASSERT_TRUE(lists("?prefix=b&after=a", "b/1\nb/2\n"));
	CU_ASSERT_TRUE(lists("?prefix=b&after=b/2", ""));
	CU_ASSERT_TRUE(lists("?prefix=b/", "b/1\nb/2\n"));
	client_close(&client);
}

static void a_hundred_entries_are_a_page_by_default(void)
{
	char key[16];

	client_open(&client);
	for (int i = 0; i < 101; i++) {
		snprintf(key, sizeof(key), "k%03d", i);
		put(key, "");
	}
	list("");
	CU_ASSERT_TRUE(client_body_has(&client, "\"next\":\"k099\""));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Link"),
			       "</v1/kv?after=k099>; rel=\"next\"");
	list("?after=k000");
	CU_ASSERT_FALSE(client_body_has(&client, "\"next\""));
	client_close(&client);
}

static void limit_0_counts(void)
{
	client_open(&client);
	put("a", "");
	put("b/1", "");
	put("b/2", "");
	list("?limit=0");
	CU_ASSERT_TRUE(body_is("{\"rev\":3,\"count\":3}\n"));
	list("?limit=0&delimiter=/&values=1");
	CU_ASSERT_TRUE(body_is("{\"rev\":3,\"count\":2}\n"));
	list("?limit=0&prefix=b/&after=b/1");
	CU_ASSERT_TRUE(body_is("{\"rev\":3,\"count\":1}\n"));
	CU_ASSERT_TRUE(lists("?limit=0", "3\n"));
	list_as("?limit=0", "application/jsonl");
	CU_ASSERT_TRUE(body_is("{\"rev\":3,\"count\":3}\n"));
	CU_ASSERT_PTR_NULL(client_field(&client, "Link"));
	client_close(&client);
}

static void head_has_the_same_fields_and_no_body(void)
{
	static const char *const accepts[] = {
		"HTTP_ACCEPT=*/*",
		"HTTP_ACCEPT=text/plain",
		"HTTP_ACCEPT=application/jsonl",
	};
	struct buf head = BUF_EMPTY;

	client_open(&client);
	put("a", "");
	put("b", "");
	for (size_t i = 0; i < HARNESS_COUNT(accepts); i++) {
		client_send(&client, "GET", "/v1/kv?limit=1", "", accepts[i],
			    "HTTP_X_REQUEST_ID=1", NULL);
		CU_ASSERT_TRUE(client_body(&client).size > 0);
		buf_clear(&head);
		buf_add_view(&head, buf_view(&client.head));
		client_send(&client, "HEAD", "/v1/kv?limit=1", "", accepts[i],
			    "HTTP_X_REQUEST_ID=1", NULL);
		CU_ASSERT_TRUE(
			view_equal(buf_view(&head), buf_view(&client.head)));
		CU_ASSERT_EQUAL(client_body(&client).size, 0);
	}
	buf_release(&head);
	client_close(&client);
}

static void what_has_expired_or_was_deleted_is_not_listed(void)
{
	client_open(&client);
	put("a?ttl=1", "");
	put("b", "");
	put("c", "");
	put("d?ttl=60", "");
	client_send(&client, "DELETE", "/v1/kv/c", "", NULL);
	CU_ASSERT_TRUE(lists("", "a\nb\nd\n"));
	clock_sleep_ms(1050);
	CU_ASSERT_TRUE(lists("", "b\nd\n"));
	CU_ASSERT_TRUE(lists("?limit=0", "2\n"));
	client_close(&client);
}

/* The target of the next page; false when this one is the last. */
static bool follow(char *target, size_t size)
{
	const char *link = client_field(&client, "Link");

	if (!link)
		return false;
	snprintf(target, size, "%.*s", (int)(strcspn(link, ">") - 1), link + 1);
	return true;
}

/* All pages as text, in one. */
static unsigned read_pages(const char *query, struct buf *all)
{
	char target[8192];
	unsigned pages = 0;

	buf_clear(all);
	snprintf(target, sizeof(target), "/v1/kv?%s", query);
	do {
		CU_ASSERT_EQUAL_FATAL(client_send(&client, "GET", target, "",
						  "HTTP_ACCEPT=text/plain",
						  NULL),
				      200);
		CU_ASSERT_TRUE(client_body(&client).size > 0);
		buf_add_view(all, client_body(&client));
		pages++;
	} while (follow(target, sizeof(target)));
	return pages;
}

static void put_folders(struct buf *keys, struct buf *folders)
{
	char key[32];

	for (int i = 0; i < FOLDERS; i++) {
		buf_addf(folders, "f%02d/\n", i);
		for (int n = 0; n < IN_FOLDER; n++) {
			snprintf(key, sizeof(key), "f%02d/%03d", i, n);
			put(key, "");
			buf_addf(keys, "%s\n", key);
		}
	}
}

static void paging_gives_every_entry_once(void)
{
	static const unsigned limits[] = { 1, 2, 7, 100, 999, 1000 };
	struct buf keys = BUF_EMPTY, folders = BUF_EMPTY, all = BUF_EMPTY;
	char query[64];

	client_open(&client);
	put_folders(&keys, &folders);
	for (size_t i = 0; i < HARNESS_COUNT(limits); i++) {
		unsigned limit = limits[i];

		snprintf(query, sizeof(query), "limit=%u", limit);
		CU_ASSERT_EQUAL(read_pages(query, &all),
				(KEYS + limit - 1) / limit);
		CU_ASSERT_TRUE(view_equal(buf_view(&all), buf_view(&keys)));
		snprintf(query, sizeof(query), "limit=%u&delimiter=/", limit);
		CU_ASSERT_EQUAL(read_pages(query, &all),
				(FOLDERS + limit - 1) / limit);
		CU_ASSERT_TRUE(view_equal(buf_view(&all), buf_view(&folders)));
		snprintf(query, sizeof(query), "limit=%u&delimiter=/&prefix=f",
			 limit);
		read_pages(query, &all);
		CU_ASSERT_TRUE(view_equal(buf_view(&all), buf_view(&folders)));
		snprintf(query, sizeof(query),
			 "limit=%u&delimiter=/&prefix=f07/", limit);
		CU_ASSERT_EQUAL(read_pages(query, &all),
				(IN_FOLDER + limit - 1) / limit);
	}
	buf_release(&keys);
	buf_release(&folders);
	buf_release(&all);
	client_close(&client);
}

/* Reads all pages with values; each key must come once and in order. */
static void check_large_pages(int keys, size_t value_size, int least_pages)
{
	char target[8192] = "/v1/kv?values=1&limit=1000";
	int seen = 0, pages = 0;

	do {
		struct json_error error;
		struct view rest;

		CU_ASSERT_EQUAL(client_send(&client, "GET", target, "", NULL),
				200);
		rest = client_body(&client);
		CU_ASSERT_TRUE(rest.size <= 1 << 20);
		CU_ASSERT_EQUAL(json_check(rest, &error), ERR_OK);
		for (;; seen++) {
			char mark[32];

			snprintf(mark, sizeof(mark), "\"key\":\"%04d\"", seen);
			if (!client_body_has(&client, mark))
				break;
		}
		pages++;
	} while (follow(target, sizeof(target)));
	CU_ASSERT_EQUAL(seen, keys);
	CU_ASSERT_TRUE(pages >= least_pages);
	CU_ASSERT_TRUE((size_t)pages <=
		       (size_t)keys * value_size / 1000000 + 2);
}

static void a_page_ends_at_a_mebibyte(void)
{
	static char value[1001];
	char key[16];

	memset(value, 'x', 1000);
	client_open(&client);
	for (int i = 0; i < 2500; i++) {
		snprintf(key, sizeof(key), "%04d", i);
		put(key, value);
	}
	check_large_pages(2500, 1130, 3);
	client_close(&client);
}

/* Keys of control characters are six times as long in JSON. */
static void keys_alone_can_fill_a_page(void)
{
	struct buf key = BUF_EMPTY;
	struct view body;

	client_open(&client);
	for (int i = 0; i < 400; i++) {
		buf_clear(&key);
		buf_addf(&key, "%04d", i);
		for (int n = 4; n < 1024; n++)
			buf_add_string(&key, "%01");
		put(buf_string(&key), "");
	}
	CU_ASSERT_EQUAL(list("?limit=1000"), 200);
	body = client_body(&client);
	CU_ASSERT_TRUE(body.size <= 1 << 20);
	CU_ASSERT_TRUE(body.size > (1 << 20) - (16 << 10));
	CU_ASSERT_TRUE(client_body_has(&client, ",\"next\":\"0"));
	CU_ASSERT_EQUAL(list("?limit=1000&delimiter=%01%01%01"), 200);
	CU_ASSERT_FALSE(client_body_has(&client, ",\"next\":\"0"));
	buf_release(&key);
	client_close(&client);
}

/* One that is larger than a page is a page of its own. */
static void a_large_value_is_a_page_of_its_own(void)
{
	static char value[2 << 20];

	client_open(&client);
	client.api.store->value_max_bytes = sizeof(value);
	client.conf.value_max_bytes = sizeof(value);
	memset(value, 0xff, sizeof(value));
	put("a", "");
	for (int i = 0; i < 2; i++)
		client_send_bytes(&client, "PUT", i ? "/v1/kv/b" : "/v1/kv/c",
				  (struct view){ value, sizeof(value) }, NULL);
	put("d", "");
	list("?values=1");
	CU_ASSERT_TRUE(client_body_has(&client, "\"next\":\"a\""));
	list("?values=1&after=a");
	CU_ASSERT_TRUE(client_body_has(&client, "\"next\":\"b\""));
	CU_ASSERT_TRUE(client_body(&client).size > sizeof(value) / 3 * 4);
	list("?values=1&after=b");
	CU_ASSERT_TRUE(client_body_has(&client, "\"next\":\"c\""));
	list("?values=1&after=c");
	CU_ASSERT_FALSE(client_body_has(&client, "\"next\""));
	CU_ASSERT_TRUE(client_body_has(&client, "\"key\":\"d\""));
	list("");
	CU_ASSERT_FALSE(client_body_has(&client, "\"next\""));
	client_close(&client);
}

static int clear(const char *query)
{
	char target[4096];

	snprintf(target, sizeof(target), "/v1/kv%s", query);
	return client_send(&client, "DELETE", target, "", NULL);
}

static void a_prefix_is_deleted_in_one_revision(void)
{
	client_open(&client);
	put("a", "");
	put("a/1", "");
	put("a/2", "");
	put("a0", "");
	put("%FF", "");
	CU_ASSERT_EQUAL(clear("?prefix=a%2F"), 200);
	CU_ASSERT_TRUE(body_is("{\"deleted\":2,\"rev\":6}\n"));
	CU_ASSERT_EQUAL(client.response.ticket, 6);
	CU_ASSERT_TRUE(lists("", "a\na0\n%FF\n"));
	CU_ASSERT_EQUAL(clear("?prefix=a/"), 200);
	CU_ASSERT_TRUE(body_is("{\"deleted\":0,\"rev\":6}\n"));
	CU_ASSERT_EQUAL(clear("?prefix=%FF"), 200);
	CU_ASSERT_TRUE(body_is("{\"deleted\":1,\"rev\":7}\n"));
	CU_ASSERT_TRUE(lists("", "a\na0\n"));
	client_close(&client);
}

static void without_a_prefix_nothing_is_deleted(void)
{
	static const char *const queries[] = {
		"",          "?prefix=",           "?prefix",
		"?prefix=%", "?prefix=a&prefix=b", "?prefix=a&limit=1",
	};

	client_open(&client);
	put("a", "");
	for (size_t i = 0; i < HARNESS_COUNT(queries); i++) {
		CU_ASSERT_EQUAL(clear(queries[i]), 400);
		CU_ASSERT_STRING_EQUAL(client_code(&client), "invalid-request");
	}
	clear("");
	CU_ASSERT_TRUE(client_body_has(
		&client, "{\"parameter\":\"prefix\",\"detail\":\"required\"}"));
	CU_ASSERT_EQUAL(client_send(&client, "DELETE", "/v1/kv?prefix=a", "",
				    "HTTP_IF_MATCH=\"1\"", NULL),
			400);
	CU_ASSERT_TRUE(client_body_has(&client, "If-Match"));
	CU_ASSERT_TRUE(lists("", "a\n"));
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(an_entry_tells_all_but_the_value),
	HARNESS_TEST(values_come_when_they_are_asked_for),
	HARNESS_TEST(an_empty_store_has_an_empty_page),
	HARNESS_TEST(keys_are_in_the_order_of_their_bytes),
	HARNESS_TEST(what_is_not_utf8_is_base64),
	HARNESS_TEST(the_forms_agree),
	HARNESS_TEST(accept_chooses_the_form),
	HARNESS_TEST(a_parameter_that_is_wrong_is_named),
	HARNESS_TEST(a_parameter_has_its_bounds),
	HARNESS_TEST(a_page_ends_at_its_limit_and_next_leads_on),
	HARNESS_TEST(a_hundred_entries_are_a_page_by_default),
	HARNESS_TEST(limit_0_counts),
	HARNESS_TEST(head_has_the_same_fields_and_no_body),
	HARNESS_TEST(what_has_expired_or_was_deleted_is_not_listed),
	HARNESS_TEST(paging_gives_every_entry_once),
	HARNESS_TEST(a_page_ends_at_a_mebibyte),
	HARNESS_TEST(keys_alone_can_fill_a_page),
	HARNESS_TEST(a_large_value_is_a_page_of_its_own),
	HARNESS_TEST(a_prefix_is_deleted_in_one_revision),
	HARNESS_TEST(without_a_prefix_nothing_is_deleted),
};

int main(void)
{
	return harness_run("api/entries", tests, HARNESS_COUNT(tests));
}
