/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables: built, read and built upon. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "harness.h"
#include "store/gdbm/made.h"
#include "store/store.h"

static void names_are_written_and_read_in_one_spelling(void)
{
	static const struct {
		int line;
		const char *name;
		bool ok;
	} cases[] = {
		{ __LINE__, "table-000004.12.gdbm", true },
		{ __LINE__, "table-000004.12.keys", true },
		{ __LINE__, "table-1234567.1.gdbm", true },
		{ __LINE__,
		  "table-18446744073709551615.18446744073709551615."
		  "keys",
		  true },
		{ __LINE__, "table-18446744073709551616.1.keys", false },
		{ __LINE__, "table-4.12.gdbm", false },
		{ __LINE__, "table-0000004.12.gdbm", false },
		{ __LINE__, "table-000004.012.gdbm", false },
		{ __LINE__, "table-000004.12.gdbm.tmp", false },
		{ __LINE__, "table-000004.12.", false },
		{ __LINE__, "table-000004.12", false },
		{ __LINE__, "table-000004", false },
		{ __LINE__, "table-", false },
		{ __LINE__, "", false },
		{ __LINE__, "TABLE-000004.12.gdbm", false },
		{ __LINE__, "table--00004.12.gdbm", false },
	};
	char name[TABLE_NAME_SIZE];

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct table_id id;
		bool ok = table_name_parse(cases[i].name, &id);

		HARNESS_CASE(cases[i].line, ok == cases[i].ok);
	}
	table_name(made_first, name);
	CU_ASSERT_STRING_EQUAL(name, MADE_GDBM);
	table_keys_name(made_first, name);
	CU_ASSERT_STRING_EQUAL(name, MADE_KEYS);
}

static void what_was_built_is_read_back(void)
{
	static const size_t counts[] = { 0, 1, 300, 3000 };
	int dir = made_dir();

	for (size_t c = 0; c < HARNESS_COUNT(counts); c++) {
		made_table(dir, counts[c]);

		struct table *table = made_open(dir, made_first);
		struct buf hold = BUF_EMPTY;
		struct buf value = BUF_EMPTY;
		size_t count = 99;

		CU_ASSERT_EQUAL(table_count(table, &count), ERR_OK);
		CU_ASSERT_EQUAL(count, counts[c]);
		for (size_t i = 0; i < count; i++) {
			char text[32];
			struct view key = made_key(i, text);
			struct record made = made_record(key, i, 1, &value);
			struct view found;
			struct record record;
			size_t position;

			CU_ASSERT_EQUAL(made_get(table, i, 1), ERR_OK);
			CU_ASSERT_EQUAL(
				table_seek(table, key, false, &position),
				ERR_OK);
			CU_ASSERT_EQUAL(position, i);
			CU_ASSERT_EQUAL(
				table_entry(table, i, &hold, &found, &record),
				ERR_OK);
			CU_ASSERT_TRUE(view_equal(found, key));
			CU_ASSERT_EQUAL(record.revision, made.revision);
			CU_ASSERT_EQUAL(record.value.size, made.value.size);
			CU_ASSERT_PTR_NULL(record.value.data);
		}
		CU_ASSERT_EQUAL(made_get(table, count, 1), ERR_NOT_FOUND);
		table_close(table);
		CU_ASSERT_EQUAL(made_findings_first(dir, count), 0);
		buf_release(&hold);
		buf_release(&value);
	}
	close(dir);
}

static void the_largest_keys_and_values_fit(void)
{
	int dir = made_dir();
	size_t size = 5 << 20;
	struct buf value = BUF_EMPTY;
	struct buf bytes = BUF_EMPTY;
	char longest[STORE_KEY_MAX];
	struct view key = { longest, sizeof(longest) };
	struct table_build *build;
	uint64_t file_bytes;

	memset(longest, '\xff', sizeof(longest));
	buf_reserve(&value, size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(value.data);
	memset(value.data, 'v', size);
	value.size = size;

	struct record record = { .revision = 1, .value = buf_view(&value) };
	struct record found = { 0 };

	record_encode(key, &record, &bytes);
	CU_ASSERT_EQUAL(table_build_begin(NULL, &build), ERR_OK);
	CU_ASSERT_EQUAL(table_build_put(build, key, buf_view(&bytes)), ERR_OK);
	CU_ASSERT_EQUAL(table_build_key(build, key, &record), ERR_OK);
	CU_ASSERT_EQUAL(table_build_finish(build, dir, made_first, &file_bytes),
			ERR_OK);
	CU_ASSERT_TRUE(file_bytes > size);

	struct table *table = made_open(dir, made_first);

	buf_clear(&bytes);
	CU_ASSERT_EQUAL(table_get(table, key, &bytes), ERR_OK);
	CU_ASSERT_EQUAL(record_decode(key, buf_view(&bytes), &found), ERR_OK);
	CU_ASSERT_TRUE(view_equal(found.value, record.value));
	table_close(table);
	buf_release(&bytes);
	buf_release(&value);
	close(dir);
}

/* Keys 0 to 999; of them each third changes, and each fifth goes. */
static void the_next_generation_has_the_changes_and_the_rest(void)
{
	int dir = made_dir();
	size_t count = 1000;
	char text[32];
	uint64_t size;
	uint64_t left = 0;

	made_table(dir, count);

	struct table *base = made_open(dir, made_first);
	struct table_build *build = NULL;

	CU_ASSERT_EQUAL_FATAL(table_build_begin(base, &build), ERR_OK);
	for (size_t i = 0; i < count; i += 5)
		CU_ASSERT_EQUAL(table_build_remove(build, made_key(i, text)),
				ERR_OK);
	CU_ASSERT_EQUAL(table_build_remove(build, view_of("never there")),
			ERR_OK);
	for (size_t i = 0; i < count; i += 3)
		if (i % 5)
			CU_ASSERT_EQUAL(made_put(build, i, 2), ERR_OK);
	for (size_t i = 0; i < count; i++)
		if (i % 5) {
			CU_ASSERT_EQUAL(made_add_key(build, i, i % 3 ? 1 : 2),
					ERR_OK);
			left++;
		}
	CU_ASSERT_EQUAL(table_build_finish(build, dir, made_second, &size),
			ERR_OK);

	struct table *next = made_open(dir, made_second);

	for (size_t i = 0; i < count; i++) {
		CU_ASSERT_EQUAL(made_get(next, i, i % 3 ? 1 : 2),
				i % 5 ? ERR_OK : ERR_NOT_FOUND);
		CU_ASSERT_EQUAL(made_get(base, i, 1), ERR_OK);
	}
	table_close(next);
	table_close(base);
	CU_ASSERT_EQUAL(made_findings_first(dir, count), 0);
	CU_ASSERT_EQUAL(made_findings(dir, made_second, (struct view){ 0 },
				      (struct view){ 0 }, left),
			0);
	close(dir);
}

static void leftovers_of_a_crash_are_replaced(void)
{
	int dir = made_dir();

	CU_ASSERT_EQUAL(file_replace(dir, MADE_GDBM, view_of("torn"), 0600),
			ERR_OK);
	CU_ASSERT_EQUAL(file_replace(dir, MADE_KEYS, view_of("torn"), 0600),
			ERR_OK);
	made_table(dir, 10);
	CU_ASSERT_EQUAL(made_findings_first(dir, 10), 0);
	close(dir);
}

static void keys_that_do_not_match_the_records_are_refused(void)
{
	int dir = made_dir();
	struct table_build *build = NULL;
	uint64_t size;

	CU_ASSERT_EQUAL_FATAL(table_build_begin(NULL, &build), ERR_OK);
	CU_ASSERT_EQUAL(made_put(build, 1, 1), ERR_OK);
	CU_ASSERT_EQUAL(made_put(build, 2, 1), ERR_OK);
	CU_ASSERT_EQUAL(made_add_key(build, 1, 1), ERR_OK);
	CU_ASSERT_EQUAL(table_build_finish(build, dir, made_first, &size),
			ERR_DAMAGED);
	table_build_abort(build);
	CU_ASSERT_FALSE(made_exists(dir, MADE_GDBM));
	CU_ASSERT_FALSE(made_exists(dir, MADE_KEYS));
	close(dir);
}

static void a_failed_finish_leaves_no_files(void)
{
	int dir = made_dir();
	struct table_build *build = NULL;
	uint64_t size;

	CU_ASSERT_EQUAL_FATAL(mkdirat(dir, MADE_KEYS, 0700), 0);
	CU_ASSERT_EQUAL_FATAL(table_build_begin(NULL, &build), ERR_OK);
	CU_ASSERT_EQUAL(made_put(build, 1, 1), ERR_OK);
	CU_ASSERT_EQUAL(made_add_key(build, 1, 1), ERR_OK);
	CU_ASSERT_NOT_EQUAL(table_build_finish(build, dir, made_first, &size),
			    ERR_OK);
	CU_ASSERT_TRUE(made_exists(dir, MADE_GDBM));
	table_build_abort(build);
	CU_ASSERT_FALSE(made_exists(dir, MADE_GDBM));
	unlinkat(dir, MADE_KEYS, AT_REMOVEDIR);
	close(dir);
}

/* In a child, where no file may grow past the limit. */
static int build_within(int dir, rlim_t limit)
{
	const struct rlimit files = { limit, limit };
	enum err err;

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &files);
	err = made_try(dir, made_first, 2000);
	if (err)
		return err == ERR_FULL && !made_exists(dir, MADE_GDBM) &&
				       !made_exists(dir, MADE_KEYS)
			       ? 1
			       : 2;

	struct table *table;

	if (table_open(dir, made_first, &table))
		return 3;
	for (size_t i = 0; i < 2000; i++)
		if (made_get(table, i, 1))
			return 4;
	table_close(table);
	return 0;
}

static void a_write_that_fails_is_never_a_table(void)
{
	int dir = made_dir();
	int succeeded = 0;

	for (rlim_t limit = 0; limit < 600000; limit += 37777) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(build_within(dir, limit));
		waitpid(pid, &status, 0);
		CU_ASSERT_TRUE(WIFEXITED(status));
		CU_ASSERT_TRUE(WEXITSTATUS(status) <= 1);
		succeeded += WEXITSTATUS(status) == 0;
	}
	CU_ASSERT_TRUE(succeeded > 0);
	close(dir);
}

static void what_is_no_table_is_refused(void)
{
	int dir = made_dir();
	struct table *table;
	char zeros[8192] = { 0 };

	CU_ASSERT_EQUAL(table_open(dir, made_first, &table), ERR_NOT_FOUND);
	CU_ASSERT_EQUAL(file_replace(dir, MADE_GDBM, view_of(""), 0600),
			ERR_OK);
	CU_ASSERT_EQUAL(table_open(dir, made_first, &table), ERR_DAMAGED);
	CU_ASSERT_EQUAL(file_replace(dir, MADE_GDBM, view_of("text"), 0600),
			ERR_OK);
	CU_ASSERT_EQUAL(table_open(dir, made_first, &table), ERR_DAMAGED);
	CU_ASSERT_EQUAL(file_replace(dir, MADE_GDBM,
				     (struct view){ zeros, sizeof(zeros) },
				     0600),
			ERR_OK);
	CU_ASSERT_EQUAL(table_open(dir, made_first, &table), ERR_DAMAGED);
	close(dir);
}

static void a_table_is_locked_against_foreign_writers(void)
{
	int dir = made_dir();
	int foreign;
	struct table *table;

	made_table(dir, 10);
	foreign = openat(dir, MADE_GDBM, O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(flock(foreign, LOCK_EX | LOCK_NB), 0);
	CU_ASSERT_EQUAL(table_open(dir, made_first, &table), ERR_BUSY);
	CU_ASSERT_EQUAL(flock(foreign, LOCK_UN), 0);

	table = made_open(dir, made_first);
	CU_ASSERT_EQUAL(flock(foreign, LOCK_EX | LOCK_NB), -1);
	CU_ASSERT_EQUAL(errno, EWOULDBLOCK);
	CU_ASSERT_EQUAL(flock(foreign, LOCK_SH | LOCK_NB), 0);
	table_close(table);
	close(foreign);
	close(dir);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(names_are_written_and_read_in_one_spelling),
	HARNESS_TEST(what_was_built_is_read_back),
	HARNESS_TEST(the_largest_keys_and_values_fit),
	HARNESS_TEST(the_next_generation_has_the_changes_and_the_rest),
	HARNESS_TEST(leftovers_of_a_crash_are_replaced),
	HARNESS_TEST(keys_that_do_not_match_the_records_are_refused),
	HARNESS_TEST(a_failed_finish_leaves_no_files),
	HARNESS_TEST(a_write_that_fails_is_never_a_table),
	HARNESS_TEST(what_is_no_table_is_refused),
	HARNESS_TEST(a_table_is_locked_against_foreign_writers),
};

int main(void)
{
	return harness_run("store/gdbm/table", tests, HARNESS_COUNT(tests));
}
