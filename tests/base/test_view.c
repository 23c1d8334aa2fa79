/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/buf.h"

#include "harness.h"

#include <string.h>

static const struct view nothing = { NULL, 0 };

static void a_string_is_viewed_without_its_nul(void)
{
	CU_ASSERT_EQUAL(view_of("abc").size, 3);
	CU_ASSERT_EQUAL(view_of("").size, 0);
	CU_ASSERT_EQUAL(view_of(NULL).size, 0);
}

static void views_are_equal_byte_by_byte(void)
{
	CU_ASSERT(view_equal(nothing, view_of("")));
	CU_ASSERT(view_equal(VIEW_LITERAL("a\0b"), VIEW_LITERAL("a\0b")));
	CU_ASSERT_FALSE(view_equal(VIEW_LITERAL("a\0b"), VIEW_LITERAL("a\0c")));
	CU_ASSERT_FALSE(view_equal(view_of("ab"), view_of("abc")));
	CU_ASSERT(view_equal_string(view_of("abc"), "abc"));
	CU_ASSERT_FALSE(view_equal_string(VIEW_LITERAL("abc\0"), "abc"));
}

static void case_is_ignored_for_ascii_letters_only(void)
{
	CU_ASSERT(view_equal_nocase(view_of("CoNtEnT-Z"), "content-z"));
	CU_ASSERT(view_equal_nocase(nothing, ""));
	CU_ASSERT_FALSE(view_equal_nocase(view_of("ab"), "abc"));
	CU_ASSERT_FALSE(view_equal_nocase(view_of("abc"), "ab"));
	CU_ASSERT_FALSE(view_equal_nocase(view_of("@["), "`{"));
	CU_ASSERT_FALSE(view_equal_nocase(view_of("\xc4"), "\xe4"));
}

static void a_prefix_is_at_the_start(void)
{
	CU_ASSERT(view_starts_with(view_of("abc"), view_of("ab")));
	CU_ASSERT(view_starts_with(view_of("abc"), nothing));
	CU_ASSERT(view_starts_with(nothing, nothing));
	CU_ASSERT_FALSE(view_starts_with(view_of("ab"), view_of("abc")));
	CU_ASSERT_FALSE(view_starts_with(view_of("xab"), view_of("ab")));
}

static void order_is_bytewise_and_unsigned(void)
{
	static const struct view sorted[] = {
		{ NULL, 0 },
		VIEW_LITERAL("\0"),
		VIEW_LITERAL("\0a"),
		VIEW_LITERAL("a"),
		VIEW_LITERAL("a\0"),
		VIEW_LITERAL("aa"),
		VIEW_LITERAL("b"),
		VIEW_LITERAL("\x7f"),
		VIEW_LITERAL("\x80"),
		VIEW_LITERAL("\xff"),
		VIEW_LITERAL("\xff\xff"),
	};

	for (size_t i = 0; i < HARNESS_COUNT(sorted); i++) {
		for (size_t j = 0; j < HARNESS_COUNT(sorted); j++) {
			int order = view_compare(sorted[i], sorted[j]);

			CU_ASSERT_EQUAL((order > 0) - (order < 0),
					(i > j) - (i < j));
		}
	}
}

static void spaces_and_tabs_are_trimmed_and_nothing_else(void)
{
	static const struct {
		unsigned line;
		const char *text, *trimmed;
	} cases[] = {
		{ __LINE__, "", "" },
		{ __LINE__, " \t ", "" },
		{ __LINE__, " a\tb\t", "a\tb" },
		{ __LINE__, "a", "a" },
		{ __LINE__, "\ra\n ", "\ra\n" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(
			cases[i].line,
			view_equal_string(view_trim(view_of(cases[i].text)),
					  cases[i].trimmed));
	CU_ASSERT_EQUAL(view_trim(nothing).size, 0);
}

static void cutting_walks_through_a_list(void)
{
	struct view rest = view_of("a,,b,");

	CU_ASSERT(view_equal_string(view_cut(rest, ',', &rest), "a"));
	CU_ASSERT(view_equal_string(view_cut(rest, ',', &rest), ""));
	CU_ASSERT(view_equal_string(view_cut(rest, ',', &rest), "b"));
	CU_ASSERT(rest.data && rest.size == 0);
	CU_ASSERT(view_equal_string(view_cut(rest, ',', &rest), ""));
	CU_ASSERT_EQUAL(rest.data, NULL);
	CU_ASSERT_EQUAL(view_cut(nothing, ',', &rest).size, 0);
	CU_ASSERT_EQUAL(rest.data, NULL);
}

/* The corners of each row of "Well-Formed UTF-8 Byte Sequences", Unicode. */
static void utf8_is_told_from_what_only_looks_like_it(void)
{
	static const struct {
		unsigned line;
		struct view text;
		bool valid;
	} cases[] = {
		{ __LINE__, { NULL, 0 }, true },
		{ __LINE__, VIEW_LITERAL("a\0\x7f"), true },
		{ __LINE__, VIEW_LITERAL("\xc2\x80\xdf\xbf"), true },
		{ __LINE__, VIEW_LITERAL("\xe0\xa0\x80"), true },
		{ __LINE__, VIEW_LITERAL("\xed\x9f\xbf"), true },
		{ __LINE__, VIEW_LITERAL("\xee\x80\x80\xef\xbf\xbf"), true },
		{ __LINE__, VIEW_LITERAL("\xf0\x90\x80\x80"), true },
		{ __LINE__, VIEW_LITERAL("\xf4\x8f\xbf\xbf"), true },
		{ __LINE__, VIEW_LITERAL("\x80"), false },
		{ __LINE__, VIEW_LITERAL("\xc0\x80"), false },
		{ __LINE__, VIEW_LITERAL("\xc1\xbf"), false },
		{ __LINE__, VIEW_LITERAL("\xc2"), false },
		{ __LINE__, VIEW_LITERAL("\xc2g"), false },
		{ __LINE__, VIEW_LITERAL("\xe0\x9f\xbf"), false },
		{ __LINE__, VIEW_LITERAL("\xed\xa0\x80"), false },
		{ __LINE__, VIEW_LITERAL("\xe1\x80"), false },
		{ __LINE__, VIEW_LITERAL("\xe1\x80\xc0"), false },
		{ __LINE__, VIEW_LITERAL("\xf0\x8f\xbf\xbf"), false },
		{ __LINE__, VIEW_LITERAL("\xf4\x90\x80\x80"), false },
		{ __LINE__, VIEW_LITERAL("\xf1\x80\x80"), false },
		{ __LINE__, VIEW_LITERAL("\xf5\x80\x80\x80"), false },
		{ __LINE__, VIEW_LITERAL("\xff"), false },
		{ __LINE__, VIEW_LITERAL("abc\xe1\x80"), false },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     view_is_utf8(cases[i].text) == cases[i].valid);
}

static void numbers_are_digits_within_bounds(void)
{
	static const struct {
		unsigned line;
		struct view text;
		uint64_t max;
		bool valid;
		uint64_t number;
	} cases[] = {
		{ __LINE__, VIEW_LITERAL("0"), 0, true, 0 },
		{ __LINE__, VIEW_LITERAL("007"), 9, true, 7 },
		{ __LINE__, VIEW_LITERAL("9"), 9, true, 9 },
		{ __LINE__, VIEW_LITERAL("10"), 9, false, 0 },
		{ __LINE__, VIEW_LITERAL("18446744073709551615"), UINT64_MAX,
		  true, UINT64_MAX },
		{ __LINE__, VIEW_LITERAL("18446744073709551616"), UINT64_MAX,
		  false, 0 },
		{ __LINE__, VIEW_LITERAL("99999999999999999999"), UINT64_MAX,
		  false, 0 },
		{ __LINE__, VIEW_LITERAL(""), 9, false, 0 },
		{ __LINE__, { NULL, 0 }, 9, false, 0 },
		{ __LINE__, VIEW_LITERAL("-1"), 9, false, 0 },
		{ __LINE__, VIEW_LITERAL("+1"), 9, false, 0 },
		{ __LINE__, VIEW_LITERAL(" 1"), 9, false, 0 },
		{ __LINE__, VIEW_LITERAL("1 "), 9, false, 0 },
		{ __LINE__, VIEW_LITERAL("1\0"), 9, false, 0 },
		{ __LINE__, VIEW_LITERAL("0x1"), 9, false, 0 },
		{ __LINE__, VIEW_LITERAL("1:"), 99, false, 0 },
		{ __LINE__, VIEW_LITERAL("/1"), 99, false, 0 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		uint64_t number = 77;
		bool valid =
			view_to_uint64(cases[i].text, cases[i].max, &number);

		HARNESS_CASE(cases[i].line, valid == cases[i].valid);
		HARNESS_CASE(cases[i].line,
			     number == (valid ? cases[i].number : 77));
	}
}

/* ASCII is passed over in words: what is none is found at each place. */
static void utf8_is_told_wherever_it_stands(void)
{
	for (size_t size = 1; size < 20; size++)
		for (size_t at = 0; at < size; at++) {
			char text[20];

			memset(text, 'x', sizeof(text));
			text[at] = (char)0xff;
			CU_ASSERT_FALSE(
				view_is_utf8((struct view){ text, size }));
			text[at] = (char)0xc3;
			CU_ASSERT_FALSE(
				view_is_utf8((struct view){ text, size }));
			if (at + 1 == size)
				continue;
			text[at + 1] = (char)0xa9;
			CU_ASSERT_TRUE(
				view_is_utf8((struct view){ text, size }));
		}
}

static void signed_numbers_may_have_a_minus(void)
{
	static const struct {
		int line;
		const char *text;
		bool valid;
		int64_t number;
	} cases[] = {
		{ __LINE__, "0", true, 0 },
		{ __LINE__, "-0", true, 0 },
		{ __LINE__, "-12", true, -12 },
		{ __LINE__, "9223372036854775807", true, INT64_MAX },
		{ __LINE__, "9223372036854775808", false, 0 },
		{ __LINE__, "-9223372036854775808", true, INT64_MIN },
		{ __LINE__, "-9223372036854775809", false, 0 },
		{ __LINE__, "", false, 0 },
		{ __LINE__, "-", false, 0 },
		{ __LINE__, "--1", false, 0 },
		{ __LINE__, "+1", false, 0 },
		{ __LINE__, "- 1", false, 0 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		int64_t number = 77;
		bool valid = view_to_int64(view_of(cases[i].text), &number);

		HARNESS_CASE(cases[i].line, valid == cases[i].valid);
		HARNESS_CASE(cases[i].line,
			     number == (valid ? cases[i].number : 77));
	}
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(a_string_is_viewed_without_its_nul),
		HARNESS_TEST(views_are_equal_byte_by_byte),
		HARNESS_TEST(case_is_ignored_for_ascii_letters_only),
		HARNESS_TEST(a_prefix_is_at_the_start),
		HARNESS_TEST(order_is_bytewise_and_unsigned),
		HARNESS_TEST(spaces_and_tabs_are_trimmed_and_nothing_else),
		HARNESS_TEST(cutting_walks_through_a_list),
		HARNESS_TEST(utf8_is_told_from_what_only_looks_like_it),
		HARNESS_TEST(utf8_is_told_wherever_it_stands),
		HARNESS_TEST(numbers_are_digits_within_bounds),
		HARNESS_TEST(signed_numbers_may_have_a_minus),
	};

	return harness_run("base/view", tests, HARNESS_COUNT(tests));
}
