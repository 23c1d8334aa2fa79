/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The room that is kept for checkpoints: what is held, and who may use it. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "fault.h"
#include "harness.h"
#include "next.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"

#define SEGMENT 65536
#define KEYS    100
#define MANY    10000

static uint64_t segment_bytes = SEGMENT;

static void small_limits(struct store_conf *conf)
{
	conf->value_max_bytes = 4096;
	conf->journal_segment_bytes = segment_bytes;
	conf->journal_max_bytes = 8 * segment_bytes;
	conf->memtable_bytes = 16 * segment_bytes;
	conf->history_bytes = 0;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = small_limits };

static char value[1000];
static int64_t no_room_until_ms; /* monotonic: so long the disk says so */

static uint64_t disk_bytes; /* as if it had no more; 0: what it has */

static uint64_t used_bytes(void)
{
	DIR *dir = opendir(harness_path("data"));
	struct dirent *entry;
	struct stat status;
	uint64_t bytes = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir)))
		if (!fstatat(dirfd(dir), entry->d_name, &status, 0) &&
		    S_ISREG(status.st_mode))
			bytes += (uint64_t)status.st_blocks * 512;
	closedir(dir);
	return bytes;
}

int fstatvfs(int fd, struct statvfs *status)
{
	NEXT(fstatvfs);
	uint64_t used = disk_bytes ? used_bytes() : 0;
	int result = next(fd, status);

	if (disk_bytes) {
		status->f_frsize = 1;
		status->f_bfree = disk_bytes > used ? disk_bytes - used : 0;
		status->f_bavail = status->f_bfree;
	}
	if (clock_monotonic_ms() < no_room_until_ms) {
		status->f_bfree = 0;
		status->f_bavail = 0;
	}
	return result;
}

/* What is held; 0 when nothing is. */
static uint64_t held(void)
{
	struct stat status;

	if (stat(harness_path("data/RESERVE"), &status))
		return 0;
	CU_ASSERT((uint64_t)status.st_blocks * 512 >= (uint64_t)status.st_size);
	return (uint64_t)status.st_size;
}

static bool is_full(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.full;
}

static struct view key_of(unsigned i)
{
	static char key[32];

	snprintf(key, sizeof(key), "key %03u", i);
	return view_of(key);
}

static enum err put(struct store *store, unsigned i)
{
	struct store_op op =
		op_put(key_of(i), (struct view){ value, sizeof(value) });
	uint64_t revision;

	return contract_ops(store, &op, 1, &revision);
}

static enum err put_small(struct store *store, unsigned i)
{
	char key[64];
	struct store_op op = op_put(view_of(""), view_of(""));
	uint64_t revision;

	snprintf(key, sizeof(key), "key %040u", i);
	op.key = view_of(key);
	return contract_ops(store, &op, 1, &revision);
}

static enum err drop(struct store *store, unsigned i)
{
	struct store_op op = op_delete(key_of(i));
	uint64_t revision;

	return contract_ops(store, &op, 1, &revision);
}

static void put_keys(struct store *store, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		CU_ASSERT_EQUAL_FATAL(put(store, i), ERR_OK);
}

/* No file of ours can grow past this, as on a disk without that much room. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void each_segment_has_its_reserve_until_it_is_merged(void)
{
	struct store *store = contract_open();
	uint64_t one = held();

	CU_ASSERT(one >= 2 * SEGMENT);
	put_keys(store, KEYS);
	CU_ASSERT(held() >= one + 2 * SEGMENT);
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_EQUAL(checkpoint_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT(held() < one + 2 * SEGMENT + KEYS * 2 * sizeof(value));
	/* The one table, which has to be written anew. */
	CU_ASSERT(held() >= one + KEYS * sizeof(value));
	contract_close(store);
	CU_ASSERT(held() > 0);
}

/* The segment after this one can be had, but not what merging it takes. */
static void without_the_reserve_puts_are_refused_and_deletes_taken(void)
{
	struct store *store = contract_open();
	unsigned count = 0;

	limit_files(SEGMENT);
	while (count < KEYS && !put(store, count))
		count++;
	CU_ASSERT(count > 30 && count < KEYS);
	CU_ASSERT(is_full(store) && held() > 0);
	CU_ASSERT_EQUAL(put(store, count), ERR_FULL);
	CU_ASSERT_EQUAL(drop(store, 0), ERR_OK);
	CU_ASSERT(held() > 0);
	/* What was deleted can be sealed, and there is more to delete. */
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_EQUAL(drop(store, 1), ERR_OK);
	CU_ASSERT_EQUAL(held(), 0);
	CU_ASSERT_EQUAL(put(store, 0), ERR_FULL);
	limit_files(RLIM_INFINITY);
	CU_ASSERT_EQUAL(put(store, 0), ERR_OK);
	CU_ASSERT(held() > 0 && !is_full(store));
	contract_close(store);
}

/* In one commit, which is larger than the small segment that often will do. */
static void many_keys_can_be_deleted_at_once(void)
{
	struct store *store;
	uint64_t deleted = 0;
	uint64_t revision;
	uint64_t ticket;
	unsigned count = 0;

	segment_bytes = 4 * SEGMENT;
	store = contract_open();
	limit_files(segment_bytes);
	while (count < MANY && !put_small(store, count))
		count++;
	CU_ASSERT(count > 1500 && count < MANY);
	CU_ASSERT_EQUAL(store_delete_prefix(store, view_of("key"), &deleted,
					    &revision, &ticket),
			ERR_OK);
	CU_ASSERT_EQUAL(deleted, count);
	CU_ASSERT_EQUAL(held(), 0);
	limit_files(RLIM_INFINITY);
	contract_close(store);
	segment_bytes = SEGMENT;
}

static void a_checkpoint_without_room_has_the_reserve(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	bool failed = true;

	for (unsigned n = 3; failed && n < 100; n++) {
		put_keys(store, 3);
		CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
		fault_arm(FAULT_WRITE, n, ENOSPC);
		CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
		failed = fault_disarm();
		CU_ASSERT_EQUAL(put(store, 1), ERR_OK);
		CU_ASSERT(held() > 0);
	}
	CU_ASSERT_FALSE(failed);
	contract_close(store);
}

static void while_a_checkpoint_has_the_reserve_no_put_takes_it(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;

	put_keys(store, 3);
	atomic_store(&g->shared->merging, true);
	rotate_give_up_reserve(g);
	CU_ASSERT_EQUAL(held(), 0);
	CU_ASSERT_EQUAL(put(store, 0), ERR_FULL);
	CU_ASSERT_EQUAL(drop(store, 1), ERR_OK);
	/* It was killed; the next one begins. */
	g->housekeeping.resumed = false;
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	CU_ASSERT_EQUAL(put(store, 0), ERR_OK);
	CU_ASSERT(held() > 0);
	contract_close(store);
}

static void a_checkpoint_is_made_before_the_disk_is_full(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;

	g->conf.checkpoint_idle_ms = 60000;
	put_keys(store, 3);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	CU_ASSERT_EQUAL(shared_unmerged(g->shared), 1);
	no_room_until_ms = clock_monotonic_ms() + 60000;
	g->housekeeping.room_ms = 0;
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	no_room_until_ms = 0;
	CU_ASSERT_EQUAL(shared_unmerged(g->shared), 0);
	contract_close(store);
}

/* The room of a table that was replaced comes when its last reader reads on. */
static void a_checkpoint_waits_for_room_but_not_for_ever(void)
{
	static const int64_t lacks_ms[] = { 300, 60000 };
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;

	put_keys(store, KEYS);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
	for (size_t i = 0; i < HARNESS_COUNT(lacks_ms); i++) {
		int64_t begun_ms;
		int64_t took_ms;

		put_keys(store, 3);
		CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
		begun_ms = clock_monotonic_ms();
		no_room_until_ms = begun_ms + lacks_ms[i];
		CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
		took_ms = clock_monotonic_ms() - begun_ms;
		no_room_until_ms = 0;
		CU_ASSERT(took_ms >= 300 && took_ms < 30000);
	}
	contract_close(store);
}

static void tables_shrink_when_the_disk_is_full(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t before;

	put_keys(store, KEYS);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
	before = atomic_load(&g->shared->table_bytes);
	for (unsigned i = 0; i < KEYS; i += 2)
		CU_ASSERT_EQUAL(drop(store, i), ERR_OK);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	atomic_store(&g->shared->full, true);
	CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
	CU_ASSERT(atomic_load(&g->shared->table_bytes) < before * 2 / 3);
	CU_ASSERT_EQUAL(atomic_load(&g->shared->keys), KEYS / 2);
	CU_ASSERT_FALSE(is_full(store));
	contract_close(store);
}

/* Whether it came to an end, instead of dying at the n-th call. */
static bool rotate_and_die(struct store *store, unsigned n)
{
	int status = 0;
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		store_attach(store, 1);
		fault_arm(FAULT_WRITE, n, FAULT_KILL);
		rotate_run((struct gdbm_store *)store);
		_exit(0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	store_reap(store, 1);
	return WIFEXITED(status);
}

/* There is room for one segment and its reserve, and not for two. */
static void a_dead_one_s_segment_takes_no_room_of_the_next(void)
{
	bool ended = false;

	segment_bytes = 1 << 20;
	for (unsigned n = 1; !ended && n < 100; n++) {
		struct store *store = contract_open();
		struct gdbm_store *g = (struct gdbm_store *)store;
		uint64_t number;

		CU_ASSERT_EQUAL(put(store, 1), ERR_OK);
		disk_bytes = used_bytes() + 4 * segment_bytes;
		ended = rotate_and_die(store, n);
		if (!ended)
			CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
		disk_bytes = 0;
		number = atomic_load(&g->shared->segment);
		CU_ASSERT_EQUAL(
			shared_segment(g->shared, number)->head.capacity,
			segment_bytes);
		contract_close(store);
	}
	CU_ASSERT(ended);
	segment_bytes = SEGMENT;
}

/* Killed with a full disk: what is held is the room to start in. */
static void a_start_without_room_has_the_reserve(void)
{
	struct store *store = contract_open();

	put_keys(store, 10);
	atomic_store(&((struct gdbm_store *)store)->shared->stopped, true);
	contract_close(store);
	limit_files(SEGMENT);
	store = contract_open();
	CU_ASSERT(is_full(store));
	CU_ASSERT_EQUAL(held(), 0);
	CU_ASSERT_EQUAL(put(store, 0), ERR_FULL);
	CU_ASSERT_EQUAL(drop(store, 0), ERR_OK);
	CU_ASSERT_EQUAL(contract_value(store, "key 001")[0], 0);
	limit_files(RLIM_INFINITY);
	CU_ASSERT_EQUAL(put(store, 0), ERR_OK);
	CU_ASSERT(held() > 0 && !is_full(store));
	contract_close(store);
}

/* Whatever is found in its place. */
static void a_start_makes_it_fit(void)
{
	static const off_t sizes[] = { 0, 1, 100 << 20 };
	struct store *store = contract_open();
	uint64_t before = held();

	contract_close(store);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CU_ASSERT_EQUAL(
			truncate(harness_path("data/RESERVE"), sizes[i]), 0);
		store = contract_open();
		CU_ASSERT_EQUAL(held(), before);
		contract_close(store);
	}
	unlink(harness_path("data/RESERVE"));
	store = contract_open();
	CU_ASSERT_EQUAL(held(), before);
	contract_close(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(each_segment_has_its_reserve_until_it_is_merged),
	HARNESS_TEST(without_the_reserve_puts_are_refused_and_deletes_taken),
	HARNESS_TEST(many_keys_can_be_deleted_at_once),
	HARNESS_TEST(a_checkpoint_without_room_has_the_reserve),
	HARNESS_TEST(while_a_checkpoint_has_the_reserve_no_put_takes_it),
	HARNESS_TEST(a_checkpoint_is_made_before_the_disk_is_full),
	HARNESS_TEST(a_checkpoint_waits_for_room_but_not_for_ever),
	HARNESS_TEST(tables_shrink_when_the_disk_is_full),
	HARNESS_TEST(a_dead_one_s_segment_takes_no_room_of_the_next),
	HARNESS_TEST(a_start_without_room_has_the_reserve),
	HARNESS_TEST(a_start_makes_it_fit),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/reserve", tests, HARNESS_COUNT(tests));
}
