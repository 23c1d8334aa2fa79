/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Eight bytes a step: by the processor's own instruction where it has one, or
 * by eight tables ("slicing by 8": Kounavis and Berry, A Systematic Approach
 * to Building High Performance Software-based CRC Generators, 2005).
 */
#include "base/crc32c.h"

#include <endian.h>
#include <string.h>

/*
 * A CRC is linear over bits: the entry of n is the sum, without carries, of
 * the entries of the bits of n.  So eight numbers make a table of 256.
 */
#define ENTRY(n, b0, b1, b2, b3, b4, b5, b6, b7)                               \
	(((n)&1 ? (b0) : 0U) ^ ((n)&2 ? (b1) : 0U) ^ ((n)&4 ? (b2) : 0U) ^     \
	 ((n)&8 ? (b3) : 0U) ^ ((n)&16 ? (b4) : 0U) ^ ((n)&32 ? (b5) : 0U) ^   \
	 ((n)&64 ? (b6) : 0U) ^ ((n)&128 ? (b7) : 0U))
#define ROWS_4(n, ...)                                                         \
	ENTRY(n, __VA_ARGS__), ENTRY((n) + 1, __VA_ARGS__),                    \
		ENTRY((n) + 2, __VA_ARGS__), ENTRY((n) + 3, __VA_ARGS__)
#define ROWS_16(n, ...)                                                        \
	ROWS_4(n, __VA_ARGS__), ROWS_4((n) + 4, __VA_ARGS__),                  \
		ROWS_4((n) + 8, __VA_ARGS__), ROWS_4((n) + 12, __VA_ARGS__)
#define ROWS_64(n, ...)                                                        \
	ROWS_16(n, __VA_ARGS__), ROWS_16((n) + 16, __VA_ARGS__),               \
		ROWS_16((n) + 32, __VA_ARGS__), ROWS_16((n) + 48, __VA_ARGS__)
#define ROWS(...)                                                              \
	ROWS_64(0, __VA_ARGS__), ROWS_64(64, __VA_ARGS__),                     \
		ROWS_64(128, __VA_ARGS__), ROWS_64(192, __VA_ARGS__)

/*
 * by_distance[d][n]: what byte n adds when d more bytes follow it.  The
 * polynomial is 0x82f63b78, bits reversed; the tests derive it bit by bit.
 */
static const uint32_t by_distance[8][256] = {
	{ ROWS(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f,
	       0x20bd8ede, 0x417b1dbc, 0x82f63b78) },
	{ ROWS(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181,
	       0x7f8be302, 0xff17c604, 0xfbc3faf9) },
	{ ROWS(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a,
	       0xe144fb14, 0xc76580d9, 0x8b277743) },
	{ ROWS(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d,
	       0xd725148b, 0xaba65fe7, 0x52a0c93f) },
	{ ROWS(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3,
	       0x1ba8b557, 0x37516aae, 0x6ea2d55c) },
	{ ROWS(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e,
	       0x85f4168d, 0x0e045beb, 0x1c08b7d6) },
	{ ROWS(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6,
	       0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4) },
	{ ROWS(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4,
	       0x0d006599, 0x1a00cb32, 0x34019664) },
};

static uint32_t load_le32(const unsigned char *p)
{
	uint32_t number;

	memcpy(&number, p, sizeof(number));
	return le32toh(number);
}

static uint32_t add_byte(uint32_t crc, unsigned char byte)
{
	return by_distance[0][(crc ^ byte) & 0xff] ^ crc >> 8;
}

static uint32_t add_eight(uint32_t crc, const unsigned char *p)
{
	const uint32_t low = crc ^ load_le32(p);
	const uint32_t high = load_le32(p + 4);

	return by_distance[7][low & 0xff] ^ by_distance[6][low >> 8 & 0xff] ^
	       by_distance[5][low >> 16 & 0xff] ^ by_distance[4][low >> 24] ^
	       by_distance[3][high & 0xff] ^ by_distance[2][high >> 8 & 0xff] ^
	       by_distance[1][high >> 16 & 0xff] ^ by_distance[0][high >> 24];
}

uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *p = data;

	crc = ~crc;
	for (; size >= 8; size -= 8, p += 8)
		crc = add_eight(crc, p);
	for (; size > 0; size--)
		crc = add_byte(crc, *p++);
	return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t wide = (uint32_t)~crc;

	for (; size >= 8; size -= 8, p += 8) {
		uint64_t eight;

		memcpy(&eight, p, sizeof(eight));
		wide = __builtin_ia32_crc32di(wide, eight);
	}
	crc = (uint32_t)wide;
	for (; size > 0; size--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	return __builtin_cpu_supports("sse4.2")
		       ? by_instruction(crc, data, size)
		       : crc32c_by_table(crc, data, size);
}

#else

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	return crc32c_by_table(crc, data, size);
}

#endif
