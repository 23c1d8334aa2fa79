/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/merge_patch.c. */
#include "harness.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "fault.h"
#include "http/merge_patch.h"

struct example {
	int line;
	const char *target;
	const char *patch;
	const char *result;
};

static enum err merge(const char *target, const char *patch, struct buf *out)
{
	struct json_tree targets = JSON_TREE_EMPTY, patches = JSON_TREE_EMPTY;
	struct json_error error;
	enum err err = json_tree_read(&targets, view_of(target), &error);

	if (!err)
		err = json_tree_read(&patches, view_of(patch), &error);
	if (!err)
		err = merge_patch(&targets, &patches, out);
	json_tree_release(&targets);
	json_tree_release(&patches);
	return err;
}

static void check(const struct example *example)
{
	struct buf out = BUF_EMPTY;

	HARNESS_CASE(example->line,
		     !merge(example->target, example->patch, &out));
	HARNESS_CASE(example->line,
		     view_equal_string(buf_view(&out), example->result));
	buf_release(&out);
}

/* RFC 7396, appendix A, all of it and in its order. */
static void the_examples_of_the_standard_hold(void)
{
	static const struct example examples[] = {
		{ __LINE__, "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ __LINE__, "{\"a\":\"b\"}", "{\"b\":\"c\"}",
		  "{\"a\":\"b\",\"b\":\"c\"}" },
		{ __LINE__, "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
		{ __LINE__, "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}",
		  "{\"b\":\"c\"}" },
		{ __LINE__, "{\"a\":[\"b\"]}", "{\"a\":\"c\"}",
		  "{\"a\":\"c\"}" },
		{ __LINE__, "{\"a\":\"c\"}", "{\"a\":[\"b\"]}",
		  "{\"a\":[\"b\"]}" },
		{ __LINE__, "{\"a\":{\"b\":\"c\"}}",
		  "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
		{ __LINE__, "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}",
		  "{\"a\":[1]}" },
		{ __LINE__, "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
		{ __LINE__, "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
		{ __LINE__, "{\"a\":\"foo\"}", "null", "null" },
		{ __LINE__, "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
		{ __LINE__, "{\"e\":null}", "{\"a\":1}",
		  "{\"e\":null,\"a\":1}" },
		{ __LINE__, "[1,2]", "{\"a\":\"b\",\"c\":null}",
		  "{\"a\":\"b\"}" },
		{ __LINE__, "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}",
		  "{\"a\":{\"bb\":{}}}" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(examples); i++)
		check(&examples[i]);
}

/* Of section 1, with its members in the order that they had. */
static void the_example_document_is_patched(void)
{
	check(&(struct example){
		__LINE__,
		"{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\","
		"\"familyName\":\"Doe\"},\"tags\":[\"example\",\"sample\"],"
		"\"content\":\"This will be unchanged\"}",
		"{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\","
		"\"author\":{\"familyName\":null},\"tags\":[\"example\"]}",
		"{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},"
		"\"tags\":[\"example\"],\"content\":\"This will be unchanged\","
		"\"phoneNumber\":\"+01-123-456-7890\"}" });
}

static void what_is_not_patched_stays_as_it_was_written(void)
{
	static const struct example examples[] = {
		{ __LINE__,
		  "{ \"n\" : 12345678901234567890123, \"x\": 1.10E+400, "
		  "\"\\u0061\":[ 1 ]}",
		  "{\"b\":0.10}",
		  "{\"n\":12345678901234567890123,\"x\":1.10E+400,"
		  "\"\\u0061\":[ 1 ],\"b\":0.10}" },
		{ __LINE__, "{\"a\":1}", "{\"\\u0061\":2}", "{\"a\":2}" },
		{ __LINE__, "{\"a\":1,\"b\":2,\"a\":3}", "{\"c\":4}",
		  "{\"b\":2,\"a\":3,\"c\":4}" },
		{ __LINE__, "{\"a\":1}", "{\"a\":2,\"b\":1,\"a\":null}",
		  "{\"b\":1}" },
		{ __LINE__, "{\"a\":{\"x\":1}}", "{\"a\":{}}",
		  "{\"a\":{\"x\":1}}" },
		{ __LINE__, "{\"a\":1}", "{\"a\":{\"x\":null}}", "{\"a\":{}}" },
		{ __LINE__, "{\"\":1}", "{\"\":null}", "{}" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(examples); i++)
		check(&examples[i]);
}

static void add_object(struct buf *out, int count, int step)
{
	buf_add_char(out, '{');
	for (int i = 0; i < count; i++)
		buf_addf(out, "%s\"m%d\":%d", i ? "," : "", i * step, i);
	buf_add_char(out, '}');
}

/* Neither side can make the other's lookups slow. */
static void many_members_take_a_moment(void)
{
	struct buf target = BUF_EMPTY, patch = BUF_EMPTY, out = BUF_EMPTY;
	int64_t begin_ms = clock_monotonic_ms();

	add_object(&target, 100000, 1);
	add_object(&patch, 100000, 2);
	CU_ASSERT_EQUAL(merge(buf_string(&target), buf_string(&patch), &out),
			ERR_OK);
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin_ms < 5000);
	CU_ASSERT_TRUE(out.size > target.size);
	buf_release(&target);
	buf_release(&patch);
	buf_release(&out);
}

static void without_memory_it_fails(void)
{
	unsigned n = 1;
	bool struck = fault_available(FAULT_MEMORY);

	for (; struck; n++) {
		struct buf out = BUF_EMPTY;
		enum err err;

		fault_arm(FAULT_MEMORY, n, ENOMEM);
		err = merge("{\"a\":{\"b\":1},\"\\n\":2}",
			    "{\"a\":{\"c\":2},\"\\t\":3}", &out);
		struck = fault_disarm();
		CU_ASSERT_EQUAL(err, struck ? ERR_NO_MEMORY : ERR_OK);
		buf_release(&out);
	}
	CU_ASSERT_TRUE(!fault_available(FAULT_MEMORY) || n > 5);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(the_examples_of_the_standard_hold),
	HARNESS_TEST(the_example_document_is_patched),
	HARNESS_TEST(what_is_not_patched_stays_as_it_was_written),
	HARNESS_TEST(many_members_take_a_moment),
	HARNESS_TEST(without_memory_it_fails),
};

int main(void)
{
	return harness_run("http/merge_patch", tests, HARNESS_COUNT(tests));
}
