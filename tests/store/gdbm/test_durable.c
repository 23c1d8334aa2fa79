/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What happens around a sync: nothing shows before it is durable, a sync that
 * failed is never believed afterwards, and a syncer that dies leaves no doubt.
 *
 * fdatasync(2) is ours here: slow, failing, or deadly, as a test says; so is
 * fsync(2) of the data directory, once a MANIFEST is there that nobody was
 * told of.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/small.h"

#define WAITERS 6

enum sync_mode {
	SYNC_PLAIN,
	SYNC_SLOW,
	SYNC_FAIL,
	SYNC_SLOW_FAIL,
	SYNC_FAIL_AND_DIE,
	SYNC_WAITED_FOR, /* until so many others have committed */
	SYNC_WAITED_FOR_AND_DIE
};

/* What a reader and a checkpoint tell each other. */
enum step { STEP_NONE, STEP_RENAMED, STEP_READ, STEP_REPLACED };

/* Shared with children. */
struct control {
	_Atomic int mode;
	_Atomic unsigned calls;
	_Atomic unsigned committed; /* children that wait for a sync */
	_Atomic unsigned done;      /* ... whose sync has returned well */
	_Atomic uint64_t written;   /* bytes by pwrite() */
	_Atomic unsigned early;     /* numbers seen before they were synced */
	_Atomic uint64_t pending;   /* number that is committed */
	_Atomic uint64_t synced; /* ... and on disk: a sync has ended since */
	_Atomic bool no_end; /* no frame that ends a segment can be written */
	_Atomic bool stop;
	_Atomic int step; /* enum step */
};

static struct control *control;

/* Of the process that has it: so many syncs of its folder fail. */
static struct {
	struct gdbm_store *g;
	unsigned failures;
	bool reader; /* another process reads before the first of them */
} unlucky;

static void reach(enum step step)
{
	atomic_store(&control->step, (int)step);
}

static void wait_until(enum step step)
{
	for (int ms = 0; atomic_load(&control->step) < (int)step; ms++) {
		if (ms > 20000)
			_exit(99);
		clock_sleep_ms(1);
	}
}

static void wait_for_waiters(void)
{
	while (atomic_load(&control->committed) < WAITERS)
		clock_sleep_ms(1);
	clock_sleep_ms(20);
}

int fdatasync(int fd)
{
	uint64_t pending;
	int result;

	if (!control)
		return (int)syscall(SYS_fdatasync, fd);
	pending = atomic_load(&control->pending);
	atomic_fetch_add(&control->calls, 1);
	switch (atomic_load(&control->mode)) {
	case SYNC_FAIL: /* once, as Linux does: the next one would succeed */
		atomic_store(&control->mode, SYNC_PLAIN);
		errno = EIO;
		return -1;
	case SYNC_SLOW_FAIL:
		atomic_store(&control->mode, SYNC_PLAIN);
		clock_sleep_ms(200);
		errno = EIO;
		return -1;
	case SYNC_FAIL_AND_DIE:
		atomic_store(&control->mode, SYNC_PLAIN);
		kill(getpid(), SIGKILL);
		return -1;
	case SYNC_SLOW:
		clock_sleep_ms(50);
		break;
	case SYNC_WAITED_FOR:
		atomic_store(&control->mode, SYNC_PLAIN);
		wait_for_waiters();
		break;
	case SYNC_WAITED_FOR_AND_DIE:
		atomic_store(&control->mode, SYNC_PLAIN);
		wait_for_waiters();
		kill(getpid(), SIGKILL);
		return -1;
	}
	result = (int)syscall(SYS_fdatasync, fd);
	atomic_store(&control->synced, pending);
	return result;
}

/* Whether MANIFEST on disk is one that is not announced. */
static bool manifest_is_news(struct gdbm_store *g)
{
	struct manifest disk = { 0 };
	bool news = !manifest_read(g->dir, &disk) &&
		    disk.version > atomic_load(&g->shared->version);

	manifest_release(&disk);
	return news;
}

int fsync(int fd)
{
	if (!unlucky.failures || fd != unlucky.g->dir ||
	    !manifest_is_news(unlucky.g))
		return (int)syscall(SYS_fsync, fd);
	unlucky.failures--;
	if (unlucky.reader) {
		unlucky.reader = false;
		reach(STEP_RENAMED);
		wait_until(STEP_READ);
	}
	errno = EIO;
	return -1;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	if (control && atomic_load(&control->no_end) &&
	    size == JOURNAL_FRAME_HEAD_SIZE) {
		errno = EIO;
		return -1;
	}
	if (control)
		atomic_fetch_add(&control->written, size);
	return syscall(SYS_pwrite64, fd, data, size, at);
}

static void settings(struct store_conf *conf)
{
	small_limits(conf);
	conf->checkpoint_idle_ms = 60000;
	conf->lock_timeout_ms = 10000;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = settings };

static void take_control(void)
{
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(control != MAP_FAILED);
}

static struct store *begin(void)
{
	struct store *store = contract_open();

	take_control();
	return store;
}

static void end(void)
{
	munmap(control, sizeof(*control));
	control = NULL;
}

static enum err commit(struct store *store, const char *key, const char *value,
		       uint64_t *ticket)
{
	struct store_op op = op_put(view_of(key), view_of(value));
	struct store_batch batch = { .ops = &op, .op_count = 1 };

	return store_commit(store, &batch, ticket);
}

static pid_t child(struct store *store, unsigned slot,
		   void (*work)(struct store *store))
{
	pid_t pid = fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid)
		return pid;
	store_attach(store, slot);
	work(store);
	_exit(0);
}

static void look_for_early_numbers(struct store *store)
{
	while (!atomic_load(&control->stop)) {
		struct buf hold = BUF_EMPTY;
		struct record record;
		uint64_t number = 0;
		enum err err =
			store_get(store, view_of("n"), &hold, &record, NULL);

		if (!err)
			view_to_uint64(record.value, UINT64_MAX, &number);
		if (number > atomic_load(&control->synced))
			atomic_fetch_add(&control->early, 1);
		buf_release(&hold);
	}
}

/*
 * Each sync takes 50 ms, which a faster one would hide: a reader in another
 * process looks all the while.
 */
static void nothing_shows_before_it_is_durable(void)
{
	struct store *store = begin();
	pid_t reader = child(store, 1, look_for_early_numbers);
	char text[24];

	atomic_store(&control->mode, SYNC_SLOW);
	for (uint64_t n = 1; n <= 10; n++) {
		uint64_t ticket = 0;

		snprintf(text, sizeof(text), "%d", (int)n);
		CU_ASSERT_EQUAL(commit(store, "n", text, &ticket), ERR_OK);
		atomic_store(&control->pending, n);
		clock_sleep_ms(5);
		CU_ASSERT_EQUAL(contract_revision(store), n - 1);
		CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
		CU_ASSERT_EQUAL(contract_revision(store), n);
	}
	atomic_store(&control->stop, true);
	waitpid(reader, NULL, 0);
	CU_ASSERT_EQUAL(atomic_load(&control->early), 0);
	atomic_store(&control->mode, SYNC_PLAIN);
	contract_close(store);
	end();
}

static void one_sync_makes_many_commits_durable(void)
{
	struct store *store = begin();
	struct store_stats stats;
	uint64_t ticket = 0;
	char key[16];

	for (int i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		CU_ASSERT_EQUAL(commit(store, key, "value", &ticket), ERR_OK);
	}
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 1);
	CU_ASSERT_EQUAL(store_sync(store, 1), ERR_OK);
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 1);
	store_stats(store, &stats);
	CU_ASSERT_EQUAL(stats.batched, 50);
	CU_ASSERT_EQUAL(stats.batch_counts[store_batch_bucket(50)], 1);
	contract_close(store);
	end();
}

static void a_failed_sync_stops_writes_until_a_restart(void)
{
	struct store *store = begin();
	struct store_stats stats;
	uint64_t ticket = 0;

	contract_put(store, "before", "value");
	CU_ASSERT_EQUAL(commit(store, "doubtful", "value", &ticket), ERR_OK);
	atomic_store(&control->calls, 0);
	atomic_store(&control->mode, SYNC_FAIL);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_IO);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_STOPPED);
	CU_ASSERT_EQUAL(commit(store, "after", "value", &ticket), ERR_STOPPED);
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 1);
	CU_ASSERT(contract_absent(store, "doubtful"));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "before"), "value");
	store_stats(store, &stats);
	CU_ASSERT(!stats.writable);
	store_close(store);
	store = contract_open();
	store_stats(store, &stats);
	CU_ASSERT(stats.writable);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "before"), "value");
	CU_ASSERT(contract_absent(store, "after"));
	contract_put(store, "after", "value");
	contract_close(store);
	end();
}

/* What lies in a sealed segment is durable without a sync of its own. */
static void what_is_sealed_is_synced_first(void)
{
	struct store *store = begin();
	uint64_t ticket = 0;

	CU_ASSERT_EQUAL(commit(store, "key", "value", &ticket), ERR_OK);
	atomic_store(&control->pending, 1);
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_EQUAL(atomic_load(&control->synced), 1);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	CU_ASSERT_EQUAL(commit(store, "doubtful", "value", &ticket), ERR_OK);
	atomic_store(&control->mode, SYNC_FAIL);
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_IO);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_STOPPED);
	CU_ASSERT(contract_absent(store, "doubtful"));
	contract_close(store);
	end();
}

static void commit_and_die_in_sync(struct store *store)
{
	uint64_t ticket = 0;

	if (commit(store, "key", "value", &ticket))
		_exit(1);
	atomic_store(&control->mode, SYNC_FAIL_AND_DIE);
	store_sync(store, ticket);
}

/*
 * The kernel told the dead one that its pages were lost, and tells nobody
 * else: they have to be written again before another sync means anything.
 */
static void after_a_syncer_died_its_bytes_are_written_again(void)
{
	struct store *store = begin();
	uint64_t ticket = 0;
	uint64_t once;
	uint64_t before;
	int status = 0;
	pid_t pid;

	CU_ASSERT_EQUAL(commit(store, "first", "value", &ticket), ERR_OK);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	pid = child(store, 1, commit_and_die_in_sync);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFSIGNALED(status));
	store_reap(store, 1);
	CU_ASSERT(contract_absent(store, "key"));
	once = atomic_load(&control->written);
	CU_ASSERT_EQUAL(commit(store, "other", "value", &ticket), ERR_OK);
	once = atomic_load(&control->written) - once;
	before = atomic_load(&control->written);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	/* As much as was written for `other`, and for `key`. */
	CU_ASSERT(atomic_load(&control->written) >= before + 2 * once - 8);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "other"), "value");
	contract_close(store);
	end();
}

/* Nor is there another heir: whoever has the lock next is told of nothing. */
static void nor_does_it_matter_that_the_segment_can_not_be_sealed(void)
{
	struct store *store = begin();
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t ticket = 0;
	uint64_t once;
	uint64_t before;
	int status = 0;
	pid_t pid;

	CU_ASSERT_EQUAL(commit(store, "first", "value", &ticket), ERR_OK);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	pid = child(store, 1, commit_and_die_in_sync);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFSIGNALED(status));
	store_reap(store, 1);
	once = atomic_load(&control->written);
	CU_ASSERT_EQUAL(commit(store, "other", "value", &ticket), ERR_OK);
	once = atomic_load(&control->written) - once;
	before = atomic_load(&control->written);
	atomic_store(&control->no_end, true);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_IO);
	atomic_store(&control->no_end, false);
	/* `key` and `other`, and the head of a segment that is not used. */
	CU_ASSERT(atomic_load(&control->written) >=
		  before + 2 * once - 8 + JOURNAL_HEAD_SIZE);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "other"), "value");
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	contract_close(store);
	end();
}

/* Bytes that are not the dead one's any more are not written for them. */
static void what_a_dead_syncer_has_lost_is_made_durable_for_nobody(void)
{
	struct store *store = begin();
	struct gdbm_store *g = (struct gdbm_store *)store;
	const struct segment_file *file = NULL;
	uint64_t ticket = 0;
	struct segment *segment;
	uint64_t number;
	int status = 0;
	pid_t pid;

	CU_ASSERT_EQUAL(commit(store, "first", "value", &ticket), ERR_OK);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	pid = child(store, 1, commit_and_die_in_sync);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFSIGNALED(status));
	store_reap(store, 1);
	number = atomic_load(&g->shared->segment);
	segment = shared_segment(g->shared, number);
	CU_ASSERT_EQUAL_FATAL(engine_segment_file(g, number, &file), ERR_OK);
	CU_ASSERT_EQUAL(pwrite(file->fd, "?", 1,
			       (off_t)atomic_load(&segment->tail) - 16),
			1);
	CU_ASSERT_EQUAL(store_sync(store, ticket + 1), ERR_DAMAGED);
	CU_ASSERT_EQUAL(store_sync(store, ticket + 1), ERR_STOPPED);
	CU_ASSERT(contract_absent(store, "key"));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "first"), "value");
	contract_close(store);
	end();
}

static void commit_and_leave(void)
{
	static char value[3001];
	struct store *store = contract_open();
	uint64_t ticket = 0;

	memset(value, 'v', sizeof(value) - 1);
	if (commit(store, "key", value, &ticket))
		_exit(1);
	_exit(0);
}

/* What it reads may be nowhere but in memory, after a sync that failed. */
static void a_start_writes_again_what_it_has_replayed(void)
{
	struct store *store;
	uint64_t before;
	int status = 0;
	pid_t pid;

	CU_ASSERT_PTR_NOT_NULL_FATAL(harness_tmpdir());
	take_control();
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		commit_and_leave();
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	before = atomic_load(&control->written);
	store = contract_open();
	CU_ASSERT(atomic_load(&control->written) >= before + 3000);
	CU_ASSERT_EQUAL(contract_revision(store), 1);
	contract_close(store);
	/* All that it has is in tables: there is nothing to be written. */
	before = atomic_load(&control->written);
	store = contract_open();
	CU_ASSERT(atomic_load(&control->written) < before + 3000);
	contract_close(store);
	end();
}

static void keep_house(struct store *store)
{
	store_housekeep(store, 0);
}

static void what_a_killed_housekeeper_was_to_expire_is_not_forgotten(void)
{
	struct store *store = begin();
	struct store_stats stats;
	int status = 0;
	pid_t pid;

	for (int i = 0; i < 100; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key %d", i);
		contract_put_until(store, key, contract_now_ms + 1000);
	}
	contract_now_ms += 2000;
	atomic_store(&control->mode, SYNC_FAIL_AND_DIE);
	pid = child(store, 1, keep_house);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFSIGNALED(status));
	store_reap(store, 1);
	pid = child(store, 1, keep_house);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	store_stats(store, &stats);
	CU_ASSERT_EQUAL(stats.expired, 100);
	contract_close(store);
	end();
}

static void sync_pending(struct store *store)
{
	enum err err = store_sync(store, atomic_load(&control->pending));

	_exit(err ? 0 : 1);
}

/* The second file of a failed sync's waiters knows nothing of its failure. */
static void nobody_seals_what_a_sync_has_lost(void)
{
	struct store *store = begin();
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t ticket = 0;
	pid_t pids[3];
	int status = 0;

	contract_put(store, "before", "value");
	CU_ASSERT_EQUAL(commit(store, "doubtful", "value", &ticket), ERR_OK);
	atomic_store(&control->pending, ticket);
	atomic_store(&control->calls, 0);
	atomic_store(&control->mode, SYNC_SLOW_FAIL);
	pids[0] = child(store, 1, sync_pending);
	while (!atomic_load(&control->calls))
		clock_sleep_ms(1);
	pids[1] = child(store, 2, sync_pending);
	pids[2] = child(store, 3, sync_pending);
	clock_sleep_ms(50);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_STOPPED);
	for (size_t i = 0; i < HARNESS_COUNT(pids); i++) {
		CU_ASSERT_EQUAL(waitpid(pids[i], &status, 0), pids[i]);
		CU_ASSERT_EQUAL(status, 0);
	}
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 1);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_STOPPED);
	CU_ASSERT(contract_absent(store, "doubtful"));
	contract_close(store);
	end();
}

static void sync_without_descriptors(struct store *store, uint64_t ticket)
{
	struct rlimit limit;
	struct rlimit none = { 0 };

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_NO_MEMORY);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* No sync was tried, so the next one means what it says. */
static void who_can_not_open_a_segment_does_not_stop_writes(void)
{
	struct store *store = begin();
	uint64_t ticket = 0;

	CU_ASSERT_EQUAL(commit(store, "first", "value", &ticket), ERR_OK);
	sync_without_descriptors(store, ticket);
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 0);
	CU_ASSERT(contract_absent(store, "first"));
	CU_ASSERT_EQUAL(commit(store, "second", "value", &ticket), ERR_OK);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 1);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "first"), "value");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "second"), "value");
	contract_close(store);
	end();
}

/* Only the lock's next holder is told that the last one died. */
static void unless_the_last_syncer_died(void)
{
	struct store *store = begin();
	uint64_t ticket = 0;
	int status = 0;
	pid_t pid;

	CU_ASSERT_EQUAL(commit(store, "first", "value", &ticket), ERR_OK);
	pid = child(store, 1, commit_and_die_in_sync);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	store_reap(store, 1);
	sync_without_descriptors(store, ticket);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_STOPPED);
	CU_ASSERT(contract_absent(store, "first"));
	contract_close(store);
	end();
}

static enum err checkpoint(struct store *store)
{
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
	return checkpoint_run((struct gdbm_store *)store);
}

/* A checkpoint that can't sync its MANIFEST's place, so many times. */
static void checkpoint_in_vain(struct store *store, unsigned failures,
			       bool reader)
{
	unlucky.g = (struct gdbm_store *)store;
	unlucky.failures = failures;
	unlucky.reader = reader;
	CU_ASSERT_EQUAL(checkpoint(store), ERR_IO);
	CU_ASSERT_EQUAL(unlucky.failures, failures - 1);
}

static bool count_key(void *arg, struct view key, const struct record *record)
{
	unsigned *count = arg;

	(void)key;
	(void)record;
	++*count;
	return true;
}

static unsigned count_keys(struct store *store)
{
	struct store_range range = { 0 };
	unsigned count = 0;

	CU_ASSERT_EQUAL(store_list(store, &range, count_key, &count, NULL),
			ERR_OK);
	return count;
}

static bool value_is(struct store *store, const char *key, const char *value)
{
	struct buf hold = BUF_EMPTY;
	struct record record;
	bool is = !store_get(store, view_of(key), &hold, &record, NULL) &&
		  view_equal_string(record.value, value);

	buf_release(&hold);
	return is;
}

/* The exit status says how far it got. */
static void read_by_a_manifest_in_doubt(struct store *store)
{
	wait_until(STEP_RENAMED);
	if (!value_is(store, "k", "two"))
		_exit(1);
	reach(STEP_READ);
	wait_until(STEP_REPLACED);
	for (int i = 0; i < 3; i++) {
		if (count_keys(store) != 2)
			_exit(2);
		if (!value_is(store, "k", "three"))
			_exit(3);
		if (!value_is(store, "m", "new"))
			_exit(4);
	}
}

/* Else the next one has its version, and names its tables, for other data. */
static void a_manifest_that_somebody_may_have_read_stays(void)
{
	struct store *store = begin();
	int status = 0;
	pid_t reader;

	((struct gdbm_store *)store)->conf.history_bytes = 0;
	reader = child(store, 1, read_by_a_manifest_in_doubt);
	contract_put(store, "k", "one");
	CU_ASSERT_EQUAL(checkpoint(store), ERR_OK);
	contract_put(store, "k", "two");
	checkpoint_in_vain(store, 1, true);
	contract_put(store, "k", "three");
	contract_put(store, "m", "new");
	CU_ASSERT_EQUAL(checkpoint(store), ERR_OK);
	reach(STEP_REPLACED);
	CU_ASSERT_EQUAL(waitpid(reader, &status, 0), reader);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "k"), "three");
	contract_close(store);
	end();
}

static ino_t manifest_inode(struct store *store)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	struct stat status = { 0 };

	CU_ASSERT_EQUAL(fstatat(g->dir, MANIFEST_NAME, &status, 0), 0);
	return status.st_ino;
}

/*
 * As with a segment, another sync may succeed and mean nothing.  Until then
 * the table that only the older MANIFEST names stays.
 */
static void a_manifest_in_doubt_is_put_in_place_again(void)
{
	struct store *store = begin();
	struct gdbm_store *g = (struct gdbm_store *)store;
	ino_t before;

	contract_put(store, "k", "one");
	CU_ASSERT_EQUAL(checkpoint(store), ERR_OK);
	contract_put(store, "k", "two");
	checkpoint_in_vain(store, 1, false);
	CU_ASSERT(!sweep_run(g));
	CU_ASSERT_EQUAL(faccessat(g->dir, "table-000001.1.gdbm", F_OK, 0), 0);
	unlucky.failures = 1;
	CU_ASSERT_EQUAL(checkpoint_run(g), ERR_IO);
	CU_ASSERT_EQUAL(faccessat(g->dir, "table-000001.1.gdbm", F_OK, 0), 0);
	before = manifest_inode(store);
	CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
	CU_ASSERT_NOT_EQUAL(manifest_inode(store), before);
	CU_ASSERT_NOT_EQUAL(faccessat(g->dir, "table-000001.1.gdbm", F_OK, 0),
			    0);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "k"), "two");
	contract_close(store);
	end();
}

static void housekeep_in_vain(struct store *store)
{
	checkpoint_in_vain(store, 1, false);
	_exit(unlucky.failures);
}

/*
 * Its housekeeper may leave or be killed before it comes to that: the next one
 * knows of the doubt.
 */
static void who_follows_puts_a_manifest_in_doubt_in_place_again(void)
{
	struct store *store = begin();
	struct gdbm_store *g = (struct gdbm_store *)store;
	int status = 0;
	ino_t before;
	pid_t pid;

	contract_put(store, "k", "one");
	CU_ASSERT_EQUAL(checkpoint(store), ERR_OK);
	contract_put(store, "k", "two");
	pid = child(store, 1, housekeep_in_vain);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT(!sweep_run(g));
	before = manifest_inode(store);
	g->housekeeping.resumed = false; /* as the supervisor's */
	pid = child(store, 1, keep_house);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_NOT_EQUAL(manifest_inode(store), before);
	CU_ASSERT_NOT_EQUAL(faccessat(g->dir, "table-000001.1.gdbm", F_OK, 0),
			    0);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "k"), "two");
	contract_close(store);
	end();
}

static void copy_manifest(const char *from, const char *to)
{
	char text[4096];
	int in = open(from, O_RDONLY);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t size = read(in, text, sizeof(text));

	CU_ASSERT(size > 0 && write(out, text, (size_t)size) == size);
	close(in);
	close(out);
}

static void checkpoint_and_die_in_doubt(void)
{
	struct store *store = contract_open();

	contract_put(store, "k", "one");
	CU_ASSERT_EQUAL(checkpoint(store), ERR_OK);
	copy_manifest(harness_path("data/" MANIFEST_NAME),
		      harness_path("older"));
	contract_put(store, "k", "two");
	checkpoint_in_vain(store, 1000, false);
	CU_ASSERT_EQUAL(checkpoint_run((struct gdbm_store *)store), ERR_IO);
	_exit(unlucky.failures != 998);
}

static void live_until_in_doubt(void)
{
	int status = 0;
	pid_t pid;

	CU_ASSERT_PTR_NOT_NULL_FATAL(harness_tmpdir());
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		checkpoint_and_die_in_doubt();
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

/* The kernel may have given up on its name; the start goes by what it shows. */
static void a_start_puts_a_manifest_in_doubt_in_place_again(void)
{
	struct store *store;
	struct stat before = { 0 };

	live_until_in_doubt();
	CU_ASSERT_EQUAL(stat(harness_path("data/" MANIFEST_NAME), &before), 0);
	store = contract_open();
	CU_ASSERT_NOT_EQUAL(manifest_inode(store), before.st_ino);
	CU_ASSERT_EQUAL(count_keys(store), 1);
	contract_close(store);
}

/* A power cut may leave either one: what each of them names is there. */
static void both_manifests_are_good_as_long_as_there_is_doubt(void)
{
	for (int older = 0; older < 2; older++) {
		struct store *store;

		live_until_in_doubt();
		if (older)
			copy_manifest(harness_path("older"),
				      harness_path("data/" MANIFEST_NAME));
		store = contract_open();
		CU_ASSERT_STRING_EQUAL(contract_value(store, "k"), "two");
		CU_ASSERT_EQUAL(count_keys(store), 1);
		contract_close(store);
	}
}

/* A key of its own for each process. */
static void commit_and_sync(struct store *store)
{
	uint64_t ticket = 0;
	char key[16];

	snprintf(key, sizeof(key), "of %d", (int)getpid());
	if (commit(store, key, "value", &ticket))
		_exit(1);
	atomic_fetch_add(&control->committed, 1);
	if (store_sync(store, ticket))
		_exit(1);
	atomic_fetch_add(&control->done, 1);
}

static void sync_once(struct store *store)
{
	uint64_t ticket = 0;

	if (commit(store, "key", "value", &ticket))
		_exit(1);
	store_sync(store, ticket);
}

/*
 * A child is in its sync, which lasts until so many others have committed and
 * wait for it, and 20 ms more; then it ends as the mode says.
 */
static pid_t sync_while_others_wait(struct store *store, pid_t waiters[WAITERS])
{
	pid_t first = child(store, 1, sync_once);

	for (int ms = 0; !atomic_load(&control->calls) && ms < 5000; ms++)
		clock_sleep_ms(1);
	CU_ASSERT(atomic_load(&control->calls) > 0);
	for (unsigned i = 0; i < WAITERS; i++)
		waiters[i] = child(store, 2 + i, commit_and_sync);
	return first;
}

static void reap(const pid_t pids[WAITERS])
{
	for (unsigned i = 0; i < WAITERS; i++) {
		int status = 0;

		CU_ASSERT_EQUAL(waitpid(pids[i], &status, 0), pids[i]);
		CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

/* Those who commit while somebody syncs need one more sync, not one each. */
static void who_waits_for_a_sync_shares_the_next_one(void)
{
	struct store *store = begin();
	pid_t waiters[WAITERS];
	int status = 0;
	pid_t first;

	atomic_store(&control->mode, SYNC_WAITED_FOR);
	first = sync_while_others_wait(store, waiters);
	CU_ASSERT_EQUAL(waitpid(first, &status, 0), first);
	reap(waiters);
	CU_ASSERT_EQUAL(atomic_load(&control->done), WAITERS);
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 2);
	contract_close(store);
	end();
}

/* Nobody wakes them: they have to look for themselves. */
static void who_waits_for_a_syncer_that_dies_is_not_forgotten(void)
{
	struct store *store = begin();
	pid_t waiters[WAITERS];
	int64_t begun_ms;
	int status = 0;
	pid_t first;

	atomic_store(&control->mode, SYNC_WAITED_FOR_AND_DIE);
	first = sync_while_others_wait(store, waiters);
	CU_ASSERT_EQUAL(waitpid(first, &status, 0), first);
	CU_ASSERT(WIFSIGNALED(status));
	begun_ms = clock_monotonic_ms();
	reap(waiters);
	/* Long before the lock timeout of 10 s. */
	CU_ASSERT(clock_monotonic_ms() - begun_ms < 5000);
	CU_ASSERT_EQUAL(atomic_load(&control->done), WAITERS);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	contract_close(store);
	end();
}

static uint64_t written_by(enum err err, uint64_t before)
{
	CU_ASSERT_EQUAL(err, ERR_OK);
	return atomic_load(&control->written) - before;
}

/* Zeros are written once, up to what is kept for deletes, and not for these. */
static void the_first_of_many_small_commits_writes_zeros_ahead(void)
{
	struct store *store = begin();
	uint64_t ticket = 0;
	uint64_t before = 0;
	uint64_t bytes;

	bytes = written_by(commit(store, "key", "value", &ticket), before);
	CU_ASSERT(bytes > 32768 && bytes <= 65536 - 65536 / 16);
	for (int i = 0; i < 100; i++) {
		before = atomic_load(&control->written);
		bytes = written_by(commit(store, "key", "value", &ticket),
				   before);
		CU_ASSERT(bytes < 200);
	}
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	contract_close(store);
	end();
}

static void a_delete_writes_no_zeros(void)
{
	struct store *store = begin();
	struct store_op op = op_delete(view_of("key"));
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t ticket = 0;
	uint64_t before;

	contract_put(store, "key", "value");
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
	before = atomic_load(&control->written);
	CU_ASSERT(written_by(store_commit(store, &batch, &ticket), before) <
		  200);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	contract_close(store);
	end();
}

static const struct harness_test tests[] = {
	HARNESS_TEST(nothing_shows_before_it_is_durable),
	HARNESS_TEST(one_sync_makes_many_commits_durable),
	HARNESS_TEST(a_failed_sync_stops_writes_until_a_restart),
	HARNESS_TEST(what_is_sealed_is_synced_first),
	HARNESS_TEST(nobody_seals_what_a_sync_has_lost),
	HARNESS_TEST(what_a_killed_housekeeper_was_to_expire_is_not_forgotten),
	HARNESS_TEST(after_a_syncer_died_its_bytes_are_written_again),
	HARNESS_TEST(nor_does_it_matter_that_the_segment_can_not_be_sealed),
	HARNESS_TEST(what_a_dead_syncer_has_lost_is_made_durable_for_nobody),
	HARNESS_TEST(a_start_writes_again_what_it_has_replayed),
	HARNESS_TEST(who_can_not_open_a_segment_does_not_stop_writes),
	HARNESS_TEST(unless_the_last_syncer_died),
	HARNESS_TEST(a_manifest_that_somebody_may_have_read_stays),
	HARNESS_TEST(a_manifest_in_doubt_is_put_in_place_again),
	HARNESS_TEST(who_follows_puts_a_manifest_in_doubt_in_place_again),
	HARNESS_TEST(a_start_puts_a_manifest_in_doubt_in_place_again),
	HARNESS_TEST(both_manifests_are_good_as_long_as_there_is_doubt),
	HARNESS_TEST(the_first_of_many_small_commits_writes_zeros_ahead),
	HARNESS_TEST(a_delete_writes_no_zeros),
	HARNESS_TEST(who_waits_for_a_sync_shares_the_next_one),
	HARNESS_TEST(who_waits_for_a_syncer_that_dies_is_not_forgotten),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/durable", tests, HARNESS_COUNT(tests));
}
