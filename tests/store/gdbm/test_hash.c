/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GDBM's hash and what makes its directory grow, against the library itself. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "harness.h"
#include "store/gdbm/table.h"

#define BUCKET_ELEMENTS   166 /* of GDBM in a block of 4096 bytes */
#define DIRECTORY_BITS_AT 20  /* in the header of a GDBM file */

static void the_hash_is_gdbms(void)
{
	static const struct {
		int line;
		struct view key;
		uint32_t hash; /* by _gdbm_hash() of GDBM 1.23 on amd64 */
	} cases[] = {
		{ __LINE__, VIEW_LITERAL("a"), 0x094a72e9 },
		{ __LINE__, VIEW_LITERAL("key/00000001"), 0x145b556e },
		{ __LINE__,
		  VIEW_LITERAL("The quick brown fox jumps over the lazy dog"),
		  0x3918bdaf },
#if CHAR_MIN < 0
		{ __LINE__, VIEW_LITERAL("\xff"), 0x5b606df3 },
		{ __LINE__, VIEW_LITERAL("\x80\x81"), 0x2b093063 },
#endif
		{ __LINE__, VIEW_LITERAL(""), 0x00003039 },
	};
	char longest[1024];

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     table_hash(cases[i].key) == cases[i].hash);
	memset(longest, 'k', sizeof(longest));
	CU_ASSERT_EQUAL(table_hash((struct view){ longest, sizeof(longest) }),
			0x49e76c96);
}

/* The GDBM file of a table with these keys, for the caller to release. */
static struct buf file_of(const struct view *keys, size_t count)
{
	const struct table_id id = { 1, 1 };
	const struct record record = { .revision = 1 };
	int dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY);
	struct table_build *build = NULL;
	struct buf bytes = BUF_EMPTY;
	char name[TABLE_NAME_SIZE];
	uint64_t size;
	int fd;

	CU_ASSERT_EQUAL_FATAL(table_build_begin(NULL, &build), ERR_OK);
	for (size_t i = 0; i < count; i++) {
		buf_clear(&bytes);
		record_encode(keys[i], &record, &bytes);
		CU_ASSERT_EQUAL(
			table_build_put(build, keys[i], buf_view(&bytes)),
			ERR_OK);
		CU_ASSERT_EQUAL(table_build_key(build, keys[i], &record),
				ERR_OK);
	}
	CU_ASSERT_EQUAL_FATAL(table_build_finish(build, dir, id, &size),
			      ERR_OK);
	table_name(id, name);
	CU_ASSERT_EQUAL(file_open(dir, name, O_RDONLY, 0, &fd), ERR_OK);
	buf_clear(&bytes);
	CU_ASSERT_EQUAL(file_read_all(fd, name, SIZE_MAX / 2, &bytes), ERR_OK);
	CU_ASSERT_EQUAL(bytes.size, size);
	file_close(&fd, name);
	close(dir);
	return bytes;
}

/* A bucket's element begins with the hash and the key's first four bytes. */
static void the_library_writes_the_same_hash(void)
{
	static const struct view keys[] = {
		VIEW_LITERAL("\x01\x02\x03\x04"),
		VIEW_LITERAL("\x7f\x80\x81\xff"),
		VIEW_LITERAL("\xc3\xa4\xc3\xb6\xc3\xbc"),
		VIEW_LITERAL("a longer key, so that shifts come round again"),
		VIEW_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	};

	for (size_t i = 0; i < HARNESS_COUNT(keys); i++) {
		struct buf bytes = file_of(&keys[i], 1);
		uint32_t hash = table_hash(keys[i]);
		char element[8];

		memcpy(element, &hash, 4);
		memcpy(element + 4, keys[i].data, 4);
		CU_ASSERT_PTR_NOT_NULL(memmem(bytes.data, bytes.size, element,
					      sizeof(element)));
		buf_release(&bytes);
	}
}

struct crowd {
	char texts[BUCKET_ELEMENTS + 1][12];
	struct view keys[BUCKET_ELEMENTS + 1];
	uint32_t hashes[BUCKET_ELEMENTS + 1];
};

static int compare_keys(const void *a, const void *b)
{
	const struct view *x = a;
	const struct view *y = b;

	return view_compare(*x, *y);
}

/* Keys whose hashes share their top TABLE_DEPTH_MAX bits. */
static void find_crowd(struct crowd *crowd)
{
	size_t found = 0;

	for (unsigned i = 0; found < BUCKET_ELEMENTS + 1; i++) {
		char text[12];
		struct view key = { text, 8 };

		snprintf(text, sizeof(text), "%08x", i);
		if (table_hash(key) >> (31 - TABLE_DEPTH_MAX) != 0x1234)
			continue;
		memcpy(crowd->texts[found], text, sizeof(text));
		crowd->keys[found] = (struct view){ crowd->texts[found], 8 };
		found++;
	}
	qsort(crowd->keys, found, sizeof(crowd->keys[0]), compare_keys);
	for (size_t i = 0; i < found; i++)
		crowd->hashes[i] = table_hash(crowd->keys[i]);
}

static int32_t directory_bits(const struct view *keys, size_t count)
{
	struct buf bytes = file_of(keys, count);
	int32_t bits;

	memcpy(&bits, bytes.data + DIRECTORY_BITS_AT, sizeof(bits));
	buf_release(&bytes);
	return bits;
}

static void crowded_is_what_makes_gdbms_directory_too_deep(void)
{
	static struct crowd crowd;

	find_crowd(&crowd);
	CU_ASSERT_FALSE(table_crowded(crowd.hashes, BUCKET_ELEMENTS));
	CU_ASSERT_TRUE(directory_bits(crowd.keys, BUCKET_ELEMENTS) <=
		       TABLE_DEPTH_MAX);
	CU_ASSERT_TRUE(table_crowded(crowd.hashes, BUCKET_ELEMENTS + 1));
	CU_ASSERT_TRUE(directory_bits(crowd.keys, BUCKET_ELEMENTS + 1) >
		       TABLE_DEPTH_MAX);
}

static void a_crowd_is_found_among_many(void)
{
	static uint32_t hashes[50000];
	size_t count = HARNESS_COUNT(hashes);

	for (size_t i = 0; i < count; i++)
		hashes[i] = (uint32_t)(i * 2654435761u) & 0x7fffffff;
	CU_ASSERT_FALSE(table_crowded(hashes, count));
	for (size_t i = 0; i < BUCKET_ELEMENTS + 1; i++)
		hashes[i * 17] = 0x12345678;
	CU_ASSERT_TRUE(table_crowded(hashes, count));
}

static void a_hundred_equal_hashes_are_no_crowd(void)
{
	uint32_t hashes[100] = { 0 };

	CU_ASSERT_FALSE(table_crowded(hashes, 100));
	CU_ASSERT_FALSE(table_crowded(hashes, 0));
}

static const struct harness_test tests[] = {
	HARNESS_TEST(the_hash_is_gdbms),
	HARNESS_TEST(the_library_writes_the_same_hash),
	HARNESS_TEST(crowded_is_what_makes_gdbms_directory_too_deep),
	HARNESS_TEST(a_crowd_is_found_among_many),
	HARNESS_TEST(a_hundred_equal_hashes_are_no_crowd),
};

int main(void)
{
	return harness_run("store/gdbm/hash", tests, HARNESS_COUNT(tests));
}
