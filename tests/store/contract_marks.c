/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What marks promise (base/marks.h): what a read has said is true for as long
 * as the key's mark agrees, from the moment that a change is begun, so before
 * it is synced; and a change touches the marks of its own keys only.
 */
#include "store/cases.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct marks marks;
static struct marks before; /* as they were at note_marks() */

static struct store *open_marked(void)
{
	struct store *store = contract_open(); /* makes the folder */
	struct store_conf conf = contract_conf();

	contract_close(store);
	memset(&marks, 0, sizeof(marks));
	conf.marks = &marks;
	CU_ASSERT_EQUAL_FATAL(store_open(&conf, &store), ERR_OK);
	return store;
}

static uint64_t mark_of(const char *key)
{
	return atomic_load(&marks.newest[marks_place(view_of(key))]);
}

static void note_marks(void)
{
	memcpy(&before, &marks, sizeof(before));
}

/* Since note_marks(), these keys, each with a blank behind it, and no other. */
static bool raised(const char *keys, uint64_t revision)
{
	static bool expected[MARKS_COUNT];
	struct view rest = view_of(keys);

	memset(expected, 0, sizeof(expected));
	while (rest.size)
		expected[marks_place(view_cut(rest, ' ', &rest))] = true;
	for (size_t i = 0; i < MARKS_COUNT; i++) {
		if (expected[i] ? marks.newest[i] < revision
				: marks.newest[i] != before.newest[i])
			return false;
	}
	return true;
}

/* The revision that an answer about the key belongs to. */
static uint64_t read_at(struct store *store, const char *key)
{
	struct buf hold = BUF_EMPTY;
	struct record record;
	uint64_t revision = UINT64_MAX;
	enum err err =
		store_get(store, view_of(key), &hold, &record, &revision);

	CU_ASSERT(err == ERR_OK || err == ERR_NOT_FOUND);
	buf_release(&hold);
	return revision;
}

/* Whether an answer of that revision would be given again. */
static bool agree(const char *key, uint64_t revision)
{
	return marks_agree(&marks, marks_place(view_of(key)), revision);
}

static void the_keys_have_marks_of_their_own(void)
{
	static const char *const keys[] = { "a",  "b",  "c",     "p1",
					    "p2", "p3", "mortal" };

	for (size_t i = 0; i < COUNT(keys); i++)
		for (size_t j = 0; j < i; j++)
			CU_ASSERT_NOT_EQUAL_FATAL(
				marks_place(view_of(keys[i])),
				marks_place(view_of(keys[j])));
}

static void delete_prefix(struct store *store, const char *prefix,
			  uint64_t *revision)
{
	uint64_t deleted;
	uint64_t ticket;

	CU_ASSERT_EQUAL(store_delete_prefix(store, view_of(prefix), &deleted,
					    revision, &ticket),
			ERR_OK);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
}

void each_change_raises_the_marks_of_its_own_keys(void)
{
	struct store *store = open_marked();
	struct store_op ops[3];
	uint64_t revision;

	the_keys_have_marks_of_their_own();
	note_marks();
	revision = contract_put(store, "a", "made");
	CU_ASSERT_TRUE(raised("a ", revision));
	note_marks();
	revision = contract_put(store, "a", "replaced");
	CU_ASSERT_TRUE(raised("a ", revision));
	for (int i = 1; i <= 3; i++) {
		char key[] = "p0";

		key[1] = (char)('0' + i);
		note_marks();
		revision = contract_put(store, key, "of the prefix");
		CU_ASSERT_TRUE(raised(key, revision));
	}
	note_marks();
	revision = contract_delete(store, "a");
	CU_ASSERT_TRUE(raised("a ", revision));

	ops[0] = op_put(view_of("b"), view_of("one"));
	ops[1] = op_delete(view_of("p2"));
	ops[2] = op_put(view_of("c"), view_of("two"));
	note_marks();
	CU_ASSERT_EQUAL(contract_ops(store, ops, 3, &revision), ERR_OK);
	CU_ASSERT_TRUE(raised("b c p2 ", revision));
	note_marks();
	delete_prefix(store, "p", &revision);
	CU_ASSERT_TRUE(raised("p1 p3 ", revision));
	contract_close(store);
}

void what_changes_nothing_raises_no_mark(void)
{
	struct store *store = open_marked();
	struct store_op put = op_put(view_of("a"), view_of("refused"));
	struct store_condition condition = { .key = view_of("a"),
					     .test = STORE_ABSENT };
	struct store_batch batch = { .conditions = &condition,
				     .condition_count = 1,
				     .ops = &put,
				     .op_count = 1 };
	uint64_t revision;

	contract_put(store, "a", "here");
	note_marks();
	contract_delete(store, "b");
	delete_prefix(store, "q", &revision);
	CU_ASSERT_EQUAL(contract_commit(store, &batch), ERR_CONDITION);
	contract_value(store, "a");
	contract_absent(store, "b");
	CU_ASSERT_TRUE(contract_lists_all(store, "a "));
	CU_ASSERT_EQUAL(store_housekeep(store, 2), ERR_OK);
	CU_ASSERT_TRUE(raised("", 0));
	contract_close(store);
}

void an_expiry_raises_the_mark_of_its_key(void)
{
	struct store *store = open_marked();

	contract_put(store, "a", "stays");
	contract_put_until(store, "mortal", contract_now_ms + 10);
	note_marks();
	contract_now_ms += 10;
	for (int i = 0; i < 100 && contract_revision(store) < 3; i++)
		CU_ASSERT_EQUAL(store_housekeep(store, 5), ERR_OK);
	CU_ASSERT_EQUAL(contract_revision(store), 3);
	CU_ASSERT_TRUE(raised("mortal ", 3));
	CU_ASSERT_FALSE(agree("mortal", 2));
	CU_ASSERT_TRUE(agree("mortal", read_at(store, "mortal")));
	contract_close(store);
}

void what_was_read_is_true_until_a_change_is_begun(void)
{
	struct store *store = open_marked();
	struct store_op ops[] = { op_put(view_of("a"), view_of("new")),
				  op_delete(view_of("b")) };
	struct store_batch batch = { .ops = ops, .op_count = 2 };
	uint64_t a, b, c, ticket;

	contract_put(store, "a", "old");
	contract_put(store, "b", "old");
	contract_put(store, "c", "old");
	a = read_at(store, "a");
	b = read_at(store, "b");
	c = read_at(store, "c");
	CU_ASSERT_TRUE(agree("a", a) && agree("b", b) && agree("c", c));
	CU_ASSERT_FALSE(agree("a", 0));
	contract_put(store, "other", "new");
	CU_ASSERT_TRUE(agree("a", a) && agree("b", b) && agree("c", c));

	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
	/* Nobody can see the change yet, nor be told of what it changes. */
	CU_ASSERT_FALSE(agree("a", a));
	CU_ASSERT_FALSE(agree("b", b));
	CU_ASSERT_TRUE(agree("c", c));
	a = read_at(store, "a");
	CU_ASSERT_EQUAL(agree("a", a),
			!strcmp(contract_value(store, "a"), "new"));
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_EQUAL(read_at(store, "a"), batch.revision);
	CU_ASSERT_TRUE(agree("a", batch.revision));
	CU_ASSERT_TRUE(agree("b", batch.revision));
	contract_close(store);
}

/* What was there before is read at a revision that agrees. */
void after_a_reopen_what_is_read_is_true(void)
{
	struct store *store;

	if (!contract_engine()->persists)
		return;
	store = open_marked();
	contract_put(store, "a", "one");
	contract_put(store, "b", "two");
	contract_put(store, "a", "three");
	contract_close(store);
	store = open_marked();
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "three");
	CU_ASSERT_TRUE(agree("a", read_at(store, "a")));
	CU_ASSERT_TRUE(agree("b", read_at(store, "b")));
	CU_ASSERT_TRUE(agree("c", read_at(store, "c")));
	contract_put(store, "b", "four");
	CU_ASSERT_TRUE(agree("a", 3));
	CU_ASSERT_FALSE(agree("b", 3));
	CU_ASSERT_EQUAL(mark_of("b"), 4);
	contract_close(store);
}

/* An answer that somebody has kept. */
struct answer {
	uint64_t revision; /* that it was read at; 0: none is kept */
	char value[64];
};

static void name_of(unsigned number, char out[16])
{
	snprintf(out, 16, "key/%u/%u", number % 4, number);
}

/* Change something, of which nothing is synced before the ticket. */
static uint64_t change(struct store *store, unsigned short state[3])
{
	char keys[3][16];
	char value[16];
	struct store_op ops[3];
	struct store_batch batch = { .ops = ops,
				     .op_count =
					     1 + (size_t)nrand48(state) % 3 };
	uint64_t ticket = 0;
	uint64_t deleted;
	uint64_t revision;

	if (nrand48(state) % 20 == 0) {
		snprintf(keys[0], sizeof(keys[0]), "key/%ld/",
			 nrand48(state) % 4);
		CU_ASSERT_EQUAL(store_delete_prefix(store, view_of(keys[0]),
						    &deleted, &revision,
						    &ticket),
				ERR_OK);
		return ticket;
	}
	snprintf(value, sizeof(value), "%ld", nrand48(state));
	for (size_t i = 0; i < batch.op_count; i++) {
		name_of((unsigned)nrand48(state) % 40, keys[i]);
		ops[i] = nrand48(state) % 4
				 ? op_put(view_of(keys[i]), view_of(value))
				 : op_delete(view_of(keys[i]));
	}
	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
	return ticket;
}

/* Kept answers that agree are what is read now; how many they are. */
static unsigned check_answers(struct store *store, struct answer answers[40])
{
	unsigned true_ones = 0;

	for (unsigned i = 0; i < 40; i++) {
		char key[16];

		name_of(i, key);
		if (!answers[i].revision || !agree(key, answers[i].revision))
			continue;
		true_ones++;
		CU_ASSERT_STRING_EQUAL(contract_value(store, key),
				       answers[i].value);
	}
	return true_ones;
}

void what_the_marks_call_true_is_what_a_read_says(void)
{
	struct store *store = open_marked();
	struct answer answers[40] = { { 0 } };
	unsigned short state[3] = { 3, 2, 1 };
	unsigned true_ones = 0;
	uint64_t ticket = 0;

	for (int step = 0; step < 1500; step++) {
		unsigned number = (unsigned)nrand48(state) % 40;
		struct answer *answer = &answers[number];
		char key[16];

		if (nrand48(state) % 2)
			ticket = change(store, state);
		name_of(number, key);
		answer->revision = read_at(store, key);
		snprintf(answer->value, sizeof(answer->value), "%s",
			 contract_value(store, key));
		true_ones += check_answers(store, answers);
		if (nrand48(state) % 2)
			continue;
		CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
		true_ones += check_answers(store, answers);
		if (nrand48(state) % 50 == 0)
			CU_ASSERT_EQUAL(store_housekeep(store, 2), ERR_OK);
	}
	CU_ASSERT(true_ones > 1500);
	contract_close(store);
}
