/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Others at the store of one that was struck; see others.h. */
#include "torture/others.h"

#include <stdio.h>
#include <string.h>

#include "store/gdbm/engine.h"
#include "store/gdbm/small.h"

static void settings(struct store_conf *conf)
{
	small_limits(conf);
	conf->value_max_bytes = 16384;
	conf->lock_timeout_ms = 40;
	conf->checkpoint_idle_ms = 0;
	conf->expiry_interval_ms = 60000;
	conf->history_bytes = 65536;
	conf->read_cache_bytes = 8192;
}

const struct contract_engine others_engine = { .name = "gdbm",
					       .persists = true,
					       .settings = settings };

enum err others_put(struct store *store, const char *key, const char *value)
{
	struct store_op op = op_put(view_of(key), view_of(value));
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t ticket = 0;
	enum err err = store_commit(store, &batch, &ticket);

	return err ? err : store_sync(store, ticket);
}

void others_prepare(struct store *store)
{
	static const char *const old[] = { "struck", "half", "other half" };

	CU_ASSERT_EQUAL(others_put(store, "before", "value"), ERR_OK);
	for (size_t i = 0; i < HARNESS_COUNT(old); i++)
		CU_ASSERT_EQUAL(others_put(store, old[i], "old"), ERR_OK);
	for (int i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key %d", i);
		CU_ASSERT_EQUAL(others_put(store, key, "value"), ERR_OK);
	}
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
}

static bool is_old_or_new(const char *value)
{
	return !strcmp(value, "old") || !strcmp(value, "new");
}

/* contract_value() has one place for all values. */
static void look_at_halves(struct store *store)
{
	char half[8];

	snprintf(half, sizeof(half), "%s", contract_value(store, "half"));
	CU_ASSERT(is_old_or_new(half));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "other half"), half);
}

void others_go_on(struct store *store, const char *value)
{
	CU_ASSERT_EQUAL(others_put(store, "other", value), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "other"), value);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "before"), "value");
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_EQUAL(checkpoint_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "other"), value);
	CU_ASSERT(is_old_or_new(contract_value(store, "struck")));
	look_at_halves(store);
}

static void count_finding(void *arg, const char *file, const char *sentence)
{
	printf("# %s: %s\n", file, sentence);
	++*(unsigned *)arg;
}

void others_close(struct store *store)
{
	struct store_conf conf = contract_conf();
	unsigned findings = 0;

	CU_ASSERT_EQUAL(store_close(store), ERR_OK);
	CU_ASSERT_EQUAL(store_check(&conf, count_finding, &findings), ERR_OK);
}
