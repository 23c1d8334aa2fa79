/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/utf8.c. */
#include "harness.h"

#include "http/utf8.h"

static void the_valid_beginning_is_measured(void)
{
	static const struct {
		int line;
		struct view bytes;
		size_t size;
	} cases[] = {
		{ __LINE__, VIEW_LITERAL(""), 0 },
		{ __LINE__, VIEW_LITERAL("abc"), 3 },
		{ __LINE__, VIEW_LITERAL("a\0b"), 3 },
		{ __LINE__, VIEW_LITERAL("\xc3\xa9"), 2 },
		{ __LINE__, VIEW_LITERAL("a\xc3"), 1 },
		{ __LINE__, VIEW_LITERAL("a\xc3z"), 1 },
		{ __LINE__, VIEW_LITERAL("\xa9"), 0 },
		{ __LINE__, VIEW_LITERAL("\xe2\x82\xac\xe2\x82"), 3 },
		{ __LINE__, VIEW_LITERAL("\xed\xa0\x80"), 0 },
		{ __LINE__, VIEW_LITERAL("\xf0\x9f\x98\x80\xff"), 4 },
		{ __LINE__, VIEW_LITERAL("\xf8\x88\x80\x80\x80"), 0 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     utf8_prefix(cases[i].bytes) == cases[i].size);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(the_valid_beginning_is_measured),
};

int main(void)
{
	return harness_run("http/utf8", tests, HARNESS_COUNT(tests));
}
