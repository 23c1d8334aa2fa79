/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records in memory: what is kept, what goes, what a store makes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "fault.h"
#include "harness.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/recent.h"

#define SET (RECENT_SET_BYTES + RECENT_WAYS * sizeof(struct recent_place))

static uint64_t cache_bytes;

static void with_cache(struct store_conf *conf)
{
	conf->read_cache_bytes = cache_bytes;
	conf->history_bytes = 0;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = with_cache };

static const struct recent_from first = { .file = 1, .state = 1 };

/* What is kept for the key, as a string; "-" when nothing is. */
static const char *kept(const struct recent *recent, struct recent_from from,
			const char *key)
{
	static char text[RECENT_RECORD_MAX + 1];
	struct buf out = BUF_EMPTY;

	strcpy(text, "-");
	if (recent_get(recent, from, view_of(key), &out)) {
		memcpy(text, out.data, out.size);
		text[out.size] = '\0';
	}
	buf_release(&out);
	return text;
}

static void keep(struct recent *recent, const char *key, const char *record)
{
	recent_keep(recent, first, view_of(key), view_of(record));
}

static void what_was_kept_is_had_for_its_key_and_file_only(void)
{
	struct recent recent;

	recent_init(&recent, 64 * SET);
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "key"), "-");
	keep(&recent, "key", "record");
	keep(&recent, "kez", "another");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "key"), "record");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "kez"), "another");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "ke"), "-");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "keyr"), "-");
	CU_ASSERT_STRING_EQUAL(
		kept(&recent, (struct recent_from){ 2, 1 }, "key"), "-");
	CU_ASSERT_STRING_EQUAL(
		kept(&recent, (struct recent_from){ 1, 2 }, "key"), "-");
	recent_release(&recent);
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "key"), "-");
}

static void it_is_appended_and_may_be_empty(void)
{
	struct buf out = BUF_EMPTY;
	struct recent recent;

	recent_init(&recent, SET);
	recent_keep(&recent, first, view_of(""), view_of(""));
	keep(&recent, "key", "\x01two");
	buf_add_string(&out, "so: ");
	CU_ASSERT_TRUE(recent_get(&recent, first, view_of(""), &out));
	CU_ASSERT_TRUE(recent_get(&recent, first, view_of("key"), &out));
	CU_ASSERT_STRING_EQUAL(buf_string(&out), "so: \x01two");
	buf_release(&out);
	recent_release(&recent);
}

static void of_a_full_set_the_oldest_goes(void)
{
	struct recent recent;

	recent_init(&recent, SET);
	CU_ASSERT_EQUAL(recent.sets, 1);
	keep(&recent, "a", "1");
	keep(&recent, "b", "2");
	keep(&recent, "c", "3");
	keep(&recent, "d", "4");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "a"), "1");
	keep(&recent, "e", "5");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "a"), "-");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "b"), "2");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "e"), "5");
	recent_release(&recent);
}

static int by_crc(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return x[0] < y[0] ? -1 : x[0] > y[0];
}

static void keys_of_the_same_hash_are_told_apart(void)
{
	enum { COUNT = 400000 };
	static uint32_t seen[COUNT][2];
	char keys[2][16] = { "", "" };
	struct recent recent;

	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(keys[0], sizeof(keys[0]), "%" PRIu32, i * 7919);
		seen[i][0] = crc32c(0, keys[0], strlen(keys[0]));
		seen[i][1] = i * 7919;
	}
	qsort(seen, COUNT, sizeof(seen[0]), by_crc);
	for (uint32_t i = 1; i < COUNT && !*keys[1]; i++) {
		if (seen[i][0] != seen[i - 1][0])
			continue;
		snprintf(keys[0], sizeof(keys[0]), "%" PRIu32, seen[i][1]);
		snprintf(keys[1], sizeof(keys[1]), "%" PRIu32, seen[i - 1][1]);
	}
	CU_ASSERT_STRING_NOT_EQUAL_FATAL(keys[1], "");
	recent_init(&recent, 64 * SET);
	keep(&recent, keys[0], "one");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, keys[1]), "-");
	keep(&recent, keys[1], "other");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, keys[0]), "one");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, keys[1]), "other");
	recent_release(&recent);
}

/* A record of any size up to the most, which says whose it is. */
static struct view record_of(const char *key, uint64_t salt)
{
	static char bytes[RECENT_RECORD_MAX];
	size_t size = 16 + salt % 600;

	memset(bytes, 'a' + (int)(salt % 26), size);
	snprintf(bytes, sizeof(bytes), "%s/%" PRIu64, key, salt);
	return (struct view){ bytes, size };
}

/* Thousands of records of all sizes through rings of many sizes. */
static void what_is_had_is_always_what_was_kept(void)
{
	enum { KEYS = 64, STEPS = 1000 };
	unsigned short state[3] = { 1, 2, 3 };
	size_t hits = 0;

	for (size_t bytes = SET - 1; bytes < 40 * SET; bytes += 3 * SET / 2) {
		uint64_t salts[KEYS] = { 0 };
		struct recent recent;

		recent_init(&recent, bytes);
		for (unsigned step = 0; step < STEPS; step++) {
			long n = nrand48(state) % KEYS;
			struct buf out = BUF_EMPTY;
			char key[8];

			snprintf(key, sizeof(key), "%ld", n);
			if (recent_get(&recent, first, view_of(key), &out)) {
				hits++;
				CU_ASSERT_TRUE(
					view_equal(buf_view(&out),
						   record_of(key, salts[n])));
			} else {
				salts[n] = (uint64_t)nrand48(state);
				recent_keep(&recent, first, view_of(key),
					    record_of(key, salts[n]));
			}
			buf_release(&out);
		}
		recent_release(&recent);
	}
	CU_ASSERT_TRUE(hits > 2 * STEPS);
}

/* A value may look like anything, so also like what it has gone over. */
static void what_was_gone_over_is_gone(void)
{
	static char filler[8 * RECENT_SET_BYTES - 200];
	char forged[200] = "";
	struct recent recent;
	size_t at, size, head;

	recent_init(&recent, 8 * SET);
	keep(&recent, "a", "1");
	at = recent.end;
	head = at - 2;
	keep(&recent, "key", "true");
	size = recent.end - at;
	/* Behind the head and the key "b" of what shall be at the beginning. */
	memcpy(forged + at - head - 1, recent.ring + at, size);
	memcpy(forged + at - head - 1 + size - 4, "fake", 4);
	recent_keep(&recent, first, view_of("f"),
		    (struct view){ filler, sizeof(filler) });
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "key"), "true");
	recent_keep(&recent, first, view_of("b"),
		    (struct view){ forged, sizeof(forged) });
	CU_ASSERT_FALSE_FATAL(memcmp(recent.ring + at + size - 4, "fake", 4));
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "key"), "-");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "a"), "-");
	recent_release(&recent);
}

static void too_large_a_record_is_not_kept(void)
{
	static char bytes[RECENT_RECORD_MAX + 1];
	struct recent recent;
	struct buf out = BUF_EMPTY;

	recent_init(&recent, 100 * SET);
	recent_keep(&recent, first, view_of("k"),
		    (struct view){ bytes, RECENT_RECORD_MAX });
	CU_ASSERT_FALSE(recent_get(&recent, first, view_of("k"), &out));
	recent_keep(&recent, first, view_of("k"),
		    (struct view){ bytes, RECENT_RECORD_MAX - 1 });
	CU_ASSERT_TRUE(recent_get(&recent, first, view_of("k"), &out));
	CU_ASSERT_EQUAL(out.size, RECENT_RECORD_MAX - 1);
	recent_release(&recent);
	/* nor one that is larger than the whole ring */
	recent_init(&recent, SET);
	recent_keep(&recent, first, view_of("k"),
		    (struct view){ bytes, RECENT_SET_BYTES });
	CU_ASSERT_FALSE(recent_get(&recent, first, view_of("k"), &out));
	recent_release(&recent);
	buf_release(&out);
}

static void without_memory_nothing_is_kept(void)
{
	struct recent recent;

	for (unsigned n = 1; fault_available(FAULT_MEMORY); n++) {
		recent_init(&recent, 100 * SET);
		fault_arm(FAULT_MEMORY, n, ENOMEM);
		keep(&recent, "key", "record");

		bool struck = fault_disarm();

		keep(&recent, "kez", "record");
		CU_ASSERT_STRING_EQUAL(kept(&recent, first, "kez"),
				       struck ? "-" : "record");
		recent_release(&recent);
		if (!struck) {
			CU_ASSERT_EQUAL(n, 3);
			break;
		}
	}
	recent_init(&recent, SET - 1);
	keep(&recent, "key", "record");
	CU_ASSERT_STRING_EQUAL(kept(&recent, first, "key"), "-");
	CU_ASSERT_PTR_NULL(recent.ring);
}

static void checkpoint(struct store *store)
{
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_EQUAL(checkpoint_run((struct gdbm_store *)store), ERR_OK);
}

static bool counts_are(struct store *store, uint64_t hits, uint64_t misses)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.cache_hits == hits && stats.cache_misses == misses;
}

static void a_store_reads_what_is_newest_all_the_same(void)
{
	struct store *store;

	cache_bytes = 64 << 10;
	store = contract_open();
	contract_put(store, "key", "first");
	contract_put(store, "stays", "here");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "first");
	CU_ASSERT_TRUE(counts_are(store, 0, 1));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "first");
	CU_ASSERT_TRUE(counts_are(store, 1, 1));
	checkpoint(store);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "first");
	CU_ASSERT_TRUE(counts_are(store, 1, 2));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "first");
	CU_ASSERT_TRUE(counts_are(store, 2, 2));
	contract_put(store, "key", "second");
	CU_ASSERT_TRUE(counts_are(store, 3, 2));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "second");
	CU_ASSERT_TRUE(counts_are(store, 3, 3));
	checkpoint(store);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "second");
	CU_ASSERT_TRUE(counts_are(store, 3, 4));
	contract_delete(store, "key");
	CU_ASSERT_TRUE(contract_absent(store, "key"));
	checkpoint(store);
	CU_ASSERT_TRUE(contract_absent(store, "key"));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "stays"), "here");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "stays"), "here");
	contract_close(store);
}

/* As a commit reads, whose predecessors may not be on disk yet. */
static void what_is_not_durable_is_not_kept(void)
{
	struct store_op ops[] = { op_put(view_of("key"), view_of("value")) };
	struct store_batch batch = { .ops = ops, .op_count = 1 };
	struct gdbm_store *g;
	struct newest newest;
	struct record record;
	struct store *store;
	uint64_t ticket, durable;

	cache_bytes = 64 << 10;
	store = contract_open();
	g = (struct gdbm_store *)store;
	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
	CU_ASSERT_EQUAL(read_begin(g, &durable), ERR_OK);
	CU_ASSERT_EQUAL(
		read_newest(g, view_of("key"), UINT64_MAX, &newest, &record),
		ERR_OK);
	CU_ASSERT_TRUE(newest.put && newest.revision > durable);
	read_end(g);
	CU_ASSERT_TRUE(counts_are(store, 0, 0));
	CU_ASSERT_PTR_NULL(g->recent.ring);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	CU_ASSERT_PTR_NOT_NULL(g->recent.ring);
	contract_close(store);
}

static void what_expires_does_so_in_memory_too(void)
{
	struct store *store;

	cache_bytes = 64 << 10;
	store = contract_open();
	contract_put_until(store, "key", contract_now_ms + 1000);
	checkpoint(store);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "mortal");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "mortal");
	contract_now_ms += 1000;
	CU_ASSERT_TRUE(contract_absent(store, "key"));
	contract_close(store);
}

static void bytes_that_changed_in_memory_are_read_again(void)
{
	struct gdbm_store *g;
	struct store *store;

	cache_bytes = 64 << 10;
	store = contract_open();
	g = (struct gdbm_store *)store;
	contract_put(store, "key", "value");
	checkpoint(store);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	CU_ASSERT_PTR_NOT_NULL_FATAL(g->recent.ring);
	g->recent.ring[g->recent.end - 1] ^= 1;
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	CU_ASSERT_TRUE(counts_are(store, 0, 2));
	contract_close(store);
}

static void a_store_without_keeps_nothing(void)
{
	struct store *store;

	cache_bytes = 0;
	store = contract_open();
	contract_put(store, "key", "value");
	checkpoint(store);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	CU_ASSERT_TRUE(counts_are(store, 0, 2));
	CU_ASSERT_PTR_NULL(((struct gdbm_store *)store)->recent.ring);
	contract_close(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_was_kept_is_had_for_its_key_and_file_only),
	HARNESS_TEST(it_is_appended_and_may_be_empty),
	HARNESS_TEST(of_a_full_set_the_oldest_goes),
	HARNESS_TEST(keys_of_the_same_hash_are_told_apart),
	HARNESS_TEST(what_is_had_is_always_what_was_kept),
	HARNESS_TEST(what_was_gone_over_is_gone),
	HARNESS_TEST(too_large_a_record_is_not_kept),
	HARNESS_TEST(without_memory_nothing_is_kept),
	HARNESS_TEST(a_store_reads_what_is_newest_all_the_same),
	HARNESS_TEST(what_is_not_durable_is_not_kept),
	HARNESS_TEST(what_expires_does_so_in_memory_too),
	HARNESS_TEST(bytes_that_changed_in_memory_are_read_again),
	HARNESS_TEST(a_store_without_keeps_nothing),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/recent", tests, HARNESS_COUNT(tests));
}
