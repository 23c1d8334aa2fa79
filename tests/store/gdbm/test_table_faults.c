/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables and manifests when the n-th call fails, for every n. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fault.h"
#include "harness.h"
#include "store/gdbm/made.h"
#include "store/gdbm/manifest.h"

#define KEYS 400 /* enough for GDBM to split buckets */

static bool no_files(int dir)
{
	return !made_exists(dir, MADE_GDBM) && !made_exists(dir, MADE_KEYS);
}

/* A failure leaves no files; a success, be it after a fault, a sound table. */
static void build_with(enum fault fault, int errnum, enum err expected)
{
	int dir = made_dir();

	for (unsigned n = 1; fault_available(fault); n += n < 100 ? 1 : 7) {
		enum err err;

		fault_arm(fault, n, errnum);
		err = made_try(dir, made_first, KEYS);
		if (!fault_disarm()) {
			CU_ASSERT_EQUAL(err, ERR_OK);
			CU_ASSERT_TRUE(n > 2);
			break;
		}
		if (err) {
			CU_ASSERT_EQUAL(err, expected);
			CU_ASSERT_TRUE(no_files(dir));
		} else {
			CU_ASSERT_EQUAL(made_findings_first(dir, KEYS), 0);
		}
		unlinkat(dir, MADE_GDBM, 0);
		unlinkat(dir, MADE_KEYS, 0);
	}
	close(dir);
}

static void building_without_memory_fails_and_leaves_nothing(void)
{
	build_with(FAULT_MEMORY, ENOMEM, ERR_NO_MEMORY);
}

static void building_on_a_full_disk_fails_and_leaves_nothing(void)
{
	build_with(FAULT_WRITE, ENOSPC, ERR_FULL);
}

static void building_on_a_bad_disk_fails_and_leaves_nothing(void)
{
	build_with(FAULT_WRITE, EIO, ERR_IO);
}

/* Every key is read twice, so that the second finds the handle after it. */
static void reading_from_a_bad_disk_fails_and_recovers(void)
{
	int dir = made_dir();

	made_table(dir, KEYS);
	for (unsigned n = 1;; n++) {
		struct table *table;
		bool struck;
		enum err err;

		fault_arm(FAULT_READ, n, EIO);
		err = table_open(dir, made_first, &table);
		for (size_t i = 0; !err && i < KEYS; i += 41) {
			enum err got = made_get(table, i, 1);

			CU_ASSERT_TRUE(got == ERR_OK || got == ERR_IO);
			CU_ASSERT_EQUAL(made_get(table, i, 1), ERR_OK);
		}
		struck = fault_disarm();
		if (err)
			CU_ASSERT_EQUAL(err, ERR_IO);
		if (!err)
			table_close(table);
		if (!struck) {
			CU_ASSERT_EQUAL(err, ERR_OK);
			break;
		}
	}
	close(dir);
}

static enum err read_entries(struct table *table)
{
	struct buf hold = BUF_EMPTY;
	size_t count = 0;
	enum err err = table_count(table, &count);

	for (size_t i = 0; !err && i < count; i++) {
		struct view key;
		struct record record;
		char text[32];

		err = table_entry(table, i, &hold, &key, &record);
		if (!err)
			CU_ASSERT_TRUE(view_equal(key, made_key(i, text)));
	}
	buf_release(&hold);
	return err;
}

static void entries_from_a_bad_disk_fail_and_recover(void)
{
	int dir = made_dir();

	made_table(dir, KEYS);
	for (unsigned n = 1;; n++) {
		struct table *table = made_open(dir, made_first);
		enum err err;

		fault_arm(FAULT_READ, n, EIO);
		err = read_entries(table);

		bool struck = fault_disarm();

		CU_ASSERT_EQUAL(err, struck ? ERR_IO : ERR_OK);
		CU_ASSERT_EQUAL(read_entries(table), ERR_OK);
		table_close(table);
		if (!struck)
			break;
	}
	close(dir);
}

static void keys_are_restored_whole_or_not_at_all(void)
{
	static const struct {
		enum fault fault;
		int errnum;
		enum err err;
	} cases[] = {
		{ FAULT_MEMORY, ENOMEM, ERR_NO_MEMORY },
		{ FAULT_READ, EIO, ERR_IO },
		{ FAULT_WRITE, ENOSPC, ERR_FULL },
	};
	int dir = made_dir();

	made_table(dir, KEYS);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		if (!fault_available(cases[i].fault))
			continue;
		for (unsigned n = 1;; n += n < 100 ? 1 : 13) {
			enum err err;

			unlinkat(dir, MADE_KEYS, 0);
			fault_arm(cases[i].fault, n, cases[i].errnum);
			err = table_restore_keys(dir, made_first, KEYS);
			if (!fault_disarm()) {
				CU_ASSERT_EQUAL(err, ERR_OK);
				break;
			}
			CU_ASSERT_TRUE(err == cases[i].err || err == ERR_OK);
			if (made_exists(dir, MADE_KEYS))
				CU_ASSERT_EQUAL(made_findings_first(dir, KEYS),
						0);
		}
	}
	close(dir);
}

static enum err make_manifest(struct buf *text)
{
	struct manifest m = { .next_table = 100 };
	struct manifest again = { 0 };
	struct buf message = BUF_EMPTY;
	enum err err = ERR_OK;

	for (uint64_t i = 1; i < 10 && !err; i++) {
		const char digit = (char)('0' + i);
		struct manifest_table table = { .id = { i, 1 },
						.from = { &digit, i > 1 } };

		err = manifest_add(&m, &table);
	}
	if (!err) {
		manifest_format(&m, text);
		err = text->err;
	}
	if (!err)
		err = manifest_parse(buf_view(text), &again, &message);
	buf_release(&message);
	manifest_release(&again);
	manifest_release(&m);
	return err;
}

static void a_manifest_without_memory_fails_and_leaks_nothing(void)
{
	for (unsigned n = 1; fault_available(FAULT_MEMORY); n++) {
		struct buf text = BUF_EMPTY;
		enum err err;

		fault_arm(FAULT_MEMORY, n, ENOMEM);
		err = make_manifest(&text);

		bool struck = fault_disarm();

		CU_ASSERT_EQUAL(err, struck ? ERR_NO_MEMORY : ERR_OK);
		buf_release(&text);
		if (!struck) {
			CU_ASSERT_TRUE(n > 10);
			break;
		}
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(building_without_memory_fails_and_leaves_nothing),
	HARNESS_TEST(building_on_a_full_disk_fails_and_leaves_nothing),
	HARNESS_TEST(building_on_a_bad_disk_fails_and_leaves_nothing),
	HARNESS_TEST(reading_from_a_bad_disk_fails_and_recovers),
	HARNESS_TEST(entries_from_a_bad_disk_fail_and_recover),
	HARNESS_TEST(keys_are_restored_whole_or_not_at_all),
	HARNESS_TEST(a_manifest_without_memory_fails_and_leaks_nothing),
};

int main(void)
{
	return harness_run("store/gdbm/table faults", tests,
			   HARNESS_COUNT(tests));
}
