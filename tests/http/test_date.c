/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/date.c. */
#include "harness.h"

#include "base/clock.h"
#include "http/date.h"

#define NOW_S 1795500000 /* in November 2026 */

static void a_date_in_any_of_the_three_forms_is_read(void)
{
	static const struct {
		int line;
		const char *text;
		int64_t seconds;
	} cases[] = {
		{ __LINE__, "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ __LINE__, "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
		{ __LINE__, "Sun Nov  6 08:49:37 1994", 784111777 },
		{ __LINE__, "Wed Nov 16 08:49:37 1994", 784975777 },
		{ __LINE__, " Sun, 06 Nov 1994 08:49:37 GMT\t", 784111777 },
		{ __LINE__, "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ __LINE__, "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
		{ __LINE__, "Tue, 29 Feb 2000 12:00:00 GMT", 951825600 },
		{ __LINE__, "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
		{ __LINE__, "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
		{ __LINE__, "Friday, 20-Nov-76 00:00:00 GMT", 3373056000 },
		{ __LINE__, "Sunday, 20-Nov-77 00:00:00 GMT", 248832000 },
		{ __LINE__, "Saturday, 01-Jan-00 00:00:00 GMT", 946684800 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		int64_t seconds = -2;

		HARNESS_CASE(cases[i].line, !date_parse(view_of(cases[i].text),
							NOW_S, &seconds));
		HARNESS_CASE(cases[i].line, seconds == cases[i].seconds);
	}
}

static void anything_else_is_no_date(void)
{
	static const char *const texts[] = {
		"",
		"now",
		"784111777",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT+1",
		"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
		"sun, 06 nov 1994 08:49:37 gmt",
		"Xxx, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Xxx 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 29 Feb 1900 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT",
		"Sun, 06 Nov -994 08:49:37 GMT",
		"Sun, 06  Nov 1994 08:49:37 GMT",
		"Sun, 06-Nov-94 08:49:37 GMT",
		"Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sun Nov 06 08:49:37 94",
		"1994-11-06T08:49:37Z",
	};

	for (size_t i = 0; i < HARNESS_COUNT(texts); i++) {
		int64_t seconds;

		CU_ASSERT_EQUAL(date_parse(view_of(texts[i]), NOW_S, &seconds),
				ERR_INVALID);
	}
}

static void what_the_clock_writes_is_read_back(void)
{
	for (int64_t s = 0; s < 5000000000; s += 86400 * 13 + 3601) {
		char text[CLOCK_HTTP_DATE_SIZE];
		int64_t seconds = -1;

		clock_http_date(s * 1000 + 999, text);
		CU_ASSERT_EQUAL(date_parse(view_of(text), NOW_S, &seconds),
				ERR_OK);
		CU_ASSERT_EQUAL(seconds, s);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_date_in_any_of_the_three_forms_is_read),
	HARNESS_TEST(anything_else_is_no_date),
	HARNESS_TEST(what_the_clock_writes_is_read_back),
};

int main(void)
{
	return harness_run("http/date", tests, HARNESS_COUNT(tests));
}
