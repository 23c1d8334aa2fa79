/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A snapshot of many tables and segments while others write, split tables
 * and checkpoint; what it leaves behind, and what happens when it fails.
 */
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "fault.h"
#include "harness.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/small.h"

#define ACCOUNTS 60
#define WRITERS  2

static void settings(struct store_conf *conf)
{
	small_limits(conf);
	conf->table_max_keys = 8;
	conf->checkpoint_idle_ms = 5;
	conf->lock_timeout_ms = 10000;
	conf->history_bytes = 0;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = settings };

static _Atomic bool *stop;

static size_t count_snapshots(void)
{
	DIR *dir = opendir(harness_path("data"));
	struct dirent *entry;
	size_t count = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir)))
		count += !strncmp(entry->d_name, "snapshot-", 9);
	closedir(dir);
	return count;
}

static void put_number(struct store *store, unsigned account, uint64_t number)
{
	char key[32];
	char text[24];

	snprintf(key, sizeof(key), "account %03u", account);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	contract_put(store, key, text);
}

static enum err add(void *arg, struct store_op *op, const struct record *found)
{
	char *text = arg;
	uint64_t change = op->value.size == 1 ? 1 : UINT64_MAX;
	uint64_t number = 0;

	if (found)
		view_to_uint64(found->value, UINT64_MAX, &number);
	snprintf(text, 24, "%llu", (unsigned long long)(number + change));
	op->value = view_of(text);
	return ERR_OK;
}

/* One more here, one less there; at times a key beside them. */
static void move_one(struct store *store)
{
	char keys[3][32];
	char texts[2][24];
	struct store_op ops[3];
	struct store_batch batch = { .ops = ops, .op_count = 3 };
	uint64_t ticket = 0;

	for (int i = 0; i < 2; i++) {
		snprintf(keys[i], sizeof(keys[i]), "account %03u",
			 (unsigned)(random_uint64() % ACCOUNTS));
		ops[i] = op_put(view_of(keys[i]), view_of(i ? "+" : "--"));
		ops[i].decide = add;
		ops[i].decide_arg = texts[i];
	}
	snprintf(keys[2], sizeof(keys[2]), "other %u",
		 (unsigned)(random_uint64() % 500));
	ops[2] = random_uint64() % 2 ? op_put(view_of(keys[2]), view_of("x"))
				     : op_delete(view_of(keys[2]));
	if (!store_commit(store, &batch, &ticket))
		store_sync(store, ticket);
}

static void write_on(struct store *store)
{
	while (!atomic_load(stop))
		move_one(store);
}

static void keep_house(struct store *store)
{
	while (!atomic_load(stop))
		store_housekeep(store, 5);
}

static pid_t start(struct store *store, unsigned slot,
		   void (*work)(struct store *store))
{
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid)
		return pid;
	if (store_attach(store, slot))
		_exit(1);
	work(store);
	_exit(0);
}

struct sum {
	uint64_t total;
	uint64_t accounts;
	uint64_t others;
	uint64_t digest;
	size_t left; /* keys until it stops */
	char last[32];
};

static bool sum_up(void *arg, struct view key, const struct record *record)
{
	struct sum *sum = arg;
	uint64_t number = 0;

	if (view_starts_with(key, view_of("account"))) {
		view_to_uint64(record->value, UINT64_MAX, &number);
		sum->total += number;
		sum->accounts++;
	} else {
		sum->others++;
	}
	sum->digest = sum->digest * 31 + record->revision;
	snprintf(sum->last, sizeof(sum->last), "%.*s", (int)key.size,
		 (const char *)key.data);
	return --sum->left > 0;
}

/* List it in pieces, as somebody does who sends it on slowly. */
static struct sum sum_of(struct store *snapshot, uint64_t revision)
{
	struct sum sum = { 0 };

	do {
		char after[32];
		struct store_range range = { .values = true };
		uint64_t at = 0;

		memcpy(after, sum.last, sizeof(after));
		if (after[0])
			range.after = view_of(after);
		sum.left = 7;
		CU_ASSERT_EQUAL(store_list(snapshot, &range, sum_up, &sum, &at),
				ERR_OK);
		CU_ASSERT_EQUAL(at, revision);
	} while (sum.left == 0);
	return sum;
}

static void check_snapshot(struct store *store)
{
	struct store *snapshot = NULL;
	uint64_t revision = 0;
	struct sum first;
	struct sum second;

	CU_ASSERT_EQUAL_FATAL(
		store_snapshot(store, view_of(""), &snapshot, &revision),
		ERR_OK);
	first = sum_of(snapshot, revision);
	CU_ASSERT_EQUAL(first.total, 0);
	CU_ASSERT_EQUAL(first.accounts, ACCOUNTS);
	clock_sleep_ms(30);
	second = sum_of(snapshot, revision);
	CU_ASSERT_EQUAL(second.digest, first.digest);
	CU_ASSERT_EQUAL(second.others, first.others);
	CU_ASSERT_EQUAL(store_close(snapshot), ERR_OK);
}

static void snapshots_are_whole_while_others_write(void)
{
	struct store *store = contract_open();
	pid_t pids[WRITERS + 1];

	stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(stop != MAP_FAILED);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		put_number(store, i, 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pids[i] = start(store, i, write_on);
	pids[WRITERS] = start(store, WRITERS, keep_house);
	for (int i = 0; i < 25; i++)
		check_snapshot(store);
	atomic_store(stop, true);
	for (unsigned i = 0; i <= WRITERS; i++) {
		int status = 1;

		CU_ASSERT_EQUAL(waitpid(pids[i], &status, 0), pids[i]);
		CU_ASSERT_EQUAL(status, 0);
	}
	CU_ASSERT_EQUAL(count_snapshots(), 0);
	contract_close(store);
	munmap(stop, sizeof(*stop));
}

static void what_is_not_yet_synced_is_in_no_snapshot(void)
{
	struct store *store = contract_open();
	struct store_op ops[] = { op_put(view_of("changed"), view_of("new")),
				  op_put(view_of("made"), view_of("new")),
				  op_delete(view_of("dropped")) };
	struct store_batch batch = { .ops = ops, .op_count = 3 };
	struct store *snapshot = NULL;
	uint64_t revision = 0;
	uint64_t ticket = 0;

	contract_put(store, "changed", "old");
	contract_put(store, "dropped", "old");
	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(
		store_snapshot(store, view_of(""), &snapshot, &revision),
		ERR_OK);
	CU_ASSERT_EQUAL(revision, 2);
	/* Nor is it once it has been synced. */
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(sum_of(snapshot, revision).others, 2);
		CU_ASSERT_STRING_EQUAL(contract_value(snapshot, "changed"),
				       "old");
		CU_ASSERT_STRING_EQUAL(contract_value(snapshot, "dropped"),
				       "old");
		CU_ASSERT(contract_absent(snapshot, "made"));
		CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	}
	CU_ASSERT_EQUAL(store_close(snapshot), ERR_OK);
	contract_close(store);
}

static void leave_a_snapshot(struct store *store)
{
	struct store *snapshot;
	uint64_t revision;

	for (int i = 0; i < 2; i++)
		if (store_snapshot(store, view_of(""), &snapshot, &revision))
			_exit(1);
}

static void what_a_dead_process_left_is_removed(void)
{
	struct store *store = contract_open();

	for (unsigned i = 0; i < ACCOUNTS; i++)
		put_number(store, i, 0);
	for (unsigned slot = 3; slot < 5; slot++) {
		pid_t pid = start(store, slot, leave_a_snapshot);
		int status = 1;

		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		CU_ASSERT_EQUAL(status, 0);
	}
	CU_ASSERT_EQUAL(count_snapshots(), 4);
	store_reap(store, 3);
	CU_ASSERT_EQUAL(count_snapshots(), 2);
	contract_close(store);
	store = contract_open();
	CU_ASSERT_EQUAL(count_snapshots(), 0);
	contract_close(store);
}

static void a_snapshot_that_fails_leaves_nothing(void)
{
	static const enum fault faults[] = { FAULT_MEMORY, FAULT_WRITE };
	struct store *store = contract_open();

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		put_number(store, i, 0);
		if (i == ACCOUNTS / 2)
			CU_ASSERT_EQUAL(store_housekeep(store, 20), ERR_OK);
	}
	for (size_t f = 0; f < HARNESS_COUNT(faults); f++) {
		for (unsigned n = 1; fault_available(faults[f]); n++) {
			struct store *snapshot = NULL;
			uint64_t revision;
			bool failed;
			enum err err;

			fault_arm(faults[f], n,
				  faults[f] == FAULT_MEMORY ? 0 : 28);
			err = store_snapshot(store, view_of("account"),
					     &snapshot, &revision);
			failed = fault_disarm();
			CU_ASSERT_EQUAL(err != ERR_OK, failed);
			CU_ASSERT_EQUAL(snapshot != NULL, !failed);
			if (snapshot)
				CU_ASSERT_EQUAL(store_close(snapshot), ERR_OK);
			CU_ASSERT_EQUAL(count_snapshots(), 0);
			if (!failed)
				break;
		}
	}
	contract_close(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(snapshots_are_whole_while_others_write),
	HARNESS_TEST(what_is_not_yet_synced_is_in_no_snapshot),
	HARNESS_TEST(what_a_dead_process_left_is_removed),
	HARNESS_TEST(a_snapshot_that_fails_leaves_nothing),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/snapshot", tests, HARNESS_COUNT(tests));
}
