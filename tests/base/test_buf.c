/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "harness.h"

static void what_is_added_stands_in_order(void)
{
	struct buf buf = BUF_EMPTY;

	buf_add(&buf, "a\0b", 3);
	buf_add_view(&buf, VIEW_LITERAL("cd"));
	buf_add_string(&buf, "ef");
	buf_add_char(&buf, '-');
	buf_add_uint64(&buf, 0);
	buf_add_uint64(&buf, UINT64_MAX);
	buf_addf(&buf, "%s/%03d", "x", 7);
	CU_ASSERT(view_equal(buf_view(&buf),
			     VIEW_LITERAL("a\0bcdef-"
					  "018446744073709551615x/007")));
	CU_ASSERT_EQUAL(buf.err, ERR_OK);
	buf_release(&buf);
}

static void an_empty_buf_is_an_empty_string(void)
{
	struct buf buf = BUF_EMPTY;

	buf_add(&buf, NULL, 0);
	CU_ASSERT_EQUAL(buf_view(&buf).size, 0);
	CU_ASSERT_STRING_EQUAL(buf_string(&buf), "");
	CU_ASSERT_EQUAL(buf.size, 0);
	buf_release(&buf);
	CU_ASSERT_EQUAL(buf.data, NULL);
}

static void the_nul_of_a_string_is_not_counted(void)
{
	struct buf buf = BUF_EMPTY;

	/* 64 bytes fill the first allocation to the brim. */
	for (int i = 0; i < 64; i++)
		buf_add_char(&buf, 'x');
	CU_ASSERT_EQUAL(strlen(buf_string(&buf)), 64);
	CU_ASSERT_EQUAL(buf.size, 64);
	buf_add_char(&buf, 'y');
	CU_ASSERT_EQUAL(buf_string(&buf)[64], 'y');
	buf_release(&buf);
}

static void formatted_text_of_any_length_fits(void)
{
	for (int width = 0; width < 200; width++) {
		struct buf buf = BUF_EMPTY;

		buf_addf(&buf, "%*s", width, "");
		CU_ASSERT_EQUAL(buf.size, (size_t)width);
		buf_release(&buf);
	}
}

static void growing_keeps_what_is_there(void)
{
	struct buf buf = BUF_EMPTY;
	bool kept = true;

	for (unsigned i = 0; i < 100000; i++)
		buf_add_le32(&buf, i);
	for (unsigned i = 0; i < 100000; i++)
		kept = kept && le32_get(buf.data + (size_t)i * 4) == i;
	CU_ASSERT(kept);
	CU_ASSERT(buf.capacity <= 2 * buf.size);
	buf_release(&buf);
}

static void reserving_does_not_move_the_size(void)
{
	struct buf buf = BUF_EMPTY;

	buf_add_string(&buf, "abc");
	buf_reserve(&buf, 1000);
	CU_ASSERT_EQUAL(buf.size, 3);
	CU_ASSERT(buf.capacity >= 1003);
	buf_release(&buf);
}

static void a_size_that_wraps_around_is_out_of_memory(void)
{
	struct buf buf = BUF_EMPTY;

	buf_add_string(&buf, "abc");
	buf_reserve(&buf, SIZE_MAX);
	CU_ASSERT_EQUAL(buf.err, ERR_NO_MEMORY);
	CU_ASSERT_EQUAL(buf.size, 0);
	buf_release(&buf);
}

static void a_failed_buf_stays_failed_until_cleared(void)
{
	struct buf buf = BUF_EMPTY;

	buf_add_string(&buf, "before");
	buf_reserve(&buf, SIZE_MAX);
	buf_reserve(&buf, 1);
	buf_add_string(&buf, "abc");
	buf_add_char(&buf, 'd');
	buf_addf(&buf, "%d", 1);
	buf_add_le64(&buf, 1);
	CU_ASSERT_EQUAL(buf.err, ERR_NO_MEMORY);
	CU_ASSERT_EQUAL(buf_view(&buf).size, 0);
	CU_ASSERT_STRING_EQUAL(buf_string(&buf), "");
	buf_clear(&buf);
	buf_add_string(&buf, "abc");
	CU_ASSERT_EQUAL(buf.err, ERR_OK);
	CU_ASSERT_STRING_EQUAL(buf_string(&buf), "abc");
	buf_release(&buf);
}

static void the_first_failed_allocation_is_kept(void)
{
	for (unsigned n = 1; fault_available(FAULT_MEMORY); n++) {
		struct buf buf = BUF_EMPTY;

		fault_arm(FAULT_MEMORY, n, 0);
		for (int i = 0; i < 1000; i++)
			buf_add_char(&buf, 'x');
		if (!fault_disarm()) {
			CU_ASSERT(n > 1);
			CU_ASSERT_EQUAL(buf.size, 1000);
			buf_release(&buf);
			break;
		}
		CU_ASSERT_EQUAL(buf.err, ERR_NO_MEMORY);
		CU_ASSERT_EQUAL(buf.size, 0);
		buf_release(&buf);
	}
}

static void trimming_gives_the_memory_back(void)
{
	struct buf buf = BUF_EMPTY;

	buf_reserve(&buf, 5000);
	buf_trim(&buf, 8192);
	CU_ASSERT(buf.capacity >= 5000);
	buf_add_string(&buf, "abc");
	buf_trim(&buf, 100);
	CU_ASSERT(buf.capacity <= 100);
	CU_ASSERT_EQUAL(buf.size, 0);
	buf_trim(&buf, 0);
	CU_ASSERT_EQUAL(buf.capacity, 0);
	CU_ASSERT_EQUAL(buf.data, NULL);
	buf_add_string(&buf, "abc");
	CU_ASSERT_STRING_EQUAL(buf_string(&buf), "abc");
	buf_release(&buf);
}

static void integers_are_little_endian(void)
{
	struct buf buf = BUF_EMPTY;

	buf_add_le16(&buf, 0x0102);
	buf_add_le32(&buf, 0x03040506);
	buf_add_le64(&buf, UINT64_C(0x0708090a0b0c0d0e));
	CU_ASSERT(view_equal(buf_view(&buf),
			     VIEW_LITERAL("\x02\x01"
					  "\x06\x05\x04\x03"
					  "\x0e\x0d\x0c\x0b\x0a\x09\x08\x07")));
	CU_ASSERT_EQUAL(le16_get(buf.data), 0x0102);
	CU_ASSERT_EQUAL(le32_get(buf.data + 2), 0x03040506);
	CU_ASSERT_EQUAL(le64_get(buf.data + 6), UINT64_C(0x0708090a0b0c0d0e));
	buf_release(&buf);
}

static void integers_of_all_ones_come_back(void)
{
	unsigned char bytes[9];

	/* At an odd address, where a plain load is not allowed. */
	le16_put(bytes + 1, UINT16_MAX);
	CU_ASSERT_EQUAL(le16_get(bytes + 1), UINT16_MAX);
	le32_put(bytes + 1, UINT32_MAX);
	CU_ASSERT_EQUAL(le32_get(bytes + 1), UINT32_MAX);
	le64_put(bytes + 1, UINT64_MAX);
	CU_ASSERT_EQUAL(le64_get(bytes + 1), UINT64_MAX);
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(what_is_added_stands_in_order),
		HARNESS_TEST(an_empty_buf_is_an_empty_string),
		HARNESS_TEST(the_nul_of_a_string_is_not_counted),
		HARNESS_TEST(formatted_text_of_any_length_fits),
		HARNESS_TEST(growing_keeps_what_is_there),
		HARNESS_TEST(reserving_does_not_move_the_size),
		HARNESS_TEST(a_size_that_wraps_around_is_out_of_memory),
		HARNESS_TEST(a_failed_buf_stays_failed_until_cleared),
		HARNESS_TEST(the_first_failed_allocation_is_kept),
		HARNESS_TEST(trimming_gives_the_memory_back),
		HARNESS_TEST(integers_are_little_endian),
		HARNESS_TEST(integers_of_all_ones_come_back),
	};

	return harness_run("base/buf", tests, HARNESS_COUNT(tests));
}
