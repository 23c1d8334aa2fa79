/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contract of store.h, one promise a test; contract.h says how to run. */
#include "store/cases.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BEGINNING_MS INT64_C(1700000000000)

int64_t contract_now_ms;

static const struct contract_engine *engine;

void contract_use(const struct contract_engine *chosen)
{
	engine = chosen;
}

const struct contract_engine *contract_engine(void)
{
	return engine;
}

static int64_t wall_ms(void)
{
	return contract_now_ms;
}

struct store_conf contract_conf(void)
{
	struct store_conf conf = {
		.engine = engine->name,
		.data_dir = harness_path("data"),
		.value_max_bytes = CONTRACT_VALUE_MAX,
		.lock_timeout_ms = 5000,
		.journal_segment_bytes = 4 << 20,
		.journal_max_bytes = 64 << 20,
		.memtable_bytes = 4 << 20,
		.table_max_keys = 100,
		.table_max_bytes = 1 << 20,
		.read_cache_bytes = 8192,
		.checkpoint_idle_ms = 1,
		.expiry_interval_ms = 1,
		.history_bytes = 16 << 20,
		.wall_ms = wall_ms,
	};

	if (engine->settings)
		engine->settings(&conf);
	return conf;
}

struct store *contract_open(void)
{
	struct store_conf conf = contract_conf();
	struct store *store = NULL;

	if (contract_now_ms == 0)
		contract_now_ms = BEGINNING_MS;
	CU_ASSERT_EQUAL_FATAL(file_make_folder(conf.data_dir, 0700), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(store_open(&conf, &store), ERR_OK);
	return store;
}

void contract_close(struct store *store)
{
	CU_ASSERT_EQUAL(store_close(store), ERR_OK);
}

enum err contract_commit(struct store *store, struct store_batch *batch)
{
	uint64_t ticket = UINT64_MAX;
	enum err err = store_commit(store, batch, &ticket);

	CU_ASSERT_NOT_EQUAL(ticket, UINT64_MAX);
	if (err == ERR_OK || err == ERR_CONDITION)
		CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	return err;
}

enum err contract_ops(struct store *store, struct store_op *ops, size_t count,
		      uint64_t *revision)
{
	struct store_batch batch = { .ops = ops, .op_count = count };
	enum err err = contract_commit(store, &batch);

	*revision = batch.revision;
	return err;
}

struct store_op op_put(struct view key, struct view value)
{
	return (struct store_op){ .verb = STORE_PUT,
				  .key = key,
				  .value = value,
				  .type = view_of("text/plain") };
}

struct store_op op_delete(struct view key)
{
	return (struct store_op){ .verb = STORE_DELETE, .key = key };
}

uint64_t contract_put(struct store *store, const char *key, const char *value)
{
	struct store_op op = op_put(view_of(key), view_of(value));
	uint64_t revision;

	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	return revision;
}

uint64_t contract_delete(struct store *store, const char *key)
{
	struct store_op op = op_delete(view_of(key));
	uint64_t revision;

	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	return revision;
}

void contract_put_until(struct store *store, const char *key,
			int64_t expires_ms)
{
	struct store_op op = op_put(view_of(key), view_of("mortal"));
	uint64_t revision;

	op.expires_ms = expires_ms;
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
}

const char *contract_value(struct store *store, const char *key)
{
	static char text[64];
	struct buf hold = BUF_EMPTY;
	struct record record;
	enum err err = store_get(store, view_of(key), &hold, &record, NULL);

	if (err)
		snprintf(text, sizeof(text), "(err %d)", err);
	else
		snprintf(text, sizeof(text), "%.*s", (int)record.value.size,
			 (const char *)record.value.data);
	buf_release(&hold);
	return text;
}

bool contract_absent(struct store *store, const char *key)
{
	struct buf hold = BUF_EMPTY;
	struct record record;
	enum err err = store_get(store, view_of(key), &hold, &record, NULL);

	buf_release(&hold);
	return err == ERR_NOT_FOUND;
}

uint64_t contract_revision(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.revision;
}

/* The keys that a listing visits, each followed by a blank. */
struct listed {
	struct buf text;
	size_t limit; /* stop after so many */
	size_t count;
	bool values;
};

static bool note_key(void *arg, struct view key, const struct record *record)
{
	struct listed *listed = arg;

	buf_add_view(&listed->text, key);
	buf_add_char(&listed->text, ' ');
	CU_ASSERT_EQUAL(record->value.data != NULL || record->value.size == 0,
			listed->values || record->value.size == 0);
	return ++listed->count < listed->limit;
}

bool contract_lists(struct store *store, const struct store_range *range,
		    size_t limit, struct view expected)
{
	struct listed listed = { .limit = limit, .values = range->values };
	uint64_t revision = UINT64_MAX;
	enum err err = store_list(store, range, note_key, &listed, &revision);
	bool same = err == ERR_OK &&
		    view_equal(buf_view(&listed.text), expected) &&
		    revision == contract_revision(store);

	if (!same)
		printf("# listed '%s'\n", buf_string(&listed.text));
	buf_release(&listed.text);
	return same;
}

bool contract_lists_all(struct store *store, const char *expected)
{
	return contract_lists(store, &(struct store_range){ .values = true },
			      1000, view_of(expected));
}

const struct harness_test contract_tests[] = {
	HARNESS_TEST(a_new_store_is_empty),
	HARNESS_TEST(what_was_put_comes_back_whole),
	HARNESS_TEST(a_put_replaces_value_type_and_expiry),
	HARNESS_TEST(what_was_deleted_is_not_found),
	HARNESS_TEST(only_what_changes_something_takes_a_revision),
	HARNESS_TEST(operations_of_a_batch_apply_in_order),
	HARNESS_TEST(a_refused_batch_changes_nothing),
	HARNESS_TEST(keys_of_every_byte_stay_apart),
	HARNESS_TEST(the_longest_keys_stay_apart),
	HARNESS_TEST(empty_and_largest_values_come_back),
	HARNESS_TEST(keys_and_values_past_the_limits_are_refused),
	HARNESS_TEST(conditions_hold_as_they_say),
	HARNESS_TEST(one_false_condition_stops_the_batch_and_all_are_told),
	HARNESS_TEST(conditions_see_the_store_before_the_batch),
	HARNESS_TEST(a_hook_sees_the_live_record),
	HARNESS_TEST(a_hook_may_make_another_operation_of_it),
	HARNESS_TEST(a_hook_changes_type_and_expiry_too),
	HARNESS_TEST(a_hook_sees_what_the_batch_did_before_it),
	HARNESS_TEST(a_hook_s_error_fails_the_whole_batch),
	HARNESS_TEST(a_hook_s_error_waits_for_what_it_rests_on),
	HARNESS_TEST(no_hook_is_asked_when_a_condition_is_false),
	HARNESS_TEST(what_a_hook_makes_keeps_the_limits),
	HARNESS_TEST(a_batch_of_gets_reads_one_revision),
	HARNESS_TEST(many_operations_on_few_keys_apply_in_order),
	HARNESS_TEST(a_prefix_is_deleted_in_one_revision),
	HARNESS_TEST(a_prefix_of_the_last_bytes_ends_where_it_should),
	HARNESS_TEST(an_expired_key_is_not_deleted_again),
	HARNESS_TEST(a_prefix_includes_what_is_not_yet_synced),
	HARNESS_TEST(that_nothing_is_left_to_delete_waits_for_the_sync),
	HARNESS_TEST(an_expired_key_is_absent_at_once),
	HARNESS_TEST(housekeeping_keeps_all_that_lives),
	HARNESS_TEST(tickets_may_be_synced_late_and_in_any_order),
	HARNESS_TEST(a_commit_builds_on_one_that_is_not_yet_synced),
	HARNESS_TEST(a_listing_is_bytewise_and_has_prefix_and_after),
	HARNESS_TEST(a_listing_tells_all_of_a_record),
	HARNESS_TEST(changes_come_in_order_with_all_there_is_to_know),
	HARNESS_TEST(a_look_at_changes_goes_on_where_it_stopped),
	HARNESS_TEST(an_expiry_is_a_change_of_its_own),
	HARNESS_TEST(deletes_by_prefix_are_one_revision_of_changes),
	HARNESS_TEST(changes_stay_through_housekeeping_and_a_reopen),
	HARNESS_TEST(a_since_of_another_time_is_gone),
	HARNESS_TEST(only_so_much_history_is_kept),
	HARNESS_TEST(a_descriptor_tells_that_there_is_something_new),
	HARNESS_TEST(a_replica_that_follows_the_changes_equals_the_store),
	HARNESS_TEST(each_change_raises_the_marks_of_its_own_keys),
	HARNESS_TEST(what_changes_nothing_raises_no_mark),
	HARNESS_TEST(an_expiry_raises_the_mark_of_its_key),
	HARNESS_TEST(what_was_read_is_true_until_a_change_is_begun),
	HARNESS_TEST(after_a_reopen_what_is_read_is_true),
	HARNESS_TEST(what_the_marks_call_true_is_what_a_read_says),
	HARNESS_TEST(a_snapshot_stays_as_it_was),
	HARNESS_TEST(a_snapshot_has_the_keys_of_its_prefix),
	HARNESS_TEST(time_stands_still_in_a_snapshot),
	HARNESS_TEST(what_was_synced_is_there_after_a_reopen),
	HARNESS_TEST(an_empty_store_can_be_reopened),
	HARNESS_TEST(random_operations_agree_with_a_model),
};

const size_t contract_test_count = COUNT(contract_tests);
