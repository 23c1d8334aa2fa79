/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the contract share: the tests, for the table in
 * contract.c, and what they are written with.
 */
#ifndef TESTS_STORE_CASES_H
#define TESTS_STORE_CASES_H

#include "store/contract.h"

/* The clock that the store sees. */
extern int64_t contract_now_ms;

/* The settings that contract_open() opens with. */
struct store_conf contract_conf(void);

/* Open the store of the running test; the first time, it is new. */
struct store *contract_open(void);
void contract_close(struct store *store);

/* What the engine can do and is called. */
const struct contract_engine *contract_engine(void);

/* Commit, and sync when that succeeded or a condition failed. */
enum err contract_commit(struct store *store, struct store_batch *batch);
enum err contract_ops(struct store *store, struct store_op *ops, size_t count,
		      uint64_t *revision);

/* A put has the type text/plain and no expiry. */
struct store_op op_put(struct view key, struct view value);
struct store_op op_delete(struct view key);

/* One operation, which has to succeed; its revision, 0 for none. */
uint64_t contract_put(struct store *store, const char *key, const char *value);
uint64_t contract_delete(struct store *store, const char *key);
void contract_put_until(struct store *store, const char *key,
			int64_t expires_ms); /* the value is "mortal" */

/* The value of a key as a string, "(err N)" when it can't be had. */
const char *contract_value(struct store *store, const char *key);
bool contract_absent(struct store *store, const char *key);

/* The newest durable revision. */
uint64_t contract_revision(struct store *store);

/* Whether a listing shows these keys, each followed by a blank. */
bool contract_lists(struct store *store, const struct store_range *range,
		    size_t limit, struct view expected);
bool contract_lists_all(struct store *store, const char *expected);

/* contract_commit.c */
void a_put_replaces_value_type_and_expiry(void);
void what_was_deleted_is_not_found(void);
void only_what_changes_something_takes_a_revision(void);
void operations_of_a_batch_apply_in_order(void);
void a_refused_batch_changes_nothing(void);
void keys_and_values_past_the_limits_are_refused(void);
void conditions_hold_as_they_say(void);
void one_false_condition_stops_the_batch_and_all_are_told(void);
void conditions_see_the_store_before_the_batch(void);
void tickets_may_be_synced_late_and_in_any_order(void);
void a_commit_builds_on_one_that_is_not_yet_synced(void);

/* contract_changes.c */
void changes_come_in_order_with_all_there_is_to_know(void);
void a_look_at_changes_goes_on_where_it_stopped(void);
void an_expiry_is_a_change_of_its_own(void);
void deletes_by_prefix_are_one_revision_of_changes(void);
void changes_stay_through_housekeeping_and_a_reopen(void);
void a_since_of_another_time_is_gone(void);
void only_so_much_history_is_kept(void);
void a_descriptor_tells_that_there_is_something_new(void);
void a_replica_that_follows_the_changes_equals_the_store(void);

/* contract_decide.c */
void a_hook_sees_the_live_record(void);
void a_hook_may_make_another_operation_of_it(void);
void a_hook_changes_type_and_expiry_too(void);
void a_hook_sees_what_the_batch_did_before_it(void);
void a_hook_s_error_fails_the_whole_batch(void);
void a_hook_s_error_waits_for_what_it_rests_on(void);
void no_hook_is_asked_when_a_condition_is_false(void);
void what_a_hook_makes_keeps_the_limits(void);
void a_batch_of_gets_reads_one_revision(void);
void many_operations_on_few_keys_apply_in_order(void);

/* contract_marks.c */
void each_change_raises_the_marks_of_its_own_keys(void);
void what_changes_nothing_raises_no_mark(void);
void an_expiry_raises_the_mark_of_its_key(void);
void what_was_read_is_true_until_a_change_is_begun(void);
void after_a_reopen_what_is_read_is_true(void);
void what_the_marks_call_true_is_what_a_read_says(void);

/* contract_prefix.c */
void a_prefix_is_deleted_in_one_revision(void);
void a_prefix_of_the_last_bytes_ends_where_it_should(void);
void an_expired_key_is_not_deleted_again(void);
void a_prefix_includes_what_is_not_yet_synced(void);
void that_nothing_is_left_to_delete_waits_for_the_sync(void);

/* contract_read.c */
void a_new_store_is_empty(void);
void what_was_put_comes_back_whole(void);
void keys_of_every_byte_stay_apart(void);
void the_longest_keys_stay_apart(void);
void empty_and_largest_values_come_back(void);
void an_expired_key_is_absent_at_once(void);
void housekeeping_keeps_all_that_lives(void);
void a_listing_is_bytewise_and_has_prefix_and_after(void);
void a_listing_tells_all_of_a_record(void);
void what_was_synced_is_there_after_a_reopen(void);
void an_empty_store_can_be_reopened(void);

/* contract_snapshot.c */
void a_snapshot_stays_as_it_was(void);
void a_snapshot_has_the_keys_of_its_prefix(void);
void time_stands_still_in_a_snapshot(void);

/* model.c: thousands of random operations against a simple model. */
void random_operations_agree_with_a_model(void);

#endif
