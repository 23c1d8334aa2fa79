/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CUnit runs the tests and keeps the failed assertions; this prints them as
 * TAP (testanything.org), a line as soon as it is known and flushed, so that
 * a program that crashes shows which test it was in: the one after the last.
 */
#include "harness.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct path {
	struct path *next;
	char text[];
};

/* CUnit's handlers take no argument, so what they share stands here. */
static struct {
	unsigned number; /* of the running test, from 1 */
	unsigned failed;
	char *folder; /* of the running test; NULL until it asks */
	struct path *paths;
} harness;

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

/* A folder that a test made read-only is opened up on the way down. */
static void remove_entry(FTS *walk, const FTSENT *entry)
{
	switch (entry->fts_info) {
	case FTS_D:
		if (entry->fts_level > 0 && entry->fts_dev != walk->fts_dev)
			break;
		if (chmod(entry->fts_accpath, 0700))
			die(entry->fts_path);
		break;
	case FTS_DP:
		if (rmdir(entry->fts_accpath))
			die(entry->fts_path);
		break;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		errno = entry->fts_errno;
		die(entry->fts_path);
		break;
	default:
		if (unlink(entry->fts_accpath))
			die(entry->fts_path);
	}
}

static void remove_tree(char *folder)
{
	char *roots[] = { folder, NULL };
	FTS *walk =
		fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	FTSENT *entry;

	if (!walk)
		die(folder);
	while ((entry = fts_read(walk)))
		remove_entry(walk, entry);
	fts_close(walk);
}

static void forget_paths(void)
{
	while (harness.paths) {
		struct path *path = harness.paths;

		harness.paths = path->next;
		free(path);
	}
	free(harness.folder);
	harness.folder = NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void test_completed(const CU_pTest test, const CU_pSuite suite,
			   const CU_pFailureRecord failures)
{
	for (CU_pFailureRecord f = failures; f; f = f->pNext)
		printf("# %s:%u: %s\n",
		       f->strFileName ? base_name(f->strFileName) : "?",
		       f->uiLineNumber,
		       f->strCondition ? f->strCondition : "?");
	if (failures && harness.folder)
		printf("# its files: %s\n", harness.folder);
	printf("%s %u - %s: %s\n", failures ? "not ok" : "ok", ++harness.number,
	       suite->pName, test->pName);
	fflush(stdout);
	if (failures)
		harness.failed++;
	else if (harness.folder)
		remove_tree(harness.folder);
	forget_paths();
}

static void run_suite(const struct harness_suite *suite)
{
	CU_pSuite cu_suite = CU_add_suite(suite->name, NULL, NULL);

	if (!cu_suite)
		die(CU_get_error_msg());
	for (size_t i = 0; i < suite->count; i++)
		if (!CU_add_test(cu_suite, suite->tests[i].name,
				 suite->tests[i].run))
			die(CU_get_error_msg());
	if (suite->before)
		suite->before();
	CU_run_suite(cu_suite);
}

int harness_run_suites(const struct harness_suite *suites, size_t count)
{
	size_t planned = 0;

	for (size_t i = 0; i < count; i++)
		planned += suites[i].count;
	printf("1..%zu\n", planned);
	fflush(stdout);
	if (CU_initialize_registry() != CUE_SUCCESS)
		die("CU_initialize_registry");
	CU_set_error_action(CUEA_IGNORE);
	CU_set_test_complete_handler(test_completed);
	for (size_t i = 0; i < count; i++)
		run_suite(&suites[i]);
	CU_cleanup_registry();
	return harness.failed || harness.number != planned ? EXIT_FAILURE
							   : EXIT_SUCCESS;
}

int harness_run(const char *suite, const struct harness_test *tests,
		size_t count)
{
	const struct harness_suite one = {
		.name = suite,
		.tests = tests,
		.count = count,
	};

	return harness_run_suites(&one, 1);
}

const char *harness_tmpdir(void)
{
	const char *parent = getenv("TMPDIR");

	if (harness.folder)
		return harness.folder;
	if (asprintf(&harness.folder, "%s/librapi-XXXXXX",
		     parent && *parent ? parent : "/tmp") < 0)
		die("asprintf");
	if (!mkdtemp(harness.folder))
		die(harness.folder);
	return harness.folder;
}

const char *harness_path(const char *name)
{
	const char *folder = harness_tmpdir();
	size_t size = strlen(folder) + 1 + strlen(name) + 1;
	struct path *path = malloc(sizeof(*path) + size);

	if (!path)
		die("malloc");
	snprintf(path->text, size, "%s/%s", folder, name);
	path->next = harness.paths;
	harness.paths = path;
	return path->text;
}
