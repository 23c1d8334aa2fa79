/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From journal to tables: how ranges split and vanish, what is let go and
 * when, what expires, and what `librapi check` says about all of it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/small.h"

#define KEYS 200

static void settings(struct store_conf *conf)
{
	small_limits(conf);
	conf->value_max_bytes = 16384;
	conf->table_max_bytes = 65536;
	conf->checkpoint_idle_ms = 0;
	conf->expiry_interval_ms = 0;
	conf->history_bytes = 0;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = settings };

static const char *key_of(int i)
{
	static char key[32];

	snprintf(key, sizeof(key), "key %05d", i);
	return key;
}

static void put_keys(struct store *store, int count)
{
	for (int i = 0; i < count; i++)
		contract_put(store, key_of(i), "value");
}

static void checkpoint(struct store *store)
{
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_EQUAL(checkpoint_run((struct gdbm_store *)store), ERR_OK);
}

static struct store_stats stats_of(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats;
}

static bool count_key(void *arg, struct view key, const struct record *record)
{
	size_t *count = arg;

	(void)key;
	(void)record;
	++*count;
	return true;
}

static size_t listed(struct store *store)
{
	struct store_range range = { 0 };
	size_t count = 0;

	CU_ASSERT_EQUAL(store_list(store, &range, count_key, &count, NULL),
			ERR_OK);
	return count;
}

static void no_time(struct store_conf *conf)
{
	settings(conf);
	conf->lock_timeout_ms = 0;
}

/* However slow the machine is: its checkpoints are its own. */
static void who_is_alone_never_finds_the_journal_full(void)
{
	static const struct contract_engine hurried = { .name = "gdbm",
							.persists = true,
							.settings = no_time };
	static char value[15000];
	struct store *store;

	memset(value, 'x', sizeof(value) - 1);
	contract_use(&hurried);
	store = contract_open();
	for (int i = 0; i < 100; i++)
		contract_put(store, key_of(i), value);
	CU_ASSERT_EQUAL(listed(store), 100);
	contract_close(store);
	contract_use(&engine);
}

static size_t count_files(const char *prefix)
{
	DIR *dir = opendir(harness_path("data"));
	struct dirent *entry;
	size_t count = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir)))
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return count;
}

static void ranges_split_as_they_grow_and_no_file_is_left_over(void)
{
	struct store *store = contract_open();

	for (int round = 1; round <= 4; round++) {
		put_keys(store, KEYS * round);
		checkpoint(store);
		CU_ASSERT_EQUAL(stats_of(store).keys, (size_t)KEYS * round);
		CU_ASSERT(stats_of(store).tables >= (size_t)KEYS * round / 16);
		CU_ASSERT_EQUAL(count_files("table-"),
				2 * stats_of(store).tables);
		CU_ASSERT_EQUAL(count_files("journal-"), 1);
		CU_ASSERT_EQUAL(listed(store), (size_t)KEYS * round);
	}
	contract_close(store);
}

static void many_tables_need_a_manifest_in_between(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t version;

	put_keys(store, 3 * KEYS * 4);
	checkpoint(store);
	CU_ASSERT(stats_of(store).tables > 100);
	version = atomic_load(&g->shared->version);
	put_keys(store, 3 * KEYS * 4);
	checkpoint(store);
	CU_ASSERT(atomic_load(&g->shared->version) >= version + 3);
	CU_ASSERT_EQUAL(listed(store), 3 * KEYS * 4);
	CU_ASSERT_EQUAL(count_files("table-"), 2 * stats_of(store).tables);
	contract_close(store);
}

static void a_range_without_keys_vanishes(void)
{
	struct store *store = contract_open();

	put_keys(store, KEYS);
	checkpoint(store);
	for (int i = 0; i < KEYS; i++) {
		if (i != 100)
			contract_delete(store, key_of(i));
	}
	checkpoint(store);
	CU_ASSERT_EQUAL(stats_of(store).tables, 1);
	CU_ASSERT_EQUAL(listed(store), 1);
	contract_put(store, "a key before all others", "value");
	contract_delete(store, key_of(100));
	checkpoint(store);
	CU_ASSERT_EQUAL(listed(store), 1);
	contract_delete(store, "a key before all others");
	checkpoint(store);
	CU_ASSERT_EQUAL(stats_of(store).tables, 0);
	CU_ASSERT_EQUAL(count_files("table-"), 0);
	contract_put(store, "again", "value");
	contract_close(store);
	store = contract_open();
	CU_ASSERT_STRING_EQUAL(contract_value(store, "again"), "value");
	contract_close(store);
}

static void a_table_splits_by_its_bytes_too(void)
{
	static char value[16384];
	struct store *store = contract_open();
	struct store_op op;
	uint64_t revision;

	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 15; i++) {
		op = op_put(view_of(key_of(i)),
			    (struct view){ value, sizeof(value) });
		CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	}
	checkpoint(store);
	CU_ASSERT(stats_of(store).tables >= 4);
	contract_close(store);
}

/* 160 keys of one GDBM hash would make its directory explode. */
static void keys_that_share_a_hash_are_spread_over_tables(void)
{
	static char found[400][8];
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint32_t wanted = 0x1234;
	size_t count = 0;

	g->conf.table_max_keys = 100000;
	for (uint32_t n = 0; count < 400 && n < 200000000; n++) {
		char key[8];

		memcpy(key, &n, 4);
		memcpy(key + 4, "key", 4);
		if (table_hash((struct view){ key, 7 }) >> 15 != wanted)
			continue;
		memcpy(found[count++], key, 8);
	}
	CU_ASSERT_EQUAL_FATAL(count, 400);
	for (size_t i = 0; i < count; i++) {
		struct store_op op =
			op_put((struct view){ found[i], 7 }, view_of("value"));
		uint64_t revision;

		CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	}
	checkpoint(store);
	CU_ASSERT(stats_of(store).tables >= 3);
	CU_ASSERT_EQUAL(listed(store), 400);
	contract_close(store);
}

static void what_a_reader_goes_by_stays_until_it_has_ended(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t oldest;

	put_keys(store, KEYS);
	checkpoint(store);
	oldest = atomic_load(&g->shared->oldest);
	atomic_store(&g->shared->slots[7], atomic_load(&g->shared->version));
	put_keys(store, KEYS);
	checkpoint(store);
	CU_ASSERT_EQUAL(atomic_load(&g->shared->oldest), oldest);
	CU_ASSERT(count_files("table-") > 2 * stats_of(store).tables);
	store_reap(store, 7);
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	CU_ASSERT(atomic_load(&g->shared->oldest) > oldest);
	CU_ASSERT_EQUAL(count_files("table-"), 2 * stats_of(store).tables);
	contract_close(store);
}

/* Whether the housekeeper finds nothing to do for so long. */
static bool rests(struct store *store, long ms)
{
	int64_t begun_ms = clock_monotonic_ms();

	CU_ASSERT_EQUAL(store_housekeep(store, ms), ERR_OK);
	return clock_monotonic_ms() - begun_ms >= ms;
}

static void what_only_a_reader_still_needs_is_not_merged_again(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t version;

	put_keys(store, KEYS);
	atomic_store(&g->shared->slots[7], atomic_load(&g->shared->version));
	checkpoint(store);
	version = atomic_load(&g->shared->version);
	CU_ASSERT(rests(store, 100));
	while (!shared_is_filling(g->shared)) {
		contract_put(store, "key", "value");
		CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	}
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	CU_ASSERT(atomic_load(&g->shared->version) > version);
	CU_ASSERT(shared_is_filling(g->shared));
	CU_ASSERT(rests(store, 100));
	store_reap(store, 7);
	CU_ASSERT(rests(store, 100));
	CU_ASSERT(!shared_is_filling(g->shared));
	contract_close(store);
}

static void a_file_grown_out_of_proportion_is_written_anew(void)
{
	struct store *store = contract_open();
	uint64_t most = 0;

	for (int round = 0; round < 100; round++) {
		static char value[8192];
		struct store_op op = op_put(
			view_of("key"),
			(struct view){ value, (size_t)(round * 997 % 8000) });
		uint64_t revision;

		CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
		checkpoint(store);
		if (stats_of(store).table_bytes > most)
			most = stats_of(store).table_bytes;
	}
	CU_ASSERT(most < 100 * 1024);
	contract_close(store);
}

static void expired_keys_become_commits_from_journal_and_tables(void)
{
	struct store *store = contract_open();
	uint64_t revision;

	contract_put(store, "stays", "value");
	for (int i = 0; i < 100; i++)
		contract_put_until(store, key_of(i), contract_now_ms + 1000);
	checkpoint(store);
	for (int i = 100; i < 150; i++)
		contract_put_until(store, key_of(i), contract_now_ms + 1000);
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	revision = contract_revision(store);
	contract_now_ms += 2000;
	CU_ASSERT_EQUAL(listed(store), 1);
	CU_ASSERT_EQUAL(expiry_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT(contract_revision(store) >= revision + 150 / 32);
	revision = contract_revision(store);
	CU_ASSERT_EQUAL(expiry_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_EQUAL(contract_revision(store), revision);
	checkpoint(store);
	CU_ASSERT_EQUAL(stats_of(store).keys, 1);
	contract_close(store);
}

/* What was found in a table says nothing of its next generation. */
static void a_key_that_comes_into_a_table_late_expires_too(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;

	contract_put(store, "stays", "value");
	checkpoint(store);
	CU_ASSERT_EQUAL(expiry_run(g), ERR_OK);
	contract_put_until(store, "goes", contract_now_ms + 1000);
	checkpoint(store);
	CU_ASSERT_EQUAL(stats_of(store).tables, 1);
	CU_ASSERT_EQUAL(stats_of(store).keys, 2);
	contract_now_ms += 2000;
	CU_ASSERT_EQUAL(expiry_run(g), ERR_OK);
	CU_ASSERT_EQUAL(stats_of(store).expired, 1);
	checkpoint(store);
	CU_ASSERT_EQUAL(stats_of(store).keys, 1);
	contract_close(store);
}

static void a_key_that_was_put_again_does_not_expire(void)
{
	struct store *store = contract_open();

	contract_put_until(store, "key", contract_now_ms + 10);
	contract_put_until(store, "key", contract_now_ms + 20);
	contract_put(store, "key", "lasting");
	contract_now_ms += 1000;
	CU_ASSERT_EQUAL(expiry_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "lasting");
	checkpoint(store);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "lasting");
	contract_close(store);
}

static void small_and_expiring(struct store_conf *conf)
{
	small_limits(conf);
	conf->checkpoint_idle_ms = 60000;
	conf->expiry_interval_ms = 0;
	conf->lock_timeout_ms = 50;
	conf->history_bytes = 0;
}

static const struct contract_engine expiring = {
	.name = "gdbm", .persists = true, .settings = small_and_expiring
};

/* Commits of `verb` to long keys, from `first` on, until one is refused. */
static enum err commit_until_refused(struct store *store, enum store_verb verb,
				     int first)
{
	static char key[1000];
	enum err err = ERR_OK;

	memset(key, 'k', sizeof(key));
	for (int i = first; !err; i++) {
		struct store_op op = { .verb = verb,
				       .key = { key, sizeof(key) } };
		struct store_batch batch = { .ops = &op, .op_count = 1 };
		uint64_t ticket = 0;

		memcpy(key, key_of(i), strlen(key_of(i)));
		err = store_commit(store, &batch, &ticket);
	}
	return err;
}

/*
 * Only the housekeeper makes room in the ring of segments: were it to wait for
 * some before that, to commit what expires, nobody could write any more.
 */
static void no_want_of_room_keeps_expiry_from_the_checkpoint(void)
{
	struct store *store;
	struct store_stats stats;

	contract_use(&expiring);
	store = contract_open();
	store_attach(store, 1);
	for (int i = 0; i < 40; i++)
		contract_put_until(store, key_of(i), contract_now_ms + 1000);
	CU_ASSERT_EQUAL(commit_until_refused(store, STORE_PUT, 0), ERR_BUSY);
	CU_ASSERT_EQUAL(commit_until_refused(store, STORE_DELETE, 0), ERR_BUSY);
	contract_now_ms += 2000;
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	contract_put(store, "after", "value");
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	store_stats(store, &stats);
	CU_ASSERT_EQUAL(stats.expired, 40);
	contract_close(store);
	contract_use(&engine);
}

/* There is no room to seal the last segment before the others are merged. */
static void a_close_leaves_nothing_in_a_journal_that_was_full(void)
{
	struct store *store;

	contract_use(&expiring);
	store = contract_open();
	store_attach(store, 1);
	CU_ASSERT_EQUAL(commit_until_refused(store, STORE_PUT, 0), ERR_BUSY);
	contract_close(store);
	store = contract_open();
	CU_ASSERT_EQUAL(stats_of(store).journal_bytes, 0);
	CU_ASSERT_EQUAL(stats_of(store).keys, listed(store));
	contract_close(store);
	contract_use(&engine);
}

/* Of many that expire each turn has some, however often one is due. */
static void expiry_goes_on_while_checkpoints_are_due(void)
{
	struct store *store;
	struct store_stats stats;
	uint64_t expired = 0;

	contract_use(&expiring);
	store = contract_open();
	store_attach(store, 1);
	for (int i = 0; i < 400; i++)
		contract_put_until(store, key_of(i), contract_now_ms + 1000);
	contract_now_ms += 2000;
	for (int i = 0; i < 4; i++) {
		struct gdbm_store *g = (struct gdbm_store *)store;

		while (shared_unmerged(g->shared) * 2 < g->shared->ring) {
			contract_put(store, "filler", "value");
			CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
		}
		CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
		store_stats(store, &stats);
		CU_ASSERT(stats.expired > expired || expired == 400);
		CU_ASSERT_EQUAL(shared_unmerged(g->shared), 0);
		expired = stats.expired;
	}
	contract_close(store);
	contract_use(&engine);
}

#define MORTALS 5000 /* more than expire in one turn */

static void long_segments(struct store_conf *conf)
{
	conf->checkpoint_idle_ms = 60000;
	conf->expiry_interval_ms = 0;
	conf->lock_timeout_ms = 50;
	conf->history_bytes = 0;
	conf->table_max_keys = 100000;
}

static const struct contract_engine spacious = { .name = "gdbm",
						 .persists = true,
						 .settings = long_segments };

static void put_mortals(struct store *store, int64_t expires_ms)
{
	static char keys[MORTALS][16];
	static struct store_op ops[MORTALS];
	uint64_t revision;

	for (int i = 0; i < MORTALS; i++) {
		snprintf(keys[i], sizeof(keys[i]), "mortal %05d", i);
		ops[i] = op_put(view_of(keys[i]), view_of("value"));
		ops[i].expires_ms = expires_ms;
	}
	CU_ASSERT_EQUAL(contract_ops(store, ops, MORTALS, &revision), ERR_OK);
}

/* Those whose `expire` is not merged yet count for nothing. */
static void what_has_expired_before_takes_nobody_s_turn(void)
{
	struct store *store;
	struct gdbm_store *g;
	uint64_t expired = 0;

	contract_use(&spacious);
	store = contract_open();
	g = (struct gdbm_store *)store;
	put_mortals(store, contract_now_ms + 1000);
	checkpoint(store);
	store_attach(store, 1);
	contract_now_ms += 2000;
	while (expired < MORTALS) {
		while (!shared_is_filling(g->shared)) {
			contract_put(store, "filler", "value");
			CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
		}
		CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
		CU_ASSERT_FATAL(stats_of(store).expired > expired);
		expired = stats_of(store).expired;
	}
	CU_ASSERT_EQUAL(expired, MORTALS);
	contract_close(store);
	contract_use(&engine);
}

static int looks_at_the_clock;

static int64_t counted_wall_ms(void)
{
	looks_at_the_clock++;
	return contract_now_ms;
}

/* Each commit looks at the clock once. */
static void what_has_expired_is_not_asked_about_again(void)
{
	struct store *store;
	struct gdbm_store *g;

	contract_use(&spacious);
	store = contract_open();
	g = (struct gdbm_store *)store;
	g->conf.wall_ms = counted_wall_ms;
	put_mortals(store, contract_now_ms + 1000);
	contract_put_until(store, "later", contract_now_ms + 3000);
	contract_put_until(store, "mortal 00000.", contract_now_ms + 3000);
	checkpoint(store);
	contract_now_ms += 2000;
	CU_ASSERT_EQUAL(expiry_run(g), ERR_OK);
	CU_ASSERT_EQUAL(stats_of(store).expired, MORTALS);
	contract_now_ms += 2000;
	looks_at_the_clock = 0;
	CU_ASSERT_EQUAL(expiry_run(g), ERR_OK);
	CU_ASSERT_EQUAL(stats_of(store).expired, MORTALS + 2);
	CU_ASSERT(looks_at_the_clock <= 4);
	contract_close(store);
	contract_use(&engine);
}

static int64_t steps_ms;

/* Two seconds later than all looks that follow. */
static int64_t stepping_back(void)
{
	int64_t now_ms = contract_now_ms + steps_ms;

	steps_ms = 0;
	return now_ms;
}

static void a_clock_that_steps_back_within_it_forgets_nothing(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	struct store_stats stats;

	contract_put_until(store, "in a table", contract_now_ms + 1000);
	checkpoint(store);
	contract_put_until(store, "in the journal", contract_now_ms + 1000);
	CU_ASSERT_EQUAL(expiry_run(g), ERR_OK);
	g->conf.wall_ms = stepping_back;
	steps_ms = 2000;
	CU_ASSERT_EQUAL(expiry_run(g), ERR_OK);
	contract_now_ms += 2000;
	CU_ASSERT_EQUAL(expiry_run(g), ERR_OK);
	store_stats(store, &stats);
	CU_ASSERT_EQUAL(stats.expired, 2);
	contract_close(store);
}

/* What it holds is kept as it is, and so are the other tables. */
static void a_damaged_table_keeps_nobody_from_the_checkpoint(void)
{
	struct store *store;
	struct gdbm_store *g;
	char name[TABLE_NAME_SIZE];
	uint64_t version;
	int fd;

	contract_use(&expiring);
	store = contract_open();
	put_keys(store, KEYS);
	contract_put_until(store, "z", contract_now_ms + 1000);
	checkpoint(store);
	store_close(store);
	store = contract_open();
	g = (struct gdbm_store *)store;
	CU_ASSERT(g->manifest.table_count > 2);
	table_keys_name(g->manifest.tables[0].id, name);
	fd = openat(g->dir, name, O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(pwrite(fd, "X", 1, 64 + 41), 1);
	close(fd);
	contract_now_ms += 2000;
	version = g->manifest.version;
	contract_put(store, "zz", "value");
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	g->conf.checkpoint_idle_ms = 0;
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_DAMAGED);
	CU_ASSERT(g->manifest.version > version);
	CU_ASSERT_EQUAL(stats_of(store).expired, 1);
	contract_close(store);
	contract_use(&engine);
}

static void a_child_that_is_idle_lets_go_of_replaced_files(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;

	put_keys(store, 10);
	CU_ASSERT_EQUAL(g->files[1].number, 1);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	g->manifest.version = 0; /* as if another process had checkpointed */
	g->files[1].number = 1;
	CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
	g->manifest.version = 0;
	store_idle(store);
	CU_ASSERT_EQUAL(g->files[1].number, 0);
	CU_ASSERT_EQUAL(g->manifest.version, atomic_load(&g->shared->version));
	contract_close(store);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* No table can be written, so the journal fills up behind the checkpoint. */
static void without_room_for_tables_a_put_is_refused_as_full(void)
{
	static char value[1000];
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	struct store_op op =
		op_put(view_of("key"), (struct view){ value, sizeof(value) });
	uint64_t revision = 0;
	enum err err = ERR_OK;
	int count;

	g->conf.table_max_keys = 100000;
	g->conf.table_max_bytes = 1 << 20;
	signal(SIGXFSZ, SIG_IGN);
	limit_files(65536);
	for (count = 0; !err && count < 1000; count++) {
		op.key = view_of(key_of(count));
		err = contract_ops(store, &op, 1, &revision);
	}
	CU_ASSERT_EQUAL(err, ERR_FULL);
	CU_ASSERT(count > 50 && count < 1000);
	CU_ASSERT(stats_of(store).full && stats_of(store).writable);
	CU_ASSERT_EQUAL(listed(store), (size_t)count - 1);
	CU_ASSERT(contract_delete(store, key_of(0)) > 0);
	limit_files(RLIM_INFINITY);
	CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
	CU_ASSERT(!stats_of(store).full);
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	CU_ASSERT_EQUAL(listed(store), (size_t)count - 1);
	contract_close(store);
}

/* The segment being written can't be sealed: no room for another one. */
static void without_room_for_a_segment_the_housekeeper_waits(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;

	signal(SIGXFSZ, SIG_IGN);
	contract_put(store, "key", "value");
	limit_files(60000);
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_FULL);
	CU_ASSERT(stats_of(store).full);
	CU_ASSERT(g->housekeeping.retry_ms > clock_monotonic_ms());
	limit_files(RLIM_INFINITY);
	g->housekeeping.retry_ms = 0;
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	CU_ASSERT(!stats_of(store).full);
	CU_ASSERT_EQUAL(stats_of(store).keys, 1);
	contract_close(store);
}

/* No other segment can be begun; this one has kept room for deletes. */
static void without_room_for_a_segment_keys_can_be_deleted(void)
{
	static char value[1000];
	struct store *store = contract_open();
	struct store_op op =
		op_put(view_of("key"), (struct view){ value, sizeof(value) });
	uint64_t revision = 0;
	int count = 0;
	int deleted = 0;

	put_keys(store, 30);
	signal(SIGXFSZ, SIG_IGN);
	limit_files(65535);
	for (; !contract_ops(store, &op, 1, &revision) && count < 100; count++)
		;
	CU_ASSERT(count > 10 && count < 100);
	while (deleted < 30 && contract_delete(store, key_of(deleted)))
		deleted++;
	CU_ASSERT_EQUAL(deleted, 30);
	CU_ASSERT_EQUAL(listed(store), 1);
	limit_files(RLIM_INFINITY);
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	checkpoint(store);
	CU_ASSERT_EQUAL(stats_of(store).keys, 1);
	contract_close(store);
}

/* What `check` found. */
struct findings {
	size_t count;
	char file[128];
};

static void note(void *arg, const char *file, const char *sentence)
{
	struct findings *findings = arg;

	CU_ASSERT(sentence && *sentence);
	findings->count++;
	snprintf(findings->file, sizeof(findings->file), "%s", file);
}

static enum err check(struct findings *findings)
{
	struct store_conf conf = contract_conf();

	*findings = (struct findings){ 0 };
	return store_check(&conf, note, findings);
}

static void flip(const char *name, off_t at)
{
	char path[600];
	char byte;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", harness_path("data"), name);
	fd = open(path, O_RDWR);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void check_names_the_file_that_is_damaged(void)
{
	static const struct {
		int line;
		const char *file;
		off_t at;
	} cases[] = {
		{ __LINE__, "MANIFEST", 40 },
		{ __LINE__, "table-000001.1.gdbm", 9000 },
		{ __LINE__, "table-000001.1.keys", 20 },
		{ __LINE__, "table-000001.1.keys", 100 },
	};
	struct store *store = contract_open();
	struct findings findings;

	put_keys(store, 30);
	contract_close(store);
	CU_ASSERT_EQUAL(check(&findings), ERR_OK);
	CU_ASSERT_EQUAL(findings.count, 0);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		flip(cases[i].file, cases[i].at);
		HARNESS_CASE(cases[i].line, check(&findings) == ERR_DAMAGED);
		HARNESS_CASE(cases[i].line, findings.count > 0);
		HARNESS_CASE(cases[i].line,
			     !strncmp(findings.file, cases[i].file,
				      strlen("table-000001.1.")));
		flip(cases[i].file, cases[i].at);
	}
	CU_ASSERT_EQUAL(check(&findings), ERR_OK);
}

static void check_is_refused_while_the_store_is_open(void)
{
	struct store *store = contract_open();
	struct findings findings;

	CU_ASSERT_EQUAL(check(&findings), ERR_OWNED);
	contract_close(store);
	CU_ASSERT_EQUAL(check(&findings), ERR_OK);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(ranges_split_as_they_grow_and_no_file_is_left_over),
	HARNESS_TEST(many_tables_need_a_manifest_in_between),
	HARNESS_TEST(a_range_without_keys_vanishes),
	HARNESS_TEST(who_is_alone_never_finds_the_journal_full),
	HARNESS_TEST(a_table_splits_by_its_bytes_too),
	HARNESS_TEST(keys_that_share_a_hash_are_spread_over_tables),
	HARNESS_TEST(what_a_reader_goes_by_stays_until_it_has_ended),
	HARNESS_TEST(what_only_a_reader_still_needs_is_not_merged_again),
	HARNESS_TEST(a_file_grown_out_of_proportion_is_written_anew),
	HARNESS_TEST(expired_keys_become_commits_from_journal_and_tables),
	HARNESS_TEST(a_key_that_comes_into_a_table_late_expires_too),
	HARNESS_TEST(a_key_that_was_put_again_does_not_expire),
	HARNESS_TEST(no_want_of_room_keeps_expiry_from_the_checkpoint),
	HARNESS_TEST(a_close_leaves_nothing_in_a_journal_that_was_full),
	HARNESS_TEST(expiry_goes_on_while_checkpoints_are_due),
	HARNESS_TEST(what_has_expired_before_takes_nobody_s_turn),
	HARNESS_TEST(what_has_expired_is_not_asked_about_again),
	HARNESS_TEST(a_clock_that_steps_back_within_it_forgets_nothing),
	HARNESS_TEST(a_damaged_table_keeps_nobody_from_the_checkpoint),
	HARNESS_TEST(a_child_that_is_idle_lets_go_of_replaced_files),
	HARNESS_TEST(without_room_for_tables_a_put_is_refused_as_full),
	HARNESS_TEST(without_room_for_a_segment_the_housekeeper_waits),
	HARNESS_TEST(without_room_for_a_segment_keys_can_be_deleted),
	HARNESS_TEST(check_names_the_file_that_is_damaged),
	HARNESS_TEST(check_is_refused_while_the_store_is_open),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/checkpoint", tests,
			   HARNESS_COUNT(tests));
}
