/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Many changes in some commits, by a store that has its moods. */
#include "api/bulk.h"

#include <stdio.h>

#include "harness.h"

/* The engine "memory", with a commit() that fails as it is told to. */
static struct store_engine moody;
static const struct store_engine *calm;
static size_t ops_most;  /* of one commit; 0: any number */
static int busy_turns;   /* how often commit() is busy yet */
static int commits_left; /* before commit() says ERR_FULL; -1: for ever */
static int calls;
static int busy_syncs;  /* how often sync() is busy yet */
static uint64_t synced; /* the last ticket */

static enum err moody_commit(struct store *store, struct store_batch *batch,
			     uint64_t *ticket)
{
	calls++;
	*ticket = 0;
	if (ops_most && batch->op_count > ops_most)
		return ERR_BATCH_TOO_LARGE;
	if (busy_turns > 0 && busy_turns--)
		return ERR_BUSY;
	if (commits_left == 0)
		return ERR_FULL;
	commits_left--;
	return calm->commit(store, batch, ticket);
}

static enum err moody_sync(struct store *store, uint64_t ticket)
{
	if (busy_syncs > 0 && busy_syncs--)
		return ERR_BUSY;
	synced = ticket;
	return calm->sync(store, ticket);
}

static struct store *open_store(void)
{
	const struct store_conf conf = {
		.engine = "memory",
		.value_max_bytes = 10000,
	};
	struct store *store = NULL;

	CU_ASSERT_EQUAL_FATAL(store_open(&conf, &store), ERR_OK);
	calm = store->engine;
	moody = *calm;
	moody.commit = moody_commit;
	moody.sync = moody_sync;
	store->engine = &moody;
	ops_most = 0;
	busy_turns = 0;
	commits_left = -1;
	calls = 0;
	busy_syncs = 0;
	synced = 0;
	return store;
}

static enum err put(struct bulk *bulk, int n)
{
	char key[32];

	snprintf(key, sizeof(key), "k%05d", n);
	return bulk_put(bulk, view_of(key), view_of("t"), view_of("value"), 0);
}

static bool count_key(void *arg, struct view key, const struct record *record)
{
	(void)record;
	(void)key;
	++*(size_t *)arg;
	return true;
}

static size_t count_keys(struct store *store)
{
	struct store_range range = { 0 };
	size_t count = 0;

	CU_ASSERT_EQUAL(store_list(store, &range, count_key, &count, NULL),
			ERR_OK);
	return count;
}

static void changes_are_committed_by_the_hundred(void)
{
	struct store *store = open_store();
	struct bulk bulk;

	bulk_init(&bulk, store, true);
	for (int n = 0; n < 1100; n++)
		CU_ASSERT_EQUAL(put(&bulk, n), ERR_OK);
	CU_ASSERT_EQUAL(bulk.commits, 2);
	CU_ASSERT_EQUAL(bulk_flush(&bulk), ERR_OK);
	CU_ASSERT_EQUAL(bulk.commits, 3);
	CU_ASSERT_EQUAL(bulk.puts, 1100);
	CU_ASSERT_EQUAL(bulk.revision, 3);
	CU_ASSERT_EQUAL(bulk_delete(&bulk, view_of("k00007")), ERR_OK);
	CU_ASSERT_EQUAL(bulk_delete(&bulk, view_of("absent")), ERR_OK);
	CU_ASSERT_EQUAL(bulk_flush(&bulk), ERR_OK);
	CU_ASSERT_EQUAL(bulk.deletes, 1);
	CU_ASSERT_EQUAL(count_keys(store), 1099);
	CU_ASSERT_EQUAL(bulk_flush(&bulk), ERR_OK);
	CU_ASSERT_EQUAL(bulk.commits, 4);
	bulk_release(&bulk);
	store_close(store);
}

static void bytes_are_enough_too(void)
{
	struct store *store = open_store();
	struct bulk bulk;

	bulk_init(&bulk, store, true);
	bulk.bytes_max = 100; /* eleven bytes each */
	for (int n = 0; n < 20; n++)
		CU_ASSERT_EQUAL(put(&bulk, n), ERR_OK);
	CU_ASSERT_EQUAL(bulk.puts, 18);
	bulk_release(&bulk);
	CU_ASSERT_EQUAL(count_keys(store), 18);
	store_close(store);
}

static void what_is_too_large_at_once_is_halved(void)
{
	struct store *store = open_store();
	struct bulk bulk;

	bulk_init(&bulk, store, false);
	ops_most = 3;
	for (int n = 0; n < 20; n++)
		CU_ASSERT_EQUAL(put(&bulk, n), ERR_OK);
	CU_ASSERT_EQUAL(bulk_flush(&bulk), ERR_OK);
	CU_ASSERT_EQUAL(bulk.puts, 20);
	CU_ASSERT_EQUAL(bulk.commits, 8);
	CU_ASSERT_EQUAL(synced, 8);
	CU_ASSERT_EQUAL(count_keys(store), 20);
	bulk_release(&bulk);
	store_close(store);
}

static void a_busy_store_is_asked_again(void)
{
	struct store *store = open_store();
	struct bulk bulk;

	bulk_init(&bulk, store, false);
	busy_turns = 2;
	CU_ASSERT_EQUAL(put(&bulk, 1), ERR_OK);
	CU_ASSERT_EQUAL(bulk_flush(&bulk), ERR_OK);
	CU_ASSERT_EQUAL(calls, 3);
	CU_ASSERT_EQUAL(count_keys(store), 1);
	bulk_release(&bulk);
	store_close(store);
}

/* Whoever syncs for all may take longer than one who waits for it does. */
static void a_slow_sync_is_waited_for_again(void)
{
	struct store *store = open_store();
	struct bulk bulk;

	bulk_init(&bulk, store, false);
	busy_syncs = 2;
	CU_ASSERT_EQUAL(put(&bulk, 1), ERR_OK);
	CU_ASSERT_EQUAL(bulk_flush(&bulk), ERR_OK);
	CU_ASSERT_EQUAL(busy_syncs, 0);
	CU_ASSERT_EQUAL(count_keys(store), 1);
	bulk_release(&bulk);
	store_close(store);
}

static void what_was_committed_before_a_failure_stays(void)
{
	struct store *store = open_store();
	struct bulk bulk;
	enum err err = ERR_OK;
	int n = 0;

	bulk_init(&bulk, store, true);
	commits_left = 2;
	while (!err)
		err = put(&bulk, n++);
	CU_ASSERT_EQUAL(err, ERR_FULL);
	CU_ASSERT_EQUAL(bulk.puts, 1024);
	CU_ASSERT_EQUAL(bulk.commits, 2);
	CU_ASSERT_EQUAL(synced, 2); /* since it is told how many are in */
	CU_ASSERT_EQUAL(count_keys(store), 1024);
	bulk_release(&bulk);
	store_close(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(changes_are_committed_by_the_hundred),
	HARNESS_TEST(bytes_are_enough_too),
	HARNESS_TEST(what_is_too_large_at_once_is_halved),
	HARNESS_TEST(a_busy_store_is_asked_again),
	HARNESS_TEST(a_slow_sync_is_waited_for_again),
	HARNESS_TEST(what_was_committed_before_a_failure_stays),
};

int main(void)
{
	return harness_run("api/bulk", tests, HARNESS_COUNT(tests));
}
