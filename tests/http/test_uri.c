/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/uri.c. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "http/uri.h"
#include "store/store.h"

static char out[STORE_KEY_MAX];

static enum err decode(struct view raw, size_t *size)
{
	return uri_decode(raw, out, sizeof(out), size);
}

static void a_path_names_exactly_these_bytes(void)
{
	static const struct {
		int line;
		struct view raw;
		struct view key;
	} cases[] = {
		{ __LINE__, VIEW_LITERAL("a"), VIEW_LITERAL("a") },
		{ __LINE__, VIEW_LITERAL("a//b"), VIEW_LITERAL("a//b") },
		{ __LINE__, VIEW_LITERAL("a/"), VIEW_LITERAL("a/") },
		{ __LINE__, VIEW_LITERAL("/a"), VIEW_LITERAL("/a") },
		{ __LINE__, VIEW_LITERAL("a%2Fb"), VIEW_LITERAL("a/b") },
		{ __LINE__, VIEW_LITERAL("a%2fb"), VIEW_LITERAL("a/b") },
		{ __LINE__, VIEW_LITERAL(".."), VIEW_LITERAL("..") },
		{ __LINE__, VIEW_LITERAL("%2e%2E"), VIEW_LITERAL("..") },
		{ __LINE__, VIEW_LITERAL("%00"), VIEW_LITERAL("\0") },
		{ __LINE__, VIEW_LITERAL("%FF"), VIEW_LITERAL("\xff") },
		{ __LINE__, VIEW_LITERAL("\xff"), VIEW_LITERAL("\xff") },
		{ __LINE__, VIEW_LITERAL("%2525"), VIEW_LITERAL("%25") },
		{ __LINE__, VIEW_LITERAL("a+b"), VIEW_LITERAL("a+b") },
		{ __LINE__, VIEW_LITERAL("a%20b"), VIEW_LITERAL("a b") },
		{ __LINE__, VIEW_LITERAL(""), VIEW_LITERAL("") },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		size_t size;

		HARNESS_CASE(cases[i].line,
			     decode(cases[i].raw, &size) == ERR_OK);
		HARNESS_CASE(
			cases[i].line,
			view_equal((struct view){ out, size }, cases[i].key));
	}
}

static void a_malformed_percent_is_found_where_it_stands(void)
{
	static const struct {
		int line;
		const char *raw;
		size_t position;
	} cases[] = {
		{ __LINE__, "%", 0 },    { __LINE__, "%4", 0 },
		{ __LINE__, "%zz", 0 },  { __LINE__, "%4g", 0 },
		{ __LINE__, "%g4", 0 },  { __LINE__, "a%", 1 },
		{ __LINE__, "ab%2", 2 }, { __LINE__, "%41%", 3 },
		{ __LINE__, "%%41", 0 }, { __LINE__, "%-1", 0 },
		{ __LINE__, "% 1", 0 },  { __LINE__, "%u0041", 0 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		size_t position = 99;

		HARNESS_CASE(cases[i].line, decode(view_of(cases[i].raw),
						   &position) == ERR_INVALID);
		HARNESS_CASE(cases[i].line, position == cases[i].position);
	}
}

static void every_one_byte_key_comes_back(void)
{
	struct buf encoded = BUF_EMPTY;

	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		char triple[4];
		size_t size;

		snprintf(triple, sizeof(triple), "%%%02x", (unsigned)c);
		CU_ASSERT_EQUAL(decode(view_of(triple), &size), ERR_OK);
		CU_ASSERT_EQUAL(size, 1);
		CU_ASSERT_EQUAL(out[0], byte);

		buf_clear(&encoded);
		uri_encode((struct view){ &byte, 1 }, &encoded);
		CU_ASSERT_EQUAL(decode(buf_view(&encoded), &size), ERR_OK);
		CU_ASSERT_EQUAL(size, 1);
		CU_ASSERT_EQUAL(out[0], byte);
	}
	buf_release(&encoded);
}

static void a_key_has_room_for_1024_bytes_and_not_one_more(void)
{
	static const char *const pieces[] = { "a", "%00", "%2F", "/", "\xff" };

	for (size_t i = 0; i < HARNESS_COUNT(pieces); i++) {
		struct buf raw = BUF_EMPTY;
		size_t size = 0;

		for (int n = 0; n < STORE_KEY_MAX; n++)
			buf_add_string(&raw, pieces[i]);
		CU_ASSERT_EQUAL(decode(buf_view(&raw), &size), ERR_OK);
		CU_ASSERT_EQUAL(size, STORE_KEY_MAX);
		buf_add_string(&raw, pieces[i]);
		CU_ASSERT_EQUAL(decode(buf_view(&raw), &size),
				ERR_KEY_TOO_LONG);
		buf_release(&raw);
	}
}

static void a_url_is_written_so_that_no_client_changes_it(void)
{
	static const struct {
		int line;
		struct view key;
		const char *segment;
		const char *path;
	} cases[] = {
		{ __LINE__, VIEW_LITERAL("az AZ09-._~"), "az%20AZ09-._~",
		  "az%20AZ09-._~" },
		{ __LINE__, VIEW_LITERAL("a/b"), "a%2Fb", "a/b" },
		{ __LINE__, VIEW_LITERAL("/a//b/"), "%2Fa%2F%2Fb%2F",
		  "/a//b/" },
		{ __LINE__, VIEW_LITERAL("a/../b"), "a%2F..%2Fb",
		  "a%2F..%2Fb" },
		{ __LINE__, VIEW_LITERAL("./a"), ".%2Fa", ".%2Fa" },
		{ __LINE__, VIEW_LITERAL("a/."), "a%2F.", "a%2F." },
		{ __LINE__, VIEW_LITERAL("a/...b"), "a%2F...b", "a/...b" },
		{ __LINE__, VIEW_LITERAL("?#%+&="), "%3F%23%25%2B%26%3D",
		  "%3F%23%25%2B%26%3D" },
		{ __LINE__, VIEW_LITERAL("\0\r\n\xff"), "%00%0D%0A%FF",
		  "%00%0D%0A%FF" },
		{ __LINE__, VIEW_LITERAL(""), "", "" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf text = BUF_EMPTY;

		uri_encode(cases[i].key, &text);
		HARNESS_CASE(cases[i].line,
			     !strcmp(buf_string(&text), cases[i].segment));
		buf_clear(&text);
		uri_encode_path(cases[i].key, &text);
		HARNESS_CASE(cases[i].line,
			     !strcmp(buf_string(&text), cases[i].path));
		buf_release(&text);
	}
}

static void a_query_is_read_part_by_part(void)
{
	struct view rest = VIEW_LITERAL("a=1&&b&c==%41&=x&d=&");
	static const struct {
		const char *name;
		const char *value; /* NULL: no "=" */
	} parts[] = {
		{ "a", "1" }, { "b", NULL }, { "c", "=%41" },
		{ "", "x" },  { "d", "" },
	};
	struct view name, value;

	for (size_t i = 0; i < HARNESS_COUNT(parts); i++) {
		CU_ASSERT_TRUE_FATAL(uri_query_next(&rest, &name, &value));
		CU_ASSERT_TRUE(view_equal_string(name, parts[i].name));
		CU_ASSERT_EQUAL(!value.data, !parts[i].value);
		CU_ASSERT_TRUE(view_equal_string(value, parts[i].value));
	}
	CU_ASSERT_FALSE(uri_query_next(&rest, &name, &value));
}

static void no_query_and_an_empty_one_have_no_parts(void)
{
	struct view none = { 0 };
	struct view empty = VIEW_LITERAL("");
	struct view name, value;

	CU_ASSERT_FALSE(uri_query_next(&none, &name, &value));
	CU_ASSERT_FALSE(uri_query_next(&empty, &name, &value));
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_path_names_exactly_these_bytes),
	HARNESS_TEST(a_malformed_percent_is_found_where_it_stands),
	HARNESS_TEST(every_one_byte_key_comes_back),
	HARNESS_TEST(a_key_has_room_for_1024_bytes_and_not_one_more),
	HARNESS_TEST(a_url_is_written_so_that_no_client_changes_it),
	HARNESS_TEST(a_query_is_read_part_by_part),
	HARNESS_TEST(no_query_and_an_empty_one_have_no_parts),
};

int main(void)
{
	return harness_run("http/uri", tests, HARNESS_COUNT(tests));
}
