/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/json.c. */
#include "harness.h"

#include <string.h>

#include "http/json.h"

static void a_member_is_found_by_name_and_type(void)
{
	struct view text = VIEW_LITERAL(
		"{\"a\":\"x\\u0000y\",\"b\":1,\"c\":null,\"a2\":\"\","
		"\"d\":\"\\ud83d\\ude00\"}");
	struct json_object *root, *member;
	struct json_error error;
	struct view string;

	CU_ASSERT_EQUAL_FATAL(json_parse(text, &root, &error), ERR_OK);
	CU_ASSERT_TRUE(json_is_object(root));
	CU_ASSERT_TRUE_FATAL(json_member(root, "a", &member));
	CU_ASSERT_TRUE(json_string(member, &string));
	CU_ASSERT_TRUE(view_equal(string, VIEW_LITERAL("x\0y")));
	CU_ASSERT_TRUE_FATAL(json_member(root, "d", &member));
	CU_ASSERT_TRUE(json_string(member, &string));
	CU_ASSERT_TRUE(view_equal_string(string, "\xf0\x9f\x98\x80"));
	CU_ASSERT_TRUE_FATAL(json_member(root, "a2", &member));
	CU_ASSERT_TRUE(json_string(member, &string));
	CU_ASSERT_EQUAL(string.size, 0);
	CU_ASSERT_TRUE_FATAL(json_member(root, "b", &member));
	CU_ASSERT_FALSE(json_string(member, &string));
	CU_ASSERT_TRUE_FATAL(json_member(root, "c", &member));
	CU_ASSERT_FALSE(json_string(member, &string));
	CU_ASSERT_FALSE(json_member(root, "e", &member));
	json_free(root);
}

/* What the grammar passes, json-c must not refuse. */
static void a_value_of_any_kind_can_be_the_whole_text(void)
{
	static const char *const texts[] = {
		"0",
		"-0",
		"1e5",
		"1E+2",
		"-1e-5",
		"0.0e0",
		"1e999",
		"-1e-999",
		"\"\"",
		"[]",
		"{}",
		"true",
		"false",
		"null",
		" [ 1 , 2 ] ",
		"\t1\r\n",
		"\"\\/\"",
		"[[[[]]]]",
		"{\"\":0}",
		"[-0.0]",
		"123456789012345678901234567890",
		"-123456789012345678901234567890",
		"0.1234567890123456789012345678901234567890",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
	};

	for (size_t i = 0; i < HARNESS_COUNT(texts); i++) {
		struct json_object *root;
		struct json_error error;

		CU_ASSERT_EQUAL(json_parse(view_of(texts[i]), &root, &error),
				ERR_OK);
		json_free(root);
	}
}

static void depth_is_bounded(void)
{
	struct json_object *root;
	struct json_error error;

	for (int depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
		struct buf text = BUF_EMPTY;
		enum err want = depth > JSON_DEPTH_MAX ? ERR_INVALID : ERR_OK;

		for (int i = 0; i < depth; i++)
			buf_add_string(&text, i % 2 ? "{\"a\":" : "[");
		buf_add_char(&text, '1');
		for (int i = depth; i-- > 0;)
			buf_add_char(&text, i % 2 ? '}' : ']');
		CU_ASSERT_EQUAL(json_parse(buf_view(&text), &root, &error),
				want);
		json_free(root);
		buf_release(&text);
	}
}

static void a_hundred_thousand_brackets_do_no_harm(void)
{
	struct buf text = BUF_EMPTY;
	struct json_object *root;
	struct json_error error;

	for (int i = 0; i < 100000; i++)
		buf_add_char(&text, '[');
	CU_ASSERT_EQUAL(json_parse(buf_view(&text), &root, &error),
			ERR_INVALID);
	CU_ASSERT_EQUAL(error.position, JSON_DEPTH_MAX);
	CU_ASSERT_PTR_NULL(root);
	buf_release(&text);
}

/* An empty object of two bytes is 700 of json-c's. */
static void values_are_bounded(void)
{
	struct json_object *root;
	struct json_error error;

	for (size_t count = JSON_VALUES_MAX - 1; count <= JSON_VALUES_MAX;
	     count++) {
		struct buf text = BUF_EMPTY;
		bool many = count == JSON_VALUES_MAX;

		for (size_t i = 0; i < count; i++)
			buf_add_string(&text, i ? ",{}" : "[{}");
		buf_add_char(&text, ']');
		CU_ASSERT_EQUAL(json_check(buf_view(&text), &error), ERR_OK);
		CU_ASSERT_EQUAL(json_parse(buf_view(&text), &root, &error),
				many ? ERR_INVALID : ERR_OK);
		if (many) {
			CU_ASSERT_EQUAL(error.position, text.size - 3);
			CU_ASSERT_STRING_EQUAL(error.reason, "too many values");
		}
		json_free(root);
		buf_release(&text);
	}
}

static void of_a_name_that_repeats_the_last_counts(void)
{
	struct json_object *root, *member;
	struct json_error error;
	struct view string;

	CU_ASSERT_EQUAL_FATAL(
		json_parse(VIEW_LITERAL("{\"a\":\"1\",\"a\":\"2\"}"), &root,
			   &error),
		ERR_OK);
	CU_ASSERT_TRUE_FATAL(json_member(root, "a", &member));
	CU_ASSERT_TRUE(json_string(member, &string));
	CU_ASSERT_TRUE(view_equal_string(string, "2"));
	json_free(root);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_member_is_found_by_name_and_type),
	HARNESS_TEST(a_value_of_any_kind_can_be_the_whole_text),
	HARNESS_TEST(depth_is_bounded),
	HARNESS_TEST(a_hundred_thousand_brackets_do_no_harm),
	HARNESS_TEST(values_are_bounded),
	HARNESS_TEST(of_a_name_that_repeats_the_last_counts),
};

int main(void)
{
	return harness_run("http/json", tests, HARNESS_COUNT(tests));
}
