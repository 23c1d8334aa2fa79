/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What deleting by prefix promises. */
#include "store/cases.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Delete, sync, and see that ticket and revision fit. */
static uint64_t delete_prefix(struct store *store, struct view prefix,
			      uint64_t *revision)
{
	uint64_t deleted = 99;
	uint64_t ticket = UINT64_MAX;

	*revision = 99;
	CU_ASSERT_EQUAL(
		store_delete_prefix(store, prefix, &deleted, revision, &ticket),
		ERR_OK);
	CU_ASSERT(ticket >= *revision && ticket != UINT64_MAX);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_EQUAL(*revision != 0, deleted != 0);
	return deleted;
}

void a_prefix_is_deleted_in_one_revision(void)
{
	static const char *const keys[] = { "a",     "app",  "app/", "app/1",
					    "app/2", "app0", "b" };
	static const struct {
		int line;
		const char *prefix;
		uint64_t deleted;
		const char *left;
	} cases[] = {
		{ __LINE__, "app/", 3, "a app app0 b " },
		{ __LINE__, "app", 5, "a b " },
		{ __LINE__, "app/1", 1, "a app app/ app/2 app0 b " },
		{ __LINE__, "c", 0, "a app app/ app/1 app/2 app0 b " },
		{ __LINE__, "app/11", 0, "a app app/ app/1 app/2 app0 b " },
		{ __LINE__, "", 7, "" },
	};
	struct store *store = contract_open();

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t before;
		uint64_t revision;

		for (size_t j = 0; j < COUNT(keys); j++) {
			contract_put(store, keys[j], "value");
			if (j == 3)
				CU_ASSERT_EQUAL(store_housekeep(store, 0),
						ERR_OK);
		}
		before = contract_revision(store);
		HARNESS_CASE(cases[i].line,
			     delete_prefix(store, view_of(cases[i].prefix),
					   &revision) == cases[i].deleted);
		HARNESS_CASE(cases[i].line,
			     revision == (cases[i].deleted ? before + 1 : 0));
		HARNESS_CASE(cases[i].line,
			     contract_lists_all(store, cases[i].left));
		HARNESS_CASE(cases[i].line,
			     contract_revision(store) ==
				     before + (cases[i].deleted ? 1 : 0));
	}
	contract_close(store);
}

void a_prefix_of_the_last_bytes_ends_where_it_should(void)
{
	struct store *store = contract_open();
	uint64_t revision;

	contract_put(store, "\xfe", "1");
	contract_put(store, "\xff", "2");
	contract_put(store, "\xff\xff", "3");
	contract_put(store, "\xff\xff\xff", "4");
	CU_ASSERT_EQUAL(delete_prefix(store, view_of("\xff\xff"), &revision),
			2);
	CU_ASSERT_TRUE(contract_lists_all(store, "\xfe \xff "));
	CU_ASSERT_EQUAL(delete_prefix(store, view_of("\xff"), &revision), 1);
	CU_ASSERT_TRUE(contract_lists_all(store, "\xfe "));
	contract_close(store);
}

void an_expired_key_is_not_deleted_again(void)
{
	struct store *store = contract_open();
	uint64_t revision;

	contract_put_until(store, "a1", contract_now_ms + 10);
	contract_put_until(store, "a2", contract_now_ms + 20);
	contract_now_ms += 10;
	CU_ASSERT_EQUAL(delete_prefix(store, view_of("a"), &revision), 1);
	CU_ASSERT_EQUAL(revision, 3);
	CU_ASSERT_EQUAL(delete_prefix(store, view_of("a"), &revision), 0);
	contract_close(store);
}

void a_prefix_includes_what_is_not_yet_synced(void)
{
	struct store *store = contract_open();
	struct store_op op = op_put(view_of("a1"), view_of("x"));
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t ticket;
	uint64_t revision;

	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
	CU_ASSERT_EQUAL(delete_prefix(store, view_of("a"), &revision), 1);
	CU_ASSERT_EQUAL(revision, 2);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_TRUE(contract_absent(store, "a1"));
	op = op_delete(view_of("b"));
	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
	CU_ASSERT_EQUAL(batch.revision, 0);
	contract_close(store);
}

/* That a power cut could bring the keys back is to be known before. */
void that_nothing_is_left_to_delete_waits_for_the_sync(void)
{
	struct store *store = contract_open();
	struct store_op op = op_delete(view_of("a1"));
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t deleted = 99;
	uint64_t revision = 99;
	uint64_t ticket = 0;
	uint64_t its_own = 0;

	contract_put(store, "a1", "x");
	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
	CU_ASSERT_EQUAL(store_delete_prefix(store, view_of("a"), &deleted,
					    &revision, &its_own),
			ERR_OK);
	CU_ASSERT_EQUAL(deleted, 0);
	CU_ASSERT_EQUAL(revision, 0);
	CU_ASSERT(its_own >= batch.revision);
	CU_ASSERT_EQUAL(store_sync(store, its_own), ERR_OK);
	CU_ASSERT(contract_revision(store) >= batch.revision);
	contract_close(store);
}
