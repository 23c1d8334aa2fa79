/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nasty ones, each by its name: processes that are killed, or stopped, at
 * every single step while others go on with the same open store; a disk whose
 * use has to stay bounded; a machine without room in /dev/shm; GDBM's own tool
 * in between.  (More of them: store/gdbm/test_durable.c has syncs that are
 * slow, failing and deadly, test_recovery.c lost frames and torn tails,
 * test_checkpoint.c keys that share a hash.)
 *
 * LIBRAPI_TORTURE=1 makes the long forms of them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "fault.h"
#include "harness.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"

#define SHORT_UPDATES 4000
#define LONG_UPDATES  1000000
#define LIVE_KEYS     50
#define DISK_MOST     (3 << 20)

static void small_limits(struct store_conf *conf)
{
	conf->value_max_bytes = 16384;
	conf->lock_timeout_ms = 40;
	conf->journal_segment_bytes = 65536;
	conf->journal_max_bytes = 262144;
	conf->memtable_bytes = 65536;
	conf->table_max_keys = 16;
	conf->checkpoint_idle_ms = 0;
	conf->expiry_interval_ms = 60000;
	conf->history_bytes = 65536;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = small_limits };

static bool is_long(void)
{
	return getenv("LIBRAPI_TORTURE") != NULL;
}

static enum err put(struct store *store, const char *key, const char *value)
{
	struct store_op op = op_put(view_of(key), view_of(value));
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t ticket = 0;
	enum err err = store_commit(store, &batch, &ticket);

	return err ? err : store_sync(store, ticket);
}

/* What a process is doing when it is struck. */
static void do_commit(struct store *store)
{
	put(store, "struck", "new");
}

static void do_batch(struct store *store)
{
	struct store_op ops[] = {
		op_put(view_of("struck"), view_of("new")),
		op_put(view_of("struck too"), view_of("new")),
	};
	struct store_batch batch = { .ops = ops, .op_count = 2 };
	uint64_t ticket = 0;

	if (!store_commit(store, &batch, &ticket))
		store_sync(store, ticket);
}

static void do_next_segment(struct store *store)
{
	put(store, "struck", "new");
	append_rotate((struct gdbm_store *)store);
}

static void do_checkpoint(struct store *store)
{
	checkpoint_run((struct gdbm_store *)store);
}

/* A child that does this, struck at its nth call; false: it had none left. */
static pid_t strike(struct store *store, void (*work)(struct store *store),
		    unsigned nth, int how)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid)
		return pid;
	store_attach(store, 1);
	fault_arm(FAULT_CALL, nth, how);
	work(store);
	_exit(fault_disarm() ? 2 : 0);
}

/* Everybody else reads and, before long, writes, merges, and is right. */
static void others_go_on(struct store *store, const char *number)
{
	const char *struck;

	CU_ASSERT_EQUAL(put(store, "other", number), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "other"), number);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "before"), "value");
	CU_ASSERT_EQUAL(append_rotate((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_EQUAL(checkpoint_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "other"), number);
	struck = contract_value(store, "struck");
	CU_ASSERT(!strcmp(struck, "old") || !strcmp(struck, "new"));
	/* Both or none. */
	if (!strcmp(struck, "new") && !contract_absent(store, "struck too"))
		CU_ASSERT_STRING_EQUAL(contract_value(store, "struck too"),
				       "new");
}

static void count_finding(void *arg, const char *file, const char *sentence)
{
	printf("# %s: %s\n", file, sentence);
	++*(unsigned *)arg;
}

static void close_and_check(struct store *store)
{
	struct store_conf conf = contract_conf();
	unsigned findings = 0;

	CU_ASSERT_EQUAL(store_close(store), ERR_OK);
	CU_ASSERT_EQUAL(store_check(&conf, count_finding, &findings), ERR_OK);
}

static void prepare(struct store *store)
{
	CU_ASSERT_EQUAL(put(store, "before", "value"), ERR_OK);
	CU_ASSERT_EQUAL(put(store, "struck", "old"), ERR_OK);
	for (int i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key %d", i);
		CU_ASSERT_EQUAL(put(store, key, "value"), ERR_OK);
	}
	CU_ASSERT_EQUAL(append_rotate((struct gdbm_store *)store), ERR_OK);
}

/* In turns: killed at call 1, 2, 3, ... until it comes through. */
static void killed_at_every_step(void (*work)(struct store *store))
{
	struct store *store = contract_open();
	bool struck = true;
	unsigned n;

	for (n = 1; struck && n < 500; n++) {
		char number[16];
		int status = 0;
		pid_t pid;

		prepare(store);
		pid = strike(store, work, n, FAULT_KILL);
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		struck = WIFSIGNALED(status);
		CU_ASSERT_EQUAL(status, struck ? SIGKILL : 0);
		store_reap(store, 1);
		snprintf(number, sizeof(number), "%u", n);
		others_go_on(store, number);
	}
	CU_ASSERT(n > 2 && n < 500);
	printf("# killed at %u steps\n", n - 2);
	close_and_check(store);
}

/*
 * The same with SIGSTOP: others are busy at most, and reads never wait.  Then
 * it is killed where it stands, and all goes on.
 */
static void stopped_at_every_step(void (*work)(struct store *store))
{
	struct store *store = contract_open();
	bool struck = true;
	unsigned n;

	for (n = 1; struck && n < 500; n++) {
		int64_t begun_ms;
		char number[16];
		int status = 0;
		enum err err;
		pid_t pid;

		prepare(store);
		pid = strike(store, work, n, FAULT_STOP);
		CU_ASSERT_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
		struck = WIFSTOPPED(status);
		begun_ms = clock_monotonic_ms();
		CU_ASSERT_STRING_EQUAL(contract_value(store, "before"),
				       "value");
		err = put(store, "struck", "new");
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
	CU_ASSERT(n > 2 && n < 500);
	printf("# stopped at %u steps\n", n - 2);
	close_and_check(store);
}

static void whoever_commits_is_killed_at_each_step(void)
{
	killed_at_every_step(do_commit);
	killed_at_every_step(do_batch);
}

static void whoever_commits_is_stopped_at_each_step(void)
{
	stopped_at_every_step(do_commit);
}

/* Dead between making it and going on in it: the next one makes it again. */
static void two_processes_make_the_same_next_segment(void)
{
	killed_at_every_step(do_next_segment);
	stopped_at_every_step(do_next_segment);
}

static void whoever_checkpoints_is_killed_at_each_step(void)
{
	killed_at_every_step(do_checkpoint);
}

/* MANIFEST is another one on disk than the one that was announced. */
static void a_kill_between_the_manifest_s_rename_and_its_announcement(void)
{
	struct store *store = contract_open();
	struct gdbm_store *g = (struct gdbm_store *)store;
	unsigned seen = 0;

	for (unsigned n = 1; n < 500; n++) {
		struct manifest disk = { 0 };
		int status = 0;
		pid_t pid;

		prepare(store);
		pid = strike(store, do_checkpoint, n, FAULT_KILL);
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
	close_and_check(store);
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
	_exit(put(store, "struck", "new") ? 1 : 0);
}

/*
 * The holder of each lock is stopped, and one who waits for it is killed; then
 * the holder is.  Another waiter gets it at once.
 */
static void holders_and_waiters_of_each_lock_are_stopped_and_killed(void)
{
	struct store *store = contract_open();

	prepare(store);
	for (size_t i = 0; i < HARNESS_COUNT(helds); i++) {
		pid_t stopped = holder(store, &helds[i]);
		pid_t victim = waiter(store);
		pid_t patient = waiter(store);
		int status = 1;

		kill(stopped, SIGSTOP);
		clock_sleep_ms(20);
		CU_ASSERT_EQUAL(put(store, "struck", "new"), ERR_BUSY);
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
	close_and_check(store);
}

static uint64_t disk_use(void)
{
	DIR *dir = opendir(harness_path("data"));
	struct dirent *entry;
	uint64_t bytes = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir))) {
		struct stat status;

		if (!fstatat(dirfd(dir), entry->d_name, &status, 0))
			bytes += (uint64_t)status.st_blocks * 512;
	}
	closedir(dir);
	return bytes;
}

/* GDBM's files grow without limit under such a load, unless made anew. */
static void updates_of_varying_size_take_a_bounded_disk(void)
{
	static char value[8000];
	struct store *store = contract_open();
	unsigned long updates = is_long() ? LONG_UPDATES : SHORT_UPDATES;
	uint64_t most = 0;
	uint64_t ticket = 0;
	unsigned random = 1;

	for (unsigned long i = 0; i < updates; i++) {
		struct store_op op = op_put(view_of(""), view_of(""));
		struct store_batch batch = { .ops = &op, .op_count = 1 };
		char key[16];

		random = random * 1103515245 + 12345;
		snprintf(key, sizeof(key), "key %u", (random >> 8) % LIVE_KEYS);
		op.key = view_of(key);
		op.value = (struct view){ value, random >> 12 & 4095 };
		if (store_commit(store, &batch, &ticket))
			CU_FAIL("a commit fails");
		if (i % 256 == 0)
			CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
		if (i % 256 == 0 && disk_use() > most)
			most = disk_use();
	}
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	printf("# %lu updates, at most %llu KiB on disk\n", updates,
	       (unsigned long long)most / 1024);
	CU_ASSERT(most < DISK_MOST);
	close_and_check(store);
}

/* Neither shared memory nor tables being built have to do with it. */
static void use_without_shm(void)
{
	struct store *store;
	char page[4096] = { 0 };
	int fd;

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/dev/shm", "tmpfs", 0, "size=16k"))
		_exit(77);
	fd = open("/dev/shm/filler", O_WRONLY | O_CREAT, 0600);
	while (write(fd, page, sizeof(page)) > 0)
		;
	if (errno != ENOSPC)
		_exit(1);
	store = contract_open();
	prepare(store);
	if (checkpoint_run((struct gdbm_store *)store) ||
	    strcmp(contract_value(store, "before"), "value"))
		_exit(1);
	_exit(store_close(store) ? 1 : 0);
}

static void a_full_dev_shm_is_nothing_to_us(void)
{
	char *folder = strdup(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	int status = 0;
	pid_t pid;

	setenv("TMPDIR", "/tmp", 1);
	CU_ASSERT_PTR_NOT_NULL(harness_tmpdir()); /* the child's too */
	setenv("TMPDIR", folder, 1);
	free(folder);
	fflush(stdout);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		use_without_shm();
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("# SKIP: no root, so /dev/shm can't be filled here\n");
	else
		CU_ASSERT_EQUAL(status, 0);
}

static void write_and_merge(struct store *store)
{
	for (;;) {
		prepare(store);
		if (checkpoint_run((struct gdbm_store *)store))
			_exit(1);
		clock_sleep_ms(20); /* or no table is there for long enough */
	}
}

/* How often it read a whole table; one that was replaced meanwhile is none. */
static unsigned read_by_gdbmtool(unsigned turns)
{
	char command[1400];
	unsigned read = 0;

	snprintf(command, sizeof(command),
		 "for t in '%s'/*.gdbm; do [ -e $t ] || exit 2; "
		 "gdbmtool -r $t count >'%s' 2>&1 || "
		 "{ [ -e $t ] && exit 1 || exit 2; }; "
		 "grep -q '[1-9]' '%s' || exit 1; done",
		 harness_path("data"), harness_path("told"),
		 harness_path("told"));
	for (unsigned i = 0; i < turns || (!read && i < 1000); i++) {
		int status = system(command);

		CU_ASSERT(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2);
		read += status == 0;
	}
	return read;
}

static void gdbmtool_reads_during_load(void)
{
	struct store *store = contract_open();
	unsigned read;
	pid_t pid;

	if (system("command -v gdbmtool >/dev/null")) {
		printf("# SKIP: gdbmtool is not installed\n");
		contract_close(store);
		return;
	}
	prepare(store);
	do_checkpoint(store);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		store_attach(store, 1);
		write_and_merge(store);
	}
	read = read_by_gdbmtool(is_long() ? 300 : 20);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	store_reap(store, 1);
	printf("# gdbmtool has read all tables %u times\n", read);
	CU_ASSERT(read > 0);
	others_go_on(store, "number");
	close_and_check(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(whoever_commits_is_killed_at_each_step),
	HARNESS_TEST(whoever_commits_is_stopped_at_each_step),
	HARNESS_TEST(two_processes_make_the_same_next_segment),
	HARNESS_TEST(whoever_checkpoints_is_killed_at_each_step),
	HARNESS_TEST(a_kill_between_the_manifest_s_rename_and_its_announcement),
	HARNESS_TEST(holders_and_waiters_of_each_lock_are_stopped_and_killed),
	HARNESS_TEST(updates_of_varying_size_take_a_bounded_disk),
	HARNESS_TEST(a_full_dev_shm_is_nothing_to_us),
	HARNESS_TEST(gdbmtool_reads_during_load),
};

int main(void)
{
	/* In memory, when there is room: nothing here needs a disk. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	contract_use(&engine);
	log_setup(LOG_ERROR, "");
	return harness_run("torture/nasty", tests, HARNESS_COUNT(tests));
}
