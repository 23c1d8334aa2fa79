/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What every test program is made of: CUnit's assertions, run one test at a
 * time, told as TAP, which automake counts line by line.
 *
 *   static void what_was_deleted_is_not_found(void)
 *   {
 *           CU_ASSERT_EQUAL(store_get(...), ERR_NOT_FOUND);
 *   }
 *
 *   static const struct harness_test tests[] = {
 *           HARNESS_TEST(what_was_deleted_is_not_found),
 *   };
 *
 *   int main(void)
 *   {
 *           return harness_run("store/memory", tests,
 *                              HARNESS_COUNT(tests));
 *   }
 *
 * A child that a test forks ends by _exit(): its failed assertions reach
 * nobody, so it tells its parent by the exit status.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <stddef.h>
#include <stdint.h>

#include <CUnit/CUnit.h>

struct harness_test {
	const char *name;
	void (*run)(void);
};

#define HARNESS_TEST(function)                                                 \
	{                                                                      \
#function, function                                            \
	}
#define HARNESS_COUNT(table) (sizeof(table) / sizeof((table)[0]))

/*
 * Run the tests in their order, each reported as `ok N - suite: name`, or as
 * `not ok` with the failed assertions before it.  Returns the exit status:
 * 0 when all passed.  May be called once in a program; more suites go into
 * one with harness_run_suites().
 */
int harness_run(const char *suite, const struct harness_test *tests,
		size_t count);

struct harness_suite {
	const char *name;
	const struct harness_test *tests;
	size_t count;
	void (*before)(void); /* once, before its first test; or NULL */
};

/* The same for several suites under one plan: one contract, two engines. */
int harness_run_suites(const struct harness_suite *suites, size_t count);

/*
 * A folder of the running test's own, under $TMPDIR or /tmp, the same at
 * every call within the test.  It is removed with all that is in it when the
 * test has passed; after a failure it stays, and a diagnostic names it.
 */
const char *harness_tmpdir(void);

/* "<harness_tmpdir()>/<name>"; good until the end of the test. */
const char *harness_path(const char *name);

/*
 * For tables of cases: the assertion that fails is reported under the line of
 * the case.  `line` is the case's __LINE__.
 */
#define HARNESS_CASE(line, condition)                                          \
	CU_assertImplementation((condition) ? CU_TRUE : CU_FALSE, (line),      \
				#condition, __FILE__, "", CU_FALSE)

#endif
