/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine on GDBM keeps the contract of store.h, with room enough and with
 * limits so small that every few commits begin a segment or split a table.
 */
#include "harness.h"
#include "store/contract.h"

static void small_limits(struct store_conf *conf)
{
	conf->value_max_bytes = CONTRACT_VALUE_MAX;
	conf->journal_segment_bytes = 2 * CONTRACT_VALUE_MAX + (256 << 10);
	conf->journal_max_bytes = 2 * conf->journal_segment_bytes;
	conf->memtable_bytes = 64 << 10;
	conf->table_max_keys = 8;
	conf->table_max_bytes = 4 << 10;
}

static const struct contract_engine roomy = { .name = "gdbm",
					      .persists = true };
static const struct contract_engine narrow = { .name = "gdbm",
					       .persists = true,
					       .settings = small_limits };

static void use_roomy(void)
{
	contract_use(&roomy);
}

static void use_narrow(void)
{
	contract_use(&narrow);
}

int main(void)
{
	const struct harness_suite suites[] = {
		{ .name = "store/gdbm",
		  .tests = contract_tests,
		  .count = contract_test_count,
		  .before = use_roomy },
		{ .name = "store/gdbm, small limits",
		  .tests = contract_tests,
		  .count = contract_test_count,
		  .before = use_narrow },
	};

	return harness_run_suites(suites, HARNESS_COUNT(suites));
}
