/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/crc32c.h"

#include <string.h>

#include "base/random.h"
#include "harness.h"

/* The definition, bit by bit. */
static uint32_t by_bit(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *p = data;

	crc = ~crc;
	for (size_t i = 0; i < size; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void check(unsigned line, const void *data, size_t size, uint32_t crc)
{
	HARNESS_CASE(line, crc32c(0, data, size) == crc);
	HARNESS_CASE(line, crc32c_by_table(0, data, size) == crc);
}

/* RFC 3720 appendix B.4, whose bytes stand in the order they are sent. */
static void the_vectors_of_the_rfc_hold(void)
{
	static const unsigned char read_command[48] = {
		0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00,
		0x00, 0x18, 0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	};
	unsigned char bytes[32];

	memset(bytes, 0, sizeof(bytes));
	check(__LINE__, bytes, sizeof(bytes), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	check(__LINE__, bytes, sizeof(bytes), 0x62a8ab43);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	check(__LINE__, bytes, sizeof(bytes), 0x46dd794e);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(31 - i);
	check(__LINE__, bytes, sizeof(bytes), 0x113fdb5c);
	check(__LINE__, read_command, sizeof(read_command), 0xd9963a56);
	check(__LINE__, "123456789", 9, 0xe3069283);
	check(__LINE__, NULL, 0, 0);
}

/* Every entry of every table: each byte at each place of the eight. */
static void every_byte_at_every_place_counts(void)
{
	for (size_t place = 0; place < 8; place++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			unsigned char bytes[8] = { 0 };

			bytes[place] = (unsigned char)byte;
			check(__LINE__, bytes, sizeof(bytes),
			      by_bit(0, bytes, sizeof(bytes)));
		}
	}
}

static void both_ways_agree_at_any_length_and_alignment(void)
{
	unsigned char bytes[1024];

	random_bytes(bytes, sizeof(bytes));
	for (size_t from = 0; from < 16; from++)
		for (size_t size = 0; size < 80; size++)
			check(__LINE__, bytes + from, size,
			      by_bit(0, bytes + from, size));
	for (int i = 0; i < 200; i++) {
		size_t from = random_uint64() % sizeof(bytes);
		size_t size = random_uint64() % (sizeof(bytes) - from);

		check(__LINE__, bytes + from, size,
		      by_bit(0, bytes + from, size));
	}
}

static void it_continues_where_it_was_left(void)
{
	unsigned char bytes[100];
	uint32_t whole;

	random_bytes(bytes, sizeof(bytes));
	whole = by_bit(0, bytes, sizeof(bytes));
	for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
		const unsigned char *rest = bytes + cut;
		size_t left = sizeof(bytes) - cut;

		CU_ASSERT_EQUAL(crc32c(crc32c(0, bytes, cut), rest, left),
				whole);
		CU_ASSERT_EQUAL(crc32c_by_table(crc32c_by_table(0, bytes, cut),
						rest, left),
				whole);
	}
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(the_vectors_of_the_rfc_hold),
		HARNESS_TEST(every_byte_at_every_place_counts),
		HARNESS_TEST(both_ways_agree_at_any_length_and_alignment),
		HARNESS_TEST(it_continues_where_it_was_left),
	};

	return harness_run("base/crc32c", tests, HARNESS_COUNT(tests));
}
