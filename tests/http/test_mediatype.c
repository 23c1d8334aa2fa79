/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/mediatype.c. */
#include "harness.h"

#include "http/mediatype.h"

static void case_and_parameters_do_not_matter(void)
{
	static const struct {
		int line;
		const char *field;
		bool is;
	} cases[] = {
		{ __LINE__, "application/json", true },
		{ __LINE__, "Application/JSON", true },
		{ __LINE__, "application/json;charset=utf-8", true },
		{ __LINE__, " application/json ; q=\"a;b\"", true },
		{ __LINE__, "application/jsonl", false },
		{ __LINE__, "application/jso", false },
		{ __LINE__, "text/plain;application/json", false },
		{ __LINE__, "", false },
		{ __LINE__, ";", false },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     mediatype_is(view_of(cases[i].field),
					  "application/json") == cases[i].is);
}

static void only_what_a_header_field_can_hold_is_clean(void)
{
	for (int c = 0; c < 256; c++) {
		char text[3] = { 'a', (char)c, 'b' };
		bool clean = (c >= 0x20 && c <= 0x7e) || c == '\t';

		CU_ASSERT_EQUAL(mediatype_is_clean((struct view){ text, 3 }),
				clean);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(case_and_parameters_do_not_matter),
	HARNESS_TEST(only_what_a_header_field_can_hold_is_clean),
};

int main(void)
{
	return harness_run("http/mediatype", tests, HARNESS_COUNT(tests));
}
