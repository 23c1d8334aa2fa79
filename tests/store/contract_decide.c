/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What `decide` and STORE_GET promise. */
#include "store/cases.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a hook was shown, and what it does. */
struct hook {
	struct store_op becomes; /* verb, value, type, expiry; with `change` */
	bool change;
	enum err err;

	int calls;
	bool present;
	uint64_t revision;
	int64_t expires_ms;
	char value[64];
	char type[64];
};

static void copy_text(char out[64], struct view text)
{
	snprintf(out, 64, "%.*s", (int)text.size, (const char *)text.data);
}

static enum err note(void *arg, struct store_op *op, const struct record *found)
{
	struct hook *hook = arg;

	hook->calls++;
	hook->present = found != NULL;
	hook->revision = found ? found->revision : 77;
	hook->expires_ms = found ? found->expires_ms : 0;
	copy_text(hook->value, found ? found->value : view_of(""));
	copy_text(hook->type, found ? found->type : view_of(""));
	if (hook->change) {
		op->verb = hook->becomes.verb;
		op->value = hook->becomes.value;
		op->type = hook->becomes.type;
		op->expires_ms = hook->becomes.expires_ms;
	}
	return hook->err;
}

static struct store_op with_hook(struct store_op op, struct hook *hook)
{
	op.decide = note;
	op.decide_arg = hook;
	return op;
}

static struct store_op op_get(struct view key)
{
	return (struct store_op){ .verb = STORE_GET, .key = key };
}

void a_hook_sees_the_live_record(void)
{
	struct store *store = contract_open();
	struct hook hooks[3] = { 0 };
	struct store_op ops[] = {
		with_hook(op_put(view_of("a"), view_of("new")), &hooks[0]),
		with_hook(op_put(view_of("no"), view_of("new")), &hooks[1]),
		with_hook(op_delete(view_of("gone")), &hooks[2]),
	};
	uint64_t revision;

	contract_put_until(store, "a", contract_now_ms + 50);
	contract_put_until(store, "gone", contract_now_ms + 10);
	contract_now_ms += 10;
	CU_ASSERT_EQUAL(contract_ops(store, ops, COUNT(ops), &revision),
			ERR_OK);
	CU_ASSERT_EQUAL(revision, 3);
	CU_ASSERT_TRUE(hooks[0].present);
	CU_ASSERT_EQUAL(hooks[0].revision, 1);
	CU_ASSERT_EQUAL(hooks[0].expires_ms, contract_now_ms + 40);
	CU_ASSERT_STRING_EQUAL(hooks[0].value, "mortal");
	CU_ASSERT_STRING_EQUAL(hooks[0].type, "text/plain");
	CU_ASSERT_FALSE(hooks[1].present);
	CU_ASSERT_FALSE(hooks[2].present);
	for (size_t i = 0; i < COUNT(ops); i++) {
		CU_ASSERT_EQUAL(hooks[i].calls, 1);
		CU_ASSERT_EQUAL(ops[i].existed, hooks[i].present);
	}
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "new");
	contract_close(store);
}

void a_hook_may_make_another_operation_of_it(void)
{
	static const struct {
		int line;
		enum store_verb verb; /* given */
		enum store_verb becomes;
		const char *key;
		const char *after; /* NULL: absent */
		bool changes;
	} cases[] = {
		{ __LINE__, STORE_PUT, STORE_PUT, "a", "B", true },
		{ __LINE__, STORE_PUT, STORE_GET, "a", "A", false },
		{ __LINE__, STORE_PUT, STORE_DELETE, "a", NULL, true },
		{ __LINE__, STORE_DELETE, STORE_PUT, "a", "B", true },
		{ __LINE__, STORE_DELETE, STORE_GET, "a", "A", false },
		{ __LINE__, STORE_PUT, STORE_PUT, "no", "B", true },
		{ __LINE__, STORE_PUT, STORE_DELETE, "no", NULL, false },
		{ __LINE__, STORE_DELETE, STORE_PUT, "no", "B", true },
	};
	struct store *store = contract_open();

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct hook hook = { .change = true };
		struct view key = view_of(cases[i].key);
		struct store_op op = op_put(key, view_of("given"));
		uint64_t before;
		uint64_t revision;

		contract_put(store, "a", "A");
		contract_delete(store, "no");
		before = contract_revision(store);
		op.verb = cases[i].verb;
		hook.becomes = op_put(key, view_of("B"));
		hook.becomes.verb = cases[i].becomes;
		op = with_hook(op, &hook);
		HARNESS_CASE(cases[i].line,
			     contract_ops(store, &op, 1, &revision) == ERR_OK);
		HARNESS_CASE(cases[i].line,
			     revision == (cases[i].changes ? before + 1 : 0));
		HARNESS_CASE(
			cases[i].line,
			cases[i].after
				? !strcmp(contract_value(store, cases[i].key),
					  cases[i].after)
				: contract_absent(store, cases[i].key));
	}
	contract_close(store);
}

void a_hook_changes_type_and_expiry_too(void)
{
	struct store *store = contract_open();
	struct hook hook = { .change = true };
	struct store_op op =
		with_hook(op_put(view_of("a"), view_of("x")), &hook);
	struct buf hold = BUF_EMPTY;
	struct record record = { 0 };
	uint64_t revision;

	hook.becomes = op_put(view_of("a"), view_of("y"));
	hook.becomes.type = view_of("image/png");
	hook.becomes.expires_ms = contract_now_ms + 5;
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	CU_ASSERT_EQUAL(store_get(store, op.key, &hold, &record, NULL), ERR_OK);
	CU_ASSERT_TRUE(view_equal_string(record.type, "image/png"));
	CU_ASSERT_EQUAL(record.expires_ms, contract_now_ms + 5);
	contract_now_ms += 5;
	CU_ASSERT_TRUE(contract_absent(store, "a"));
	buf_release(&hold);
	contract_close(store);
}

void a_hook_sees_what_the_batch_did_before_it(void)
{
	struct store *store = contract_open();
	struct hook hooks[7] = { 0 };
	struct store_op ops[] = {
		with_hook(op_get(view_of("a")), &hooks[0]),
		with_hook(op_put(view_of("a"), view_of("2")), &hooks[1]),
		with_hook(op_get(view_of("a")), &hooks[2]),
		with_hook(op_delete(view_of("a")), &hooks[3]),
		with_hook(op_get(view_of("a")), &hooks[4]),
		with_hook(op_put(view_of("a"), view_of("3")), &hooks[5]),
		with_hook(op_get(view_of("a")), &hooks[6]),
	};
	static const char *const found[] = {
		"1", "1", "2", "2", NULL, NULL, "3"
	};
	uint64_t revision;

	contract_put(store, "a", "1");
	CU_ASSERT_EQUAL(contract_ops(store, ops, COUNT(ops), &revision),
			ERR_OK);
	CU_ASSERT_EQUAL(revision, 2);
	for (size_t i = 0; i < COUNT(ops); i++) {
		CU_ASSERT_EQUAL(hooks[i].present, found[i] != NULL);
		CU_ASSERT_EQUAL(ops[i].existed, found[i] != NULL);
		if (!found[i])
			continue;
		CU_ASSERT_STRING_EQUAL(hooks[i].value, found[i]);
		CU_ASSERT_EQUAL(hooks[i].revision, i < 2 ? 1 : 0);
	}
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "3");
	contract_close(store);
}

void a_hook_s_error_fails_the_whole_batch(void)
{
	struct store *store = contract_open();
	struct hook hooks[3] = { [1] = { .err = ERR_NOT_TEXT } };
	struct store_op ops[] = {
		with_hook(op_put(view_of("a"), view_of("2")), &hooks[0]),
		with_hook(op_put(view_of("b"), view_of("2")), &hooks[1]),
		with_hook(op_put(view_of("c"), view_of("2")), &hooks[2]),
	};
	uint64_t revision;

	contract_put(store, "a", "1");
	CU_ASSERT_EQUAL(contract_ops(store, ops, COUNT(ops), &revision),
			ERR_NOT_TEXT);
	CU_ASSERT_EQUAL(revision, 0);
	CU_ASSERT_EQUAL(hooks[0].calls, 1);
	CU_ASSERT_EQUAL(hooks[1].calls, 1);
	CU_ASSERT_EQUAL(hooks[2].calls, 0);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "1");
	CU_ASSERT_TRUE(contract_lists_all(store, "a "));
	CU_ASSERT_EQUAL(contract_revision(store), 1);
	CU_ASSERT_EQUAL(contract_put(store, "a", "2"), 2);
	contract_close(store);
}

/* That a value is no number, say, may rest on a put that could be lost. */
void a_hook_s_error_waits_for_what_it_rests_on(void)
{
	struct store *store = contract_open();
	struct hook hook = { .err = ERR_NOT_TEXT };
	struct store_op first = op_put(view_of("a"), view_of("1"));
	struct store_op second =
		with_hook(op_put(view_of("a"), view_of("2")), &hook);
	struct store_batch batch = { .ops = &first, .op_count = 1 };
	uint64_t ticket = 0;

	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
	batch.ops = &second;
	ticket = 0;
	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_NOT_TEXT);
	CU_ASSERT_EQUAL(ticket, 1);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "1");
	contract_close(store);
}

void no_hook_is_asked_when_a_condition_is_false(void)
{
	struct store *store = contract_open();
	struct hook hook = { 0 };
	struct store_op op =
		with_hook(op_put(view_of("a"), view_of("2")), &hook);
	struct store_condition absent = { .key = view_of("a"),
					  .test = STORE_ABSENT };
	struct store_batch batch = { .conditions = &absent,
				     .condition_count = 1,
				     .ops = &op,
				     .op_count = 1 };

	contract_put(store, "a", "1");
	CU_ASSERT_EQUAL(contract_commit(store, &batch), ERR_CONDITION);
	CU_ASSERT_EQUAL(batch.read_revision, 1);
	op.verb = STORE_GET;
	CU_ASSERT_EQUAL(contract_commit(store, &batch), ERR_CONDITION);
	CU_ASSERT_EQUAL(absent.current, 1);
	CU_ASSERT_EQUAL(hook.calls, 0);
	contract_close(store);
}

void what_a_hook_makes_keeps_the_limits(void)
{
	static char bytes[CONTRACT_VALUE_MAX + 1];
	struct store *store = contract_open();
	struct hook large = { .change = true };
	struct hook typed = { .change = true };
	struct store_op op = op_put(view_of("a"), view_of("2"));
	uint64_t revision;

	large.becomes = op_put(op.key, (struct view){ bytes, sizeof(bytes) });
	typed.becomes = op_put(op.key, view_of("x"));
	typed.becomes.type = (struct view){ bytes, RECORD_TYPE_MAX + 1 };
	op = with_hook(op, &large);
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision),
			ERR_VALUE_TOO_LARGE);
	op = with_hook(op_delete(view_of("a")), &typed);
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_INVALID);
	CU_ASSERT_EQUAL(contract_revision(store), 0);
	contract_close(store);
}

void a_batch_of_gets_reads_one_revision(void)
{
	struct store *store = contract_open();
	struct hook hooks[4] = { 0 };
	struct store_op ops[] = {
		with_hook(op_get(view_of("a")), &hooks[0]),
		with_hook(op_get(view_of("b")), &hooks[1]),
		with_hook(op_get(view_of("gone")), &hooks[2]),
		with_hook(op_get(view_of("a")), &hooks[3]),
		op_get(view_of("b")),
	};
	struct store_condition exists = { .key = view_of("a"),
					  .test = STORE_EXISTS };
	struct store_batch batch = { .conditions = &exists,
				     .condition_count = 1,
				     .ops = ops,
				     .op_count = COUNT(ops) };

	contract_put(store, "a", "1");
	contract_put(store, "b", "2");
	contract_put_until(store, "gone", contract_now_ms + 1);
	contract_now_ms += 1;
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(contract_commit(store, &batch), ERR_OK);
		CU_ASSERT_EQUAL(batch.revision, 0);
		CU_ASSERT_EQUAL(batch.read_revision, 3);
		CU_ASSERT_EQUAL(exists.current, 1);
		CU_ASSERT_STRING_EQUAL(hooks[0].value, "1");
		CU_ASSERT_EQUAL(hooks[0].revision, 1);
		CU_ASSERT_STRING_EQUAL(hooks[1].value, "2");
		CU_ASSERT_EQUAL(hooks[1].revision, 2);
		CU_ASSERT_FALSE(hooks[2].present);
		CU_ASSERT_STRING_EQUAL(hooks[3].value, "1");
		CU_ASSERT_EQUAL(hooks[3].revision, 1);
		CU_ASSERT_TRUE(ops[4].existed);
		CU_ASSERT_EQUAL(hooks[0].calls, i + 1);
	}
	CU_ASSERT_EQUAL(contract_revision(store), 3);
	contract_close(store);
}

/* Also in a batch so large that its keys share places in any table. */
void many_operations_on_few_keys_apply_in_order(void)
{
	static struct store_op ops[1000];
	static char values[COUNT(ops)][8];
	static const char *const keys[] = { "a", "b", "c" };
	struct store *store = contract_open();
	uint64_t revision;

	for (size_t i = 0; i < COUNT(ops); i++) {
		struct view key = view_of(keys[i % 3]);

		snprintf(values[i], sizeof(values[i]), "%zu", i);
		ops[i] = i % 7 ? op_put(key, view_of(values[i]))
			       : op_delete(key);
	}
	CU_ASSERT_EQUAL(contract_ops(store, ops, COUNT(ops), &revision),
			ERR_OK);
	CU_ASSERT_EQUAL(revision, 1);
	/* 999, 997 and 998 come last; 994 was the last delete, of b. */
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "999");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "b"), "997");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "c"), "998");
	for (size_t i = 3; i < COUNT(ops); i++)
		if (ops[i].existed != ((i - 3) % 7 != 0))
			CU_FAIL("an operation did not see the one before it");
	contract_close(store);
}
