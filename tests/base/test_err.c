/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "harness.h"

static void every_failure_has_a_phrase_of_its_own(void)
{
	for (int i = 0; i < ERR_COUNT; i++) {
		const char *phrase = err_string((enum err)i);

		CU_ASSERT(*phrase);
		CU_ASSERT_STRING_NOT_EQUAL(phrase, "unknown error");
		for (int j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(phrase,
						   err_string((enum err)j));
	}
}

static void what_is_no_failure_is_unknown(void)
{
	CU_ASSERT_STRING_EQUAL(err_string(ERR_COUNT), "unknown error");
	CU_ASSERT_STRING_EQUAL(err_string((enum err) - 1), "unknown error");
}

static void errnos_have_their_meaning(void)
{
	static const struct {
		unsigned line;
		int errnum;
		enum err err;
	} cases[] = {
		{ __LINE__, ENOSPC, ERR_FULL },
		{ __LINE__, EDQUOT, ERR_FULL },
		{ __LINE__, EFBIG, ERR_FULL },
		{ __LINE__, ENOMEM, ERR_NO_MEMORY },
		{ __LINE__, EMFILE, ERR_NO_MEMORY },
		{ __LINE__, ENFILE, ERR_NO_MEMORY },
		{ __LINE__, EACCES, ERR_ACCESS },
		{ __LINE__, EPERM, ERR_ACCESS },
		{ __LINE__, ENOENT, ERR_ACCESS },
		{ __LINE__, ENOTDIR, ERR_ACCESS },
		{ __LINE__, EROFS, ERR_ACCESS },
		{ __LINE__, EIO, ERR_IO },
		{ __LINE__, EBADF, ERR_IO },
		{ __LINE__, 0, ERR_IO },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     err_from_errno(cases[i].errnum) == cases[i].err);
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(every_failure_has_a_phrase_of_its_own),
		HARNESS_TEST(what_is_no_failure_is_unknown),
		HARNESS_TEST(errnos_have_their_meaning),
	};

	return harness_run("base/err", tests, HARNESS_COUNT(tests));
}
