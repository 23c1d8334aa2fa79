/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sixteen bytes a step, by vectors of the compiler, which every machine has in
 * one form or another.
 */
#include "http/json_plain.h"

#include <endian.h>
#include <string.h>

typedef unsigned char block __attribute__((vector_size(16)));

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

/* Less than a block. */
static size_t pass_few(const unsigned char *p, size_t size, unsigned char also)
{
	size_t i = 0;

	while (i < size && is_plain(p[i]) && !(p[i] & also))
		i++;
	return i;
}

/* The first byte of a block that is not 0, or 16. */
static size_t first_set(block bytes)
{
	uint64_t halves[2];

	memcpy(halves, &bytes, sizeof(halves));
	if (halves[0])
		return (size_t)__builtin_ctzll(le64toh(halves[0])) / 8;
	if (halves[1])
		return (size_t)__builtin_ctzll(le64toh(halves[1])) / 8 + 8;
	return sizeof(halves);
}

/* As pass(), of one block. */
static size_t pass_block(const unsigned char *p, unsigned char also)
{
	block bytes;

	memcpy(&bytes, p, sizeof(bytes));
	return first_set((block)(bytes < 0x20) | (block)(bytes == '"') |
			 (block)(bytes == '\\') | (block)(bytes == 0x7f) |
			 (bytes & also));
}

/*
 * Bytes before one that is not plain, or has one of the bits of `also`.  The
 * last block begins before what is left, with bytes that were passed already.
 */
static size_t pass(const unsigned char *p, size_t size, unsigned char also)
{
	size_t at = 0;

	if (size < sizeof(block))
		return pass_few(p, size, also);
	while (at < size) {
		size_t passed;

		if (at > size - sizeof(block))
			at = size - sizeof(block);
		passed = pass_block(p + at, also);
		at += passed;
		if (passed < sizeof(block))
			break;
	}
	return at;
}

size_t json_plain(const char *p, size_t size)
{
	return pass((const unsigned char *)p, size, 0);
}

bool json_is_plain_ascii(struct view text)
{
	return pass(text.data, text.size, 0x80) == text.size;
}
