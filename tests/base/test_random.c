/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/random.h"

#include <string.h>

#include "harness.h"

/* That a byte is 0 forty times has a probability of 2^-320. */
static void every_byte_is_filled(void)
{
	unsigned char seen[300] = { 0 };

	for (int round = 0; round < 40; round++) {
		unsigned char bytes[sizeof(seen)] = { 0 };

		random_bytes(bytes, sizeof(bytes));
		for (size_t i = 0; i < sizeof(seen); i++)
			seen[i] |= bytes[i];
	}
	for (size_t i = 0; i < sizeof(seen); i++)
		CU_ASSERT_NOT_EQUAL(seen[i], 0);
}

static void no_byte_past_the_size_is_touched(void)
{
	unsigned char bytes[8];

	memset(bytes, 0xa5, sizeof(bytes));
	random_bytes(bytes, 0);
	CU_ASSERT_EQUAL(bytes[0], 0xa5);
	random_bytes(bytes, 4);
	CU_ASSERT_EQUAL(memcmp(bytes + 4, "\xa5\xa5\xa5\xa5", 4), 0);
}

static void numbers_do_not_repeat(void)
{
	CU_ASSERT_NOT_EQUAL(random_uint64(), random_uint64());
}

static void a_uuid_has_version_and_variant(void)
{
	struct random_stock stock = { .left = 0 };

	for (int i = 0; i < 100; i++) {
		char uuid[RANDOM_UUID_SIZE], other[RANDOM_UUID_SIZE];

		random_uuid(&stock, uuid);
		random_uuid(&stock, other);
		CU_ASSERT_EQUAL(strlen(uuid), 36);
		CU_ASSERT_EQUAL(strspn(uuid, "0123456789abcdef-"), 36);
		CU_ASSERT_EQUAL(uuid[8], '-');
		CU_ASSERT_EQUAL(uuid[13], '-');
		CU_ASSERT_EQUAL(uuid[18], '-');
		CU_ASSERT_EQUAL(uuid[23], '-');
		CU_ASSERT_EQUAL(uuid[14], '4');
		CU_ASSERT_PTR_NOT_NULL(strchr("89ab", uuid[19]));
		CU_ASSERT_STRING_NOT_EQUAL(uuid, other);
	}
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(every_byte_is_filled),
		HARNESS_TEST(no_byte_past_the_size_is_touched),
		HARNESS_TEST(numbers_do_not_repeat),
		HARNESS_TEST(a_uuid_has_version_and_variant),
	};

	return harness_run("base/random", tests, HARNESS_COUNT(tests));
}
