/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Processes that are killed, or stopped, at every single step of a commit, a
 * batch, a change to the next segment and a checkpoint, while others go on with
 * the same open store; and the holder of each lock, and those who wait for it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "fault.h"
#include "harness.h"
#include "store/gdbm/engine.h"
#include "torture/others.h"

#define STEPS_MAX 500

/* What a process is doing when it is struck. */
struct work {
	enum err (*run)(struct store *store);
	const char *key; /* "new" when it came through; NULL for none */
};

static enum err run_commit(struct store *store)
{
	return others_put(store, "struck", "new");
}

static enum err run_batch(struct store *store)
{
	struct store_op ops[] = {
		op_put(view_of("half"), view_of("new")),
		op_put(view_of("other half"), view_of("new")),
	};
	struct store_batch batch = { .ops = ops, .op_count = 2 };
	uint64_t ticket = 0;
	enum err err = store_commit(store, &batch, &ticket);

	return err ? err : store_sync(store, ticket);
}

static enum err run_next_segment(struct store *store)
{
	enum err err = others_put(store, "struck", "new");

	return err ? err : rotate_run((struct gdbm_store *)store);
}

static enum err run_checkpoint(struct store *store)
{
	return checkpoint_run((struct gdbm_store *)store);
}

static const struct work a_commit = { run_commit, "struck" };
static const struct work a_batch = { run_batch, "half" };
static const struct work a_next_segment = { run_next_segment, "struck" };
static const struct work a_checkpoint = { run_checkpoint, NULL };

/* A child that does this, struck at its nth call if it has so many. */
static pid_t strike(struct store *store, const struct work *work, unsigned nth,
		    int how)
{
	enum err err;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid)
		return pid;
	store_attach(store, 1);
	fault_arm(FAULT_CALL, nth, how);
	err = work->run(store);
	_exit(err ? 1 : fault_disarm() ? 2 : 0);
}

/* In turns: killed at call 1, 2, 3, ... until it comes through. */
static void killed_at_every_step(const struct work *work)
{
	struct store *store = contract_open();
	bool struck = true;
	unsigned n;

	for (n = 1; struck && n < STEPS_MAX; n++) {
		char number[16];
		int status = 0;
		pid_t pid;

		others_prepare(store);
		pid = strike(store, work, n, FAULT_KILL);
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		struck = WIFSIGNALED(status);
		CU_ASSERT_EQUAL(status, struck ? SIGKILL : 0);
		store_reap(store, 1);
		snprintf(number, sizeof(number), "%u", n);
		others_go_on(store, number);
		if (!struck && work->key)
			CU_ASSERT_STRING_EQUAL(contract_value(store, work->key),
					       "new");
	}
	CU_ASSERT(n > 2 && n < STEPS_MAX);
	printf("# killed at %u steps\n", n - 2);
	others_close(store);
}

/*
 * The same with SIGSTOP: others are busy at most, and reads never wait.  Then
 * it is killed where it stands, and all goes on.
 */
static void stopped_at_every_step(const struct work *work)
{
	struct store *store = contract_open();
	bool struck = true;
	unsigned n;

	for (n = 1; struck && n < STEPS_MAX; n++) {
		int64_t begun_ms;
		char number[16];
		int status = 0;
		enum err err;
		pid_t pid;

		others_prepare(store);
		pid = strike(store, work, n, FAULT_STOP);
		CU_ASSERT_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
		struck = WIFSTOPPED(status);
		begun_ms = clock_monotonic_ms();
		CU_ASSERT_STRING_EQUAL(contract_value(store, "before"),
				       "value");
		err = others_put(store, "struck", "new");
		CU_ASSERT(err == ERR_OK || err == ERR_BUSY);
		CU_ASSERT(clock_monotonic_ms() - begun_ms < 10000);
		if (struck) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		}
		store_reap(store, 1);
		snprintf(number, sizeof(number), "%u", n);
		others_go_on(store, number);
	}
	CU_ASSERT(n > 2 && n < STEPS_MAX);
	printf("# stopped at %u steps\n", n - 2);
	others_close(store);
}

static void whoever_commits_is_killed_at_each_step(void)
{
	killed_at_every_step(&a_commit);
	killed_at_every_step(&a_batch);
}

static void whoever_commits_is_stopped_at_each_step(void)
{
	stopped_at_every_step(&a_commit);
}

/* Dead between making it and going on in it: the next one makes it again. */
static void two_processes_make_the_same_next_segment(void)
{
	killed_at_every_step(&a_next_segment);
	stopped_at_every_step(&a_next_segment);
}

static void whoever_checkpoints_is_killed_at_each_step(void)
{
	killed_at_every_step(&a_checkpoint);
}

/*
 * Stopped at call 1, 2, 3, ...: nobody makes another one beside it, since both
 * would give files the same names.  It goes on where it stands.
 */
static void whoever_checkpoints_is_stopped_at_each_step(void)
{
	struct store *store = contract_open();
	bool struck = true;
	unsigned kept_out = 0;
	unsigned n;

	for (n = 1; struck && n < STEPS_MAX; n++) {
		char number[16];
		int status = 0;
		enum err err;
		pid_t pid;

		others_prepare(store);
		pid = strike(store, &a_checkpoint, n, FAULT_STOP);
		CU_ASSERT_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
		struck = WIFSTOPPED(status);
		if (struck) {
			err = checkpoint_run((struct gdbm_store *)store);
			CU_ASSERT(err == ERR_OK || err == ERR_BUSY);
			kept_out += err == ERR_BUSY;
			kill(pid, SIGCONT);
			CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
			/* It had been struck, and came through. */
			CU_ASSERT(WIFEXITED(status) &&
				  WEXITSTATUS(status) == 2);
		}
		store_reap(store, 1);
		snprintf(number, sizeof(number), "%u", n);
		others_go_on(store, number);
	}
	CU_ASSERT(n > 10 && n < STEPS_MAX);
	CU_ASSERT(kept_out > n / 2);
	printf("# stopped at %u steps\n", n - 2);
	others_close(store);
}

/* MANIFEST is another one on disk than the one that was announced. */
static void a_kill_between_the_manifest_s_rename_and_its_announcement(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	unsigned seen = 0;

	for (unsigned n = 1; n < STEPS_MAX; n++) {
		struct manifest disk = { 0 };
		int status = 0;
		pid_t pid;

		others_prepare(store);
		pid = strike(store, &a_checkpoint, n, FAULT_KILL);
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		store_reap(store, 1);
		CU_ASSERT_EQUAL(manifest_read(g->dir, &disk), ERR_OK);
		seen += disk.version > atomic_load(&g->shared->version);
		manifest_release(&disk);
		others_go_on(store, "number");
		if (!WIFSIGNALED(status))
			break;
	}
	CU_ASSERT(seen > 0);
	printf("# %u steps between rename and announcement\n", seen);
	others_close(store);
}

struct held {
	const char *name;
	struct lock *(*of)(struct gdbm_store *g);
};

static struct lock *stripe_of(struct gdbm_store *g)
{
	return &g->shared->stripes[decide_hash(view_of("struck")) %
				   SHARED_STRIPES];
}

static struct lock *journal_of(struct gdbm_store *g)
{
	return &g->shared->journal;
}

static struct lock *sync_of(struct gdbm_store *g)
{
	return &g->shared->sync;
}

static const struct held helds[] = { { "stripe", stripe_of },
				     { "journal", journal_of },
				     { "sync", sync_of } };

/* A child that takes the lock, tells, and stays. */
static pid_t holder(struct store *store, const struct held *held)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	struct timespec deadline = engine_lock_deadline(g);
	int ends[2];
	bool died = false;
	char byte = 0;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		store_attach(store, 1);
		byte = lock_take(held->of(g), &deadline, &died) ? 'n' : 'y';
		(void)!write(ends[1], &byte, 1);
		for (;;)
			pause();
	}
	CU_ASSERT_EQUAL(read(ends[0], &byte, 1), 1);
	CU_ASSERT_EQUAL(byte, 'y');
	close(ends[0]);
	close(ends[1]);
	return pid;
}

static pid_t waiter(struct store *store)
{
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid)
		return pid;
	store_attach(store, 2);
	((struct gdbm_store *)store)->conf.lock_timeout_ms = 20000;
	_exit(others_put(store, "struck", "new") ? 1 : 0);
}

/*
 * The holder of each lock is stopped, and one who waits for it is killed; then
 * the holder is.  Another waiter gets it at once.
 */
static void holders_and_waiters_of_each_lock_are_stopped_and_killed(void)
{
	struct store *store = contract_open();

	others_prepare(store);
	for (size_t i = 0; i < HARNESS_COUNT(helds); i++) {
		pid_t stopped = holder(store, &helds[i]);
		pid_t victim = waiter(store);
		pid_t patient = waiter(store);
		int status = 1;

		kill(stopped, SIGSTOP);
		clock_sleep_ms(20);
		CU_ASSERT_EQUAL(others_put(store, "struck", "new"), ERR_BUSY);
		CU_ASSERT_STRING_EQUAL(contract_value(store, "before"),
				       "value");
		kill(victim, SIGKILL);
		waitpid(victim, NULL, 0);
		CU_ASSERT_EQUAL(waitpid(patient, &status, WNOHANG), 0);
		kill(stopped, SIGKILL);
		waitpid(stopped, NULL, 0);
		CU_ASSERT_EQUAL(waitpid(patient, &status, 0), patient);
		CU_ASSERT_EQUAL(status, 0);
		store_reap(store, 1);
		store_reap(store, 2);
		others_go_on(store, helds[i].name);
	}
	others_close(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(whoever_commits_is_killed_at_each_step),
	HARNESS_TEST(whoever_commits_is_stopped_at_each_step),
	HARNESS_TEST(two_processes_make_the_same_next_segment),
	HARNESS_TEST(whoever_checkpoints_is_killed_at_each_step),
	HARNESS_TEST(whoever_checkpoints_is_stopped_at_each_step),
	HARNESS_TEST(a_kill_between_the_manifest_s_rename_and_its_announcement),
	HARNESS_TEST(holders_and_waiters_of_each_lock_are_stopped_and_killed),
};

int main(void)
{
	/* In memory, when there is room: nothing here needs a disk. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	contract_use(&others_engine);
	log_setup(LOG_ERROR, "");
	return harness_run("torture/struck", tests, HARNESS_COUNT(tests));
}
