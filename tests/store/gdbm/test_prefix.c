/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The limits of a batch, and of a prefix: what a frame of the journal holds. */
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"

#define BATCH 1000

static uint64_t segment_bytes;

static void settings(struct store_conf *conf)
{
	conf->value_max_bytes = 16384;
	conf->journal_segment_bytes = segment_bytes;
	conf->journal_max_bytes = 4 * segment_bytes;
	conf->memtable_bytes = segment_bytes;
	conf->table_max_keys = 60000;
	conf->table_max_bytes = 16 << 20;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = settings };

/* Keys PREFIX000000 and so on, of that size at least. */
static void put_many(struct store *store, const char *prefix, int count,
		     int key_size)
{
	static char keys[BATCH][STORE_KEY_MAX + 1];
	static struct store_op ops[BATCH];
	uint64_t revision;
	int used = 0;

	for (int i = 0; i < count; i++) {
		snprintf(keys[used], sizeof(keys[used]), "%s%0*d", prefix,
			 key_size, i);
		ops[used] = op_put(view_of(keys[used]), view_of("v"));
		used++;
		if (used < BATCH && i + 1 < count)
			continue;
		CU_ASSERT_EQUAL_FATAL(
			contract_ops(store, ops, (size_t)used, &revision),
			ERR_OK);
		used = 0;
	}
}

static bool count_key(void *arg, struct view key, const struct record *record)
{
	uint64_t *count = arg;

	(void)key;
	(void)record;
	++*count;
	return true;
}

static uint64_t count_keys(struct store *store)
{
	uint64_t count = 0;

	CU_ASSERT_EQUAL(store_list(store, &(struct store_range){ 0 }, count_key,
				   &count, NULL),
			ERR_OK);
	return count;
}

static enum err delete_all(struct store *store, const char *prefix,
			   uint64_t *deleted)
{
	uint64_t revision;
	uint64_t ticket;
	enum err err = store_delete_prefix(store, view_of(prefix), deleted,
					   &revision, &ticket);

	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_EQUAL(revision == 0, err != ERR_OK);
	return err;
}

static uint64_t segment_of(struct store *store)
{
	return atomic_load(&((struct gdbm_store *)store)->shared->segment);
}

/* 70 keys of 1,000 bytes are more than a segment of 64 KiB, 50 are not. */
static void more_than_a_frame_holds_is_refused_whole(void)
{
	struct store *store;
	uint64_t deleted;
	uint64_t revision;

	segment_bytes = 65536;
	store = contract_open();
	for (int i = 0; i < 7; i++) {
		char prefix[8];

		snprintf(prefix, sizeof(prefix), "p%d", i);
		put_many(store, prefix, 10, 1000);
	}
	revision = contract_revision(store);
	CU_ASSERT_EQUAL(delete_all(store, "p", &deleted), ERR_BATCH_TOO_LARGE);
	CU_ASSERT_EQUAL(deleted, 0);
	CU_ASSERT_EQUAL(count_keys(store), 70);
	CU_ASSERT_EQUAL(contract_revision(store), revision);
	CU_ASSERT_EQUAL(delete_all(store, "p0", &deleted), ERR_OK);
	CU_ASSERT_EQUAL(delete_all(store, "p1", &deleted), ERR_OK);
	CU_ASSERT_EQUAL(deleted, 10);
	CU_ASSERT_EQUAL(delete_all(store, "p", &deleted), ERR_OK);
	CU_ASSERT_EQUAL(deleted, 50);
	CU_ASSERT_EQUAL(count_keys(store), 0);
	contract_close(store);
}

static void more_entries_than_the_index_holds_are_refused(void)
{
	struct store *store;
	uint64_t deleted;
	uint64_t segment;

	segment_bytes = 65536;
	store = contract_open();
	put_many(store, "a", 500, 6);
	put_many(store, "b", 500, 6);
	segment = segment_of(store);
	CU_ASSERT_EQUAL(delete_all(store, "", &deleted), ERR_BATCH_TOO_LARGE);
	CU_ASSERT_EQUAL(segment_of(store), segment);
	CU_ASSERT_EQUAL(count_keys(store), 1000);
	CU_ASSERT_EQUAL(delete_all(store, "b", &deleted), ERR_OK);
	CU_ASSERT_EQUAL(count_keys(store), 500);
	contract_close(store);
}

static void a_batch_that_no_segment_holds_is_refused(void)
{
	static char value[16384];
	struct store *store;
	struct store_op ops[8];
	uint64_t revision;

	segment_bytes = 65536;
	store = contract_open();
	for (int i = 0; i < 8; i++)
		ops[i] = op_put((struct view){ &"12345678"[i], 1 },
				(struct view){ value, sizeof(value) });
	CU_ASSERT_EQUAL(contract_ops(store, ops, 8, &revision),
			ERR_BATCH_TOO_LARGE);
	CU_ASSERT_EQUAL(count_keys(store), 0);
	CU_ASSERT_EQUAL(contract_ops(store, ops, 3, &revision), ERR_OK);
	contract_close(store);
}

/* Up to the last byte that puts may take of a segment of 64 KiB. */
static void what_no_segment_holds_seals_none(void)
{
	static char value[16384];
	static const char names[] = "1234";
	struct store *store;
	struct gdbm_store *g;
	struct store_op ops[4];
	struct segment *last = NULL;
	unsigned refused = 0;

	segment_bytes = 65536;
	store = contract_open();
	g = (struct gdbm_store *)store;
	for (int i = 0; i < 4; i++)
		ops[i] = op_put((struct view){ &names[i], 1 },
				(struct view){ value, 15000 });
	for (size_t size = 15800; size < sizeof(value); size += 8) {
		uint64_t before = segment_of(store);
		uint64_t revision;
		enum err err;

		ops[3].value.size = size;
		err = contract_ops(store, ops, 4, &revision);
		if (err) {
			refused++;
			CU_ASSERT_EQUAL(err, ERR_BATCH_TOO_LARGE);
			CU_ASSERT_EQUAL(segment_of(store), before);
		} else {
			CU_ASSERT_EQUAL(refused, 0);
			last = shared_segment(g->shared, segment_of(store));
		}
	}
	CU_ASSERT(refused > 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(last);
	CU_ASSERT_EQUAL(atomic_load(&last->tail) + JOURNAL_FRAME_HEAD_SIZE,
			65536 - 65536 / 16);
	contract_close(store);
}

/* More operations than 16 bits count, in tables and journal, and replayed. */
static void a_frame_counts_past_sixteen_bits(void)
{
	struct store *store;
	struct gdbm_store *g;
	uint64_t deleted;

	segment_bytes = 32 << 20;
	store = contract_open();
	g = (struct gdbm_store *)store;
	put_many(store, "table ", 40000, 6);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
	put_many(store, "journal ", 30000, 6);
	contract_put(store, "z", "stays");
	CU_ASSERT_EQUAL(delete_all(store, "table", &deleted), ERR_OK);
	CU_ASSERT_EQUAL(deleted, 40000);
	put_many(store, "table ", 40000, 6);
	contract_put(store, "a", "stays");
	CU_ASSERT_EQUAL(delete_all(store, "table", &deleted), ERR_OK);
	put_many(store, "journ", 40000, 6);
	CU_ASSERT_EQUAL(delete_all(store, "j", &deleted), ERR_OK);
	CU_ASSERT_EQUAL(deleted, 70000);
	CU_ASSERT_TRUE(contract_lists_all(store, "a z "));
	/* As if killed: what was deleted is replayed from the journal. */
	atomic_store(&g->shared->stopped, true);
	contract_close(store);
	store = contract_open();
	CU_ASSERT_TRUE(contract_lists_all(store, "a z "));
	contract_close(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(more_than_a_frame_holds_is_refused_whole),
	HARNESS_TEST(more_entries_than_the_index_holds_are_refused),
	HARNESS_TEST(a_batch_that_no_segment_holds_is_refused),
	HARNESS_TEST(what_no_segment_holds_seals_none),
	HARNESS_TEST(a_frame_counts_past_sixteen_bits),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/prefix", tests, HARNESS_COUNT(tests));
}
