/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/sha256.h"

#include <string.h>

#include "harness.h"

/* FIPS 180-4's examples (csrc.nist.gov, SHA256.pdf), and the empty message. */
static const struct {
	int line;
	const char *text;
	const char *hex;
} cases[] = {
	{ __LINE__, "",
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ __LINE__, "abc",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ __LINE__, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void digests_are_those_of_the_standard(void)
{
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct sha256 digest = sha256_of(view_of(cases[i].text));
		struct sha256 again;
		char hex[SHA256_HEX_SIZE];

		sha256_to_hex(&digest, hex);
		HARNESS_CASE(cases[i].line, !strcmp(hex, cases[i].hex));
		HARNESS_CASE(cases[i].line,
			     sha256_from_hex(view_of(hex), &again));
		HARNESS_CASE(cases[i].line, sha256_equal(&digest, &again));
	}
}

static void one_bit_makes_a_difference(void)
{
	struct sha256 a = sha256_of(VIEW_LITERAL("a"));

	for (size_t i = 0; i < 8 * SHA256_SIZE; i++) {
		struct sha256 b = a;

		b.bytes[i / 8] ^= (unsigned char)(1u << i % 8);
		CU_ASSERT_FALSE(sha256_equal(&a, &b));
	}
}

static void what_is_no_digest_is_refused(void)
{
	char hex[] =
		"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
	struct sha256 digest;

	CU_ASSERT(sha256_from_hex(view_of(hex), &digest));
	CU_ASSERT_FALSE(sha256_from_hex((struct view){ hex, 63 }, &digest));
	for (size_t i = 0; i < 64; i++) {
		char kept = hex[i];

		hex[i] = 'g';
		CU_ASSERT_FALSE(sha256_from_hex(view_of(hex), &digest));
		hex[i] = kept;
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(digests_are_those_of_the_standard),
	HARNESS_TEST(one_bit_makes_a_difference),
	HARNESS_TEST(what_is_no_digest_is_refused),
};

int main(void)
{
	return harness_run("base/sha256", tests, HARNESS_COUNT(tests));
}
