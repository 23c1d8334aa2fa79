/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/sse.c: blocks as the standard's examples have them. */
#include "http/sse.h"

#include "harness.h"

static void blocks_are_written_as_the_standard_has_them(void)
{
	const uint64_t id = UINT64_MAX;
	struct buf out = BUF_EMPTY;

	sse_retry(&out, 1000);
	sse_id(&out, 0);
	sse_event(&out, "put", view_of("{}"), &id);
	sse_event(&out, "delete", view_of("x"), NULL);
	CU_ASSERT_STRING_EQUAL(buf_string(&out),
			       "retry: 1000\n\n"
			       "id: 0\n\n"
			       "id: 18446744073709551615\nevent: put\n"
			       "data: {}\n\n"
			       "event: delete\ndata: x\n\n");
	buf_release(&out);
}

static void each_line_of_the_data_has_its_field(void)
{
	static const struct {
		int line;
		const char *data;
		const char *expected;
	} cases[] = {
		{ __LINE__, "", "event: e\ndata: \n\n" },
		{ __LINE__, "a\nb", "event: e\ndata: a\ndata: b\n\n" },
		{ __LINE__, "a\n", "event: e\ndata: a\ndata: \n\n" },
		{ __LINE__, "\n", "event: e\ndata: \ndata: \n\n" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf out = BUF_EMPTY;

		sse_event(&out, "e", view_of(cases[i].data), NULL);
		HARNESS_CASE(
			cases[i].line,
			view_equal_string(buf_view(&out), cases[i].expected));
		buf_release(&out);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(blocks_are_written_as_the_standard_has_them),
	HARNESS_TEST(each_line_of_the_data_has_its_field),
};

int main(void)
{
	return harness_run("http/sse", tests, HARNESS_COUNT(tests));
}
