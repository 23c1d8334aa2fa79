/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/problem.c. */
#include "harness.h"

#include <string.h>

#include "http/json.h"
#include "http/problem.h"

#define UUID "0af76519-16cd-43dd-8448-eb211c80319c"

static const struct problem plain = {
	.status = 404,
	.code = "key-not-found",
	.title = "Key not found",
};

static void a_document_has_its_members_in_order(void)
{
	struct problem problem = plain;
	struct buf errors = BUF_EMPTY;
	struct buf out = BUF_EMPTY;

	problem_add_error(&errors, "pointer", VIEW_LITERAL("#/key"),
			  VIEW_LITERAL("required"));
	problem_add_error(&errors, "header", VIEW_LITERAL("If-Match"),
			  VIEW_LITERAL("malformed"));
	problem.detail = VIEW_LITERAL("why");
	problem.errors = buf_view(&errors);
	problem.request = VIEW_LITERAL(UUID);
	problem.members = VIEW_LITERAL("\"limit\":8");
	problem_write(&problem, &out);
	CU_ASSERT_STRING_EQUAL(
		buf_string(&out),
		"{\"type\":\"tag:librapi,2026:key-not-found\","
		"\"title\":\"Key not found\",\"status\":404,"
		"\"code\":\"key-not-found\",\"detail\":\"why\","
		"\"errors\":[{\"pointer\":\"#/key\",\"detail\":\"required\"},"
		"{\"header\":\"If-Match\",\"detail\":\"malformed\"}],"
		"\"instance\":\"urn:uuid:" UUID "\",\"limit\":8}\n");
	buf_release(&errors);
	buf_release(&out);
}

static void what_is_not_known_is_left_out(void)
{
	struct buf out = BUF_EMPTY;

	problem_write(&plain, &out);
	CU_ASSERT_STRING_EQUAL(buf_string(&out),
			       "{\"type\":\"tag:librapi,2026:key-not-found\","
			       "\"title\":\"Key not found\",\"status\":404,"
			       "\"code\":\"key-not-found\"}\n");
	buf_release(&out);
}

static void an_id_that_is_no_uuid_is_a_tag(void)
{
	static const char *const ids[] = {
		"abc-123:x/y",
		"0af7651916cd43dd8448eb211c80319c",
		"0af76519-16cd-43dd-8448-eb211c80319g",
		"0af76519-16cd-43dd-8448+eb211c80319c",
	};

	for (size_t i = 0; i < HARNESS_COUNT(ids); i++) {
		struct problem problem = plain;
		struct buf out = BUF_EMPTY;
		struct buf want = BUF_EMPTY;

		problem.request = view_of(ids[i]);
		problem_write(&problem, &out);
		buf_addf(&want, "\"instance\":\"tag:librapi,2026:request:%s\"",
			 ids[i]);
		CU_ASSERT_PTR_NOT_NULL(
			strstr(buf_string(&out), buf_string(&want)));
		buf_release(&out);
		buf_release(&want);
	}
}

static void whatever_is_said_the_document_is_json(void)
{
	static const struct view details[] = {
		VIEW_LITERAL("\"},{\""),      VIEW_LITERAL("\0\x01\x1f\x7f"),
		VIEW_LITERAL("\r\nX: y"),     VIEW_LITERAL("\xff\xfe\x80"),
		VIEW_LITERAL("cut \xe2\x82"), VIEW_LITERAL("\xed\xa0\x80"),
		VIEW_LITERAL("\\u0000\\"),    VIEW_LITERAL("</script>"),
	};

	for (size_t i = 0; i < HARNESS_COUNT(details); i++) {
		struct problem problem = plain;
		struct buf errors = BUF_EMPTY;
		struct buf out = BUF_EMPTY;
		struct json_error error;

		problem_add_error(&errors, "parameter", details[i], details[i]);
		problem.detail = details[i];
		problem.errors = buf_view(&errors);
		problem_write(&problem, &out);
		CU_ASSERT_EQUAL(json_check(buf_view(&out), &error), ERR_OK);
		buf_release(&errors);
		buf_release(&out);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_document_has_its_members_in_order),
	HARNESS_TEST(what_is_not_known_is_left_out),
	HARNESS_TEST(an_id_that_is_no_uuid_is_a_tag),
	HARNESS_TEST(whatever_is_said_the_document_is_json),
};

int main(void)
{
	return harness_run("http/problem", tests, HARNESS_COUNT(tests));
}
