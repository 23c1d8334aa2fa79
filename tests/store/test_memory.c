/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine "memory" keeps the contract of store.h. */
#include "harness.h"
#include "store/contract.h"

static const struct contract_engine memory = { .name = "memory" };

static void use_memory(void)
{
	contract_use(&memory);
}

int main(void)
{
	const struct harness_suite suite = {
		.name = "store/memory",
		.tests = contract_tests,
		.count = contract_test_count,
		.before = use_memory,
	};

	return harness_run_suites(&suite, 1);
}
