/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/json_write.c. */
#include "harness.h"

#include <string.h>

#include "http/json.h"

static void a_string_is_escaped_where_it_has_to_be(void)
{
	static const struct {
		int line;
		struct view bytes;
		const char *text;
	} cases[] = {
		{ __LINE__, VIEW_LITERAL(""), "\"\"" },
		{ __LINE__, VIEW_LITERAL("a/b"), "\"a/b\"" },
		{ __LINE__, VIEW_LITERAL("\"\\"), "\"\\\"\\\\\"" },
		{ __LINE__, VIEW_LITERAL("\n\r\t"), "\"\\n\\r\\t\"" },
		{ __LINE__, VIEW_LITERAL("a\0b\x1f"), "\"a\\u0000b\\u001f\"" },
		{ __LINE__, VIEW_LITERAL("\x7f"), "\"\\u007f\"" },
		{ __LINE__, VIEW_LITERAL("\xc3\xa9"), "\"\xc3\xa9\"" },
		{ __LINE__, VIEW_LITERAL("\xff"), "\"\xef\xbf\xbd\"" },
		{ __LINE__, VIEW_LITERAL("a\xc3"), "\"a\xef\xbf\xbd\"" },
		{ __LINE__, VIEW_LITERAL("\xc3\""), "\"\xef\xbf\xbd\\\"\"" },
		{ __LINE__, VIEW_LITERAL("\xc3\xa9\x80\xc3\xa9"),
		  "\"\xc3\xa9\xef\xbf\xbd\xc3\xa9\"" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf out = BUF_EMPTY;

		json_add_string(&out, cases[i].bytes);
		HARNESS_CASE(cases[i].line,
			     !strcmp(buf_string(&out), cases[i].text));
		buf_release(&out);
	}
}

static void any_two_bytes_make_valid_json(void)
{
	struct buf out = BUF_EMPTY;
	struct json_error error;
	bool valid = true;

	for (unsigned n = 0; n < 1u << 16; n++) {
		unsigned char bytes[2] = { n >> 8, n & 255 };

		buf_clear(&out);
		json_add_string(&out, (struct view){ bytes, 2 });
		valid = valid && !json_check(buf_view(&out), &error);
	}
	CU_ASSERT_TRUE(valid);
	buf_release(&out);
}

/* Text is looked at in words of 8 bytes: each place of each byte. */
static void what_is_escaped_is_found_wherever_it_stands(void)
{
	for (unsigned byte = 0; byte < 0x80; byte++)
		for (size_t size = 1; size < 20; size++)
			for (size_t at = 0; at < size; at++) {
				struct buf out = BUF_EMPTY;
				struct json_error error;
				char text[20];

				memset(text, 'x', sizeof(text));
				text[at] = (char)byte;
				json_add_string(&out,
						(struct view){ text, size });
				CU_ASSERT_EQUAL_FATAL(
					json_check(buf_view(&out), &error),
					ERR_OK);
				bool plain = byte >= 0x20 && byte != '"' &&
					     byte != '\\' && byte != 0x7f;
				CU_ASSERT_EQUAL_FATAL(out.size == size + 2,
						      plain);
				buf_release(&out);
			}
}

static void text_comes_back_as_it_was(void)
{
	static const struct view text =
		VIEW_LITERAL("\0\x01\x1f \"\\/\x7f\xc2\x80\xe2\x80\xa8"
			     "\xf4\x8f\xbf\xbf");
	struct buf out = BUF_EMPTY;
	struct json_object *root;
	struct json_error error;
	struct view string;

	json_add_string(&out, text);
	CU_ASSERT_EQUAL_FATAL(json_parse(buf_view(&out), &root, &error),
			      ERR_OK);
	CU_ASSERT_TRUE(json_string(root, &string));
	CU_ASSERT_TRUE(view_equal(string, text));
	json_free(root);
	buf_release(&out);
}

static void members_have_commas_between_them(void)
{
	struct buf out = BUF_EMPTY;

	buf_add_char(&out, '{');
	json_add_name(&out, "a");
	buf_add_uint64(&out, 1);
	json_add_name(&out, "b");
	buf_add_char(&out, '{');
	json_add_name(&out, "c");
	json_add_string(&out, VIEW_LITERAL("{"));
	json_add_name(&out, "d");
	buf_add_string(&out, "null}}");
	CU_ASSERT_STRING_EQUAL(buf_string(&out),
			       "{\"a\":1,\"b\":{\"c\":\"{\",\"d\":null}}");
	buf_release(&out);
}

static void bytes_that_are_no_text_are_in_base64(void)
{
	struct buf out = BUF_EMPTY;

	buf_add_char(&out, '{');
	json_add_bytes(&out, "key", VIEW_LITERAL("a"));
	json_add_bytes(&out, "value", VIEW_LITERAL("\xff\0"));
	buf_add_char(&out, '}');
	CU_ASSERT_STRING_EQUAL(buf_string(&out),
			       "{\"key\":\"a\",\"value64\":\"/wA=\"}");
	buf_release(&out);
}

static void numbers_and_times_are_members_too(void)
{
	struct buf out = BUF_EMPTY;

	buf_add_char(&out, '{');
	json_add_uint64(&out, "n", UINT64_MAX);
	json_add_time(&out, "t", INT64_C(1763978767123));
	json_add_time(&out, "u", INT64_MAX);
	buf_add_char(&out, '}');
	CU_ASSERT_STRING_EQUAL(buf_string(&out),
			       "{\"n\":18446744073709551615,"
			       "\"t\":\"2025-11-24T10:06:07.123Z\","
			       "\"u\":\"9999-12-31T23:59:59.999Z\"}");
	buf_release(&out);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_string_is_escaped_where_it_has_to_be),
	HARNESS_TEST(what_is_escaped_is_found_wherever_it_stands),
	HARNESS_TEST(any_two_bytes_make_valid_json),
	HARNESS_TEST(text_comes_back_as_it_was),
	HARNESS_TEST(members_have_commas_between_them),
	HARNESS_TEST(numbers_and_times_are_members_too),
	HARNESS_TEST(bytes_that_are_no_text_are_in_base64),
};

int main(void)
{
	return harness_run("http/json_write", tests, HARNESS_COUNT(tests));
}
