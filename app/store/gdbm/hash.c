/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GDBM's hash, and when a set of keys would make its directory explode.
 *
 * The hash is that of GDBM's hash.c; it has been the same since 1990, since
 * it is part of the file format.  GDBM reads the key through plain `char`, so
 * bytes past 127 count as negative where char is signed, and this file does
 * the same, so as to agree with the library on every platform.
 *
 * The directory is indexed by the top bits of the hash.  A bucket that
 * overflows is split by one more bit, and where the directory has not that
 * many bits it doubles, until the bucket's elements part.
 */
#include <stdlib.h>

#include "store/gdbm/gdbmfile.h"
#include "store/gdbm/table.h"

#define HASH_BITS 31

/*
 * Elements in a bucket of GDBMFILE_BLOCK_SIZE bytes: GDBM's gdbmopen.c,
 * bucket_element_count(), with a bucket head of 112 bytes and elements of 24
 * on every platform whose off_t has 64 bits.
 */
#define BUCKET_ELEMENTS ((GDBMFILE_BLOCK_SIZE - 112) / 24)

uint32_t table_hash(struct view key)
{
	const char *bytes = key.data;
	uint32_t hash = 0x238f13afu * (uint32_t)key.size;

	for (size_t i = 0; i < key.size; i++)
		hash = (hash + ((uint32_t)bytes[i] << (i * 5 % 24))) &
		       0x7fffffffu;
	return (1103515243u * hash + 12345) & 0x7fffffffu;
}

static int compare_hashes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

bool table_crowded(uint32_t *hashes, size_t count)
{
	size_t group = 0;

	if (count <= BUCKET_ELEMENTS)
		return false;
	qsort(hashes, count, sizeof(*hashes), compare_hashes);
	for (size_t i = 0; i < count; i++) {
		uint32_t top = hashes[i] >> (HASH_BITS - TABLE_DEPTH_MAX);
		uint32_t first =
			hashes[i - group] >> (HASH_BITS - TABLE_DEPTH_MAX);

		group = top == first ? group + 1 : 1;
		if (group > BUCKET_ELEMENTS)
			return true;
	}
	return false;
}
