/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What store.h promises, as tests that any engine has to pass.  A test
 * program says which engine, and runs them as one of its suites:
 *
 *   static void before(void)
 *   {
 *           contract_use(&engine);
 *   }
 *
 *   suites[0] = (struct harness_suite){
 *           .name = "store/memory",
 *           .tests = contract_tests,
 *           .count = contract_test_count,
 *           .before = before,
 *   };
 *
 * The store sees a clock of the tests' own, so that they can let time pass.
 */
#ifndef TESTS_STORE_CONTRACT_H
#define TESTS_STORE_CONTRACT_H

#include "harness.h"
#include "store/store.h"

#define CONTRACT_VALUE_MAX ((size_t)1 << 20)

struct contract_engine {
	const char *name; /* of the engine, as in the settings */
	bool persists;    /* what was synced is there after a reopen */
	/* Changes the settings to the engine's taste, or NULL. */
	void (*settings)(struct store_conf *conf);
};

void contract_use(const struct contract_engine *engine);

extern const struct harness_test contract_tests[];
extern const size_t contract_test_count;

#endif
