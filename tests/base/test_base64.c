/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base64.h"

#include <string.h>

#include "base/random.h"
#include "fault.h"
#include "harness.h"

/* RFC 4648 section 10, and bytes that need every kind of letter. */
static const struct {
	unsigned line;
	struct view bytes;
	const char *text;
} pairs[] = {
	{ __LINE__, VIEW_LITERAL(""), "" },
	{ __LINE__, VIEW_LITERAL("f"), "Zg==" },
	{ __LINE__, VIEW_LITERAL("fo"), "Zm8=" },
	{ __LINE__, VIEW_LITERAL("foo"), "Zm9v" },
	{ __LINE__, VIEW_LITERAL("foob"), "Zm9vYg==" },
	{ __LINE__, VIEW_LITERAL("fooba"), "Zm9vYmE=" },
	{ __LINE__, VIEW_LITERAL("foobar"), "Zm9vYmFy" },
	{ __LINE__, VIEW_LITERAL("\0\0\0"), "AAAA" },
	{ __LINE__, VIEW_LITERAL("\xff\xff\xff"), "////" },
	{ __LINE__, VIEW_LITERAL("\xfb\xef\xbe"), "++++" },
};

static void the_known_pairs_are_encoded(void)
{
	for (size_t i = 0; i < HARNESS_COUNT(pairs); i++) {
		struct buf text = BUF_EMPTY;

		base64_encode(pairs[i].bytes, &text);
		HARNESS_CASE(pairs[i].line,
			     view_equal_string(buf_view(&text), pairs[i].text));
		buf_release(&text);
	}
}

static void the_known_pairs_are_decoded(void)
{
	for (size_t i = 0; i < HARNESS_COUNT(pairs); i++) {
		struct buf bytes = BUF_EMPTY;
		enum err err = base64_decode(view_of(pairs[i].text), &bytes);

		HARNESS_CASE(pairs[i].line, err == ERR_OK);
		HARNESS_CASE(pairs[i].line,
			     view_equal(buf_view(&bytes), pairs[i].bytes));
		buf_release(&bytes);
	}
}

static void what_is_malformed_appends_nothing(void)
{
	static const struct {
		unsigned line;
		struct view text;
	} cases[] = {
		{ __LINE__, VIEW_LITERAL("Z") },
		{ __LINE__, VIEW_LITERAL("Zg") },
		{ __LINE__, VIEW_LITERAL("Zg=") },
		{ __LINE__, VIEW_LITERAL("Zm9vZ") },
		{ __LINE__, VIEW_LITERAL("====") },
		{ __LINE__, VIEW_LITERAL("Z===") },
		{ __LINE__, VIEW_LITERAL("Zg=v") },
		{ __LINE__, VIEW_LITERAL("=g==") },
		{ __LINE__, VIEW_LITERAL("Zg==Zg==") },
		{ __LINE__, VIEW_LITERAL("Zm9v====") },
		{ __LINE__, VIEW_LITERAL("Zh==") }, /* bits set past the end */
		{ __LINE__, VIEW_LITERAL("Zm9=") },
		{ __LINE__, VIEW_LITERAL("Zm-v") },
		{ __LINE__, VIEW_LITERAL("Zm_v") },
		{ __LINE__, VIEW_LITERAL("Zm9v\n   ") },
		{ __LINE__, VIEW_LITERAL(" Zm9") },
		{ __LINE__, VIEW_LITERAL("Zm\0v") },
		{ __LINE__, VIEW_LITERAL("Zm\xc3v") },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf bytes = BUF_EMPTY;

		buf_add_string(&bytes, "before");
		HARNESS_CASE(cases[i].line,
			     base64_decode(cases[i].text, &bytes) ==
				     ERR_INVALID);
		HARNESS_CASE(cases[i].line,
			     view_equal_string(buf_view(&bytes), "before"));
		buf_release(&bytes);
	}
}

static void bytes_of_every_length_come_back(void)
{
	unsigned char bytes[256];

	random_bytes(bytes, sizeof(bytes));
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		struct view view = { bytes, size };
		struct buf text = BUF_EMPTY, back = BUF_EMPTY;

		base64_encode(view, &text);
		CU_ASSERT_EQUAL(text.size, (size + 2) / 3 * 4);
		CU_ASSERT_EQUAL(base64_decode(buf_view(&text), &back), ERR_OK);
		CU_ASSERT(view_equal(buf_view(&back), view));
		buf_release(&text);
		buf_release(&back);
	}
}

static void no_memory_is_told(void)
{
	struct buf bytes = BUF_EMPTY;

	if (!fault_available(FAULT_MEMORY))
		return;
	fault_arm(FAULT_MEMORY, 1, 0);
	CU_ASSERT_EQUAL(base64_decode(view_of("Zm9v"), &bytes), ERR_NO_MEMORY);
	CU_ASSERT(fault_disarm());
	buf_release(&bytes);
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(the_known_pairs_are_encoded),
		HARNESS_TEST(the_known_pairs_are_decoded),
		HARNESS_TEST(what_is_malformed_appends_nothing),
		HARNESS_TEST(bytes_of_every_length_come_back),
		HARNESS_TEST(no_memory_is_told),
	};

	return harness_run("base/base64", tests, HARNESS_COUNT(tests));
}
