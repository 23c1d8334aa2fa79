/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changes read from segments that come and go: from every revision on, past
 * checkpoints, while others write and are killed, and never what could still
 * be lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
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

#define REVISIONS   400
#define WRITERS     3
#define HOUSEKEEPER WRITERS
#define WATCHER     (WRITERS + 1)
#define KILLS       60
#define MANY        300 /* keys of one revision */

struct board {
	_Atomic uint64_t seen; /* revision, by the watcher */
	_Atomic bool wrong;
	_Atomic bool stop;
};

static struct board *board;
static bool large; /* is a segment, than what is read at once */

static void settings(struct store_conf *conf)
{
	small_limits(conf);
	if (large) {
		conf->journal_segment_bytes = 2 << 20;
		conf->journal_max_bytes = 8 << 20;
		conf->memtable_bytes = 1 << 20;
	}
	conf->value_max_bytes = 16384;
	conf->checkpoint_idle_ms = 20;
	conf->lock_timeout_ms = 10000;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = settings };

struct walk {
	uint64_t next; /* revision that has to come */
	uint64_t limit;
	bool same;
};

/* Revision R put "key R % 7" with R as its value. */
static bool check_change(void *arg, const struct store_change *change)
{
	struct walk *walk = arg;
	char key[32];
	uint64_t value = 0;

	snprintf(key, sizeof(key), "key %" PRIu64, walk->next % 7);
	view_to_uint64(change->record.value, UINT64_MAX, &value);
	if (change->revision != walk->next || value != walk->next ||
	    !change->last || !view_equal_string(change->key, key))
		walk->same = false;
	walk->next++;
	return walk->same && walk->next < walk->limit;
}

static void put_revisions(struct store *store, uint64_t from, uint64_t to)
{
	for (uint64_t r = from; r <= to; r++) {
		static char filler[3000];
		struct store_op ops[2];
		char key[32];
		char value[24];
		uint64_t revision;

		snprintf(key, sizeof(key), "key %" PRIu64, r % 7);
		snprintf(value, sizeof(value), "%" PRIu64, r);
		ops[0] = op_put(view_of(key), (struct view){ filler, 3000 });
		ops[1] = op_put(view_of(key), view_of(value));
		CU_ASSERT_EQUAL(contract_ops(store, ops, 2, &revision), ERR_OK);
		CU_ASSERT_EQUAL_FATAL(revision, r);
		if (random_uint64() % 40 == 0)
			CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
		/* Busy, when there are many segments already. */
		if (random_uint64() % 60 == 0)
			rotate_run((struct gdbm_store *)store);
	}
}

/* The changes after `since`, in pieces of up to `piece`. */
static bool walks(struct store *store, uint64_t since, uint64_t piece,
		  uint64_t last)
{
	struct walk walk = { .next = since + 1, .same = true };
	uint64_t oldest;
	uint64_t next = since;

	while (walk.same && next < last) {
		walk.limit = next + 1 + piece;
		if (store_changes(store, next, check_change, &walk, &next,
				  &oldest))
			return false;
		if (walk.next != next + 1)
			return false;
	}
	return walk.same && next == last;
}

static void every_since_shows_all_that_came_after(void)
{
	struct store *store = contract_open();

	put_revisions(store, 1, REVISIONS);
	for (uint64_t since = 0; since <= REVISIONS; since++)
		if (!walks(store, since, REVISIONS, REVISIONS))
			CU_FAIL_FATAL("a change is missing or wrong");
	contract_close(store);
	store = contract_open();
	put_revisions(store, REVISIONS + 1, REVISIONS + 50);
	for (int i = 0; i < 50; i++) {
		uint64_t since = random_uint64() % (REVISIONS + 50);

		CU_ASSERT_TRUE(walks(store, since, 1 + random_uint64() % 50,
				     REVISIONS + 50));
	}
	contract_close(store);
}

/* More readers than places are remembered, taking turns. */
static void many_readers_take_turns(void)
{
	enum { READERS = 3 * CHANGES_PLACES };
	struct store *store = contract_open();
	uint64_t at[READERS] = { 0 };
	uint64_t oldest;

	for (uint64_t to = 20; to <= 200; to += 20) {
		put_revisions(store, to - 19, to);
		for (size_t i = 0; i < READERS * 20; i++) {
			size_t reader = random_uint64() % READERS;
			struct walk walk = { .next = at[reader] + 1,
					     .limit = at[reader] + 5,
					     .same = true };

			CU_ASSERT_EQUAL(store_changes(store, at[reader],
						      check_change, &walk,
						      &at[reader], &oldest),
					ERR_OK);
			CU_ASSERT_TRUE(walk.same);
			CU_ASSERT_EQUAL(walk.next, at[reader] + 1);
		}
	}
	contract_close(store);
}

static void what_is_not_yet_synced_is_not_shown(void)
{
	struct store *store = contract_open();
	struct store_op op = op_put(view_of("key 1"), view_of("1"));
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	struct pollfd fd = { .events = POLLIN };
	struct walk walk = { .next = 1, .limit = 9, .same = true };
	uint64_t ticket;
	uint64_t next;
	uint64_t oldest;

	fd.fd = store_changes_fd(store, 0);
	CU_ASSERT_EQUAL(store_commit(store, &batch, &ticket), ERR_OK);
	CU_ASSERT_EQUAL(poll(&fd, 1, 0), 0);
	CU_ASSERT_EQUAL(
		store_changes(store, 0, check_change, &walk, &next, &oldest),
		ERR_OK);
	CU_ASSERT_EQUAL(next, 0);
	CU_ASSERT_EQUAL(walk.next, 1);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_EQUAL(poll(&fd, 1, 0), 1);
	CU_ASSERT_TRUE(walks(store, 0, 9, 1));
	contract_close(store);
}

/* Each call that fails, from the beginning and from the middle on. */
static void a_look_that_failed_leaves_no_mark(void)
{
	static const struct {
		enum fault fault;
		int errnum;
	} faults[] = {
		{ FAULT_CALL, EMFILE },
		{ FAULT_READ, EIO },
		{ FAULT_MEMORY, ENOMEM },
	};
	struct store *store = contract_open();
	uint64_t oldest;
	uint64_t next;

	put_revisions(store, 1, REVISIONS);
	for (size_t i = 0; i < 2 * HARNESS_COUNT(faults); i++) {
		enum fault fault = faults[i / 2].fault;
		uint64_t since = i % 2 ? REVISIONS / 2 : 0;
		bool failed = fault_available(fault);

		for (unsigned n = 1; failed; n++) {
			struct walk walk = { .next = since + 1,
					     .limit = REVISIONS + 1,
					     .same = true };
			enum err err;

			fault_arm(fault, n, faults[i / 2].errnum);
			err = store_changes(store, since, check_change, &walk,
					    &next, &oldest);
			failed = fault_disarm();
			CU_ASSERT_EQUAL(err != ERR_OK, failed);
			CU_ASSERT_TRUE(walk.same);
			CU_ASSERT_EQUAL(walk.next, next + 1);
			CU_ASSERT_EQUAL(oldest, 0);
			CU_ASSERT_TRUE(
				walks(store, since, REVISIONS, REVISIONS));
		}
	}
	contract_close(store);
}

/* Up to so many changes of one revision. */
struct part {
	unsigned count;
	unsigned most;
};

static bool take_part(void *arg, const struct store_change *change)
{
	struct part *part = arg;
	uint64_t number = 0;

	CU_ASSERT_TRUE(view_to_uint64(change->key, UINT64_MAX, &number));
	CU_ASSERT_EQUAL(number, part->count);
	part->count++;
	return part->count < part->most;
}

static void put_many(struct store *store)
{
	static char value[2000];
	struct store_op ops[MANY];
	char keys[MANY][16];
	uint64_t revision;

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%04u", i);
		ops[i] = op_put(view_of(keys[i]),
				(struct view){ value, sizeof(value) });
	}
	CU_ASSERT_EQUAL(contract_ops(store, ops, MANY, &revision), ERR_OK);
}

/* A call that fails would be made if anything were read again. */
static void what_is_shown_in_parts_is_read_once(void)
{
	enum { PART = 10 };
	struct store *store;
	struct part part = { .count = 0 };
	uint64_t next = 0;
	uint64_t oldest;

	large = true;
	store = contract_open();
	put_many(store);
	put_many(store);
	for (part.most = PART; part.most < MANY; part.most += PART) {
		if (part.most > PART)
			fault_arm(FAULT_READ, 1, EIO);
		part.count = 0;
		CU_ASSERT_EQUAL(store_changes(store, 0, take_part, &part, &next,
					      &oldest),
				ERR_OK);
		CU_ASSERT_FALSE(fault_disarm());
		CU_ASSERT_EQUAL(part.count, part.most);
		CU_ASSERT_EQUAL(next, 0);
	}
	store_idle(store);
	for (uint64_t since = 0; since < 2; since++) {
		part = (struct part){ .most = MANY };
		CU_ASSERT_EQUAL(store_changes(store, since, take_part, &part,
					      &next, &oldest),
				ERR_OK);
		CU_ASSERT_EQUAL(next, since + 1);
		part = (struct part){ .most = PART };
		CU_ASSERT_EQUAL(store_changes(store, 1 - since, take_part,
					      &part, &next, &oldest),
				ERR_OK);
		CU_ASSERT_EQUAL(next, 1 - since);
	}
	contract_close(store);
	large = false;
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

static void keep_house(struct store *store)
{
	while (!atomic_load(&board->stop))
		store_housekeep(store, 20);
}

static void write_on(struct store *store)
{
	while (!atomic_load(&board->stop)) {
		struct store_op ops[] = {
			op_put(view_of("a"), view_of("x")),
			op_put(view_of("b"), view_of("y")),
		};
		struct store_batch batch = { .ops = ops,
					     .op_count =
						     1 + random_uint64() % 2 };
		uint64_t ticket = 0;
		enum err err = store_commit(store, &batch, &ticket);

		if (!err)
			store_sync(store, ticket);
		if (random_uint64() % 50 == 0)
			clock_sleep_ms(3);
	}
}

static bool note_revision(void *arg, const struct store_change *change)
{
	uint64_t *newest = arg;

	if (change->revision != *newest + 1)
		atomic_store(&board->wrong, true);
	if (change->last)
		*newest = change->revision;
	return random_uint64() % 100 != 0;
}

/* Sleeps until it is woken; a second without anything is too long. */
static void watch_on(struct store *store)
{
	uint64_t newest = atomic_load(&board->seen);
	uint64_t oldest;

	while (!atomic_load(&board->stop)) {
		struct pollfd fd = { .fd = store_changes_fd(store, newest),
				     .events = POLLIN };
		uint64_t next = newest;

		if (poll(&fd, 1, 1000) != 1)
			continue;
		if (store_changes(store, newest, note_revision, &newest, &next,
				  &oldest) ||
		    next != newest)
			atomic_store(&board->wrong, true);
		atomic_store(&board->seen, newest);
	}
}

static pid_t start_child(struct store *store, unsigned slot)
{
	if (slot == WATCHER)
		return start(store, slot, watch_on);
	return start(store, slot, slot == HOUSEKEEPER ? keep_house : write_on);
}

static void kill_some(struct store *store, pid_t pids[WATCHER + 1])
{
	for (int i = 0; i < KILLS; i++) {
		unsigned slot = (unsigned)(random_uint64() % (WATCHER + 1));

		clock_sleep_ms((long)(random_uint64() % 25));
		kill(pids[slot], SIGKILL);
		CU_ASSERT_EQUAL(waitpid(pids[slot], NULL, 0), pids[slot]);
		store_reap(store, slot);
		pids[slot] = start_child(store, slot);
	}
}

static void a_watcher_misses_and_repeats_nothing(void)
{
	struct store *store = contract_open();
	pid_t pids[WATCHER + 1];
	uint64_t last;

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(board != MAP_FAILED);
	for (unsigned slot = 0; slot <= WATCHER; slot++)
		pids[slot] = start_child(store, slot);
	kill_some(store, pids);
	for (unsigned slot = 0; slot < WRITERS; slot++) {
		kill(pids[slot], SIGKILL);
		CU_ASSERT_EQUAL(waitpid(pids[slot], NULL, 0), pids[slot]);
		store_reap(store, slot);
	}
	contract_put(store, "last", "");
	last = contract_revision(store);
	for (int i = 0; i < 5000 && atomic_load(&board->seen) < last; i++)
		clock_sleep_ms(1);
	CU_ASSERT_EQUAL(atomic_load(&board->seen), last);
	CU_ASSERT(last > KILLS);
	CU_ASSERT_FALSE(atomic_load(&board->wrong));
	atomic_store(&board->stop, true);
	for (unsigned slot = WRITERS; slot <= WATCHER; slot++) {
		kill(pids[slot], SIGKILL);
		waitpid(pids[slot], NULL, 0);
		store_reap(store, slot);
	}
	contract_close(store);
	munmap(board, sizeof(*board));
}

static const struct harness_test tests[] = {
	HARNESS_TEST(every_since_shows_all_that_came_after),
	HARNESS_TEST(many_readers_take_turns),
	HARNESS_TEST(what_is_not_yet_synced_is_not_shown),
	HARNESS_TEST(a_look_that_failed_leaves_no_mark),
	HARNESS_TEST(what_is_shown_in_parts_is_read_once),
	HARNESS_TEST(a_watcher_misses_and_repeats_nothing),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/changes", tests, HARNESS_COUNT(tests));
}
