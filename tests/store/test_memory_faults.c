/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine "memory" when the n-th allocation fails, for every n. */
#include "fault.h"
#include "harness.h"
#include "store/store.h"

static struct store *open_store(void)
{
	const struct store_conf conf = {
		.engine = "memory",
		.value_max_bytes = 100,
	};
	struct store *store = NULL;

	CU_ASSERT_EQUAL_FATAL(store_open(&conf, &store), ERR_OK);
	return store;
}

static enum err commit(struct store *store, struct store_op *ops, size_t count)
{
	struct store_batch batch = { .ops = ops, .op_count = count };
	uint64_t ticket;

	return store_commit(store, &batch, &ticket);
}

static bool value_is(struct store *store, const char *key, const char *value)
{
	struct buf hold = BUF_EMPTY;
	struct record record;
	enum err err = store_get(store, view_of(key), &hold, &record, NULL);
	bool same = value ? !err && view_equal_string(record.value, value)
			  : err == ERR_NOT_FOUND;

	buf_release(&hold);
	return same;
}

static void a_commit_without_memory_changes_nothing(void)
{
	struct store *store = open_store();
	struct store_op before[] = {
		{ .key = view_of("a"), .value = view_of("1") },
		{ .key = view_of("b"), .value = view_of("1") },
	};
	struct store_op ops[] = {
		{ .key = view_of("a"), .value = view_of("2") },
		{ .key = view_of("b"), .verb = STORE_DELETE },
		{ .key = view_of("c"), .value = view_of("2") },
		{ .key = view_of("c"), .value = view_of("3") },
	};
	struct store_stats stats;

	CU_ASSERT_EQUAL(commit(store, before, 2), ERR_OK);
	for (unsigned n = 1; fault_available(FAULT_MEMORY); n++) {
		enum err err;

		fault_arm(FAULT_MEMORY, n, 0);
		err = commit(store, ops, HARNESS_COUNT(ops));
		if (!fault_disarm())
			break;
		CU_ASSERT_EQUAL(err, ERR_NO_MEMORY);
		CU_ASSERT_TRUE(value_is(store, "a", "1"));
		CU_ASSERT_TRUE(value_is(store, "b", "1"));
		CU_ASSERT_TRUE(value_is(store, "c", NULL));
		store_stats(store, &stats);
		CU_ASSERT_EQUAL(stats.revision, 1);
	}
	if (fault_available(FAULT_MEMORY)) {
		CU_ASSERT_TRUE(value_is(store, "a", "2"));
		CU_ASSERT_TRUE(value_is(store, "b", NULL));
		CU_ASSERT_TRUE(value_is(store, "c", "3"));
	}
	CU_ASSERT_EQUAL(store_close(store), ERR_OK);
}

static void housekeeping_without_memory_keeps_everything(void)
{
	struct store *store = open_store();
	struct store_op ops[] = {
		{ .key = view_of("a"), .value = view_of("1") },
		{ .key = view_of("b"), .expires_ms = 1 },
	};
	struct store_stats stats;

	CU_ASSERT_EQUAL(commit(store, ops, 2), ERR_OK);
	for (unsigned n = 1; fault_available(FAULT_MEMORY); n++) {
		enum err err;

		fault_arm(FAULT_MEMORY, n, 0);
		err = store_housekeep(store, 0);
		if (!fault_disarm()) {
			CU_ASSERT_EQUAL(err, ERR_OK);
			break;
		}
		CU_ASSERT_EQUAL(err, ERR_NO_MEMORY);
		store_stats(store, &stats);
		CU_ASSERT_EQUAL(stats.keys, 2);
	}
	CU_ASSERT_TRUE(value_is(store, "a", "1"));
	CU_ASSERT_EQUAL(store_close(store), ERR_OK);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_commit_without_memory_changes_nothing),
	HARNESS_TEST(housekeeping_without_memory_keeps_everything),
};

int main(void)
{
	return harness_run("store/memory faults", tests, HARNESS_COUNT(tests));
}
