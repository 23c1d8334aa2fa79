/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a commit promises: atomicity, order, conditions, revisions, limits. */
#include "store/cases.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void a_put_replaces_value_type_and_expiry(void)
{
	struct store *store = contract_open();
	struct store_op op = op_put(view_of("a"), view_of("two"));
	struct buf hold = BUF_EMPTY;
	struct record record = { 0 };
	uint64_t revision;

	contract_put_until(store, "a", contract_now_ms + 1000);
	op.type = view_of("image/png");
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	CU_ASSERT_TRUE(op.existed);
	CU_ASSERT_EQUAL(store_get(store, op.key, &hold, &record, NULL), ERR_OK);
	CU_ASSERT_TRUE(view_equal_string(record.value, "two"));
	CU_ASSERT_TRUE(view_equal_string(record.type, "image/png"));
	CU_ASSERT_EQUAL(record.expires_ms, 0);
	CU_ASSERT_EQUAL(record.revision, 2);
	buf_release(&hold);
	contract_close(store);
}

void what_was_deleted_is_not_found(void)
{
	struct store *store = contract_open();

	contract_put(store, "a", "one");
	contract_put(store, "b", "two");
	CU_ASSERT_EQUAL(contract_delete(store, "a"), 3);
	CU_ASSERT_TRUE(contract_absent(store, "a"));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "b"), "two");
	CU_ASSERT_TRUE(contract_lists_all(store, "b "));
	CU_ASSERT_EQUAL(contract_put(store, "a", "again"), 4);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "again");
	contract_close(store);
}

void only_what_changes_something_takes_a_revision(void)
{
	struct store *store = contract_open();
	struct store_condition absent = { .key = view_of("a"),
					  .test = STORE_ABSENT };
	struct store_op op = op_put(view_of("a"), view_of("no"));
	struct store_batch failing = { &absent, 1, &op, 1, 9, 9, 9 };
	struct store_batch nothing = { .revision = 9 };

	CU_ASSERT_EQUAL(contract_delete(store, "a"), 0);
	CU_ASSERT_EQUAL(contract_put(store, "a", "one"), 1);
	CU_ASSERT_EQUAL(contract_commit(store, &failing), ERR_CONDITION);
	CU_ASSERT_EQUAL(failing.revision, 0);
	CU_ASSERT_EQUAL(contract_commit(store, &nothing), ERR_OK);
	CU_ASSERT_EQUAL(nothing.revision, 0);
	CU_ASSERT_EQUAL(contract_delete(store, "a"), 2);
	CU_ASSERT_EQUAL(contract_delete(store, "a"), 0);
	CU_ASSERT_EQUAL(contract_put(store, "b", ""), 3);
	CU_ASSERT_EQUAL(contract_revision(store), 3);
	contract_close(store);
}

void operations_of_a_batch_apply_in_order(void)
{
	struct store *store = contract_open();
	struct store_op ops[] = {
		op_put(view_of("a"), view_of("1")),
		op_put(view_of("a"), view_of("2")),
		op_delete(view_of("b")),
		op_put(view_of("b"), view_of("new")),
		op_delete(view_of("c")),
		op_put(view_of("d"), view_of("short-lived")),
		op_delete(view_of("d")),
		op_delete(view_of("d")),
	};
	static const bool existed[] = { false, true,  true, false,
					false, false, true, false };
	uint64_t revision;

	contract_put(store, "b", "old");
	CU_ASSERT_EQUAL(contract_ops(store, ops, COUNT(ops), &revision),
			ERR_OK);
	CU_ASSERT_EQUAL(revision, 2);
	for (size_t i = 0; i < COUNT(ops); i++)
		CU_ASSERT_EQUAL(ops[i].existed, existed[i]);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "2");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "b"), "new");
	CU_ASSERT_TRUE(contract_absent(store, "d"));
	CU_ASSERT_TRUE(contract_lists_all(store, "a b "));
	contract_close(store);
}

void a_refused_batch_changes_nothing(void)
{
	struct store *store = contract_open();
	struct store_op ops[] = {
		op_put(view_of("a"), view_of("changed")),
		op_delete(view_of("b")),
		op_put(view_of(""), view_of("no key")),
	};
	uint64_t revision;

	contract_put(store, "a", "one");
	contract_put(store, "b", "two");
	CU_ASSERT_EQUAL(contract_ops(store, ops, COUNT(ops), &revision),
			ERR_KEY);
	CU_ASSERT_EQUAL(revision, 0);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "one");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "b"), "two");
	CU_ASSERT_EQUAL(contract_put(store, "c", "three"), 3);
	contract_close(store);
}

void keys_and_values_past_the_limits_are_refused(void)
{
	struct store *store = contract_open();
	struct buf bytes = BUF_EMPTY;
	struct buf hold = BUF_EMPTY;
	struct record record;
	uint64_t revision;

	buf_reserve(&bytes, CONTRACT_VALUE_MAX + 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes.data);
	memset(bytes.data, 'x', CONTRACT_VALUE_MAX + 1);

	struct view ok = view_of("a");
	struct view empty = { bytes.data, 0 };
	struct view long_key = { bytes.data, STORE_KEY_MAX + 1 };
	struct view large = { bytes.data, CONTRACT_VALUE_MAX + 1 };
	const struct {
		int line;
		struct store_op op;
		enum err err;
	} cases[] = {
		{ __LINE__, op_put(empty, ok), ERR_KEY },
		{ __LINE__, op_delete(empty), ERR_KEY },
		{ __LINE__, op_put(long_key, ok), ERR_KEY_TOO_LONG },
		{ __LINE__, op_delete(long_key), ERR_KEY_TOO_LONG },
		{ __LINE__, op_put(ok, large), ERR_VALUE_TOO_LARGE },
		{ __LINE__,
		  { .verb = STORE_PUT,
		    .key = ok,
		    .type = { bytes.data, RECORD_TYPE_MAX + 1 } },
		  ERR_INVALID },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store_op op = cases[i].op;

		HARNESS_CASE(cases[i].line,
			     contract_ops(store, &op, 1, &revision) ==
				     cases[i].err);
	}
	for (size_t i = 0; i < 2; i++) {
		struct view key = i == 0 ? empty : long_key;
		enum err expected = i == 0 ? ERR_KEY : ERR_KEY_TOO_LONG;
		struct store_condition condition = { .key = key,
						     .test = STORE_ABSENT };
		struct store_batch batch = { .conditions = &condition,
					     .condition_count = 1 };

		CU_ASSERT_EQUAL(contract_commit(store, &batch), expected);
		CU_ASSERT_EQUAL(store_get(store, key, &hold, &record, NULL),
				expected);
	}
	CU_ASSERT_EQUAL(contract_revision(store), 0);
	CU_ASSERT_TRUE(contract_lists_all(store, ""));
	buf_release(&hold);
	buf_release(&bytes);
	contract_close(store);
}

/* Keys `one` (revision 1) and `two` (2) are there, `gone` has expired. */
void conditions_hold_as_they_say(void)
{
	static const uint64_t r1[] = { 1 };
	static const uint64_t r921[] = { 9, 2, 1 };
	static const uint64_t r39[] = { 3, 9 };
	static const struct {
		int line;
		const char *key;
		enum store_test test;
		const uint64_t *revisions;
		size_t count;
		uint64_t current;
		bool holds;
	} cases[] = {
		{ __LINE__, "one", STORE_EXISTS, NULL, 0, 1, true },
		{ __LINE__, "one", STORE_ABSENT, NULL, 0, 1, false },
		{ __LINE__, "one", STORE_REVISION_IN, r1, 1, 1, true },
		{ __LINE__, "one", STORE_REVISION_NOT_IN, r1, 1, 1, false },
		{ __LINE__, "two", STORE_REVISION_IN, r1, 1, 2, false },
		{ __LINE__, "two", STORE_REVISION_NOT_IN, r1, 1, 2, true },
		{ __LINE__, "two", STORE_REVISION_IN, r921, 3, 2, true },
		{ __LINE__, "two", STORE_REVISION_NOT_IN, r921, 3, 2, false },
		{ __LINE__, "two", STORE_REVISION_IN, NULL, 0, 2, false },
		{ __LINE__, "two", STORE_REVISION_NOT_IN, NULL, 0, 2, true },
		{ __LINE__, "no", STORE_EXISTS, NULL, 0, 0, false },
		{ __LINE__, "no", STORE_ABSENT, NULL, 0, 0, true },
		{ __LINE__, "no", STORE_REVISION_IN, r921, 3, 0, false },
		{ __LINE__, "no", STORE_REVISION_NOT_IN, r921, 3, 0, true },
		{ __LINE__, "gone", STORE_EXISTS, NULL, 0, 0, false },
		{ __LINE__, "gone", STORE_ABSENT, NULL, 0, 0, true },
		{ __LINE__, "gone", STORE_REVISION_IN, r39, 2, 0, false },
		{ __LINE__, "gone", STORE_REVISION_NOT_IN, r39, 2, 0, true },
	};
	struct store *store = contract_open();

	contract_put(store, "one", "1");
	contract_put(store, "two", "2");
	contract_put_until(store, "gone", contract_now_ms + 10);
	contract_now_ms += 10;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct store_condition condition = {
			.key = view_of(cases[i].key),
			.test = cases[i].test,
			.revisions = cases[i].revisions,
			.revision_count = cases[i].count,
			.current = 77,
			.holds = !cases[i].holds,
		};
		struct store_batch batch = { .conditions = &condition,
					     .condition_count = 1 };
		enum err err = contract_commit(store, &batch);

		HARNESS_CASE(cases[i].line,
			     err == (cases[i].holds ? ERR_OK : ERR_CONDITION));
		HARNESS_CASE(cases[i].line,
			     condition.current == cases[i].current);
		HARNESS_CASE(cases[i].line, condition.holds == cases[i].holds);
	}
	CU_ASSERT_EQUAL(contract_revision(store), 3);
	contract_close(store);
}

void one_false_condition_stops_the_batch_and_all_are_told(void)
{
	struct store *store = contract_open();
	uint64_t first = 1;
	struct store_condition conditions[] = {
		{ .key = view_of("a"), .test = STORE_ABSENT },
		{ .key = view_of("a"),
		  .test = STORE_REVISION_IN,
		  .revisions = &first,
		  .revision_count = 1 },
		{ .key = view_of("b"), .test = STORE_EXISTS },
	};
	struct store_op op = op_put(view_of("a"), view_of("changed"));
	struct store_batch batch = { conditions, 3, &op, 1, 0, 0, 0 };

	contract_put(store, "a", "one");
	CU_ASSERT_EQUAL(contract_commit(store, &batch), ERR_CONDITION);
	CU_ASSERT_EQUAL(conditions[0].current, 1);
	CU_ASSERT_FALSE(conditions[0].holds);
	CU_ASSERT_EQUAL(conditions[1].current, 1);
	CU_ASSERT_TRUE(conditions[1].holds);
	CU_ASSERT_EQUAL(conditions[2].current, 0);
	CU_ASSERT_FALSE(conditions[2].holds);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "one");

	batch.conditions = &conditions[1];
	batch.condition_count = 1;
	CU_ASSERT_EQUAL(contract_commit(store, &batch), ERR_OK);
	CU_ASSERT_EQUAL(batch.revision, 2);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "changed");
	contract_close(store);
}

void conditions_see_the_store_before_the_batch(void)
{
	struct store *store = contract_open();
	struct store_condition absent = { .key = view_of("a"),
					  .test = STORE_ABSENT };
	struct store_op ops[] = { op_put(view_of("a"), view_of("1")),
				  op_put(view_of("b"), view_of("1")) };
	struct store_batch batch = { &absent, 1, ops, 2, 0, 0, 0 };

	CU_ASSERT_EQUAL(contract_commit(store, &batch), ERR_OK);
	CU_ASSERT_TRUE(absent.holds);
	CU_ASSERT_EQUAL(contract_commit(store, &batch), ERR_CONDITION);
	contract_close(store);
}

void tickets_may_be_synced_late_and_in_any_order(void)
{
	struct store *store = contract_open();
	struct store_op ops[] = { op_put(view_of("a"), view_of("1")),
				  op_put(view_of("b"), view_of("2")) };
	uint64_t tickets[2];

	for (size_t i = 0; i < 2; i++) {
		struct store_batch batch = { .ops = &ops[i], .op_count = 1 };

		CU_ASSERT_EQUAL(store_commit(store, &batch, &tickets[i]),
				ERR_OK);
		CU_ASSERT_EQUAL(batch.revision, i + 1);
	}
	CU_ASSERT_TRUE(tickets[1] > tickets[0]);
	CU_ASSERT_EQUAL(store_sync(store, tickets[1]), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "1");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "b"), "2");
	CU_ASSERT_EQUAL(store_sync(store, tickets[0]), ERR_OK);
	CU_ASSERT_EQUAL(store_sync(store, tickets[1]), ERR_OK);
	CU_ASSERT_EQUAL(store_sync(store, 0), ERR_OK);
	contract_close(store);
}

void a_commit_builds_on_one_that_is_not_yet_synced(void)
{
	struct store *store = contract_open();
	uint64_t first = 1;
	uint64_t ticket;
	struct store_condition is_first = { .key = view_of("a"),
					    .test = STORE_REVISION_IN,
					    .revisions = &first,
					    .revision_count = 1 };
	struct store_op op = op_put(view_of("a"), view_of("1"));
	struct store_batch blind = { .ops = &op, .op_count = 1 };
	struct store_batch next = { &is_first, 1, &op, 1, 0, 0, 0 };

	CU_ASSERT_EQUAL(store_commit(store, &blind, &ticket), ERR_OK);
	CU_ASSERT_EQUAL(store_commit(store, &next, &ticket), ERR_OK);
	CU_ASSERT_TRUE(op.existed);
	CU_ASSERT_EQUAL(next.revision, 2);
	CU_ASSERT_EQUAL(store_commit(store, &next, &ticket), ERR_CONDITION);
	CU_ASSERT_EQUAL(is_first.current, 2);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_EQUAL(contract_revision(store), 2);
	contract_close(store);
}
