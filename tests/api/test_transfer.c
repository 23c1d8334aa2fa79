/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Export and import; what the lines are is tested in test_lines.c. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/client.h"
#include "base/crc32c.h"
#include "fault.h"
#include "harness.h"

static struct client client;

static void open_client(void)
{
	client_open(&client);
	client.conf.data_dir = harness_tmpdir();
}

static int put(const char *key, const char *value)
{
	char target[64];

	snprintf(target, sizeof(target), "/v1/kv/%s", key);
	return client_send(&client, "PUT", target, value,
			   "CONTENT_TYPE=text/plain", NULL);
}

static bool has(const char *key, const char *value)
{
	char target[64];

	snprintf(target, sizeof(target), "/v1/kv/%s", key);
	if (client_send(&client, "GET", target, "", NULL) != 200)
		return !value;
	return value && view_equal_string(client_body(&client), value);
}

static uint64_t revision(void)
{
	struct store_stats stats;

	store_stats(client.api.store, &stats);
	return stats.revision;
}

/* Lines, with the right last line added; then import them. */
static int import_lines(const char *target, const char *lines, size_t count)
{
	struct buf text = BUF_EMPTY;
	int status;

	buf_add_string(&text, lines);
	buf_addf(&text, "{\"count\":%zu,\"crc32c\":\"%08" PRIx32 "\"}\n", count,
		 crc32c(0, lines, strlen(lines)));
	status = client_send_bytes(&client, "POST", target, buf_view(&text),
				   NULL);
	buf_release(&text);
	return status;
}

#define HEAD       "{\"librapi\":1}\n"
#define MANY       3000 /* records: too many to be kept in memory */
#define LINE(k, v) "{\"key\":\"" k "\",\"value\":\"" v "\"}\n"

static void what_was_exported_is_imported(void)
{
	struct buf lines = BUF_EMPTY;

	open_client();
	put("a", "1");
	put("b", "2");
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/export", "", NULL),
			200);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "application/jsonl");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Disposition"),
			       "attachment; filename=\"librapi-2.jsonl\"");
	CU_ASSERT_PTR_NULL(client_field(&client, "Content-Length"));
	CU_ASSERT(!client.stream_failed);
	buf_add_view(&lines, client_body(&client));
	client_close(&client);

	open_client();
	put("b", "to be replaced");
	put("c", "3");
	CU_ASSERT_EQUAL(client_send_bytes(&client, "POST", "/v1/import",
					  buf_view(&lines), NULL),
			200);
	CU_ASSERT(client_body_has(&client, "{\"count\":2,\"deleted\":0,"
					   "\"rev\":3,\"atomic\":true}"));
	CU_ASSERT(has("a", "1") && has("b", "2") && has("c", "3"));
	CU_ASSERT_EQUAL(client_send_bytes(&client, "POST",
					  "/v1/import?mode=replace",
					  buf_view(&lines), NULL),
			200);
	CU_ASSERT(client_body_has(&client, "{\"count\":2,\"deleted\":1,"
					   "\"rev\":4,\"atomic\":true}"));
	CU_ASSERT(has("a", "1") && has("b", "2") && has("c", NULL));
	buf_release(&lines);
	client_close(&client);
}

static void an_export_can_be_of_a_prefix(void)
{
	open_client();
	put("a/1", "1");
	put("a/2", "2");
	put("b", "3");
	CU_ASSERT_EQUAL(
		client_send(&client, "GET", "/v1/export?prefix=a%2F", "", NULL),
		200);
	CU_ASSERT(client_body_has(&client, "\"prefix\":\"a/\"}\n"));
	CU_ASSERT(client_body_has(&client, "\"a/1\""));
	CU_ASSERT(!client_body_has(&client, "\"b\""));
	CU_ASSERT(client_body_has(&client, "{\"count\":2,"));
	client_close(&client);
}

static void head_tells_of_an_export_without_making_it(void)
{
	open_client();
	put("a", "1");
	CU_ASSERT_EQUAL(client_send(&client, "HEAD", "/v1/export", "", NULL),
			200);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Disposition"),
			       "attachment; filename=\"librapi-1.jsonl\"");
	/* What expires goes without a revision: that is no strong tag. */
	CU_ASSERT_PTR_NULL(client_field(&client, "ETag"));
	CU_ASSERT_PTR_NULL(client_field(&client, "Content-Length"));
	CU_ASSERT_EQUAL(client_body(&client).size, 0);
	client_close(&client);
}

static void replacing_keeps_to_the_prefix(void)
{
	static const struct {
		int line;
		const char *target;
		const char *lines;
		size_t count;
		bool other; /* stays */
	} cases[] = {
		{ __LINE__, "/v1/import?mode=replace&prefix=a/",
		  HEAD LINE("a/1", "new"), 1, true },
		{ __LINE__, "/v1/import?mode=replace",
		  "{\"librapi\":1,\"prefix\":\"a/\"}\n" LINE("a/1", "new"), 1,
		  true },
		{ __LINE__, "/v1/import?mode=replace&prefix=a",
		  "{\"librapi\":1,\"prefix\":\"a/\"}\n" LINE("a/1", "new"), 1,
		  true },
		{ __LINE__, "/v1/import?mode=replace", HEAD LINE("a/1", "new"),
		  1, false },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		open_client();
		put("a/0", "old");
		put("a/1", "old");
		put("a/2", "old");
		put("b", "old");
		put("A", "old");
		HARNESS_CASE(cases[i].line,
			     import_lines(cases[i].target, cases[i].lines,
					  cases[i].count) == 200);
		HARNESS_CASE(cases[i].line, has("a/0", NULL));
		HARNESS_CASE(cases[i].line, has("a/1", "new"));
		HARNESS_CASE(cases[i].line, has("a/2", NULL));
		HARNESS_CASE(cases[i].line,
			     has("b", cases[i].other ? "old" : NULL));
		HARNESS_CASE(cases[i].line,
			     has("A", cases[i].other ? "old" : NULL));
		client_close(&client);
	}
}

static void replacing_by_nothing_deletes_all(void)
{
	open_client();
	put("a", "1");
	put("b", "2");
	CU_ASSERT_EQUAL(import_lines("/v1/import?mode=replace", HEAD, 0), 200);
	CU_ASSERT(client_body_has(&client, "{\"count\":0,\"deleted\":2,"
					   "\"rev\":3,\"atomic\":true}"));
	CU_ASSERT(has("a", NULL) && has("b", NULL));
	client_close(&client);
}

static void what_can_not_be_imported_changes_nothing(void)
{
	static const struct {
		int line;
		const char *target;
		const char *lines;
		size_t count;
		const char *why;
	} cases[] = {
		{ __LINE__, "/v1/import", HEAD LINE("a", "1"), 2,
		  "line 3: the count is not" },
		{ __LINE__, "/v1/import", "{}\n", 0, "line 1: the first line" },
		{ __LINE__, "/v1/import", "", 0, "line 1: the first line" },
		{ __LINE__, "/v1/import", HEAD "nonsense\n", 1,
		  "line 2: not JSON" },
		{ __LINE__, "/v1/import?prefix=a", HEAD LINE("b", "1"), 1,
		  "line 2: the key is outside" },
		{ __LINE__, "/v1/import?prefix=a",
		  "{\"librapi\":1,\"prefix\":\"b\"}\n", 0,
		  "line 1: the lines are of a prefix outside" },
		{ __LINE__, "/v1/import",
		  "{\"librapi\":1,\"prefix\":\"a\"}\n" LINE("b", "1"), 1,
		  "line 2: the key does not begin with" },
		{ __LINE__, "/v1/import?mode=replace",
		  HEAD LINE("b", "1") LINE("a", "1"), 2,
		  "line 3: the key is not greater" },
		{ __LINE__, "/v1/import?mode=replace",
		  HEAD LINE("a", "1") LINE("a", "1"), 2,
		  "line 3: the key is not greater" },
		{ __LINE__, "/v1/import?mode=other", HEAD, 0, "mode" },
		{ __LINE__, "/v1/import?mod=merge", HEAD, 0, "unknown" },
	};

	open_client();
	put("x", "1");
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		HARNESS_CASE(cases[i].line,
			     import_lines(cases[i].target, cases[i].lines,
					  cases[i].count) == 400);
		HARNESS_CASE(cases[i].line,
			     !strcmp(client_code(&client), "invalid-request"));
		HARNESS_CASE(cases[i].line,
			     client_body_has(&client, cases[i].why));
	}
	CU_ASSERT_EQUAL(revision(), 1);
	client_close(&client);
}

static void a_body_that_was_cut_off_changes_nothing(void)
{
	struct buf lines = BUF_EMPTY;

	open_client();
	put("a", "1");
	client_send(&client, "GET", "/v1/export", "", NULL);
	buf_add_view(&lines, client_body(&client));
	for (client.cut = 1; client.cut < lines.size; client.cut++) {
		CU_ASSERT_EQUAL(client_send_bytes(&client, "POST", "/v1/import",
						  buf_view(&lines), NULL),
				503);
		CU_ASSERT(client_body_has(&client, "cut off"));
	}
	client.cut = 0;
	for (size_t size = 0; size < lines.size; size++)
		CU_ASSERT_EQUAL(
			client_send_bytes(&client, "POST", "/v1/import",
					  (struct view){ lines.data, size },
					  NULL),
			400);
	CU_ASSERT_EQUAL(revision(), 1);
	buf_release(&lines);
	client_close(&client);
}

static void what_is_no_lines_is_refused_by_its_header(void)
{
	open_client();
	CU_ASSERT_EQUAL(client_send(&client, "POST", "/v1/import", "",
				    "HTTP_CONTENT_ENCODING=gzip", NULL),
			415);
	CU_ASSERT_EQUAL(
		client_send(&client, "POST", "/v1/import", "",
			    "CONTENT_TYPE=multipart/form-data; boundary=x",
			    NULL),
		415);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/export", "",
				    "HTTP_ACCEPT=application/json", NULL),
			406);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/export", "",
				    "HTTP_ACCEPT=application/x-ndjson", NULL),
			200);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "application/x-ndjson");
	CU_ASSERT_EQUAL(client_send(&client, "POST", "/v1/export", "", NULL),
			405);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1/import", "", NULL),
			405);
	client_close(&client);
}

/* So much that it is kept in a file meanwhile. */
static int import_large(void)
{
	struct buf lines = BUF_EMPTY;
	int status;

	buf_add_string(&lines, HEAD);
	for (int i = 0; i < MANY; i++)
		buf_addf(&lines, LINE("%d", "%100d"), i, i);
	status = import_lines("/v1/import", buf_string(&lines), MANY);
	buf_release(&lines);
	return status;
}

static void without_a_folder_for_the_upload_nothing_changes(void)
{
	open_client();
	client.conf.data_dir = "/nonexistent";
	CU_ASSERT_EQUAL(import_large(), 500);
	CU_ASSERT_EQUAL(revision(), 0);
	CU_ASSERT_EQUAL(import_lines("/v1/import", HEAD LINE("a", "1"), 1),
			200);
	client_close(&client);
}

static void on_a_full_disk_nothing_changes_and_nothing_stays(void)
{
	unsigned n = 1;

	open_client();
	for (;; n++) {
		int status;

		fault_arm(FAULT_WRITE, n, ENOSPC);
		status = import_large();
		if (!fault_disarm())
			break;
		CU_ASSERT_EQUAL(status, 507);
		CU_ASSERT_STRING_EQUAL(client_code(&client), "storage-full");
		CU_ASSERT_EQUAL(revision(), 0);
	}
	CU_ASSERT(n > 2);
	CU_ASSERT_EQUAL(revision(), 1);
	CU_ASSERT_EQUAL(rmdir(harness_tmpdir()), 0);
	CU_ASSERT_EQUAL(mkdir(harness_tmpdir(), 0700), 0);
	client_close(&client);
}

/* Of an import, json-c is known to crash where it has no memory. */
static void without_memory_an_export_is_whole_or_none(void)
{
	unsigned n = 1;

	if (!fault_available(FAULT_MEMORY))
		return;
	open_client();
	put("a", "1");
	for (;; n++) {
		int status;

		response_release(&client.response);
		buf_release(&client.body);
		fault_arm(FAULT_MEMORY, n, ENOMEM);
		status = client_send(&client, "GET", "/v1/export", "", NULL);
		if (!fault_disarm())
			break;
		CU_ASSERT(status == 503 || status == 200);
		CU_ASSERT(status == 503 || client.stream_failed ||
			  client_body_has(&client, "{\"count\":1,") ||
			  !client.body.size);
	}
	CU_ASSERT(n > 3);
	client_close(&client);
}

static struct store_engine filling;
static const struct store_engine *roomy;
static int commits_left;

static enum err filling_commit(struct store *store, struct store_batch *batch,
			       uint64_t *ticket)
{
	*ticket = 0;
	return commits_left-- > 0 ? roomy->commit(store, batch, ticket)
				  : ERR_FULL;
}

/* More than one commit takes; the answer tells how far it came. */
static void where_the_store_gets_full_it_can_be_repeated(void)
{
	struct buf lines = BUF_EMPTY;

	open_client();
	roomy = client.api.store->engine;
	filling = *roomy;
	filling.commit = filling_commit;
	client.api.store->engine = &filling;
	commits_left = 3;
	buf_add_string(&lines, HEAD);
	for (int n = 0; n < 20000; n++)
		buf_addf(&lines, "{\"key\":\"%05d\",\"value\":\"\"}\n", n);
	CU_ASSERT_EQUAL(import_lines("/v1/import", buf_string(&lines), 20000),
			507);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "storage-full");
	CU_ASSERT(client_body_has(&client, "1536 records are in"));
	CU_ASSERT_EQUAL(revision(), 3);
	client.api.store->engine = roomy;
	CU_ASSERT_EQUAL(import_lines("/v1/import", buf_string(&lines), 20000),
			200);
	CU_ASSERT(client_body_has(&client, "{\"count\":20000,"));
	CU_ASSERT(client_body_has(&client, "\"atomic\":false"));
	buf_release(&lines);
	client_close(&client);
}

/* In more than one commit: what is in already is not what was there before. */
static void replacing_deletes_what_was_there_and_nothing_else(void)
{
	static const struct {
		int line;
		const char *before; /* the number, in the names of the stale */
		const char *behind;
		int stale_count;
	} cases[] = {
		{ __LINE__, "", "", 0 },     { __LINE__, "~", "", 1 },
		{ __LINE__, "!", "", 1 },    { __LINE__, "", "+", 1 },
		{ __LINE__, "", "+", 1024 }, { __LINE__, "", "+", 3000 },
		{ __LINE__, "!", "", 3000 }, { __LINE__, "", "", 1500 },
	};
	struct buf lines = BUF_EMPTY;

	buf_add_string(&lines, HEAD);
	for (int n = 0; n < 20000; n++)
		buf_addf(&lines, "{\"key\":\"%05d\",\"value\":\"\"}\n", n);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		bool same = !*cases[i].before && !*cases[i].behind;
		char deleted[64], key[32];

		open_client();
		for (int n = 0; n < cases[i].stale_count; n++) {
			snprintf(key, sizeof(key), "%s%05d%s", cases[i].before,
				 n, cases[i].behind);
			put(key, "x");
		}
		snprintf(deleted, sizeof(deleted),
			 "{\"count\":20000,\"deleted\":%d,",
			 same ? 0 : cases[i].stale_count);
		HARNESS_CASE(cases[i].line,
			     import_lines("/v1/import?mode=replace",
					  buf_string(&lines), 20000) == 200);
		HARNESS_CASE(cases[i].line, client_body_has(&client, deleted));
		client_send(&client, "GET", "/v1/kv?limit=0", "", NULL);
		HARNESS_CASE(cases[i].line,
			     client_body_has(&client, "\"count\":20000}"));
		client_close(&client);
	}
	buf_release(&lines);
}

static void an_import_under_a_condition_is_refused(void)
{
	static const char *const conditions[] = {
		"HTTP_IF_MATCH=\"1\"",
		"HTTP_IF_NONE_MATCH=*",
		"HTTP_IF_UNMODIFIED_SINCE=Tue, 24 Nov 2026 06:07:47 GMT",
	};

	open_client();
	put("a", "1");
	for (size_t i = 0; i < HARNESS_COUNT(conditions); i++) {
		CU_ASSERT_EQUAL(client_send(&client, "POST",
					    "/v1/import?mode=replace",
					    HEAD "{\"count\":0,\"crc32c\":"
						 "\"00000000\"}\n",
					    conditions[i], NULL),
				400);
		CU_ASSERT(client_body_has(&client, "\"header\":\"If-"));
		CU_ASSERT(has("a", "1"));
	}
	CU_ASSERT_EQUAL(revision(), 1);
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(an_import_under_a_condition_is_refused),
	HARNESS_TEST(what_was_exported_is_imported),
	HARNESS_TEST(an_export_can_be_of_a_prefix),
	HARNESS_TEST(head_tells_of_an_export_without_making_it),
	HARNESS_TEST(replacing_keeps_to_the_prefix),
	HARNESS_TEST(replacing_by_nothing_deletes_all),
	HARNESS_TEST(what_can_not_be_imported_changes_nothing),
	HARNESS_TEST(a_body_that_was_cut_off_changes_nothing),
	HARNESS_TEST(what_is_no_lines_is_refused_by_its_header),
	HARNESS_TEST(without_a_folder_for_the_upload_nothing_changes),
	HARNESS_TEST(on_a_full_disk_nothing_changes_and_nothing_stays),
	HARNESS_TEST(without_memory_an_export_is_whole_or_none),
	HARNESS_TEST(where_the_store_gets_full_it_can_be_repeated),
	HARNESS_TEST(replacing_deletes_what_was_there_and_nothing_else),
};

int main(void)
{
	return harness_run("api/transfer", tests, HARNESS_COUNT(tests));
}
