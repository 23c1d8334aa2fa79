/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables: what damage of every kind does, and what verifying tells. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "harness.h"
#include "logged.h"
#include "store/gdbm/made.h"

#define SMALL 40 /* keys of a table that is damaged byte by byte */

/* The bytes of a file, to be put back after each damage. */
struct original {
	int fd;
	struct buf bytes;
};

static void original_open(struct original *file, int dir, const char *name)
{
	file->bytes = BUF_EMPTY;
	CU_ASSERT_EQUAL_FATAL(file_open(dir, name, O_RDWR, 0, &file->fd),
			      ERR_OK);
	CU_ASSERT_EQUAL_FATAL(
		file_read_all(file->fd, name, 1 << 20, &file->bytes), ERR_OK);
}

static void original_damage(struct original *file, size_t at, const void *bytes,
			    size_t size)
{
	CU_ASSERT_EQUAL(pwrite(file->fd, bytes, size, (off_t)at),
			(ssize_t)size);
}

static void original_restore(struct original *file)
{
	CU_ASSERT_EQUAL(ftruncate(file->fd, (off_t)file->bytes.size), 0);
	original_damage(file, 0, file->bytes.data, file->bytes.size);
}

static void original_close(struct original *file)
{
	close(file->fd);
	buf_release(&file->bytes);
}

/*
 * Whatever is wrong with the file, nothing wrong comes out of it, and no key
 * that is there is said to be absent.
 */
static void use_damaged(int dir)
{
	struct table *table;
	struct table_build *build;
	enum err err = table_open(dir, made_first, &table);

	CU_ASSERT_TRUE(made_findings_first(dir, SMALL) > 0);
	if (err) {
		CU_ASSERT_EQUAL(err, ERR_DAMAGED);
		return;
	}
	for (size_t i = 0; i < SMALL; i++) {
		err = made_get(table, i, 1);
		CU_ASSERT_TRUE(err == ERR_OK || err == ERR_DAMAGED);
	}
	CU_ASSERT_EQUAL(table_build_begin(table, &build), ERR_DAMAGED);
	table_close(table);
}

static void damaged_bytes_never_get_out(void)
{
	static const uint32_t words[] = { 0, 1, 0x7fffffff, 0x80000000,
					  0xffffffff };
	int dir = made_dir();
	struct original file;

	made_table(dir, SMALL);
	original_open(&file, dir, MADE_GDBM);
	for (size_t at = 0; at + 4 <= file.bytes.size;
	     at += at < 128 ? 4 : 4 * 53) {
		for (size_t i = 0; i < HARNESS_COUNT(words); i++) {
			if (!memcmp(file.bytes.data + at, &words[i], 4))
				continue;
			original_damage(&file, at, &words[i], 4);
			use_damaged(dir);
			original_restore(&file);
		}
	}
	CU_ASSERT_EQUAL(made_findings_first(dir, SMALL), 0);
	original_close(&file);
	close(dir);
}

static void random_damage_never_gets_out(void)
{
	int dir = made_dir();
	struct original file;
	unsigned random = 1;

	made_table(dir, SMALL);
	original_open(&file, dir, MADE_GDBM);
	for (int turn = 0; turn < 500; turn++) {
		for (int i = 0; i < 10; i++) {
			size_t at;
			char byte;

			random = random * 1103515245 + 12345;
			at = (random >> 8) % file.bytes.size;
			byte = file.bytes.data[at] ^ (char)(1 + turn % 255);
			original_damage(&file, at, &byte, 1);
		}
		use_damaged(dir);
		original_restore(&file);
	}
	original_close(&file);
	close(dir);
}

/* Who reads the log learns where the file is damaged, not only that it is. */
static void a_refusal_to_open_tells_the_bytes(void)
{
	static const uint32_t words[] = { 0, 1, 0x1000, 0x7fffffff,
					  0xffffffff };
	int dir = made_dir();
	struct original file;
	unsigned refused = 0;
	unsigned untold = 0;

	made_table(dir, SMALL);
	original_open(&file, dir, MADE_GDBM);
	for (size_t at = 0; at + 4 <= file.bytes.size; at += 4) {
		for (size_t i = 0; i < HARNESS_COUNT(words); i++) {
			struct logged logged;
			struct table *table;
			enum err err;

			original_damage(&file, at, &words[i], 4);
			logged_begin(&logged);
			err = table_open(dir, made_first, &table);
			if (!err)
				table_close(table);
			logged_end(&logged);
			refused += err != ERR_OK;
			untold += err && !logged_byte(logged.text, at);
		}
		original_restore(&file);
	}
	CU_ASSERT(refused > 0);
	CU_ASSERT_EQUAL(untold, 0);
	original_close(&file);
	close(dir);
}

static void a_table_that_was_cut_never_gets_out(void)
{
	int dir = made_dir();
	struct original file;

	made_table(dir, SMALL);
	original_open(&file, dir, MADE_GDBM);
	for (size_t size = 0; size < file.bytes.size; size += 509) {
		CU_ASSERT_EQUAL(ftruncate(file.fd, (off_t)size), 0);
		use_damaged(dir);
		original_restore(&file);
	}
	original_close(&file);
	close(dir);
}

static void a_file_that_is_well_again_is_read_again(void)
{
	int dir = made_dir();
	struct original file;

	made_table(dir, SMALL);
	original_open(&file, dir, MADE_GDBM);

	struct table *table = made_open(dir, made_first);

	/* Behind the header and the directory stands the first bucket. */
	original_damage(&file, 8192, "\xff\xff\xff\xff", 4);
	CU_ASSERT_EQUAL(made_get(table, 1, 1), ERR_DAMAGED);
	CU_ASSERT_EQUAL(made_get(table, 1, 1), ERR_DAMAGED);
	original_restore(&file);
	CU_ASSERT_EQUAL(made_get(table, 1, 1), ERR_OK);

	/* Where it is gone by then, that is not said of the key. */
	table_close(table);
	table = made_open(dir, made_first);
	original_damage(&file, 8192, "\xff\xff\xff\xff", 4);
	CU_ASSERT_EQUAL(made_get(table, 1, 1), ERR_DAMAGED);
	CU_ASSERT_EQUAL(unlinkat(dir, MADE_GDBM, 0), 0);
	CU_ASSERT_EQUAL(made_get(table, 1, 1), ERR_DAMAGED);
	table_close(table);
	original_close(&file);
	close(dir);
}

/*
 * Each word of the file, damaged while a handle reads all keys, is as it was
 * when it reads them again: what GDBM has in memory by then hides none.
 */
static void what_was_read_damaged_hides_no_key_later(void)
{
	static const uint32_t word = 0x7fffffff;
	int dir = made_dir();
	struct original file;
	unsigned again = 0;

	made_table(dir, SMALL);
	original_open(&file, dir, MADE_GDBM);
	for (size_t at = 128; at + 4 <= file.bytes.size; at += 4 * 7) {
		struct table *table = made_open(dir, made_first);

		original_damage(&file, at, &word, sizeof(word));
		made_get(table, 0, 1);
		original_restore(&file);
		for (size_t i = 0; i < SMALL; i++) {
			enum err err = made_get(table, i, 1);

			CU_ASSERT_TRUE(err == ERR_OK || err == ERR_DAMAGED);
			again += err == ERR_OK;
		}
		table_close(table);
	}
	CU_ASSERT(again > 0);
	original_close(&file);
	close(dir);
}

static void missing_keys_are_made_anew_byte_for_byte(void)
{
	int dir = made_dir();
	struct original before;
	struct original after;

	made_table(dir, 777);
	original_open(&before, dir, MADE_KEYS);
	CU_ASSERT_EQUAL(table_restore_keys(dir, made_first, 777), ERR_OK);
	CU_ASSERT_EQUAL(table_restore_keys(dir, made_first, 776), ERR_DAMAGED);
	CU_ASSERT_EQUAL(unlinkat(dir, MADE_KEYS, 0), 0);
	CU_ASSERT_EQUAL(table_restore_keys(dir, made_first, 778), ERR_DAMAGED);
	CU_ASSERT_FALSE(made_exists(dir, MADE_KEYS));
	CU_ASSERT_EQUAL(table_restore_keys(dir, made_first, 777), ERR_OK);
	original_open(&after, dir, MADE_KEYS);
	CU_ASSERT_TRUE(
		view_equal(buf_view(&before.bytes), buf_view(&after.bytes)));
	CU_ASSERT_EQUAL(made_findings_first(dir, 777), 0);
	original_close(&before);
	original_close(&after);
	CU_ASSERT_EQUAL(table_restore_keys(dir, made_second, 777),
			ERR_NOT_FOUND);
	close(dir);
}

static void no_keys_are_made_of_damaged_records(void)
{
	int dir = made_dir();
	struct original file;

	made_table(dir, SMALL);
	CU_ASSERT_EQUAL(unlinkat(dir, MADE_KEYS, 0), 0);
	original_open(&file, dir, MADE_GDBM);

	const char *value = memmem(file.bytes.data, file.bytes.size,
				   "text/plainkey/000001", 20);

	CU_ASSERT_PTR_NOT_NULL_FATAL(value);
	original_damage(&file, (size_t)(value - file.bytes.data), "T", 1);
	CU_ASSERT_EQUAL(table_restore_keys(dir, made_first, SMALL),
			ERR_DAMAGED);
	CU_ASSERT_FALSE(made_exists(dir, MADE_KEYS));
	original_close(&file);
	close(dir);
}

static void verifying_compares_with_the_manifest(void)
{
	int dir = made_dir();
	char low[32];
	char high[32];
	struct view none = { 0 };

	made_table(dir, 10);
	CU_ASSERT_EQUAL(made_findings(dir, made_first, made_key(0, low),
				      made_key(10, high), 10),
			0);
	CU_ASSERT_EQUAL(made_findings(dir, made_first, none, none, 9), 1);
	CU_ASSERT_EQUAL(
		made_findings(dir, made_first, made_key(2, low), none, 10), 2);
	CU_ASSERT_EQUAL(
		made_findings(dir, made_first, none, made_key(9, high), 10), 1);
	CU_ASSERT_EQUAL(unlinkat(dir, MADE_KEYS, 0), 0);
	CU_ASSERT_EQUAL(made_findings(dir, made_first, none, none, 10), 1);
	CU_ASSERT_EQUAL(unlinkat(dir, MADE_GDBM, 0), 0);
	CU_ASSERT_EQUAL(made_findings(dir, made_first, none, none, 10), 1);
	close(dir);
}

static void verifying_finds_keys_of_other_records(void)
{
	int dir = made_dir();
	struct view none = { 0 };
	struct table_build *build = NULL;
	uint64_t size;

	CU_ASSERT_EQUAL_FATAL(table_build_begin(NULL, &build), ERR_OK);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(made_put(build, i, 1), ERR_OK);
	CU_ASSERT_EQUAL(made_add_key(build, 0, 1), ERR_OK);
	CU_ASSERT_EQUAL(made_add_key(build, 1, 2), ERR_OK);
	CU_ASSERT_EQUAL(made_add_key(build, 9, 1), ERR_OK);
	CU_ASSERT_EQUAL(table_build_finish(build, dir, made_first, &size),
			ERR_OK);
	/* 1 has other fields, 9 no record, and the record of 2 no key. */
	CU_ASSERT_EQUAL(made_findings(dir, made_first, none, none, 3), 3);
	close(dir);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(damaged_bytes_never_get_out),
	HARNESS_TEST(random_damage_never_gets_out),
	HARNESS_TEST(a_refusal_to_open_tells_the_bytes),
	HARNESS_TEST(a_table_that_was_cut_never_gets_out),
	HARNESS_TEST(a_file_that_is_well_again_is_read_again),
	HARNESS_TEST(what_was_read_damaged_hides_no_key_later),
	HARNESS_TEST(missing_keys_are_made_anew_byte_for_byte),
	HARNESS_TEST(no_keys_are_made_of_damaged_records),
	HARNESS_TEST(verifying_compares_with_the_manifest),
	HARNESS_TEST(verifying_finds_keys_of_other_records),
};

int main(void)
{
	return harness_run("store/gdbm/tablecheck", tests,
			   HARNESS_COUNT(tests));
}
