/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A harness that told no failure would hide all others.  So this program runs
 * itself, with the name of an inner test, and looks at what that prints.
 */
#include "harness.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void passes(void)
{
	CU_ASSERT_EQUAL(mkdir(harness_path("d"), 0700), 0);
	CU_ASSERT_EQUAL(mkdir(harness_path("d/e"), 0700), 0);
	CU_ASSERT_EQUAL(symlink("/", harness_path("d/e/root")), 0);
	CU_ASSERT_EQUAL(chmod(harness_path("d"), 0500), 0);
}

static void fails(void)
{
	harness_tmpdir();
	HARNESS_CASE(123, 1 + 1 == 3);
	CU_ASSERT_FATAL(0 == 1);
	CU_ASSERT(2 == 3);
}

static void leaves(void)
{
	_exit(0);
}

static const struct harness_test inner[] = {
	HARNESS_TEST(passes),
	HARNESS_TEST(fails),
	HARNESS_TEST(leaves),
};

static int run_inner(const char *name)
{
	for (size_t i = 0; i < HARNESS_COUNT(inner); i++)
		if (!strcmp(inner[i].name, name))
			return harness_run("inner", &inner[i], 1);
	return EXIT_FAILURE;
}

struct outcome {
	int status; /* of wait(2) */
	char text[4096];
	char tmpdir[PATH_MAX]; /* where the inner test has its folder */
};

static void run(const char *name, struct outcome *outcome)
{
	char command[3 * PATH_MAX], self[PATH_MAX] = "";
	FILE *out;
	size_t size;

	snprintf(outcome->tmpdir, sizeof(outcome->tmpdir), "%s",
		 harness_tmpdir());
	CU_ASSERT_FATAL(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(command, sizeof(command), "TMPDIR='%s' '%s' %s",
		 outcome->tmpdir, self, name);
	out = popen(command, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	size = fread(outcome->text, 1, sizeof(outcome->text) - 1, out);
	outcome->text[size] = '\0';
	outcome->status = pclose(out);
}

/* Gone are its folder and all in it: the outer one can be removed. */
static void a_test_that_passes_is_ok_and_leaves_nothing(void)
{
	struct outcome outcome;

	run("passes", &outcome);
	CU_ASSERT_EQUAL(outcome.status, 0);
	CU_ASSERT_STRING_EQUAL(outcome.text, "1..1\nok 1 - inner: passes\n");
	CU_ASSERT_EQUAL(rmdir(outcome.tmpdir), 0);
	CU_ASSERT_EQUAL(mkdir(outcome.tmpdir, 0700), 0);
}

static void a_test_that_fails_is_not_ok_and_says_where(void)
{
	struct outcome outcome;

	run("fails", &outcome);
	CU_ASSERT_EQUAL(WEXITSTATUS(outcome.status), EXIT_FAILURE);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(outcome.text, "\nnot ok 1 - inner: fails\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(outcome.text, "\n# test_harness.c:123: 1 + 1 == 3\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.text, ": 0 == 1\n"));
	CU_ASSERT_PTR_NULL(strstr(outcome.text, "2 == 3"));
}

static void the_folder_of_a_failure_is_kept_and_named(void)
{
	static const char mark[] = "\n# its files: ";
	struct outcome outcome;
	char *folder;

	run("fails", &outcome);
	folder = strstr(outcome.text, mark);
	CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
	folder += strlen(mark);
	folder[strcspn(folder, "\n")] = '\0';
	CU_ASSERT_EQUAL(access(folder, W_OK), 0);
	CU_ASSERT_EQUAL(strncmp(folder, outcome.tmpdir, strlen(outcome.tmpdir)),
			0);
}

/* The plan is out before the test, so that what is missing is missed. */
static void a_test_that_ends_the_program_breaks_the_plan(void)
{
	struct outcome outcome;

	run("leaves", &outcome);
	CU_ASSERT_STRING_EQUAL(outcome.text, "1..1\n");
}

static void every_test_has_a_folder_of_its_own(void)
{
	const char *folder = harness_tmpdir();
	struct stat status;

	CU_ASSERT_EQUAL(harness_tmpdir(), folder);
	CU_ASSERT_EQUAL(stat(folder, &status), 0);
	CU_ASSERT_EQUAL(status.st_mode & 0777, 0700);
	CU_ASSERT_EQUAL(access(harness_path("x"), F_OK), -1);
}

int main(int argc, char *argv[])
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(a_test_that_passes_is_ok_and_leaves_nothing),
		HARNESS_TEST(a_test_that_fails_is_not_ok_and_says_where),
		HARNESS_TEST(the_folder_of_a_failure_is_kept_and_named),
		HARNESS_TEST(a_test_that_ends_the_program_breaks_the_plan),
		HARNESS_TEST(every_test_has_a_folder_of_its_own),
	};

	if (argc == 2)
		return run_inner(argv[1]);
	return harness_run("harness", tests, HARNESS_COUNT(tests));
}
