/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Power cuts without a plug: a child lives with a store, by the dice, while
 * all that it does to its files is recorded (trace.h).  Then, at many places
 * of that record, the disk is what a power cut may have left (disk.h): sectors
 * torn, reordered and lost as far as nothing was synced, names likewise.  From
 * each of these the store has to recover to what was acknowledged at that
 * place or a little more, with no gap and no part of a batch (ledger.h).
 *
 * One of the cuts becomes the start of the next life, so that recovery, too,
 * is cut, and what was discarded once is looked for again.
 *
 * LIBRAPI_TORTURE=1 makes thousands; LIBRAPI_SEED=N repeats the choices (the
 * nonces of journal segments stay random).
 */
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/log.h"
#include "harness.h"
#include "torture/disk.h"
#include "torture/ledger.h"

#define KEYS      48
#define LIVES     6  /* in the row, of one store */
#define CUTS      12 /* in each of them */
#define ROUNDS    24
#define STORES    5
#define TORTURED  70 /* stores in the long form */
#define ROUND_MAX 6  /* commits that one sync makes durable */

static struct {
	struct trace *trace;
	struct ledger *ledger;
	struct dice dice;
	unsigned cuts;
} torture;

static struct store_conf conf(const char *name)
{
	return (struct store_conf){
		.engine = "gdbm",
		.data_dir = harness_path(name),
		.value_max_bytes = 4096,
		.lock_timeout_ms = 2000,
		.journal_segment_bytes = 32768,
		.journal_max_bytes = 262144,
		.memtable_bytes = 65536,
		.table_max_keys = 8,
		.table_max_bytes = 1 << 20,
		.checkpoint_idle_ms = 0,
		.expiry_interval_ms = 0,
		.history_bytes = 65536,
		.wall_ms = ledger_clock_ms,
	};
}

static void mark(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	ledger_ack(torture.ledger, stats.revision);
	trace_mark(atomic_load(&torture.ledger->acked),
		   stats.revision > torture.ledger->last
			   ? stats.revision
			   : torture.ledger->last);
}

/* Commits that wait for one sync, which may not come. */
static void live_a_round(struct store *store, struct dice *dice)
{
	uint64_t commits = 1 + dice_roll(dice, ROUND_MAX);
	uint64_t ticket = 0;
	uint64_t revision;

	for (uint64_t i = 0; i < commits; i++) {
		if (ledger_commit(torture.ledger, store, dice, &revision,
				  &ticket))
			_exit(2);
		mark(store);
	}
	if (dice_roll(dice, 4) > 0) {
		if (store_sync(store, ticket))
			_exit(3);
		mark(store);
	}
	if (dice_roll(dice, 8) == 0) {
		if (store_housekeep(store, 0))
			_exit(4);
		mark(store);
	}
}

static void live(const struct store_conf *c)
{
	uint64_t acked = atomic_load(&torture.ledger->acked);
	struct dice dice = torture.dice;
	struct store_stats stats;
	struct store *store;
	const char *wrong;

	trace_begin(torture.trace, c->data_dir);
	trace_mark(acked, acked);
	ledger_start_clock(torture.ledger);
	if (store_open(c, &store))
		_exit(1);
	store_stats(store, &stats);
	ledger_stop_clock();
	wrong = stats.revision < acked ? "lost what was acknowledged"
				       : ledger_compare(torture.ledger, store);
	if (wrong) {
		printf("# %s\n", wrong);
		fflush(stdout);
		_exit(5);
	}
	ledger_start_clock(torture.ledger);
	ledger_rewind(torture.ledger, stats.revision);
	mark(store);
	for (int i = 0; i < ROUNDS; i++)
		live_a_round(store, &dice);
	if (dice_roll(&dice, 3) == 0)
		store_close(store);
	_exit(0);
}

/*
 * What the marks say of a cut just before operation `at`.  Behind the last one
 * the store is being closed, and may still let keys expire.
 */
static void bounds(size_t at, uint64_t *least, uint64_t *most)
{
	*least = torture.ledger->acked;
	*most = UINT64_MAX;
	for (size_t i = at; i > 0; i--) {
		const struct trace_op *op = trace_at(torture.trace, i - 1);

		*least = op->marks[0];
		if (op->kind == TRACE_MARK)
			break;
	}
	for (size_t i = at; i < trace_count(torture.trace); i++) {
		const struct trace_op *op = trace_at(torture.trace, i);

		if (op->kind == TRACE_MARK) {
			*most = op->marks[1];
			break;
		}
	}
}

static int in_child(void (*run)(void *arg), void *arg)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		run(arg);
		fflush(stdout);
		_exit(0);
	}
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	return status;
}

static void live_in_child(void *arg)
{
	live(arg);
}

struct cut {
	struct store_conf conf;
	uint64_t least;
	uint64_t most;
};

static void verify_in_child(void *arg)
{
	const struct cut *cut = arg;
	const char *wrong;

	ledger_start_clock(torture.ledger);
	ledger_stop_clock();
	wrong = ledger_verify(torture.ledger, &cut->conf, cut->least,
			      cut->most);
	if (wrong) {
		printf("# %s\n", wrong);
		fflush(stdout);
		_exit(1);
	}
}

/*
 * Somewhere after the first mark; every other time just before a sync, when
 * most is at stake, and every fourth time before one of the folder.
 */
static size_t draw_place(void)
{
	size_t count = trace_count(torture.trace);
	uint64_t which = dice_roll(&torture.dice, 4);
	size_t first = 0;
	size_t at;

	while (trace_at(torture.trace, first)->kind != TRACE_MARK)
		first++;
	at = first + 1 + dice_roll(&torture.dice, count - first);
	for (size_t i = at; which < 2 && i < count; i++) {
		enum trace_kind kind = trace_at(torture.trace, i)->kind;

		if (kind == TRACE_SYNC_FOLDER ||
		    (kind == TRACE_SYNC && which == 1))
			return i;
	}
	return at;
}

static void cut(const struct disk *disk, const char *name, struct cut *out)
{
	size_t at = draw_place();

	bounds(at, &out->least, &out->most);
	out->conf = conf(name);
	disk_cut(disk, torture.trace, at, &torture.dice, out->conf.data_dir);
}

/* The next life of the store begins where the last of the cuts left it. */
static bool live_and_cut(const char *name, unsigned *failed)
{
	struct store_conf c = conf(name);
	struct disk *disk = disk_read(c.data_dir);
	struct cut one;
	int status = in_child(live_in_child, &c);

	if (status)
		printf("# a life ended with status %d\n", status >> 8);
	CU_ASSERT_EQUAL(status, 0);
	for (int i = 0; status == 0 && i < CUTS; i++) {
		cut(disk, "cut", &one);
		torture.cuts++;
		if (in_child(verify_in_child, &one))
			++*failed;
	}
	if (status == 0) {
		cut(disk, name, &one);
		torture.cuts++;
		torture.ledger->acked = one.least;
	}
	disk_free(disk);
	return status == 0 && *failed == 0;
}

static void a_power_cut_takes_nothing_that_was_acknowledged(void)
{
	unsigned stores = getenv("LIBRAPI_TORTURE") ? TORTURED : STORES;
	uint64_t seed = dice_seed();
	unsigned failed = 0;

	CU_ASSERT_EQUAL_FATAL(mkdir(harness_path("cut"), 0750), 0);
	for (unsigned i = 0; i < stores && !failed; i++) {
		char name[16];

		snprintf(name, sizeof(name), "store-%u", i);
		torture.dice.state = seed + i;
		torture.ledger = ledger_new(-1, KEYS);
		CU_ASSERT_PTR_NOT_NULL_FATAL(torture.ledger);
		CU_ASSERT_EQUAL_FATAL(mkdir(harness_path(name), 0750), 0);
		for (int life = 0; life < LIVES; life++) {
			if (!live_and_cut(name, &failed))
				break;
		}
		ledger_free(torture.ledger);
	}
	printf("# %u simulated power cuts, %u failed, seed %ju\n", torture.cuts,
	       failed, (uintmax_t)seed);
	CU_ASSERT_EQUAL(failed, 0);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_power_cut_takes_nothing_that_was_acknowledged),
};

int main(void)
{
	/* In memory, when there is room: nothing here needs a disk. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	log_setup(LOG_ERROR, "");
	torture.trace = trace_new();
	return harness_run("torture/cuts", tests, HARNESS_COUNT(tests));
}
