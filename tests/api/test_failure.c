/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/failure.c. */
#include "harness.h"

#include <string.h>

#include "api/failure.h"
#include "http/response.h"

static bool is_slug(const char *code)
{
	return *code &&
	       strspn(code, "abcdefghijklmnopqrstuvwxyz-") == strlen(code);
}

static void every_err_has_a_row(void)
{
	for (int err = 0; err < ERR_COUNT; err++) {
		const struct failure *failure = failure_of((enum err)err);

		CU_ASSERT_TRUE(failure->status >= 400);
		CU_ASSERT_TRUE(failure->status <= 599);
		CU_ASSERT_STRING_NOT_EQUAL(status_phrase(failure->status),
					   "Unknown");
		CU_ASSERT_PTR_NOT_NULL_FATAL(failure->code);
		CU_ASSERT_TRUE(is_slug(failure->code));
		CU_ASSERT_PTR_NOT_NULL_FATAL(failure->title);
		CU_ASSERT_TRUE(strlen(failure->title) > 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(failure->detail);
		CU_ASSERT_TRUE(strlen(failure->detail) > 0);
	}
}

static void one_code_has_one_title_and_one_status(void)
{
	for (int a = 0; a < ERR_COUNT; a++)
		for (int b = 0; b < a; b++) {
			const struct failure *x = failure_of((enum err)a);
			const struct failure *y = failure_of((enum err)b);

			if (strcmp(x->code, y->code) != 0)
				continue;
			CU_ASSERT_STRING_EQUAL(x->title, y->title);
			CU_ASSERT_EQUAL(x->status, y->status);
		}
}

static void what_the_contract_names_has_that_status_and_code(void)
{
	static const struct {
		int line;
		enum err err;
		int status;
		const char *code;
	} cases[] = {
		{ __LINE__, ERR_INVALID, 400, "invalid-request" },
		{ __LINE__, ERR_KEY, 400, "invalid-key" },
		{ __LINE__, ERR_NOT_FOUND, 404, "key-not-found" },
		{ __LINE__, ERR_NO_ROUTE, 404, "no-such-route" },
		{ __LINE__, ERR_METHOD, 405, "method-not-allowed" },
		{ __LINE__, ERR_NOT_ACCEPTABLE, 406, "not-acceptable" },
		{ __LINE__, ERR_NOT_TEXT, 409, "not-text" },
		{ __LINE__, ERR_CONDITION, 412, "condition-failed" },
		{ __LINE__, ERR_VALUE_TOO_LARGE, 413, "value-too-large" },
		{ __LINE__, ERR_BATCH_TOO_LARGE, 413, "batch-too-large" },
		{ __LINE__, ERR_GONE, 410, "gone" },
		{ __LINE__, ERR_KEY_TOO_LONG, 414, "key-too-long" },
		{ __LINE__, ERR_MEDIA_TYPE, 415, "media-type" },
		{ __LINE__, ERR_CONDITION_MISSING, 428, "condition-required" },
		{ __LINE__, ERR_INCOMPLETE, 503, "request-incomplete" },
		{ __LINE__, ERR_BUSY, 503, "busy" },
		{ __LINE__, ERR_TOO_MANY_WATCHERS, 503, "too-many-watchers" },
		{ __LINE__, ERR_DRAINING, 503, "draining" },
		{ __LINE__, ERR_STOPPED, 503, "writes-stopped" },
		{ __LINE__, ERR_FULL, 507, "storage-full" },
		{ __LINE__, ERR_IO, 500, "internal-error" },
		{ __LINE__, ERR_DAMAGED, 500, "internal-error" },
		{ __LINE__, ERR_OK, 500, "internal-error" },
		{ __LINE__, ERR_COUNT, 500, "internal-error" },
		{ __LINE__, (enum err)9999, 500, "internal-error" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const struct failure *failure = failure_of(cases[i].err);

		HARNESS_CASE(cases[i].line, failure->status == cases[i].status);
		HARNESS_CASE(cases[i].line,
			     !strcmp(failure->code, cases[i].code));
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(every_err_has_a_row),
	HARNESS_TEST(one_code_has_one_title_and_one_status),
	HARNESS_TEST(what_the_contract_names_has_that_status_and_code),
};

int main(void)
{
	return harness_run("api/failure", tests, HARNESS_COUNT(tests));
}
