/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every call that the store makes fails once, or is the last one (strike.h),
 * in each phase of a store's life: start, recovery, commits, checkpoint,
 * close.  Calls that GDBM makes count too.  Afterwards the store has to hold
 * what was acknowledged (acked.h).
 */
#include <unistd.h>

#include "base/log.h"
#include "harness.h"
#include "torture/acked.h"
#include "torture/strike.h"

static void commits(struct store *store)
{
	acked_commit(store, 1, 1, 100);
	acked_commit(store, 2, 1, 0);
	acked_commit(store, 10, 12, 200);
	acked_delete_prefix(store);
	acked_transact(store, 13, 250);
	acked_commit(store, 3, 1, 300);
	acked_commit(store, 20, 5, 0);
}

/* What the phases find: tables, and a journal that a crash left. */
static void prepare(void)
{
	struct store *store = acked_open();

	acked_commit(store, 0, ACKED_KEYS, 1);
	if (store_housekeep(store, 0))
		_exit(1);
	acked_commit(store, 5, 20, 60);
	acked_commit(store, 30, 1, 0);
	_exit(acked->in_flight || acked->revision != 3);
}

/* What the child would do after each phase, once it has come so far. */
static void live_on(struct store *store)
{
	acked_commit(store, 40, 3, 400);
	_exit(0);
}

static void start(void)
{
	struct store *store;
	enum err err;

	strike_arm();
	err = store_open(&acked->conf, &store);
	strike_disarm();
	if (err)
		_exit(0);
	commits(store);
	store_housekeep(store, 0);
	live_on(store);
}

static void commit_struck(void)
{
	struct store *store = acked_open();

	strike_arm();
	commits(store);
	strike_disarm();
	store_housekeep(store, 0);
	live_on(store);
}

static void checkpoint(void)
{
	struct store *store = acked_open();

	commits(store);
	strike_arm();
	store_housekeep(store, 0);
	strike_disarm();
	live_on(store);
}

static void close_struck(void)
{
	struct store *store = acked_open();

	commits(store);
	store_housekeep(store, 0);
	acked_commit(store, 40, 3, 400);
	strike_arm();
	store_close(store);
	strike_disarm();
	_exit(0);
}

static const struct strike_phase checkpoint_phase = {
	.name = "checkpoint",
	.begin = acked_begin,
	.prepare = prepare,
	.live = checkpoint,
	.wrong = acked_wrong,
};

static void a_start_survives_every_fault(void)
{
	strike_walk(&(struct strike_phase){ .name = "start",
					    .begin = acked_begin,
					    .live = start,
					    .wrong = acked_wrong });
}

static void a_recovery_survives_every_fault(void)
{
	strike_walk(&(struct strike_phase){ .name = "recovery",
					    .begin = acked_begin,
					    .prepare = prepare,
					    .live = start,
					    .wrong = acked_wrong });
}

static void commits_survive_every_fault(void)
{
	strike_walk(&(struct strike_phase){ .name = "commits",
					    .begin = acked_begin,
					    .prepare = prepare,
					    .live = commit_struck,
					    .wrong = acked_wrong });
}

static void a_checkpoint_survives_every_fault(void)
{
	strike_walk(&checkpoint_phase);
}

/* Around the change from one MANIFEST to the next, in make check too. */
static void the_end_of_a_checkpoint_survives_every_fault(void)
{
	strike_end(&checkpoint_phase);
}

static void a_close_survives_every_fault(void)
{
	strike_walk(&(struct strike_phase){ .name = "close",
					    .begin = acked_begin,
					    .prepare = prepare,
					    .live = close_struck,
					    .wrong = acked_wrong });
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_start_survives_every_fault),
	HARNESS_TEST(a_recovery_survives_every_fault),
	HARNESS_TEST(commits_survive_every_fault),
	HARNESS_TEST(a_checkpoint_survives_every_fault),
	HARNESS_TEST(the_end_of_a_checkpoint_survives_every_fault),
	HARNESS_TEST(a_close_survives_every_fault),
};

int main(void)
{
	if (!acked_share() || !strike_share())
		return 1;
	log_setup(LOG_ERROR, "");
	return harness_run("torture/faults", tests, HARNESS_COUNT(tests));
}
