/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "harness.h"

static int open_tmpdir(void)
{
	int dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_FATAL(dir >= 0);
	return dir;
}

/* A file that can't be opened holds nothing. */
static bool file_is(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char bytes[100];
	ssize_t size = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

	if (fd >= 0)
		close(fd);
	return size >= 0 &&
	       view_equal_string((struct view){ bytes, (size_t)size }, text);
}

static bool exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

static void a_file_is_replaced_as_a_whole(void)
{
	int dir = open_tmpdir();
	struct stat status;

	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("old and long"), 0640),
			ERR_OK);
	CU_ASSERT(file_is(dir, "f", "old and long"));
	CU_ASSERT_EQUAL(fstatat(dir, "f", &status, 0), 0);
	CU_ASSERT_EQUAL(status.st_mode & 07137, 0);
	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("new"), 0640), ERR_OK);
	CU_ASSERT(file_is(dir, "f", "new"));
	CU_ASSERT_EQUAL(file_replace(dir, "f", (struct view){ NULL, 0 }, 0640),
			ERR_OK);
	CU_ASSERT(file_is(dir, "f", ""));
	CU_ASSERT_FALSE(exists(dir, "f.tmp"));
	close(dir);
}

static void a_linked_file_outlives_its_first_name(void)
{
	int dir = open_tmpdir();
	int folder;

	CU_ASSERT_EQUAL(mkdirat(dir, "folder", 0700), 0);
	CU_ASSERT_EQUAL(
		file_open(dir, "folder", O_RDONLY | O_DIRECTORY, 0, &folder),
		ERR_OK);
	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("text"), 0640), ERR_OK);
	CU_ASSERT_EQUAL(file_link(dir, "f", folder), ERR_OK);
	CU_ASSERT_EQUAL(file_link(dir, "none", folder), ERR_ACCESS);
	CU_ASSERT_EQUAL(file_link(dir, "f", folder), ERR_IO);
	CU_ASSERT_EQUAL(file_remove(dir, "f"), ERR_OK);
	CU_ASSERT(file_is(folder, "f", "text"));
	close(folder);
	CU_ASSERT_EQUAL(file_remove_folder(dir, "folder"), ERR_OK);
	CU_ASSERT_FALSE(exists(dir, "folder"));
	CU_ASSERT_EQUAL(file_remove_folder(dir, "folder"), ERR_OK);
	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of(""), 0640), ERR_OK);
	CU_ASSERT_NOT_EQUAL(file_remove_folder(dir, "f"), ERR_OK);
	CU_ASSERT(exists(dir, "f"));
	close(dir);
}

static void a_file_is_cut_and_read_up_to_its_end(void)
{
	int dir = open_tmpdir();
	char bytes[8] = "";
	size_t got = 9;
	int fd;

	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("abcdef"), 0640),
			ERR_OK);
	CU_ASSERT_EQUAL(file_open(dir, "f", O_RDWR, 0, &fd), ERR_OK);
	CU_ASSERT_EQUAL(file_truncate(fd, "f", 4), ERR_OK);
	CU_ASSERT(file_is(dir, "f", "abcd"));
	CU_ASSERT_EQUAL(file_read_some(fd, "f", bytes, 8, 1, &got), ERR_OK);
	CU_ASSERT_EQUAL(got, 3);
	CU_ASSERT_STRING_EQUAL(bytes, "bcd");
	CU_ASSERT_EQUAL(file_read_some(fd, "f", bytes, 8, 4, &got), ERR_OK);
	CU_ASSERT_EQUAL(got, 0);
	CU_ASSERT_EQUAL(file_read_some(-1, "f", bytes, 8, 4, &got), ERR_IO);
	close(fd);
	CU_ASSERT_EQUAL(file_truncate(-1, "f", 4), ERR_IO);
	close(dir);
}

/* Who has the old file open goes on reading the old one. */
static void a_reader_keeps_the_file_that_was_replaced(void)
{
	int dir = open_tmpdir();
	char bytes[3];
	int fd;

	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("old"), 0600), ERR_OK);
	fd = openat(dir, "f", O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("new"), 0600), ERR_OK);
	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("newer"), 0600), ERR_OK);
	CU_ASSERT_EQUAL(file_read_at(fd, "f", bytes, 3, 0), ERR_OK);
	CU_ASSERT_EQUAL(memcmp(bytes, "old", 3), 0);
	close(fd);
	close(dir);
}

static void what_a_crash_left_does_no_harm(void)
{
	int dir = open_tmpdir();
	int fd = openat(dir, "f.tmp", O_WRONLY | O_CREAT | O_CLOEXEC, 0400);

	CU_ASSERT_EQUAL(write(fd, "left over and long", 18), 18);
	close(fd);
	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("new"), 0600), ERR_OK);
	CU_ASSERT(file_is(dir, "f", "new"));
	CU_ASSERT_FALSE(exists(dir, "f.tmp"));
	close(dir);
}

/* Whichever step fails: the old file or the new one, and nothing else. */
static void every_failing_step_leaves_one_whole_file(void)
{
	int dir = open_tmpdir();
	unsigned n = 1;

	for (;; n++) {
		enum err err;

		CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("old"), 0600),
				ERR_OK);
		fault_arm(FAULT_WRITE, n, ENOSPC);
		err = file_replace(dir, "f", view_of("new"), 0600);
		if (!fault_disarm())
			break;
		/* What was seen under the name is not taken back. */
		CU_ASSERT_EQUAL(err, ERR_FULL);
		CU_ASSERT(file_is(dir, "f", n == 5 ? "new" : "old"));
		CU_ASSERT_FALSE(exists(dir, "f.tmp"));
	}
	CU_ASSERT_EQUAL(n, 6); /* open, write, sync, rename, folder's sync */
	CU_ASSERT(file_is(dir, "f", "new"));
	close(dir);
}

static void where_none_was_only_the_last_step_leaves_a_file(void)
{
	int dir = open_tmpdir();
	unsigned n = 1;

	for (;; n++) {
		enum err err;

		CU_ASSERT_EQUAL(file_remove(dir, "f"), ERR_OK);
		fault_arm(FAULT_WRITE, n, ENOENT);
		err = file_replace(dir, "f", view_of("new"), 0600);
		if (!fault_disarm())
			break;
		CU_ASSERT_EQUAL(err, ERR_ACCESS);
		CU_ASSERT_EQUAL(exists(dir, "f"), n == 5);
		CU_ASSERT_FALSE(exists(dir, "f.tmp"));
	}
	CU_ASSERT_EQUAL(n, 6);
	close(dir);
}

static void a_name_too_long_is_refused(void)
{
	int dir = open_tmpdir();
	char name[300];

	memset(name, 'n', sizeof(name));
	name[252] = '\0';
	CU_ASSERT_NOT_EQUAL(file_replace(dir, name, view_of("x"), 0600),
			    ERR_OK);
	name[251] = '\0';
	CU_ASSERT_EQUAL(file_replace(dir, name, view_of("x"), 0600), ERR_OK);
	close(dir);
}

/* Root may write anywhere, so the folder is one that is gone. */
static void a_folder_that_is_gone_is_told(void)
{
	int dir;

	CU_ASSERT_EQUAL(mkdir(harness_path("d"), 0700), 0);
	dir = open(harness_path("d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_FATAL(dir >= 0);
	CU_ASSERT_EQUAL(rmdir(harness_path("d")), 0);
	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("x"), 0600), ERR_ACCESS);
	close(dir);
}

static void a_read_only_folder_is_told(void)
{
	int dir = open_tmpdir();

	if (geteuid() == 0) {
		close(dir);
		dir = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		CU_ASSERT_EQUAL(chmod(harness_tmpdir(), 0500), 0);
	}
	CU_ASSERT_EQUAL(file_replace(dir, "f", view_of("x"), 0600), ERR_ACCESS);
	close(dir);
}

static void folders_are_made_with_their_parents(void)
{
	struct stat status;

	CU_ASSERT_EQUAL(file_make_folder(harness_path("a/b//c/"), 0750),
			ERR_OK);
	CU_ASSERT_EQUAL(stat(harness_path("a/b/c"), &status), 0);
	CU_ASSERT(S_ISDIR(status.st_mode));
	CU_ASSERT_EQUAL(status.st_mode & 07027, 0);
	CU_ASSERT_EQUAL(file_make_folder(harness_path("a/b/c"), 0750), ERR_OK);
	CU_ASSERT_EQUAL(file_make_folder("/", 0750), ERR_OK);
	CU_ASSERT_EQUAL(file_make_folder(".", 0750), ERR_OK);
}

static void a_folder_is_made_below_the_working_one(void)
{
	int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CU_ASSERT_FATAL(before >= 0);
	CU_ASSERT_EQUAL(chdir(harness_tmpdir()), 0);
	CU_ASSERT_EQUAL(file_make_folder("x", 0700), ERR_OK);
	CU_ASSERT_EQUAL(file_make_folder("y/z", 0700), ERR_OK);
	CU_ASSERT_EQUAL(access("y/z", W_OK), 0);
	CU_ASSERT_EQUAL(fchdir(before), 0);
	close(before);
}

static void what_can_not_be_a_folder_is_told(void)
{
	int fd = open(harness_path("f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char path[5000];

	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	CU_ASSERT_EQUAL(file_make_folder(harness_path("f"), 0700), ERR_ACCESS);
	CU_ASSERT_EQUAL(file_make_folder(harness_path("f/g"), 0700),
			ERR_ACCESS);
	CU_ASSERT_EQUAL(file_make_folder("/proc/no/way", 0700), ERR_ACCESS);
	CU_ASSERT_EQUAL(file_make_folder("", 0700), ERR_ACCESS);
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	CU_ASSERT_NOT_EQUAL(file_make_folder(path, 0700), ERR_OK);
	CU_ASSERT_EQUAL(symlink("nowhere", harness_path("link")), 0);
	CU_ASSERT_EQUAL(file_make_folder(harness_path("link"), 0700),
			ERR_ACCESS);
}

static void every_failing_step_of_making_is_told(void)
{
	unsigned n = 1;

	for (;; n++) {
		enum err err;

		rmdir(harness_path("a/b"));
		rmdir(harness_path("a"));
		fault_arm(FAULT_WRITE, n, ENOSPC);
		err = file_make_folder(harness_path("a/b"), 0700);
		if (!fault_disarm())
			break;
		CU_ASSERT_EQUAL(err, ERR_FULL);
	}
	/* mkdir of b, of a, sync of a's parent, mkdir of b, sync of a. */
	CU_ASSERT_EQUAL(n, 8);
}

struct seen {
	unsigned count;
	unsigned bits;
	unsigned stop_after;
};

static enum err see(void *arg, const char *name)
{
	struct seen *seen = arg;

	CU_ASSERT_EQUAL(strlen(name), 1);
	seen->bits |= 1U << (name[0] - 'a');
	return ++seen->count == seen->stop_after ? ERR_BUSY : ERR_OK;
}

static void each_entry_is_seen_once(void)
{
	int dir = open_tmpdir();
	struct seen seen = { 0, 0, 0 }, again = { 0, 0, 0 };

	CU_ASSERT_EQUAL(file_each(dir, see, &seen), ERR_OK);
	CU_ASSERT_EQUAL(seen.count, 0);
	for (char name[2] = "a"; *name <= 'e'; ++*name)
		CU_ASSERT_EQUAL(mkdirat(dir, name, 0700), 0);
	CU_ASSERT_EQUAL(file_each(dir, see, &seen), ERR_OK);
	CU_ASSERT_EQUAL(seen.count, 5);
	CU_ASSERT_EQUAL(seen.bits, 31);
	CU_ASSERT_EQUAL(file_each(dir, see, &again), ERR_OK);
	CU_ASSERT_EQUAL(again.count, 5);
	close(dir);
}

static void seeing_ends_at_the_first_failure(void)
{
	int dir = open_tmpdir();
	struct seen seen = { 0, 0, 2 };

	for (char name[2] = "a"; *name <= 'e'; ++*name)
		CU_ASSERT_EQUAL(mkdirat(dir, name, 0700), 0);
	CU_ASSERT_EQUAL(file_each(dir, see, &seen), ERR_BUSY);
	CU_ASSERT_EQUAL(seen.count, 2);
	CU_ASSERT_EQUAL(file_each(-1, see, &seen), ERR_IO);
	CU_ASSERT_EQUAL(seen.count, 2);
	close(dir);
}

static enum err count_name(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return ERR_OK;
}

static void a_file_without_a_name_is_in_no_folder(void)
{
	char text[6] = "";
	int names = 0;
	int dir;
	int fd;

	CU_ASSERT_EQUAL_FATAL(file_open_unnamed(harness_tmpdir(), "x", &fd),
			      ERR_OK);
	CU_ASSERT_EQUAL(file_write_at(fd, "x", "hello", 5, 0), ERR_OK);
	CU_ASSERT_EQUAL(file_read_at(fd, "x", text, 5, 0), ERR_OK);
	CU_ASSERT_STRING_EQUAL(text, "hello");
	dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY);
	CU_ASSERT_EQUAL(file_each(dir, count_name, &names), ERR_OK);
	CU_ASSERT_EQUAL(names, 0);
	close(dir);
	file_close(&fd, "x");
	CU_ASSERT_EQUAL(file_open_unnamed(harness_path("no"), "x", &fd),
			ERR_ACCESS);
	CU_ASSERT_EQUAL(fd, -1);
}

/* As on a file system that has no such files (open(2), O_TMPFILE). */
static void where_it_needs_a_name_it_loses_it_at_once(void)
{
	int names = 0;
	int dir;
	int fd;

	fault_arm(FAULT_WRITE, 1, EOPNOTSUPP);
	CU_ASSERT_EQUAL_FATAL(file_open_unnamed(harness_tmpdir(), "x", &fd),
			      ERR_OK);
	CU_ASSERT(fault_disarm());
	CU_ASSERT_EQUAL(file_write_at(fd, "x", "hello", 5, 0), ERR_OK);
	dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY);
	CU_ASSERT_EQUAL(file_each(dir, count_name, &names), ERR_OK);
	CU_ASSERT_EQUAL(names, 0);
	close(dir);
	file_close(&fd, "x");
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(a_file_is_replaced_as_a_whole),
		HARNESS_TEST(a_reader_keeps_the_file_that_was_replaced),
		HARNESS_TEST(what_a_crash_left_does_no_harm),
		HARNESS_TEST(every_failing_step_leaves_one_whole_file),
		HARNESS_TEST(where_none_was_only_the_last_step_leaves_a_file),
		HARNESS_TEST(a_name_too_long_is_refused),
		HARNESS_TEST(a_folder_that_is_gone_is_told),
		HARNESS_TEST(a_read_only_folder_is_told),
		HARNESS_TEST(folders_are_made_with_their_parents),
		HARNESS_TEST(a_folder_is_made_below_the_working_one),
		HARNESS_TEST(what_can_not_be_a_folder_is_told),
		HARNESS_TEST(every_failing_step_of_making_is_told),
		HARNESS_TEST(each_entry_is_seen_once),
		HARNESS_TEST(a_linked_file_outlives_its_first_name),
		HARNESS_TEST(a_file_is_cut_and_read_up_to_its_end),
		HARNESS_TEST(seeing_ends_at_the_first_failure),
		HARNESS_TEST(a_file_without_a_name_is_in_no_folder),
		HARNESS_TEST(where_it_needs_a_name_it_loses_it_at_once),
	};

	return harness_run("base/folder", tests, HARNESS_COUNT(tests));
}
