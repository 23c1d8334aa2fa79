/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/json_plain.c. */
#include "harness.h"

#include <string.h>

#include "http/json_plain.h"

#define SIZE_MOST 49 /* three blocks of 16 and one byte */

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

static size_t byte_by_byte(const unsigned char *p, size_t size)
{
	size_t i = 0;

	while (i < size && is_plain(p[i]))
		i++;
	return i;
}

static bool is_ascii(const unsigned char *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] >= 0x80)
			return false;
	return true;
}

/* Both are right about what they are given, and look at nothing behind it. */
static bool is_right(const unsigned char *p, size_t size)
{
	size_t plain = byte_by_byte(p, size);
	struct view text = { p, size };

	return json_plain((const char *)p, size) == plain &&
	       json_is_plain_ascii(text) ==
		       (plain == size && is_ascii(p, size));
}

static bool are_all_sizes_right(const unsigned char text[SIZE_MOST])
{
	for (size_t size = 0; size <= SIZE_MOST; size++)
		if (!is_right(text, size) ||
		    !is_right(text + SIZE_MOST - size, size))
			return false;
	return true;
}

static void any_byte_is_found_wherever_it_stands(void)
{
	for (unsigned byte = 0; byte < 256; byte++)
		for (size_t at = 0; at < SIZE_MOST; at++) {
			unsigned char text[SIZE_MOST];

			memset(text, 'x', sizeof(text));
			text[at] = (unsigned char)byte;
			CU_ASSERT_TRUE_FATAL(are_all_sizes_right(text));
		}
}

/* What is found in a block must not hide or move what stands before it. */
static void of_two_bytes_the_first_is_found(void)
{
	for (unsigned pair = 0; pair < 1u << 16; pair++)
		for (size_t at = 0; at < 16; at++) {
			unsigned char text[SIZE_MOST];

			memset(text, 'x', sizeof(text));
			text[at] = (unsigned char)(pair >> 8);
			text[at + 1] = (unsigned char)pair;
			CU_ASSERT_TRUE_FATAL(is_right(text, 24));
		}
}

static void nothing_is_plain(void)
{
	CU_ASSERT_EQUAL(json_plain(NULL, 0), 0);
	CU_ASSERT_TRUE(json_is_plain_ascii((struct view){ NULL, 0 }));
}

static const struct harness_test tests[] = {
	HARNESS_TEST(any_byte_is_found_wherever_it_stands),
	HARNESS_TEST(of_two_bytes_the_first_is_found),
	HARNESS_TEST(nothing_is_plain),
};

int main(void)
{
	return harness_run("http/json_plain", tests, HARNESS_COUNT(tests));
}
