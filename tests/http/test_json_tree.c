/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/json_tree.c. */
#include <string.h>

#include "fault.h"
#include "harness.h"

#include "http/json_tree.h"

static struct json_tree tree;

static enum err read(const char *text)
{
	struct json_error error;

	json_tree_release(&tree);
	return json_tree_read(&tree, view_of(text), &error);
}

static void nodes_stand_in_the_order_of_the_text(void)
{
	static const struct {
		int line;
		enum json_kind kind;
		const char *text;
		size_t end;
	} nodes[] = {
		{ __LINE__, JSON_OBJECT,
		  "{\"a\" : [1, {\"]\":\"}\"}],\n\"b\":null , \"\":-0.5e+7}",
		  11 },
		{ __LINE__, JSON_STRING, "\"a\"", 2 },
		{ __LINE__, JSON_ARRAY, "[1, {\"]\":\"}\"}]", 7 },
		{ __LINE__, JSON_NUMBER, "1", 4 },
		{ __LINE__, JSON_OBJECT, "{\"]\":\"}\"}", 7 },
		{ __LINE__, JSON_STRING, "\"]\"", 6 },
		{ __LINE__, JSON_STRING, "\"}\"", 7 },
		{ __LINE__, JSON_STRING, "\"b\"", 8 },
		{ __LINE__, JSON_NULL, "null", 9 },
		{ __LINE__, JSON_STRING, "\"\"", 10 },
		{ __LINE__, JSON_NUMBER, "-0.5e+7", 11 },
	};

	CU_ASSERT_EQUAL_FATAL(read(" {\"a\" : [1, {\"]\":\"}\"}],\n\"b\":null "
				   ", \"\":-0.5e+7} \n"),
			      ERR_OK);
	CU_ASSERT_EQUAL_FATAL(tree.count, HARNESS_COUNT(nodes));
	for (size_t i = 0; i < tree.count; i++) {
		HARNESS_CASE(nodes[i].line,
			     tree.nodes[i].kind == nodes[i].kind);
		HARNESS_CASE(nodes[i].line,
			     view_equal_string(json_tree_text(&tree, i),
					       nodes[i].text));
		HARNESS_CASE(nodes[i].line, tree.nodes[i].end == nodes[i].end);
	}
	json_tree_release(&tree);
}

static void a_single_value_is_a_tree(void)
{
	static const struct {
		int line;
		const char *text;
		enum json_kind kind;
	} cases[] = {
		{ __LINE__, "0", JSON_NUMBER },
		{ __LINE__, "\t17 ", JSON_NUMBER },
		{ __LINE__, "true", JSON_TRUE },
		{ __LINE__, "false\n", JSON_FALSE },
		{ __LINE__, "null", JSON_NULL },
		{ __LINE__, "\"\"", JSON_STRING },
		{ __LINE__, "[]", JSON_ARRAY },
		{ __LINE__, "{ }", JSON_OBJECT },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		HARNESS_CASE(cases[i].line, !read(cases[i].text));
		HARNESS_CASE(cases[i].line, tree.count == 1);
		HARNESS_CASE(cases[i].line,
			     tree.nodes[0].kind == cases[i].kind);
	}
	json_tree_release(&tree);
}

static void what_is_no_json_is_refused(void)
{
	static const char *const texts[] = { "",    " ",           "{",
					     "[1,", "\"\\ud800\"", "nul",
					     "1 2", "{\"a\":}",    "\xff" };

	for (size_t i = 0; i < HARNESS_COUNT(texts); i++)
		CU_ASSERT_EQUAL(read(texts[i]), ERR_INVALID);
	json_tree_release(&tree);
}

/*
 * Without room the nodes are found by the grammar, with room, and if they are
 * flat, at a glance: that makes no difference.
 */
static void a_tree_with_room_reads_the_same(void)
{
	static const char *const texts[] = {
		"{\"a\":\"\",\"\":0,\"bcdefghijklm\":null,\"d\":12345678901}",
		"{\"key\":\"a/b \x7f\",\"\xc3\xa9\":true,\"x\":false}",
		"{\"a\":\"long enough for words\\n\",\"b\":\"\\u0000\"}",
		"{\"a\":-1}",
		"{\"a\":1.5}",
		"{\"a\":{}}",
		"{\"a\":[1]}",
		"{\"a\": 1}",
		"{\"a\":1 }",
		"{}",
	};

	for (size_t i = 0; i < HARNESS_COUNT(texts); i++) {
		struct view text = view_of(texts[i]);
		struct json_tree with_room = JSON_TREE_EMPTY;
		struct json_error error;

		json_tree_read(&with_room, VIEW_LITERAL("1"), &error);
		HARNESS_CASE((int)i, !read(texts[i]));
		HARNESS_CASE((int)i, !json_tree_read(&with_room, text, &error));
		HARNESS_CASE((int)i, with_room.count == tree.count);
		HARNESS_CASE((int)i, !memcmp(with_room.nodes, tree.nodes,
					     tree.count * sizeof(*tree.nodes)));
		json_tree_release(&with_room);
	}
	json_tree_release(&tree);
}

static void a_tree_with_room_refuses_the_same(void)
{
	static const char *const texts[] = {
		"{",
		"{\"",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":1",
		"{\"a\":1,",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":nul}",
		"{\"a\":1}}",
		"{\"a\":1}\n1",
		"{\"a\":\"\t\"}",
		"{\"a\":tru}",
		"{\"a\":\"\xff\"}",
		"{\"a\\u0000\":1}",
		"{a:1}",
		"{\"a\":\"12345678\x01\"}",
	};

	for (size_t i = 0; i < HARNESS_COUNT(texts); i++) {
		struct json_tree with_room = JSON_TREE_EMPTY;
		struct json_error error;

		json_tree_read(&with_room, VIEW_LITERAL("1"), &error);
		HARNESS_CASE((int)i,
			     json_tree_read(&with_room, view_of(texts[i]),
					    &error) == ERR_INVALID);
		HARNESS_CASE((int)i, with_room.count == 0);
		json_tree_release(&with_room);
	}
}

/* The first nodes, and more of them when those are full. */
static void without_memory_there_is_no_tree(void)
{
	struct buf text = BUF_EMPTY;
	unsigned n;

	buf_add_char(&text, '[');
	for (int i = 0; i < 100; i++)
		buf_add_string(&text, "{},");
	buf_add_string(&text, "{}]");
	for (n = 1; fault_available(FAULT_MEMORY); n++) {
		struct json_error error;
		enum err err;

		json_tree_release(&tree);
		fault_arm(FAULT_MEMORY, n, 0);
		err = json_tree_read(&tree, buf_view(&text), &error);
		if (!fault_disarm()) {
			CU_ASSERT_EQUAL(err, ERR_OK);
			CU_ASSERT_EQUAL(tree.count, 102);
			CU_ASSERT_EQUAL(n, 3);
			break;
		}
		CU_ASSERT_EQUAL(err, ERR_NO_MEMORY);
		CU_ASSERT_EQUAL(tree.count, 0);
	}
	json_tree_release(&tree);
	buf_release(&text);
}

static void escapes_are_decoded(void)
{
	static const struct {
		int line;
		const char *text;
		struct view string;
	} cases[] = {
		{ __LINE__, "\"plain\"", VIEW_LITERAL("plain") },
		{ __LINE__, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		  VIEW_LITERAL("\"\\/\b\f\n\r\t") },
		{ __LINE__, "\"\\u0041\\u00e9\\u20AC\"",
		  VIEW_LITERAL("A\xc3\xa9\xe2\x82\xac") },
		{ __LINE__, "\"\\ud83d\\uDE00!\"",
		  VIEW_LITERAL("\xf0\x9f\x98\x80!") },
		{ __LINE__, "\"\\udbff\\udfff\"",
		  VIEW_LITERAL("\xf4\x8f\xbf\xbf") },
		{ __LINE__, "\"a\\u0000b\"", VIEW_LITERAL("a\0b") },
		{ __LINE__, "\"\\uffff\\u07ff\\u0800\\u007f\\u0080\"",
		  VIEW_LITERAL("\xef\xbf\xbf\xdf\xbf\xe0\xa0\x80\x7f"
			       "\xc2\x80") },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct view string = { 0 };

		HARNESS_CASE(cases[i].line, !read(cases[i].text));
		HARNESS_CASE(cases[i].line,
			     !json_tree_string(&tree, 0, &string));
		HARNESS_CASE(cases[i].line,
			     view_equal(string, cases[i].string));
	}
	read("1");
	CU_ASSERT_EQUAL(json_tree_string(&tree, 0, &(struct view){ 0 }),
			ERR_INVALID);
	json_tree_release(&tree);
}

static void numbers_are_whole_and_within_the_type(void)
{
	static const struct {
		int line;
		const char *text;
		bool is_uint64, is_int64;
	} cases[] = {
		{ __LINE__, "0", true, true },
		{ __LINE__, "-1", false, true },
		{ __LINE__, "9223372036854775807", true, true },
		{ __LINE__, "9223372036854775808", true, false },
		{ __LINE__, "-9223372036854775808", false, true },
		{ __LINE__, "-9223372036854775809", false, false },
		{ __LINE__, "18446744073709551615", true, false },
		{ __LINE__, "18446744073709551616", false, false },
		{ __LINE__, "1.0", false, false },
		{ __LINE__, "1e2", false, false },
		{ __LINE__, "\"1\"", false, false },
		{ __LINE__, "null", false, false },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		uint64_t number;
		int64_t integer;

		HARNESS_CASE(cases[i].line, !read(cases[i].text));
		HARNESS_CASE(cases[i].line,
			     json_tree_uint64(&tree, 0, &number) ==
				     cases[i].is_uint64);
		HARNESS_CASE(cases[i].line,
			     json_tree_int64(&tree, 0, &integer) ==
				     cases[i].is_int64);
	}
	json_tree_release(&tree);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(nodes_stand_in_the_order_of_the_text),
	HARNESS_TEST(a_single_value_is_a_tree),
	HARNESS_TEST(what_is_no_json_is_refused),
	HARNESS_TEST(a_tree_with_room_reads_the_same),
	HARNESS_TEST(a_tree_with_room_refuses_the_same),
	HARNESS_TEST(without_memory_there_is_no_tree),
	HARNESS_TEST(escapes_are_decoded),
	HARNESS_TEST(numbers_are_whole_and_within_the_type),
};

int main(void)
{
	return harness_run("http/json_tree", tests, HARNESS_COUNT(tests));
}
