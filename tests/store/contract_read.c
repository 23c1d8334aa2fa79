/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What reads promise: whole records, order, expiry, and the same after a
 * reopen. */
#include "store/cases.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void a_new_store_is_empty(void)
{
	struct store *store = contract_open();
	struct buf hold = BUF_EMPTY;
	struct record record;
	struct store_stats stats;
	uint64_t revision = 7;

	CU_ASSERT_EQUAL(
		store_get(store, view_of("a"), &hold, &record, &revision),
		ERR_NOT_FOUND);
	CU_ASSERT_EQUAL(revision, 0);
	CU_ASSERT_TRUE(contract_lists_all(store, ""));
	store_stats(store, &stats);
	CU_ASSERT_EQUAL(stats.revision, 0);
	CU_ASSERT_TRUE(stats.writable);
	CU_ASSERT_FALSE(stats.full);
	CU_ASSERT_STRING_EQUAL(store_engine_name(store),
			       contract_engine()->name);
	buf_release(&hold);
	contract_close(store);
}

void what_was_put_comes_back_whole(void)
{
	struct store *store = contract_open();
	struct store_op op = op_put(view_of("a"), view_of("one"));
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	struct buf hold = BUF_EMPTY;
	struct record record = { 0 };
	uint64_t revision = 0;

	op.expires_ms = contract_now_ms + 1000;
	CU_ASSERT_EQUAL(contract_commit(store, &batch), ERR_OK);
	CU_ASSERT_EQUAL(batch.revision, 1);
	CU_ASSERT_EQUAL(batch.modified_ms, contract_now_ms);
	CU_ASSERT_EQUAL(store_get(store, op.key, &hold, &record, &revision),
			ERR_OK);
	CU_ASSERT_EQUAL(revision, 1);
	CU_ASSERT_EQUAL(record.revision, 1);
	CU_ASSERT_EQUAL(record.modified_ms, contract_now_ms);
	CU_ASSERT_EQUAL(record.expires_ms, contract_now_ms + 1000);
	CU_ASSERT_TRUE(view_equal_string(record.value, "one"));
	CU_ASSERT_TRUE(view_equal_string(record.type, "text/plain"));
	buf_release(&hold);
	contract_close(store);
}

void keys_of_every_byte_stay_apart(void)
{
	struct store *store = contract_open();
	struct store_op ops[256];
	uint8_t bytes[256];
	uint64_t revision;
	struct buf hold = BUF_EMPTY;
	struct buf expected = BUF_EMPTY;

	for (size_t i = 0; i < 256; i++) {
		bytes[i] = (uint8_t)i;
		ops[i] = op_put((struct view){ &bytes[i], 1 },
				(struct view){ &bytes[i], 1 });
		buf_add_char(&expected, (char)i);
		buf_add_char(&expected, ' ');
	}
	CU_ASSERT_EQUAL(contract_ops(store, ops, 256, &revision), ERR_OK);
	for (size_t i = 0; i < 256; i++) {
		struct record record = { 0 };

		CU_ASSERT_EQUAL(
			store_get(store, ops[i].key, &hold, &record, NULL),
			ERR_OK);
		CU_ASSERT_TRUE(view_equal(record.value, ops[i].value));
	}
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);

	CU_ASSERT_TRUE(contract_lists(store, &(struct store_range){ 0 }, 1000,
				      buf_view(&expected)));
	buf_release(&expected);
	buf_release(&hold);
	contract_close(store);
}

void the_longest_keys_stay_apart(void)
{
	struct store *store = contract_open();
	static const uint8_t fill[] = { 0x00, 'a', 0x7f, 0x80, 0xff };
	struct buf hold = BUF_EMPTY;
	char key[STORE_KEY_MAX];

	for (size_t i = 0; i < COUNT(fill); i++) {
		for (size_t size = STORE_KEY_MAX - 1; size <= STORE_KEY_MAX;
		     size++) {
			struct store_op op;
			uint64_t revision;

			memset(key, fill[i], sizeof(key));
			op = op_put((struct view){ key, size },
				    (struct view){ key, i + 1 });
			CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision),
					ERR_OK);
		}
	}
	for (size_t i = 0; i < COUNT(fill); i++) {
		struct record record = { 0 };

		memset(key, fill[i], sizeof(key));
		CU_ASSERT_EQUAL(store_get(store,
					  (struct view){ key, sizeof(key) },
					  &hold, &record, NULL),
				ERR_OK);
		CU_ASSERT_EQUAL(record.value.size, i + 1);
		CU_ASSERT_EQUAL(store_get(store,
					  (struct view){ key, sizeof(key) - 2 },
					  &hold, &record, NULL),
				ERR_NOT_FOUND);
	}
	buf_release(&hold);
	contract_close(store);
}

void empty_and_largest_values_come_back(void)
{
	struct store *store = contract_open();
	struct buf hold = BUF_EMPTY;
	struct buf large = BUF_EMPTY;
	char type[RECORD_TYPE_MAX];
	struct record record = { 0 };
	uint64_t revision;

	memset(type, 't', sizeof(type));
	for (size_t i = 0; i < CONTRACT_VALUE_MAX; i++)
		buf_add_char(&large, (char)(i * 31 >> 3));

	struct store_op ops[] = { op_put(view_of("empty"), (struct view){ 0 }),
				  op_put(view_of("large"), buf_view(&large)) };

	ops[0].type = (struct view){ 0 };
	ops[1].type = (struct view){ type, sizeof(type) };
	CU_ASSERT_EQUAL(contract_ops(store, ops, 2, &revision), ERR_OK);
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	CU_ASSERT_EQUAL(store_get(store, ops[0].key, &hold, &record, NULL),
			ERR_OK);
	CU_ASSERT_EQUAL(record.value.size, 0);
	CU_ASSERT_EQUAL(record.type.size, 0);
	CU_ASSERT_EQUAL(store_get(store, ops[1].key, &hold, &record, NULL),
			ERR_OK);
	CU_ASSERT_TRUE(view_equal(record.value, buf_view(&large)));
	CU_ASSERT_TRUE(view_equal(record.type, ops[1].type));
	buf_release(&large);
	buf_release(&hold);
	contract_close(store);
}

void an_expired_key_is_absent_at_once(void)
{
	struct store *store = contract_open();
	struct store_op op = op_delete(view_of("a"));
	uint64_t revision;

	contract_put_until(store, "a", contract_now_ms + 10);
	contract_put_until(store, "b", contract_now_ms + 10);
	contract_put_until(store, "c", contract_now_ms + 11);
	contract_now_ms += 9;
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "mortal");
	CU_ASSERT_TRUE(contract_lists_all(store, "a b c "));
	contract_now_ms += 1;
	CU_ASSERT_TRUE(contract_absent(store, "a"));
	CU_ASSERT_TRUE(contract_lists_all(store, "c "));
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	CU_ASSERT_EQUAL(revision, 0);
	CU_ASSERT_FALSE(op.existed);

	op = op_put(view_of("b"), view_of("reborn"));
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	CU_ASSERT_FALSE(op.existed);
	contract_now_ms += 1000;
	CU_ASSERT_STRING_EQUAL(contract_value(store, "b"), "reborn");
	CU_ASSERT_TRUE(contract_lists_all(store, "b "));
	contract_close(store);
}

void housekeeping_keeps_all_that_lives(void)
{
	struct store *store = contract_open();

	contract_put(store, "a", "one");
	contract_put_until(store, "b", contract_now_ms + 10);
	contract_put_until(store, "c", contract_now_ms + 1000000);
	contract_put(store, "d", "four");
	contract_delete(store, "d");
	contract_now_ms += 10;
	for (int i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(store_housekeep(store, 2), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "one");
	CU_ASSERT_TRUE(contract_absent(store, "b"));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "c"), "mortal");
	CU_ASSERT_TRUE(contract_lists_all(store, "a c "));

	uint64_t revision = contract_revision(store);

	CU_ASSERT_TRUE(revision == 5 || revision == 6);
	CU_ASSERT_EQUAL(contract_put(store, "e", "five"), revision + 1);
	contract_close(store);
}

void a_listing_is_bytewise_and_has_prefix_and_after(void)
{
#define V(s) VIEW_LITERAL(s)
	static const struct {
		int line;
		struct store_range range;
		size_t limit;
		const char *expected;
	} cases[] = {
		{ __LINE__, { .prefix = V("") }, 99, "B a a/ a/1 a/2 a0 b " },
		{ __LINE__, { .prefix = V("a") }, 99, "a a/ a/1 a/2 a0 " },
		{ __LINE__, { .prefix = V("a/") }, 99, "a/ a/1 a/2 " },
		{ __LINE__, { .prefix = V("a/2") }, 99, "a/2 " },
		{ __LINE__, { .prefix = V("a/3") }, 99, "" },
		{ __LINE__, { .prefix = V("zz") }, 99, "" },
		{ __LINE__, { .after = V("") }, 99, "B a a/ a/1 a/2 a0 b " },
		{ __LINE__, { .after = V("a") }, 99, "a/ a/1 a/2 a0 b " },
		{ __LINE__, { .after = V("a/") }, 99, "a/1 a/2 a0 b " },
		{ __LINE__, { .after = V("a/15") }, 99, "a/2 a0 b " },
		{ __LINE__, { .after = V("b") }, 99, "" },
		{ __LINE__, { V("a/"), V("a/1"), true }, 99, "a/2 " },
		{ __LINE__, { V("a/"), V("A"), false }, 99, "a/ a/1 a/2 " },
		{ __LINE__, { V("a/"), V("a/2"), false }, 99, "" },
		{ __LINE__, { V("a/"), V("b"), false }, 99, "" },
		{ __LINE__, { V("a/"), V("a/"), true }, 1, "a/1 " },
		{ __LINE__, { .values = true }, 2, "B a " },
	};
#undef V
	struct store *store = contract_open();
	static const char *const keys[] = { "b",   "a/2", "a", "a0",
					    "a/1", "B",   "a/" };

	for (size_t i = 0; i < COUNT(keys); i++)
		contract_put(store, keys[i], keys[i]);
	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < COUNT(cases); i++)
			HARNESS_CASE(
				cases[i].line,
				contract_lists(store, &cases[i].range,
					       cases[i].limit,
					       view_of(cases[i].expected)));
		CU_ASSERT_EQUAL(store_housekeep(store, 2), ERR_OK);
	}
	contract_close(store);
}

struct checked_list {
	struct store *store;
	size_t count;
	bool values;
};

static bool check_record(void *arg, struct view key,
			 const struct record *record)
{
	struct checked_list *check = arg;

	CU_ASSERT_EQUAL(record->revision, ++check->count);
	CU_ASSERT_EQUAL(record->modified_ms, contract_now_ms);
	CU_ASSERT_EQUAL(record->expires_ms, 0);
	CU_ASSERT_TRUE(view_equal_string(record->type, "text/plain"));
	CU_ASSERT_EQUAL(record->value.size, 5);
	CU_ASSERT_EQUAL(record->value.data != NULL, check->values);
	if (check->values)
		CU_ASSERT_TRUE(view_equal_string(record->value, "value"));
	CU_ASSERT_EQUAL(key.size, 1);
	return true;
}

void a_listing_tells_all_of_a_record(void)
{
	struct store *store = contract_open();
	struct checked_list check = { 0 };

	contract_put(store, "a", "value");
	contract_put(store, "b", "value");
	contract_put(store, "c", "value");
	for (int turn = 0; turn < 4; turn++) {
		struct store_range range = { .values = turn & 1 };

		check = (struct checked_list){ .values = range.values };
		CU_ASSERT_EQUAL(
			store_list(store, &range, check_record, &check, NULL),
			ERR_OK);
		CU_ASSERT_EQUAL(check.count, 3);
		if (turn == 1)
			CU_ASSERT_EQUAL(store_housekeep(store, 2), ERR_OK);
	}
	contract_close(store);
}

void what_was_synced_is_there_after_a_reopen(void)
{
	if (!contract_engine()->persists)
		return;

	struct store *store = contract_open();
	struct buf hold = BUF_EMPTY;
	struct record record = { 0 };
	int64_t then_ms = contract_now_ms;

	contract_put(store, "a", "one");
	contract_put(store, "b", "two");
	contract_put_until(store, "c", contract_now_ms + 50);
	contract_delete(store, "b");
	for (int turn = 0; turn < 3; turn++) {
		contract_close(store);
		contract_now_ms += 10;
		store = contract_open();
		CU_ASSERT_TRUE(contract_lists_all(store, "a c "));
		CU_ASSERT_EQUAL(contract_revision(store), 4);
		CU_ASSERT_EQUAL(
			store_get(store, view_of("a"), &hold, &record, NULL),
			ERR_OK);
		CU_ASSERT_EQUAL(record.revision, 1);
		CU_ASSERT_EQUAL(record.modified_ms, then_ms);
		CU_ASSERT_TRUE(view_equal_string(record.value, "one"));
		CU_ASSERT_TRUE(view_equal_string(record.type, "text/plain"));
	}
	contract_now_ms += 20;
	CU_ASSERT_TRUE(contract_absent(store, "c"));
	CU_ASSERT_TRUE(contract_put(store, "b", "back") >= 5);
	buf_release(&hold);
	contract_close(store);
}

void an_empty_store_can_be_reopened(void)
{
	struct store *store = contract_open();

	contract_close(store);
	store = contract_open();
	CU_ASSERT_TRUE(contract_lists_all(store, ""));
	CU_ASSERT_EQUAL(contract_put(store, "a", "one"), 1);
	contract_close(store);
}
