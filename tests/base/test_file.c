/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "harness.h"
#include "logged.h"

/* A file of the test's own, open for both; fatal when that fails. */
static int scratch(const char *name)
{
	int fd = open(harness_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static bool holds(int fd, const char *text)
{
	char bytes[1000];
	ssize_t size = pread(fd, bytes, sizeof(bytes), 0);

	return size >= 0 &&
	       view_equal_string((struct view){ bytes, (size_t)size }, text);
}

static void what_is_opened_is_closed_on_exec(void)
{
	int fd;

	CU_ASSERT_EQUAL(file_open(AT_FDCWD, harness_path("f"), O_RDWR | O_CREAT,
				  0640, &fd),
			ERR_OK);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT_EQUAL(file_close(&fd, "f"), ERR_OK);
	CU_ASSERT_EQUAL(fd, -1);
	CU_ASSERT_EQUAL(file_close(&fd, "f"), ERR_OK);
}

static void closing_twice_is_told(void)
{
	int fd = scratch("f");
	int again = fd;

	CU_ASSERT_EQUAL(file_close(&fd, "f"), ERR_OK);
	CU_ASSERT_EQUAL(file_close(&again, "f"), ERR_IO);
	CU_ASSERT_EQUAL(again, -1);
}

static void a_missing_file_is_told(void)
{
	int fd = 7;

	CU_ASSERT_EQUAL(
		file_open(AT_FDCWD, harness_path("no"), O_RDONLY, 0, &fd),
		ERR_ACCESS);
	CU_ASSERT_EQUAL(fd, -1);
	fd = 7;
	CU_ASSERT_EQUAL(
		file_open_existing(AT_FDCWD, harness_path("no"), O_RDONLY, &fd),
		ERR_NOT_FOUND);
	CU_ASSERT_EQUAL(fd, -1);
	close(scratch("f"));
	CU_ASSERT_EQUAL(file_open_existing(AT_FDCWD, harness_path("f/x"),
					   O_RDONLY, &fd),
			ERR_ACCESS);
	CU_ASSERT_EQUAL(
		file_open_existing(AT_FDCWD, harness_path("f"), O_RDONLY, &fd),
		ERR_OK);
	CU_ASSERT_EQUAL(file_close(&fd, "f"), ERR_OK);
}

static void what_is_written_is_read_at_its_position(void)
{
	int fd = scratch("f");
	char bytes[4] = "";

	CU_ASSERT_EQUAL(file_write_at(fd, "f", "abcdef", 6, 10), ERR_OK);
	CU_ASSERT_EQUAL(file_write_at(fd, "f", "XY", 2, 12), ERR_OK);
	CU_ASSERT_EQUAL(file_read_at(fd, "f", bytes, 4, 11), ERR_OK);
	CU_ASSERT_EQUAL(memcmp(bytes, "bXYe", 4), 0);
	CU_ASSERT_EQUAL(file_write_at(fd, "f", NULL, 0, 0), ERR_OK);
	CU_ASSERT_EQUAL(file_read_at(fd, "f", NULL, 0, 999), ERR_OK);
	close(fd);
}

static void a_short_file_is_damaged(void)
{
	int fd = scratch("f");
	char bytes[8];

	CU_ASSERT_EQUAL(file_write_at(fd, "f", "abc", 3, 0), ERR_OK);
	CU_ASSERT_EQUAL(file_read_at(fd, "f", bytes, 4, 0), ERR_DAMAGED);
	CU_ASSERT_EQUAL(file_read_at(fd, "f", bytes, 1, 3), ERR_DAMAGED);
	CU_ASSERT_EQUAL(file_read_at(fd, "f", bytes, 1, 1000), ERR_DAMAGED);
	CU_ASSERT_EQUAL(file_read_at(fd, "f", bytes, 3, 0), ERR_OK);
	close(fd);
}

static void a_full_device_is_full(void)
{
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(file_write_at(fd, "full", "x", 1, 0), ERR_FULL);
	close(fd);
}

/*
 * In a child, since the limit stays.  The write that reaches over the limit
 * is short first and fails then.
 */
static void a_file_at_its_limit_is_full(void)
{
	int fd = scratch("f");
	int status;
	pid_t child = fork();

	if (child == 0) {
		const struct rlimit limit = { 10, 10 };
		bool ok;

		signal(SIGXFSZ, SIG_IGN);
		ok = !setrlimit(RLIMIT_FSIZE, &limit) &&
		     file_write_at(fd, "f", "abcdefghijkl", 12, 0) ==
			     ERR_FULL &&
		     holds(fd, "abcdefghij") &&
		     file_allocate(fd, "f", 11) == ERR_FULL;
		_exit(ok ? 0 : 1);
	}
	CU_ASSERT_FATAL(child > 0);
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_EQUAL(status, 0);
	close(fd);
}

static void a_file_open_for_the_other_direction_fails(void)
{
	int fd = scratch("f");
	int read_only = open(harness_path("f"), O_RDONLY | O_CLOEXEC);
	int write_only = open(harness_path("f"), O_WRONLY | O_CLOEXEC);
	struct buf out = BUF_EMPTY;
	char byte;

	CU_ASSERT_EQUAL(file_write_at(read_only, "f", "x", 1, 0), ERR_IO);
	CU_ASSERT_EQUAL(file_read_at(write_only, "f", &byte, 1, 0), ERR_IO);
	CU_ASSERT_EQUAL(file_read_all(write_only, "f", 10, &out), ERR_IO);
	CU_ASSERT_EQUAL(file_copy(write_only, fd, "f"), ERR_IO);
	close(fd);
	close(read_only);
	close(write_only);
	buf_release(&out);
}

static void all_is_read_up_to_the_limit(void)
{
	static const struct {
		unsigned line;
		size_t size, max;
		enum err err;
	} cases[] = {
		{ __LINE__, 0, 0, ERR_OK },
		{ __LINE__, 1, 0, ERR_FULL },
		{ __LINE__, 100, 100, ERR_OK },
		{ __LINE__, 101, 100, ERR_FULL },
		{ __LINE__, 65536, 65536, ERR_OK },
		{ __LINE__, 65537, 65536, ERR_FULL },
		{ __LINE__, 200000, 1000000, ERR_OK },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf out = BUF_EMPTY;
		int fd = scratch("f");
		enum err err;

		CU_ASSERT_EQUAL(ftruncate(fd, (off_t)cases[i].size), 0);
		buf_add_string(&out, "before");
		err = file_read_all(fd, "f", cases[i].max, &out);
		HARNESS_CASE(cases[i].line, err == cases[i].err);
		HARNESS_CASE(cases[i].line,
			     out.size == 6 + (err ? 0 : cases[i].size));
		HARNESS_CASE(
			cases[i].line,
			view_starts_with(buf_view(&out), view_of("before")));
		buf_release(&out);
		close(fd);
	}
}

static void a_quiet_failure_is_told_by_errno_alone(void)
{
	int fd = scratch("f");
	int write_only = open(harness_path("f"), O_WRONLY | O_CLOEXEC);
	struct buf out = BUF_EMPTY;
	struct logged logged;

	CU_ASSERT_EQUAL(file_write_at(fd, "f", "abcd", 4, 0), ERR_OK);
	logged_begin(&logged);
	errno = 0;
	CU_ASSERT_EQUAL(file_read_quietly(write_only, 10, &out), ERR_IO);
	CU_ASSERT_EQUAL(errno, EBADF);
	CU_ASSERT_EQUAL(file_read_quietly(fd, 3, &out), ERR_FULL);
	CU_ASSERT_EQUAL(errno, EFBIG);
	CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_SET), 0);
	CU_ASSERT_EQUAL(file_read_quietly(fd, 4, &out), ERR_OK);
	CU_ASSERT_STRING_EQUAL(logged_end(&logged), "");
	CU_ASSERT_STRING_EQUAL(buf_string(&out), "abcd");
	close(fd);
	close(write_only);
	buf_release(&out);
}

static void all_is_read_from_a_pipe(void)
{
	struct buf out = BUF_EMPTY;
	int ends[2];

	CU_ASSERT_FATAL(pipe(ends) == 0);
	CU_ASSERT_EQUAL(write(ends[1], "abc", 3), 3);
	close(ends[1]);
	CU_ASSERT_EQUAL(file_read_all(ends[0], "pipe", 3, &out), ERR_OK);
	CU_ASSERT_STRING_EQUAL(buf_string(&out), "abc");
	close(ends[0]);
	buf_release(&out);
}

static void reading_without_memory_is_told(void)
{
	struct buf out = BUF_EMPTY;
	int fd = scratch("f");

	if (fault_available(FAULT_MEMORY)) {
		fault_arm(FAULT_MEMORY, 1, 0);
		CU_ASSERT_EQUAL(file_read_all(fd, "f", 10, &out),
				ERR_NO_MEMORY);
		CU_ASSERT(fault_disarm());
	}
	close(fd);
	buf_release(&out);
}

static void the_size_is_the_files(void)
{
	int fd = scratch("f");
	int64_t size = -1;

	CU_ASSERT_EQUAL(file_size(fd, "f", &size), ERR_OK);
	CU_ASSERT_EQUAL(size, 0);
	CU_ASSERT_EQUAL(file_write_at(fd, "f", "x", 1, 5000000000), ERR_OK);
	CU_ASSERT_EQUAL(file_size(fd, "f", &size), ERR_OK);
	CU_ASSERT_EQUAL(size, 5000000001);
	CU_ASSERT_EQUAL(file_size(-1, "f", &size), ERR_IO);
	close(fd);
}

static void allocated_room_is_zeros_and_keeps_what_is_there(void)
{
	int fd = scratch("f");
	struct stat status;
	int64_t size = 0;
	char bytes[4];

	CU_ASSERT_EQUAL(file_write_at(fd, "f", "ab", 2, 0), ERR_OK);
	CU_ASSERT_EQUAL(file_allocate(fd, "f", 0), ERR_OK);
	CU_ASSERT_EQUAL(file_allocate(fd, "f", 1000000), ERR_OK);
	CU_ASSERT_EQUAL(file_size(fd, "f", &size), ERR_OK);
	CU_ASSERT_EQUAL(size, 1000000);
	CU_ASSERT_EQUAL(file_read_at(fd, "f", bytes, 4, 0), ERR_OK);
	CU_ASSERT_EQUAL(memcmp(bytes, "ab\0\0", 4), 0);
	CU_ASSERT_EQUAL(fstat(fd, &status), 0);
	CU_ASSERT(status.st_blocks * 512 >= 1000000);
	close(fd);
}

static void a_copy_is_the_same_bytes(void)
{
	enum { BYTES = 150001 };
	int from = scratch("from"), to = scratch("to");
	struct buf bytes = BUF_EMPTY, back = BUF_EMPTY;

	for (unsigned i = 0; bytes.size < BYTES; i++)
		buf_add_uint64(&bytes, i);
	CU_ASSERT_EQUAL(file_write_at(from, "from", bytes.data, BYTES, 0),
			ERR_OK);
	CU_ASSERT_EQUAL(file_copy(from, to, "to"), ERR_OK);
	CU_ASSERT_EQUAL(file_read_all(to, "to", BYTES, &back), ERR_OK);
	CU_ASSERT(view_equal(buf_view(&back),
			     (struct view){ bytes.data, BYTES }));
	close(from);
	close(to);
	buf_release(&bytes);
	buf_release(&back);
}

static void a_copy_to_a_full_device_is_full(void)
{
	int from = scratch("from");
	int to = open("/dev/full", O_RDWR | O_CLOEXEC);

	CU_ASSERT_EQUAL(file_write_at(from, "from", "abc", 3, 0), ERR_OK);
	CU_ASSERT_EQUAL(file_copy(from, to, "full"), ERR_FULL);
	close(from);
	close(to);
}

static void syncing_works_on_files_and_not_on_pipes(void)
{
	int fd = scratch("f");
	int ends[2];

	CU_ASSERT_EQUAL(file_sync(fd, "f"), ERR_OK);
	CU_ASSERT_EQUAL(file_sync_data(fd, "f"), ERR_OK);
	close(fd);
	CU_ASSERT_FATAL(pipe(ends) == 0);
	CU_ASSERT_EQUAL(file_sync(ends[1], "pipe"), ERR_IO);
	CU_ASSERT_EQUAL(file_sync_data(ends[1], "pipe"), ERR_IO);
	close(ends[0]);
	close(ends[1]);
}

/* D5: a second sync would say that all is well when it is not. */
static void a_failed_sync_is_not_tried_again(void)
{
	int fd = scratch("f");

	fault_arm(FAULT_SYNC, 1, EIO);
	CU_ASSERT_EQUAL(file_sync(fd, "f"), ERR_IO);
	CU_ASSERT(fault_disarm());
	fault_arm(FAULT_SYNC, 1, ENOSPC);
	CU_ASSERT_EQUAL(file_sync_data(fd, "f"), ERR_FULL);
	CU_ASSERT(fault_disarm());
	close(fd);
}

/* Every call that the kernel may interrupt, interrupted. */
static enum err use_every_call(void)
{
	struct buf out = BUF_EMPTY;
	char bytes[3];
	int fd;
	enum err err = file_open(AT_FDCWD, harness_path("f"),
				 O_RDWR | O_CREAT | O_TRUNC, 0600, &fd);

	if (!err)
		err = file_allocate(fd, "f", 3);
	if (!err)
		err = file_write_at(fd, "f", "abc", 3, 0);
	if (!err)
		err = file_sync(fd, "f");
	if (!err)
		err = file_sync_data(fd, "f");
	if (!err)
		err = file_read_at(fd, "f", bytes, 3, 0);
	if (!err)
		err = file_read_all(fd, "f", 3, &out);
	CU_ASSERT(err || (!memcmp(bytes, "abc", 3) &&
			  view_equal_string(buf_view(&out), "abc")));
	file_close(&fd, "f");
	buf_release(&out);
	return err;
}

static void interrupted_calls_are_repeated(void)
{
	static const enum fault faults[] = { FAULT_WRITE, FAULT_READ };

	for (size_t i = 0; i < HARNESS_COUNT(faults); i++) {
		unsigned n = 0;

		do {
			fault_arm(faults[i], ++n, EINTR);
			CU_ASSERT_EQUAL(use_every_call(), ERR_OK);
		} while (fault_disarm());
		CU_ASSERT(n > 2);
	}
}

static void every_failing_call_is_told(void)
{
	unsigned n = 1;

	for (;; n++) {
		enum err err;

		fault_arm(FAULT_WRITE, n, ENOSPC);
		err = use_every_call();
		if (!fault_disarm())
			break;
		CU_ASSERT_EQUAL(err, ERR_FULL);
	}
	CU_ASSERT_EQUAL(n, 6); /* open, allocate, write, two syncs */
}

static void removing_what_is_gone_is_no_failure(void)
{
	int dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close(scratch("f"));
	CU_ASSERT_EQUAL(file_remove(dir, "f"), ERR_OK);
	CU_ASSERT_EQUAL(access(harness_path("f"), F_OK), -1);
	CU_ASSERT_EQUAL(file_remove(dir, "f"), ERR_OK);
	CU_ASSERT_EQUAL(mkdir(harness_path("d"), 0700), 0);
	CU_ASSERT_NOT_EQUAL(file_remove(dir, "d"), ERR_OK);
	close(dir);
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(what_is_opened_is_closed_on_exec),
		HARNESS_TEST(closing_twice_is_told),
		HARNESS_TEST(a_missing_file_is_told),
		HARNESS_TEST(what_is_written_is_read_at_its_position),
		HARNESS_TEST(a_short_file_is_damaged),
		HARNESS_TEST(a_full_device_is_full),
		HARNESS_TEST(a_file_at_its_limit_is_full),
		HARNESS_TEST(a_file_open_for_the_other_direction_fails),
		HARNESS_TEST(all_is_read_up_to_the_limit),
		HARNESS_TEST(a_quiet_failure_is_told_by_errno_alone),
		HARNESS_TEST(all_is_read_from_a_pipe),
		HARNESS_TEST(reading_without_memory_is_told),
		HARNESS_TEST(the_size_is_the_files),
		HARNESS_TEST(allocated_room_is_zeros_and_keeps_what_is_there),
		HARNESS_TEST(a_copy_is_the_same_bytes),
		HARNESS_TEST(a_copy_to_a_full_device_is_full),
		HARNESS_TEST(syncing_works_on_files_and_not_on_pipes),
		HARNESS_TEST(a_failed_sync_is_not_tried_again),
		HARNESS_TEST(interrupted_calls_are_repeated),
		HARNESS_TEST(every_failing_call_is_told),
		HARNESS_TEST(removing_what_is_gone_is_no_failure),
	};

	return harness_run("base/file", tests, HARNESS_COUNT(tests));
}
