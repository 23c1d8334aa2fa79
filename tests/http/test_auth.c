/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "http/auth.h"

#include "harness.h"

static const struct {
	int line;
	const char *field;
	const char *token; /* NULL: none */
} cases[] = {
	{ __LINE__, "Bearer abc", "abc" },
	{ __LINE__, "bEaReR abc", "abc" },
	{ __LINE__, "  Bearer   abc  ", "abc" },
	{ __LINE__, "Bearer aZ09-._~+/==", "aZ09-._~+/==" },
	{ __LINE__, "", NULL },
	{ __LINE__, "Bearer", NULL },
	{ __LINE__, "Bearer ", NULL },
	{ __LINE__, "Bearer =", NULL },
	{ __LINE__, "Bearer a=b", NULL },
	{ __LINE__, "Bearer a b", NULL },
	{ __LINE__, "Bearer a, Bearer b", NULL },
	{ __LINE__, "Bearer a,b", NULL },
	{ __LINE__, "Bearer\tabc", NULL },
	{ __LINE__, "Bearer a\tb", NULL },
	{ __LINE__, "Bearer \xc3\xa4", NULL },
	{ __LINE__, "Bearerabc", NULL },
	{ __LINE__, "Basic abc", NULL },
	{ __LINE__, "abc", NULL },
};

static void a_token_is_one_word_behind_bearer(void)
{
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct view token;
		bool found = auth_bearer(view_of(cases[i].field), &token);

		HARNESS_CASE(cases[i].line, found == !!cases[i].token);
		if (found)
			HARNESS_CASE(cases[i].line,
				     view_equal_string(token, cases[i].token));
	}
}

static void a_nul_ends_nothing(void)
{
	struct view token;

	CU_ASSERT_FALSE(auth_bearer(VIEW_LITERAL("Bearer a\0b"), &token));
	CU_ASSERT_FALSE(auth_bearer((struct view){ 0 }, &token));
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_token_is_one_word_behind_bearer),
	HARNESS_TEST(a_nul_ends_nothing),
};

int main(void)
{
	return harness_run("http/auth", tests, HARNESS_COUNT(tests));
}
