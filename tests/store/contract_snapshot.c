/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What store_snapshot() promises. */
#include "store/cases.h"

#include <stdio.h>

static struct store *snapshot_of(struct store *store, const char *prefix,
				 uint64_t *revision)
{
	struct store *snapshot = NULL;

	CU_ASSERT_EQUAL_FATAL(
		store_snapshot(store, view_of(prefix), &snapshot, revision),
		ERR_OK);
	return snapshot;
}

static bool note_key(void *arg, struct view key, const struct record *record)
{
	struct buf *text = arg;

	buf_add_view(text, key);
	buf_add_char(text, '=');
	buf_add_view(text, record->value);
	buf_add_char(text, ' ');
	return true;
}

/* "KEY=VALUE KEY=VALUE " and always the same revision. */
static bool holds(struct store *snapshot, const char *after,
		  const char *expected, uint64_t revision)
{
	struct buf text = BUF_EMPTY;
	struct store_range range = { .values = true };
	uint64_t listed = 0;
	enum err err;
	bool same;

	if (after)
		range.after = view_of(after);
	err = store_list(snapshot, &range, note_key, &text, &listed);
	same = !err && listed == revision &&
	       view_equal_string(buf_view(&text), expected);
	if (!same)
		printf("# err %d, revision %llu, '%s'\n", err,
		       (unsigned long long)listed, buf_string(&text));
	buf_release(&text);
	return same;
}

void a_snapshot_stays_as_it_was(void)
{
	struct store *store = contract_open();
	struct store *snapshot;
	uint64_t revision;

	contract_put(store, "a", "1");
	contract_put(store, "b", "2");
	contract_delete(store, "b");
	contract_put(store, "c", "3");
	snapshot = snapshot_of(store, "", &revision);
	CU_ASSERT_EQUAL(revision, 4);
	contract_put(store, "a", "new");
	contract_put(store, "b", "new");
	contract_delete(store, "c");
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(holds(snapshot, NULL, "a=1 c=3 ", 4));
		CU_ASSERT_TRUE(holds(snapshot, "a", "c=3 ", 4));
		CU_ASSERT_STRING_EQUAL(contract_value(snapshot, "c"), "3");
		CU_ASSERT_TRUE(contract_absent(snapshot, "b"));
		CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
		contract_put(store, "d", "new");
		CU_ASSERT_EQUAL(store_housekeep(store, 5), ERR_OK);
	}
	CU_ASSERT_EQUAL(store_close(snapshot), ERR_OK);
	CU_ASSERT_TRUE(contract_lists_all(store, "a b d "));
	contract_close(store);
}

void a_snapshot_has_the_keys_of_its_prefix(void)
{
	struct store *store = contract_open();
	struct store *snapshots[4];
	uint64_t revision;

	CU_ASSERT_EQUAL(store_close(snapshot_of(store, "", &revision)), ERR_OK);
	CU_ASSERT_EQUAL(revision, 0);
	contract_put(store, "a", "1");
	contract_put(store, "p/1", "1");
	CU_ASSERT_EQUAL(store_housekeep(store, 5), ERR_OK);
	contract_put(store, "p/2", "2");
	contract_put(store, "q", "3");
	snapshots[0] = snapshot_of(store, "", &revision);
	snapshots[1] = snapshot_of(store, "p/", &revision);
	snapshots[2] = snapshot_of(store, "p/2", &revision);
	snapshots[3] = snapshot_of(store, "x", &revision);
	CU_ASSERT_TRUE(holds(snapshots[0], NULL, "a=1 p/1=1 p/2=2 q=3 ", 4));
	CU_ASSERT_TRUE(holds(snapshots[1], NULL, "p/1=1 p/2=2 ", 4));
	CU_ASSERT_TRUE(holds(snapshots[2], NULL, "p/2=2 ", 4));
	CU_ASSERT_TRUE(holds(snapshots[3], NULL, "", 4));
	CU_ASSERT_TRUE(holds(snapshots[1], "p/1", "p/2=2 ", 4));
	CU_ASSERT_TRUE(contract_absent(snapshots[1], "a"));
	CU_ASSERT_STRING_EQUAL(contract_value(snapshots[1], "p/1"), "1");
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(store_close(snapshots[i]), ERR_OK);
	contract_close(store);
}

void time_stands_still_in_a_snapshot(void)
{
	struct store *store = contract_open();
	struct store *snapshot;
	uint64_t revision;

	contract_put_until(store, "a", contract_now_ms + 10);
	contract_put_until(store, "b", contract_now_ms + 20);
	contract_now_ms += 10;
	snapshot = snapshot_of(store, "", &revision);
	contract_now_ms += 10;
	CU_ASSERT_TRUE(contract_absent(store, "b"));
	CU_ASSERT_TRUE(holds(snapshot, NULL, "b=mortal ", 2));
	CU_ASSERT_STRING_EQUAL(contract_value(snapshot, "b"), "mortal");
	CU_ASSERT_EQUAL(store_close(snapshot), ERR_OK);
	contract_close(store);
}
