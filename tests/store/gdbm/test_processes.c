/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many processes on one store: compare-and-set that adds up, and processes
 * killed at any moment, with nothing lost that was acknowledged.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "harness.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/small.h"

#define WRITERS     4
#define COUNTERS    3
#define INCREMENTS  300
#define KILLS       120
#define HOUSEKEEPER WRITERS
#define READER      (WRITERS + 1)
#define CHILDREN    (WRITERS + 2)
#define ACCOUNTS    8

/* What children tell their parent. */
struct board {
	_Atomic uint64_t acknowledged[CHILDREN];
	_Atomic bool wrong;
	_Atomic bool stop;
};

static struct board *board;
static struct marks marks;

static void settings(struct store_conf *conf)
{
	small_limits(conf);
	conf->marks = &marks;
	conf->checkpoint_idle_ms = 20;
	conf->lock_timeout_ms = 10000;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = settings };

static void board_new(void)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(board != MAP_FAILED);
}

static void board_free(void)
{
	munmap(board, sizeof(*board));
}

static pid_t start(struct store *store, unsigned slot,
		   void (*work)(struct store *store, unsigned slot))
{
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid)
		return pid;
	if (store_attach(store, slot))
		_exit(1);
	work(store, slot);
	_exit(0);
}

static void keep_house(struct store *store, unsigned slot)
{
	(void)slot;
	while (!atomic_load(&board->stop))
		store_housekeep(store, 20);
}

static void wrong(const char *what, enum err err)
{
	fprintf(stderr, "pid %d: %s: %s\n", getpid(), what, err_string(err));
	atomic_store(&board->wrong, true);
}

static uint64_t number_at(struct store *store, const char *key,
			  uint64_t *revision)
{
	struct buf hold = BUF_EMPTY;
	struct record record;
	uint64_t number = 0;
	enum err err = store_get(store, view_of(key), &hold, &record, NULL);

	*revision = err ? 0 : record.revision;
	if (!err)
		view_to_uint64(record.value, UINT64_MAX, &number);
	else if (err != ERR_NOT_FOUND)
		wrong("get", err);
	buf_release(&hold);
	return number;
}

/* Put a number where the key still has that revision, and sync. */
static enum err put_number(struct store *store, const char *key,
			   uint64_t number, uint64_t revision)
{
	char text[24];
	struct store_op op;
	struct store_condition condition = {
		.key = view_of(key),
		.test = revision ? STORE_REVISION_IN : STORE_ABSENT,
		.revisions = &revision,
		.revision_count = 1,
	};
	struct store_batch batch = { .conditions = &condition,
				     .condition_count = 1,
				     .ops = &op,
				     .op_count = 1 };
	uint64_t ticket = 0;
	enum err err;
	enum err sync_err;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	op = op_put(view_of(key), view_of(text));
	err = store_commit(store, &batch, &ticket);
	sync_err = store_sync(store, ticket);
	return err ? err : sync_err;
}

static void increment(struct store *store, const char *key)
{
	enum err err;

	do {
		uint64_t revision;
		uint64_t number = number_at(store, key, &revision);

		err = put_number(store, key, number + 1, revision);
		if (err && err != ERR_CONDITION)
			wrong("increment", err);
	} while (err == ERR_CONDITION);
}

static void increment_all(struct store *store, unsigned slot)
{
	char key[32];

	for (int i = 0; i < INCREMENTS; i++) {
		snprintf(key, sizeof(key), "counter %u",
			 (slot + (unsigned)i) % COUNTERS);
		increment(store, key);
	}
}

static void stop_child(pid_t pid)
{
	int status = 0;

	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static void increments_of_many_processes_add_up(void)
{
	struct store *store = contract_open();
	pid_t pids[WRITERS];
	pid_t housekeeper;
	uint64_t sum = 0;
	uint64_t revision;
	char key[32];

	board_new();
	housekeeper = start(store, HOUSEKEEPER, keep_house);
	for (unsigned i = 0; i < WRITERS; i++)
		pids[i] = start(store, i, increment_all);
	for (unsigned i = 0; i < WRITERS; i++)
		stop_child(pids[i]);
	atomic_store(&board->stop, true);
	stop_child(housekeeper);
	CU_ASSERT(!atomic_load(&board->wrong));
	for (int i = 0; i < COUNTERS; i++) {
		snprintf(key, sizeof(key), "counter %d", i);
		sum += number_at(store, key, &revision);
	}
	CU_ASSERT_EQUAL(sum, WRITERS * INCREMENTS);
	CU_ASSERT_EQUAL(contract_revision(store), WRITERS * INCREMENTS);
	contract_close(store);
	board_free();
}

static const char *const sides[] = { "left", "right" };

/*
 * Put what revision the other side has, on the condition that it has it.  Who
 * is told of another one begins anew with that.
 */
static void name_the_other_side(struct store *store, unsigned slot)
{
	uint64_t seen = 0;

	for (int i = 0; i < INCREMENTS;) {
		char text[24];
		struct store_condition condition = {
			.key = view_of(sides[1 - slot % 2]),
			.test = seen ? STORE_REVISION_IN : STORE_ABSENT,
			.revisions = &seen,
			.revision_count = 1,
		};
		struct store_op op;
		struct store_batch batch = { .conditions = &condition,
					     .condition_count = 1,
					     .ops = &op,
					     .op_count = 1 };
		uint64_t ticket = 0;
		enum err err;

		snprintf(text, sizeof(text), "%llu", (unsigned long long)seen);
		op = op_put(view_of(sides[slot % 2]), view_of(text));
		err = store_commit(store, &batch, &ticket);
		if (err && err != ERR_CONDITION)
			wrong("name the other side", err);
		i += !err;
		seen = condition.current;
	}
}

struct named {
	uint64_t newest[2];
	unsigned count;
	unsigned wrong;
};

static bool check_name(void *arg, const struct store_change *change)
{
	struct named *named = arg;
	size_t side = view_equal_string(change->key, sides[1]);
	uint64_t seen = UINT64_MAX;

	view_to_uint64(change->record.value, UINT64_MAX, &seen);
	named->wrong += seen != named->newest[1 - side];
	named->newest[side] = change->revision;
	named->count++;
	return true;
}

/* A condition holds at the very revision of what it allows. */
static void what_a_condition_is_about_does_not_change_meanwhile(void)
{
	struct store *store = contract_open();
	struct named named = { .count = 0 };
	pid_t pids[WRITERS];
	pid_t housekeeper;
	uint64_t next;
	uint64_t oldest;

	board_new();
	housekeeper = start(store, HOUSEKEEPER, keep_house);
	for (unsigned i = 0; i < WRITERS; i++)
		pids[i] = start(store, i, name_the_other_side);
	for (unsigned i = 0; i < WRITERS; i++)
		stop_child(pids[i]);
	atomic_store(&board->stop, true);
	stop_child(housekeeper);
	CU_ASSERT(!atomic_load(&board->wrong));
	CU_ASSERT_EQUAL(store_sync(store, WRITERS * INCREMENTS), ERR_OK);
	CU_ASSERT_EQUAL(
		store_changes(store, 0, check_name, &named, &next, &oldest),
		ERR_OK);
	CU_ASSERT_EQUAL(named.count, WRITERS * INCREMENTS);
	CU_ASSERT_EQUAL(named.wrong, 0);
	contract_close(store);
	board_free();
}

/* ++ inside the lock, without a loop. */
static enum err add_one(void *arg, struct store_op *op,
			const struct record *found)
{
	char *text = arg;
	uint64_t number = 0;

	if (found)
		view_to_uint64(found->value, UINT64_MAX, &number);
	snprintf(text, 24, "%llu", (unsigned long long)number + 1);
	op->value = view_of(text);
	return ERR_OK;
}

static void add_all(struct store *store, unsigned slot)
{
	char text[24];
	char key[32];

	for (unsigned i = 0; i < INCREMENTS; i++) {
		struct store_op op = { .decide = add_one, .decide_arg = text };
		struct store_batch batch = { .ops = &op, .op_count = 1 };
		uint64_t ticket = 0;
		enum err err;

		snprintf(key, sizeof(key), "counter %u", (slot + i) % COUNTERS);
		op.key = view_of(key);
		err = store_commit(store, &batch, &ticket);
		if (!err && i % 16 == 0)
			err = store_sync(store, ticket);
		if (err)
			wrong("add", err);
	}
}

static void many_processes_add(struct store *store)
{
	pid_t pids[WRITERS];
	pid_t housekeeper = start(store, HOUSEKEEPER, keep_house);

	for (unsigned i = 0; i < WRITERS; i++)
		pids[i] = start(store, i, add_all);
	for (unsigned i = 0; i < WRITERS; i++)
		stop_child(pids[i]);
	atomic_store(&board->stop, true);
	stop_child(housekeeper);
}

static void what_hooks_of_many_processes_add_adds_up(void)
{
	struct store *store = contract_open();
	uint64_t sum = 0;
	uint64_t revision;
	char key[32];

	board_new();
	many_processes_add(store);
	contract_put(store, "last", "");
	CU_ASSERT(!atomic_load(&board->wrong));
	for (int i = 0; i < COUNTERS; i++) {
		snprintf(key, sizeof(key), "counter %d", i);
		sum += number_at(store, key, &revision);
	}
	CU_ASSERT_EQUAL(sum, WRITERS * INCREMENTS);
	CU_ASSERT_EQUAL(contract_revision(store), WRITERS * INCREMENTS + 1);
	contract_close(store);
	board_free();
}

/* What one operation of a transfer, or of a look at all accounts, knows. */
struct account {
	char key[16];
	char text[24];
	uint64_t balance;
	uint64_t change; /* modulo 2^64 */
};

static enum err transfer(void *arg, struct store_op *op,
			 const struct record *found)
{
	struct account *account = arg;

	account->balance = 0;
	if (found)
		view_to_uint64(found->value, UINT64_MAX, &account->balance);
	if (op->verb == STORE_GET)
		return ERR_OK;
	snprintf(account->text, sizeof(account->text), "%llu",
		 (unsigned long long)(account->balance + account->change));
	op->value = view_of(account->text);
	return ERR_OK;
}

static struct store_op account_op(struct account *account, enum store_verb verb,
				  unsigned number, uint64_t change)
{
	*account = (struct account){ .change = change };
	snprintf(account->key, sizeof(account->key), "account %u", number);
	return (struct store_op){ .verb = verb,
				  .key = view_of(account->key),
				  .decide = transfer,
				  .decide_arg = account };
}

/* Unsigned, so that a debt wraps, and the sum is right all the same. */
static void transfer_on(struct store *store, unsigned slot)
{
	while (!atomic_load(&board->stop)) {
		unsigned from = (unsigned)(random_uint64() % ACCOUNTS);
		unsigned to = (unsigned)(random_uint64() % ACCOUNTS);
		uint64_t amount = random_uint64() % 100;
		struct account accounts[2];
		struct store_op ops[] = {
			account_op(&accounts[0], STORE_PUT, from, -amount),
			account_op(&accounts[1], STORE_PUT, to, amount),
		};
		struct store_batch batch = { .ops = ops, .op_count = 2 };
		uint64_t ticket = 0;
		enum err err = store_commit(store, &batch, &ticket);

		if (!err)
			err = store_sync(store, ticket);
		if (err && err != ERR_BUSY)
			wrong("transfer", err);
		atomic_fetch_add(&board->acknowledged[slot], 1);
	}
}

/* The sum is what it was, in a batch of gets and at rising revisions. */
static void audit_on(struct store *store, unsigned slot)
{
	uint64_t newest = 0;

	while (!atomic_load(&board->stop)) {
		struct account accounts[ACCOUNTS];
		struct store_op ops[ACCOUNTS];
		struct store_batch batch = { .ops = ops, .op_count = ACCOUNTS };
		uint64_t ticket = 0;
		uint64_t sum = 0;
		enum err err;

		for (unsigned i = 0; i < ACCOUNTS; i++)
			ops[i] = account_op(&accounts[i], STORE_GET, i, 0);
		err = store_commit(store, &batch, &ticket);
		if (err || batch.revision)
			wrong("audit", err);
		for (unsigned i = 0; i < ACCOUNTS; i++)
			sum += accounts[i].balance;
		if (sum != 0)
			wrong("the sum differs", ERR_OK);
		if (batch.read_revision < newest)
			wrong("the revision fell", ERR_OK);
		newest = batch.read_revision;
		atomic_fetch_add(&board->acknowledged[slot], 1);
	}
}

static pid_t start_banker(struct store *store, unsigned slot)
{
	if (slot == HOUSEKEEPER)
		return start(store, slot, keep_house);
	return start(store, slot, slot < WRITERS - 1 ? transfer_on : audit_on);
}

/* Bankers are killed and replaced all the while. */
static void transfers_keep_their_sum(void)
{
	struct store *store = contract_open();
	pid_t pids[CHILDREN];

	board_new();
	for (unsigned slot = 0; slot < CHILDREN; slot++)
		pids[slot] = start_banker(store, slot);
	for (int i = 0; i < KILLS / 4; i++) {
		unsigned slot = (unsigned)(random_uint64() % CHILDREN);

		clock_sleep_ms((long)(random_uint64() % 40));
		kill(pids[slot], SIGKILL);
		CU_ASSERT_EQUAL(waitpid(pids[slot], NULL, 0), pids[slot]);
		store_reap(store, slot);
		pids[slot] = start_banker(store, slot);
	}
	atomic_store(&board->stop, true);
	for (unsigned slot = 0; slot < CHILDREN; slot++)
		stop_child(pids[slot]);
	CU_ASSERT(!atomic_load(&board->wrong));
	CU_ASSERT(atomic_load(&board->acknowledged[0]) > 0);
	CU_ASSERT(atomic_load(&board->acknowledged[READER]) > 0);
	contract_close(store);
	board_free();
}

static void own_key(char key[32], unsigned slot, uint64_t number)
{
	snprintf(key, 32, "writer %u key %u", slot,
		 (unsigned)(number * 7919 % 64));
}

/*
 * Numbers that rise, each told on the board once it is acknowledged.  A
 * writer that follows a killed one begins after the one in doubt.
 */
static void write_on(struct store *store, unsigned slot)
{
	uint64_t number = atomic_load(&board->acknowledged[slot]) + 1;
	char key[32];

	for (;;) {
		struct store_op op;
		struct store_batch batch = { .ops = &op, .op_count = 1 };
		char text[24];
		uint64_t ticket = 0;
		enum err err;

		number++;
		own_key(key, slot, number);
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)number);
		op = op_put(view_of(key), view_of(text));
		err = store_commit(store, &batch, &ticket);
		if (!err)
			err = store_sync(store, ticket);
		if (err && err != ERR_BUSY)
			wrong("write", err);
		if (!err)
			atomic_store(&board->acknowledged[slot], number);
		if (atomic_load(&board->stop))
			return;
	}
}

static bool pass_by(void *arg, struct view key, const struct record *record)
{
	(void)arg;
	(void)key;
	return record->revision > 0;
}

/* What was acknowledged can be read by anyone, and revisions only rise. */
static void read_on(struct store *store, unsigned slot)
{
	uint64_t newest = 0;
	char key[32];

	while (!atomic_load(&board->stop)) {
		unsigned writer = (unsigned)(random_uint64() % WRITERS);
		uint64_t number = atomic_load(&board->acknowledged[writer]);
		uint64_t revision;

		if (number == 0)
			continue;
		own_key(key, writer, number);
		if (number_at(store, key, &revision) < number)
			wrong("an acknowledged number is not there", ERR_OK);
		if (store_list(store, &(struct store_range){ 0 }, pass_by, NULL,
			       &revision))
			wrong("list", ERR_OK);
		if (revision < newest)
			wrong("the revision fell", ERR_OK);
		newest = revision;
		atomic_fetch_add(&board->acknowledged[slot], 1);
	}
}

static pid_t start_child(struct store *store, unsigned slot)
{
	if (slot == HOUSEKEEPER)
		return start(store, slot, keep_house);
	return start(store, slot, slot == READER ? read_on : write_on);
}

static void kill_one(struct store *store, pid_t pids[CHILDREN])
{
	unsigned slot = (unsigned)(random_uint64() % CHILDREN);

	kill(pids[slot], SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pids[slot], NULL, 0), pids[slot]);
	store_reap(store, slot);
	pids[slot] = start_child(store, slot);
}

static void check_acknowledged(struct store *store)
{
	char key[32];
	uint64_t revision;

	for (unsigned slot = 0; slot < WRITERS; slot++) {
		uint64_t last = atomic_load(&board->acknowledged[slot]);

		CU_ASSERT(last > 0);
		own_key(key, slot, last);
		CU_ASSERT(number_at(store, key, &revision) >= last);
	}
}

/*
 * The parent is the supervisor: it is "killed" too, by leaving the store
 * without closing it.
 */
static void storm(void)
{
	struct store *store = contract_open();
	pid_t pids[CHILDREN];

	for (unsigned slot = 0; slot < CHILDREN; slot++)
		pids[slot] = start_child(store, slot);
	for (int i = 0; i < KILLS; i++) {
		clock_sleep_ms((long)(random_uint64() % 15));
		kill_one(store, pids);
	}
	for (unsigned slot = 0; slot < CHILDREN; slot++) {
		kill(pids[slot], SIGKILL);
		waitpid(pids[slot], NULL, 0);
	}
	_exit(0);
}

static void killed_processes_lose_nothing_acknowledged(void)
{
	const char *dir = harness_tmpdir(); /* the child's too */
	int status = 0;
	pid_t pid;

	board_new();
	pid = fork();
	CU_ASSERT_FATAL(dir && pid >= 0);
	if (pid == 0)
		storm();
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT(!atomic_load(&board->wrong));
	CU_ASSERT(atomic_load(&board->acknowledged[READER]) > 0);
	for (int i = 0; i < 2; i++) {
		struct store *store = contract_open();

		check_acknowledged(store);
		contract_close(store);
	}
	board_free();
}

/*
 * Take every lock that a put takes, write the frame, move the tail, and die:
 * nothing is indexed, and nobody but the locks' next holders can know.
 */
static void die_before_indexing(struct store *store, unsigned slot)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t number = atomic_load(&g->shared->segment);
	struct segment *segment = shared_segment(g->shared, number);
	struct timespec deadline = engine_lock_deadline(g);
	struct record record = { .revision = 2, .value = view_of("7") };
	struct journal_frame frame = { .kind = JOURNAL_COMMIT,
				       .op_count = 1,
				       .revision = 2,
				       .durable = 1,
				       .position =
					       atomic_load(&segment->tail) };
	bool died = false;
	const struct segment_file *file;

	(void)slot;
	for (int i = 0; i < SHARED_STRIPES; i++)
		lock_take(&g->shared->stripes[i], &deadline, &died);
	lock_take(&g->shared->journal, &deadline, &died);
	journal_build_begin(&g->frame);
	journal_build_op(&g->frame, STORE_PUT, view_of("key"), &record);
	journal_build_end(&g->frame, &segment->head, &frame);
	if (engine_segment_file(g, number, &file) ||
	    pwrite(file->fd, g->frame.data, g->frame.size,
		   (off_t)frame.position) != (ssize_t)g->frame.size)
		_exit(1);
	atomic_store(&segment->tail, frame.position + g->frame.size);
	_exit(0);
}

static struct store *store_with_a_hidden_frame(void)
{
	struct store *store = contract_open();

	contract_put(store, "key", "6");
	stop_child(start(store, 1, die_before_indexing));
	store_reap(store, 1);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "6");
	return store;
}

static void what_a_dead_writer_did_not_index_is_indexed(void)
{
	struct store *store = store_with_a_hidden_frame();

	CU_ASSERT_EQUAL(contract_put(store, "other", "value"), 3);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "7");
	contract_close(store);
	store = contract_open();
	CU_ASSERT_EQUAL(contract_revision(store), 3);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "7");
	contract_close(store);
}

static enum err put(struct store *store, const char *key)
{
	struct store_op op = op_put(view_of(key), view_of("value"));
	uint64_t revision;
	struct store_batch batch = { .ops = &op, .op_count = 1 };

	return store_commit(store, &batch, &revision);
}

/* The repair begins again where it was. */
static void who_can_not_open_the_segment_leaves_the_repair_to_others(void)
{
	struct store *store = store_with_a_hidden_frame();
	struct rlimit limit;
	struct rlimit none = { 0 };

	engine_close_files((struct gdbm_store *)store);
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	CU_ASSERT_EQUAL(put(store, "other"), ERR_NO_MEMORY);
	CU_ASSERT_EQUAL(put(store, "other"), ERR_NO_MEMORY);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CU_ASSERT_EQUAL(contract_put(store, "other", "value"), 3);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "7");
	contract_close(store);
}

static void a_frame_that_can_not_be_repaired_stops_writes(void)
{
	struct store *store = store_with_a_hidden_frame();
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t number = atomic_load(&g->shared->segment);
	struct segment *segment = shared_segment(g->shared, number);
	const struct segment_file *file;

	CU_ASSERT_EQUAL(engine_segment_file(g, number, &file), ERR_OK);
	CU_ASSERT_EQUAL(pwrite(file->fd, "?", 1,
			       (off_t)atomic_load(&segment->tail) - 16),
			1);
	CU_ASSERT_EQUAL(put(store, "other"), ERR_DAMAGED);
	CU_ASSERT_EQUAL(put(store, "other"), ERR_STOPPED);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "6");
	contract_close(store);
}

/* The mark is raised once it is indexed; readable it is only with a sync. */
static void the_change_of_a_dead_writer_is_marked_before_it_is_seen(void)
{
	uint32_t place = marks_place(view_of("key"));
	struct timespec deadline;
	struct gdbm_store *g;
	struct store *store;
	uint64_t revision;

	memset(&marks, 0, sizeof(marks));
	store = store_with_a_hidden_frame();
	g = (struct gdbm_store *)store;
	CU_ASSERT_TRUE(marks_agree(&marks, place, 1));
	deadline = engine_lock_deadline(g);
	CU_ASSERT_EQUAL(append_repair(g, &deadline), ERR_OK);
	CU_ASSERT_FALSE(marks_agree(&marks, place, 1));
	CU_ASSERT_TRUE(marks_agree(&marks, place, 2));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "6");
	CU_ASSERT_EQUAL(store_sync(store, 2), ERR_OK);
	CU_ASSERT_EQUAL(number_at(store, "key", &revision), 7);
	CU_ASSERT_TRUE(marks_agree(&marks, place, revision));
	contract_close(store);
}

/* A store that was left by all, with frames that are in no table. */
static void put_and_leave(void)
{
	struct store *store = contract_open();

	contract_put(store, "key", "1");
	contract_put(store, "stays", "1");
	contract_put(store, "key", "2");
}

static void what_recovery_finds_is_true_when_it_is_read(void)
{
	struct store *store;
	pid_t pid;

	harness_tmpdir(); /* the same for both */
	pid = fork();
	if (pid == 0) {
		put_and_leave();
		_exit(0);
	}
	stop_child(pid);
	memset(&marks, 0, sizeof(marks));
	store = contract_open();
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "2");
	CU_ASSERT_EQUAL(contract_revision(store), 3);
	CU_ASSERT_TRUE(marks_agree(&marks, marks_place(view_of("key")), 3));
	CU_ASSERT_TRUE(marks_agree(&marks, marks_place(view_of("stays")), 3));
	contract_put(store, "key", "3");
	CU_ASSERT_FALSE(marks_agree(&marks, marks_place(view_of("key")), 3));
	CU_ASSERT_TRUE(marks_agree(&marks, marks_place(view_of("stays")), 3));
	contract_close(store);
}

/* To test revision 1 against what is really 2 would lose the dead one's. */
static void a_condition_sees_what_a_dead_writer_wrote(void)
{
	struct store *store = store_with_a_hidden_frame();
	uint64_t revision;

	CU_ASSERT_EQUAL(put_number(store, "key", 8, 1), ERR_CONDITION);
	CU_ASSERT_EQUAL(number_at(store, "key", &revision), 7);
	CU_ASSERT_EQUAL(revision, 2);
	CU_ASSERT_EQUAL(put_number(store, "key", 8, 2), ERR_OK);
	contract_close(store);
}

static void hold_the_journal(struct store *store, unsigned slot)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	struct timespec deadline = engine_lock_deadline(g);
	bool died = false;

	(void)slot;
	lock_take(&g->shared->journal, &deadline, &died);
	atomic_store(&board->stop, true);
	pause();
}

static void a_stopped_holder_makes_others_busy_and_not_hang(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	pid_t pid;

	board_new();
	contract_put(store, "key", "1");
	pid = start(store, 1, hold_the_journal);
	while (!atomic_load(&board->stop))
		clock_sleep_ms(1);
	g->conf.lock_timeout_ms = 50;
	CU_ASSERT_EQUAL(put_number(store, "key", 2, 1), ERR_BUSY);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "1");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CU_ASSERT_EQUAL(put_number(store, "key", 2, 1), ERR_OK);
	contract_close(store);
	board_free();
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_a_dead_writer_did_not_index_is_indexed),
	HARNESS_TEST(who_can_not_open_the_segment_leaves_the_repair_to_others),
	HARNESS_TEST(a_frame_that_can_not_be_repaired_stops_writes),
	HARNESS_TEST(the_change_of_a_dead_writer_is_marked_before_it_is_seen),
	HARNESS_TEST(what_recovery_finds_is_true_when_it_is_read),
	HARNESS_TEST(a_condition_sees_what_a_dead_writer_wrote),
	HARNESS_TEST(a_stopped_holder_makes_others_busy_and_not_hang),
	HARNESS_TEST(what_hooks_of_many_processes_add_adds_up),
	HARNESS_TEST(transfers_keep_their_sum),
	HARNESS_TEST(increments_of_many_processes_add_up),
	HARNESS_TEST(what_a_condition_is_about_does_not_change_meanwhile),
	HARNESS_TEST(killed_processes_lose_nothing_acknowledged),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/processes", tests, HARNESS_COUNT(tests));
}
