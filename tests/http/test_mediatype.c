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

static void accept_decides_what_is_sent(void)
{
	static const char *const types[] = {
		"application/json",
		"application/jsonl",
		"text/plain",
	};
	static const struct {
		int line;
		const char *accept; /* NULL: not sent */
		int chosen;
	} cases[] = {
		{ __LINE__, NULL, 0 },
		{ __LINE__, "", 0 },
		{ __LINE__, " \t", 0 },
		{ __LINE__, "*/*", 0 },
		{ __LINE__, "application/*", 0 },
		{ __LINE__, "application/json", 0 },
		{ __LINE__, "application/jsonl", 1 },
		{ __LINE__, "Application/JSONL", 1 },
		{ __LINE__, "text/plain", 2 },
		{ __LINE__, "text/*", 2 },
		{ __LINE__, "TEXT/*", 2 },
		{ __LINE__, "text/plain; charset=utf-8", 2 },
		{ __LINE__, "text/plain, application/json", 0 },
		{ __LINE__, "text/plain, application/json;q=0.9", 2 },
		{ __LINE__, "text/plain;q=0.8,application/json;q=0.9", 0 },
		{ __LINE__, "text/plain ; Q=0.8 , */* ; q=0.1", 2 },
		{ __LINE__, "*/*, application/json;q=0.5", 1 },
		{ __LINE__, "*/*;q=0.5, text/plain", 2 },
		{ __LINE__, "application/*;q=0.1, application/jsonl;q=0.2", 1 },
		{ __LINE__, "application/json;q=0, */*", 1 },
		{ __LINE__, "application/*;q=0, */*", 2 },
		{ __LINE__, "*/*;q=0.001", 0 },
		{ __LINE__, "text/html, */*;q=0.8", 0 },
		{ __LINE__, "text/html;a=\"x,text/plain\", text/plain", 2 },
		{ __LINE__, "text/html;a=\"\\\",text/plain;q=1\"", -1 },
		{ __LINE__, ",, text/plain,", 2 },
		{ __LINE__, "nonsense, text/plain", 2 },
		{ __LINE__, "text/plain;q=1.000", 2 },
		{ __LINE__, "text/plain;q=0.", -1 },
		{ __LINE__, "text/plain;q=1.001", -1 },
		{ __LINE__, "text/plain;q=2", -1 },
		{ __LINE__, "text/plain;q=-1", -1 },
		{ __LINE__, "text/plain;q=0.1234", -1 },
		{ __LINE__, "text/plain;q=.5, text/x;q=1", 2 },
		{ __LINE__, "text/plain;q=.5, */*;q=.501", 0 },
		{ __LINE__, "text/html, image/gif, *; q=.2, */*; q=.2", 0 },
		{ __LINE__, "text/plain;q=.", -1 },
		{ __LINE__, "text/plain;q=.1234", -1 },
		{ __LINE__, "text/plain;q=.x", -1 },
		{ __LINE__, "text/plain;q=", -1 },
		{ __LINE__, "text/plain;q", -1 },
		{ __LINE__, "text/plain;q=x, */*;q=0.1", 0 },
		{ __LINE__, "text/plain;q=0", -1 },
		{ __LINE__, "*/*;q=0", -1 },
		{ __LINE__, "text/html", -1 },
		{ __LINE__, "image/*", -1 },
		{ __LINE__, "texts/*", -1 },
		{ __LINE__, "tex/*", -1 },
		{ __LINE__, "*/plain", -1 },
		{ __LINE__, "*", -1 },
		{ __LINE__, "text/", -1 },
		{ __LINE__, "application/xml, application/jsonx", -1 },
		{ __LINE__, "\"", -1 },
		{ __LINE__, "text/html;a=\"\\", -1 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     mediatype_choose(view_of(cases[i].accept), types,
					      3) == cases[i].chosen);
	CU_ASSERT_EQUAL(mediatype_choose(VIEW_LITERAL("text/plain"), types, 2),
			-1);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(case_and_parameters_do_not_matter),
	HARNESS_TEST(accept_decides_what_is_sent),
	HARNESS_TEST(only_what_a_header_field_can_hold_is_clean),
};

int main(void)
{
	return harness_run("http/mediatype", tests, HARNESS_COUNT(tests));
}
