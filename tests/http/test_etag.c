/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/etag.c. */
#include "harness.h"

#include <string.h>

#include "http/etag.h"

static void a_tag_names_a_revision(void)
{
	static const struct {
		int line;
		const char *field;
		uint64_t revision; /* 0: of no key */
	} cases[] = {
		{ __LINE__, "\"123\"", 123 },
		{ __LINE__, "W/\"123\"", 123 },
		{ __LINE__, "\"123-gzip\"", 123 },
		{ __LINE__, "\"123-br\"", 123 },
		{ __LINE__, "\"123-deflate\"", 123 },
		{ __LINE__, "\"123-zstd\"", 123 },
		{ __LINE__, "\"123-bzip2\"", 123 },
		{ __LINE__, "W/\"123-gzip\"", 123 },
		{ __LINE__, " \t\"123\"\t ", 123 },
		{ __LINE__, "\"1\"", 1 },
		{ __LINE__, "\"18446744073709551615\"", UINT64_MAX },
		{ __LINE__, "\"18446744073709551616\"", 0 },
		{ __LINE__, "\"99999999999999999999999\"", 0 },
		{ __LINE__, "\"0\"", 0 },
		{ __LINE__, "\"0123\"", 0 },
		{ __LINE__, "\"+123\"", 0 },
		{ __LINE__, "\"-gzip\"", 0 },
		{ __LINE__, "\"123-\"", 0 },
		{ __LINE__, "\"123-GZIP\"", 0 },
		{ __LINE__, "\"123-gzip-gzip\"", 0 },
		{ __LINE__, "\"123-other\"", 0 },
		{ __LINE__, "\"\"", 0 },
		{ __LINE__, "\"abc\"", 0 },
		{ __LINE__, "\"r123\"", 0 },
		{ __LINE__, "\"*\"", 0 },
		{ __LINE__, "\"1,2\"", 0 },
		{ __LINE__, "\"!#~\x80\xff\"", 0 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct etag_set set;

		HARNESS_CASE(cases[i].line,
			     !etag_set_parse(view_of(cases[i].field), &set));
		HARNESS_CASE(cases[i].line, !set.any);
		HARNESS_CASE(cases[i].line,
			     set.count == (cases[i].revision != 0));
		if (cases[i].revision)
			HARNESS_CASE(cases[i].line,
				     set.revisions[0] == cases[i].revision);
		etag_set_release(&set);
	}
}

static void a_malformed_list_is_refused(void)
{
	static const struct {
		int line;
		const char *field;
	} cases[] = {
		{ __LINE__, "" },
		{ __LINE__, " " },
		{ __LINE__, "," },
		{ __LINE__, "123" },
		{ __LINE__, "\"123" },
		{ __LINE__, "123\"" },
		{ __LINE__, "\"" },
		{ __LINE__, "W/123" },
		{ __LINE__, "W/" },
		{ __LINE__, "W\"123\"" },
		{ __LINE__, "w/\"123\"" },
		{ __LINE__, "W/ \"123\"" },
		{ __LINE__, "\"1\" \"2\"" },
		{ __LINE__, "\"1\"\"2\"" },
		{ __LINE__, "\"1\";\"2\"" },
		{ __LINE__, "**" },
		{ __LINE__, "*, \"1\"" },
		{ __LINE__, "\"1\", *" },
		{ __LINE__, "\"1 2\"" },
		{ __LINE__, "\"1\t\"" },
		{ __LINE__, "\"\x7f\"" },
		{ __LINE__, "'1'" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct etag_set set;

		HARNESS_CASE(cases[i].line,
			     etag_set_parse(view_of(cases[i].field), &set) ==
				     ERR_INVALID);
		etag_set_release(&set);
	}
}

static void a_star_is_any_revision_but_that_of_no_key(void)
{
	struct etag_set set;

	CU_ASSERT_EQUAL(etag_set_parse(VIEW_LITERAL(" * "), &set), ERR_OK);
	CU_ASSERT_TRUE(set.any);
	CU_ASSERT_TRUE(etag_set_has(&set, 1));
	CU_ASSERT_TRUE(etag_set_has(&set, UINT64_MAX));
	CU_ASSERT_FALSE(etag_set_has(&set, 0));
	etag_set_release(&set);
}

static void a_list_is_any_of_its_members(void)
{
	struct etag_set set;

	CU_ASSERT_EQUAL(
		etag_set_parse(VIEW_LITERAL(", \"3\" ,,\"x,y\",\tW/\"5\","),
			       &set),
		ERR_OK);
	CU_ASSERT_EQUAL(set.count, 2);
	CU_ASSERT_TRUE(etag_set_has(&set, 3));
	CU_ASSERT_TRUE(etag_set_has(&set, 5));
	CU_ASSERT_FALSE(etag_set_has(&set, 4));
	CU_ASSERT_FALSE(etag_set_has(&set, 0));
	etag_set_release(&set);
}

static void a_list_may_have_any_number_of_members(void)
{
	static const size_t counts[] = { 1, ETAG_FEW, ETAG_FEW + 1, 5000 };

	for (size_t i = 0; i < HARNESS_COUNT(counts); i++) {
		struct buf field = BUF_EMPTY;
		struct etag_set set;
		uint64_t last = counts[i];

		for (uint64_t n = 1; n <= last; n++) {
			buf_add_string(&field, n > 1 ? ",\"" : "\"");
			buf_add_uint64(&field, n);
			buf_add_char(&field, '"');
		}
		CU_ASSERT_EQUAL(etag_set_parse(buf_view(&field), &set), ERR_OK);
		CU_ASSERT_EQUAL(set.count, last);
		CU_ASSERT_TRUE(etag_set_has(&set, 1));
		CU_ASSERT_TRUE(etag_set_has(&set, last));
		CU_ASSERT_FALSE(etag_set_has(&set, last + 1));
		etag_set_release(&set);
		buf_release(&field);
	}
}

static void what_is_written_is_read_back(void)
{
	static const uint64_t revisions[] = { 1, 10, 184471, UINT64_MAX };
	static const char *const texts[] = { "\"1\"", "\"10\"", "\"184471\"",
					     "\"18446744073709551615\"" };

	for (size_t i = 0; i < HARNESS_COUNT(revisions); i++) {
		char text[ETAG_SIZE];
		struct view field = etag_format(revisions[i], text);
		struct etag_set set;

		CU_ASSERT_TRUE(view_equal_string(field, texts[i]));
		CU_ASSERT_EQUAL(etag_set_parse(field, &set), ERR_OK);
		CU_ASSERT_TRUE(etag_set_has(&set, revisions[i]));
		etag_set_release(&set);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_tag_names_a_revision),
	HARNESS_TEST(a_malformed_list_is_refused),
	HARNESS_TEST(a_star_is_any_revision_but_that_of_no_key),
	HARNESS_TEST(a_list_is_any_of_its_members),
	HARNESS_TEST(a_list_may_have_any_number_of_members),
	HARNESS_TEST(what_is_written_is_read_back),
};

int main(void)
{
	return harness_run("http/etag", tests, HARNESS_COUNT(tests));
}
