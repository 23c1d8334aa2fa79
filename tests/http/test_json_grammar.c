/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/json_grammar.c. */
#include "harness.h"

#include <string.h>

#include "http/json.h"

static void what_is_no_json_is_refused_where_it_ends(void)
{
	static const struct {
		int line;
		struct view text;
		size_t position;
	} cases[] = {
		{ __LINE__, VIEW_LITERAL(""), 0 },
		{ __LINE__, VIEW_LITERAL(" "), 1 },
		{ __LINE__, VIEW_LITERAL("{"), 1 },
		{ __LINE__, VIEW_LITERAL("}"), 0 },
		{ __LINE__, VIEW_LITERAL("["), 1 },
		{ __LINE__, VIEW_LITERAL("[1"), 2 },
		{ __LINE__, VIEW_LITERAL("[1,"), 3 },
		{ __LINE__, VIEW_LITERAL("[1,]"), 3 },
		{ __LINE__, VIEW_LITERAL("[,1]"), 1 },
		{ __LINE__, VIEW_LITERAL("[1 2]"), 3 },
		{ __LINE__, VIEW_LITERAL("[1}"), 2 },
		{ __LINE__, VIEW_LITERAL("{\"a\"}"), 4 },
		{ __LINE__, VIEW_LITERAL("{\"a\":}"), 5 },
		{ __LINE__, VIEW_LITERAL("{\"a\":1,}"), 7 },
		{ __LINE__, VIEW_LITERAL("{a:1}"), 1 },
		{ __LINE__, VIEW_LITERAL("{1:1}"), 1 },
		{ __LINE__, VIEW_LITERAL("{'a':1}"), 1 },
		{ __LINE__, VIEW_LITERAL("{\"a\":1"), 6 },
		{ __LINE__, VIEW_LITERAL("{\"a\" 1}"), 5 },
		{ __LINE__, VIEW_LITERAL("{} x"), 3 },
		{ __LINE__, VIEW_LITERAL("1 2"), 2 },
		{ __LINE__, VIEW_LITERAL("{}\0"), 2 },
		{ __LINE__, VIEW_LITERAL("01"), 1 },
		{ __LINE__, VIEW_LITERAL("1."), 2 },
		{ __LINE__, VIEW_LITERAL(".5"), 0 },
		{ __LINE__, VIEW_LITERAL("+1"), 0 },
		{ __LINE__, VIEW_LITERAL("-"), 1 },
		{ __LINE__, VIEW_LITERAL("1e"), 2 },
		{ __LINE__, VIEW_LITERAL("1e+"), 3 },
		{ __LINE__, VIEW_LITERAL("0x10"), 1 },
		{ __LINE__, VIEW_LITERAL("NaN"), 0 },
		{ __LINE__, VIEW_LITERAL("Infinity"), 0 },
		{ __LINE__, VIEW_LITERAL("-Infinity"), 1 },
		{ __LINE__, VIEW_LITERAL("nul"), 0 },
		{ __LINE__, VIEW_LITERAL("nulL"), 0 },
		{ __LINE__, VIEW_LITERAL("True"), 0 },
		{ __LINE__, VIEW_LITERAL("/* */1"), 0 },
		{ __LINE__, VIEW_LITERAL("\xef\xbb\xbf{}"), 0 },
		{ __LINE__, VIEW_LITERAL("'a'"), 0 },
		{ __LINE__, VIEW_LITERAL("\""), 1 },
		{ __LINE__, VIEW_LITERAL("\"a"), 2 },
		{ __LINE__, VIEW_LITERAL("\"a\nb\""), 2 },
		{ __LINE__, VIEW_LITERAL("\"a\0b\""), 2 },
		{ __LINE__, VIEW_LITERAL("\"\\"), 2 },
		{ __LINE__, VIEW_LITERAL("\"\\x\""), 2 },
		{ __LINE__, VIEW_LITERAL("\"\\\0\""), 2 },
		{ __LINE__, VIEW_LITERAL("\"\\u12"), 5 },
		{ __LINE__, VIEW_LITERAL("\"\\u12g4\""), 5 },
		{ __LINE__, VIEW_LITERAL("\"\\ud800\""), 3 },
		{ __LINE__, VIEW_LITERAL("\"\\udc00\""), 3 },
		{ __LINE__, VIEW_LITERAL("\"\\ud800x\""), 3 },
		{ __LINE__, VIEW_LITERAL("\"\\ud800\\ud800\""), 3 },
		{ __LINE__, VIEW_LITERAL("\"\\ud800\\u0041\""), 3 },
		{ __LINE__, VIEW_LITERAL("\"\\ud800\\n\""), 3 },
		{ __LINE__, VIEW_LITERAL("{\"a\\u0000b\":1}"), 5 },
		{ __LINE__, VIEW_LITERAL("\"a\xff\""), 2 },
		{ __LINE__, VIEW_LITERAL("\"\xc3\""), 1 },
		{ __LINE__, VIEW_LITERAL("\"\xed\xa0\x80\""), 1 },
		{ __LINE__, VIEW_LITERAL("\"\xc0\x80\""), 1 },
		{ __LINE__, VIEW_LITERAL("\"\xf4\x90\x80\x80\""), 1 },
		{ __LINE__, VIEW_LITERAL("\"\xf0\x9f\x98"), 1 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct json_error error = { 0 };

		HARNESS_CASE(cases[i].line,
			     json_check(cases[i].text, &error) == ERR_INVALID);
		HARNESS_CASE(cases[i].line,
			     error.position == cases[i].position);
		HARNESS_CASE(cases[i].line, error.reason != NULL);
	}
}

/* Whatever is cut off a text that is JSON, the rest is none. */
static void every_beginning_of_an_object_is_refused(void)
{
	static const char text[] =
		"{\"a\":[1,-2.5e+3,true,false,null,\"\\ud83d\\ude00\\n\"],"
		"\"\xc3\xa9\":{\"b\":{}}}";
	struct json_error error;

	for (size_t size = 0; size < sizeof(text) - 1; size++)
		CU_ASSERT_EQUAL(json_check((struct view){ text, size }, &error),
				ERR_INVALID);
	CU_ASSERT_EQUAL(json_check(view_of(text), &error), ERR_OK);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_is_no_json_is_refused_where_it_ends),
	HARNESS_TEST(every_beginning_of_an_object_is_refused),
};

int main(void)
{
	return harness_run("http/json_grammar", tests, HARNESS_COUNT(tests));
}
