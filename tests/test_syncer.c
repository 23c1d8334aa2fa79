/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The thread that waits for the disk, and a worker that has one.
 *
 * fdatasync(2) is ours here: while it is shut, it waits, as on a disk that
 * takes its time.  pthread_create(3) is, too, and clock_gettime(2): for the
 * workers time stands still, so that no round ends early on a busy machine.
 */
#include "syncer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "child.h"
#include "harness.h"
#include "next.h"
#include "peer.h"
#include "serving.h"

#define PEERS     8     /* more than are synced for at once */
#define PATIENCE  20000 /* ms */
#define ROUND_MAX 6
#define NEWEST    1000 /* a ticket of the tests' own */

/* Shared with the worker. */
struct control {
	_Atomic bool shut;
	_Atomic bool fails;
	_Atomic unsigned calls;
	_Atomic uint64_t ticket; /* that a sync of the tests' own was for */
};

/* Who gives such tickets, and stands before whom. */
static struct {
	struct store_engine engine;
	const struct store_engine *real;
	unsigned commits;
} tickets;

static struct control *control;
static bool no_threads;
static bool stands; /* the monotonic time does, at: */
static struct timespec standing;
static struct conf conf;

int fdatasync(int fd)
{
	atomic_fetch_add(&control->calls, 1);
	while (atomic_load(&control->shut))
		clock_sleep_ms(1);
	if (!atomic_load(&control->fails))
		return (int)syscall(SYS_fdatasync, fd);
	errno = EIO;
	return -1;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*run)(void *), void *arg)
{
	NEXT(pthread_create);

	return no_threads ? EAGAIN : next(thread, attr, run, arg);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	NEXT(clock_gettime);

	if (!stands || id != CLOCK_MONOTONIC)
		return next(id, now);
	*now = standing;
	return 0;
}

static void open_control(void)
{
	atomic_store(&control->shut, false);
	atomic_store(&control->fails, false);
	atomic_store(&control->calls, 0);
	no_threads = false;
}

/* Until a sync is under way. */
static void wait_for_sync(void)
{
	int64_t until_ms = clock_monotonic_ms() + PATIENCE;

	while (!atomic_load(&control->calls) && clock_monotonic_ms() < until_ms)
		clock_sleep_ms(1);
	CU_ASSERT_FATAL(atomic_load(&control->calls) > 0);
}

/* The thread by itself */

static struct store *open_store(void)
{
	struct store_conf store_conf = service_store_conf(&conf);
	struct store *store;

	store_conf.data_dir = harness_path("data");
	CU_ASSERT_EQUAL_FATAL(store_open(&store_conf, &store), ERR_OK);
	open_control();
	return store;
}

static uint64_t commit(struct store *store)
{
	struct store_op op = { .verb = STORE_PUT,
			       .key = view_of("key"),
			       .value = view_of("value") };
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t ticket = 0;

	CU_ASSERT_EQUAL_FATAL(store_commit(store, &batch, &ticket), ERR_OK);
	return ticket;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

static uint64_t durable(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.revision;
}

static void a_sync_goes_on_beside_and_its_end_is_told_once(void)
{
	struct store *store = open_store();
	struct syncer syncer;
	uint64_t ticket = commit(store);
	enum err err = ERR_SYSTEM;

	CU_ASSERT_EQUAL_FATAL(syncer_init(&syncer, store), ERR_OK);
	CU_ASSERT_FALSE(syncer_ended(&syncer, &err));
	atomic_store(&control->shut, true);
	CU_ASSERT_FATAL(syncer_begin(&syncer, ticket));
	wait_for_sync();
	CU_ASSERT_FALSE(readable(syncer.fd, 0));
	CU_ASSERT_FALSE(syncer_ended(&syncer, &err));
	CU_ASSERT(durable(store) < ticket);
	atomic_store(&control->shut, false);
	CU_ASSERT(readable(syncer.fd, PATIENCE));
	CU_ASSERT(syncer_ended(&syncer, &err));
	CU_ASSERT_EQUAL(err, ERR_OK);
	CU_ASSERT(durable(store) >= ticket);
	CU_ASSERT_FALSE(readable(syncer.fd, 0));
	CU_ASSERT_FALSE(syncer_ended(&syncer, &err));
	syncer_release(&syncer);
	store_close(store);
}

static void one_after_the_other_is_waited_for(void)
{
	enum { SYNCS = 100 };
	struct store *store = open_store();
	struct syncer syncer;

	CU_ASSERT_EQUAL_FATAL(syncer_init(&syncer, store), ERR_OK);
	for (int i = 0; i < SYNCS; i++) {
		uint64_t ticket = commit(store);

		CU_ASSERT_FATAL(syncer_begin(&syncer, ticket));
		CU_ASSERT_EQUAL(syncer_wait(&syncer), ERR_OK);
		CU_ASSERT(durable(store) >= ticket);
	}
	syncer_release(&syncer);
	store_close(store);
}

static void a_sync_that_failed_is_told_as_such(void)
{
	struct store *store = open_store();
	struct syncer syncer;
	uint64_t ticket = commit(store);

	CU_ASSERT_EQUAL_FATAL(syncer_init(&syncer, store), ERR_OK);
	atomic_store(&control->fails, true);
	CU_ASSERT_FATAL(syncer_begin(&syncer, ticket));
	CU_ASSERT_EQUAL(syncer_wait(&syncer), ERR_IO);
	atomic_store(&control->fails, false);
	CU_ASSERT_FATAL(syncer_begin(&syncer, ticket));
	CU_ASSERT_EQUAL(syncer_wait(&syncer), ERR_STOPPED);
	syncer_release(&syncer);
	store_close(store);
}

static void without_a_thread_nothing_is_begun(void)
{
	struct store *store = open_store();
	struct syncer syncer;
	enum err err;

	CU_ASSERT_EQUAL_FATAL(syncer_init(&syncer, store), ERR_OK);
	no_threads = true;
	CU_ASSERT_FALSE(syncer_begin(&syncer, commit(store)));
	CU_ASSERT_FALSE(syncer_ended(&syncer, &err));
	no_threads = false;
	CU_ASSERT_FALSE(syncer_begin(&syncer, commit(store)));
	syncer_release(&syncer);
	store_close(store);
}

static void without_a_descriptor_there_is_none(void)
{
	struct store *store = open_store();
	struct syncer syncer;
	struct rlimit limit, none;

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ .rlim_max = limit.rlim_max };
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	CU_ASSERT_NOT_EQUAL(syncer_init(&syncer, store), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CU_ASSERT_PTR_NULL(syncer.store);
	syncer_release(&syncer);
	store_close(store);
}

static void who_leaves_within_a_sync_waits_for_it(void)
{
	struct store *store = open_store();
	struct syncer syncer;
	uint64_t ticket = commit(store);

	CU_ASSERT_EQUAL_FATAL(syncer_init(&syncer, store), ERR_OK);
	CU_ASSERT_FATAL(syncer_begin(&syncer, ticket));
	syncer_release(&syncer);
	CU_ASSERT(durable(store) >= ticket);
	syncer_release(&syncer);
	store_close(store);
}

/* A worker that has one */

struct fixture {
	struct serving serving;
	int fds[PEERS];
};

static int send_body(const struct fixture *f, const char *method, int key,
		     struct view body)
{
	struct buf bytes = BUF_EMPTY;
	char target[32];
	int fd = peer_dial(f->serving.listen[LISTEN_API]);

	snprintf(target, sizeof(target), "/v1/kv/%d", key);
	peer_request(&bytes, method, target, body);
	peer_send(fd, &bytes);
	buf_release(&bytes);
	return fd;
}

static int send_request(const struct fixture *f, const char *method, int key)
{
	return send_body(f, method, key, view_of("x"));
}

static bool answered(int fd, const char *expected)
{
	struct buf answer = BUF_EMPTY;
	bool ok;

	peer_receive(fd, &answer);
	ok = peer_answered(&answer, expected);
	buf_release(&answer);
	return ok;
}

static void start(struct fixture *f)
{
	clock_gettime(CLOCK_MONOTONIC, &standing);
	stands = true;
	serving_start(&f->serving);
	stands = false;
}

/* All at once, for a worker that is not there yet. */
static void put_all(struct fixture *f)
{
	static struct conf mine;

	mine = conf;
	mine.data_dir = harness_path("data");
	serving_open(&f->serving, &mine);
	open_control();
	for (int i = 0; i < PEERS; i++)
		f->fds[i] = send_request(f, "PUT", i);
}

static bool all_answered(const struct fixture *f, const char *expected)
{
	bool ok = true;

	for (int i = 0; i < PEERS; i++)
		ok &= answered(f->fds[i], expected);
	return ok;
}

static unsigned silent(const struct fixture *f)
{
	unsigned count = 0;

	for (int i = 0; i < PEERS; i++)
		count += !readable(f->fds[i], 0);
	return count;
}

static void start_within_a_sync(struct fixture *f)
{
	put_all(f);
	atomic_store(&control->shut, true);
	start(f);
	wait_for_sync();
}

static void who_reads_does_not_wait_for_the_disk(void)
{
	struct fixture f;

	start_within_a_sync(&f);
	for (int i = 0; i < PEERS; i++)
		CU_ASSERT(answered(send_request(&f, "GET", i), "Status: 404 "));
	CU_ASSERT_EQUAL(silent(&f), PEERS);
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 1);
	atomic_store(&control->shut, false);
	CU_ASSERT(all_answered(&f, "Status: 201 "));
	CU_ASSERT(answered(send_request(&f, "GET", 0), "Status: 200 "));
	serving_stop(&f.serving, CHILD_DRAIN);
}

static void what_is_written_meanwhile_shares_the_next_sync(void)
{
	struct fixture f;
	int more[PEERS];

	start_within_a_sync(&f);
	for (int i = 0; i < PEERS; i++)
		more[i] = send_request(&f, "PUT", PEERS + i);
	/* Answered after all that was sent before, as it comes behind them. */
	CU_ASSERT(answered(send_request(&f, "GET", 0), "Status: 404 "));
	CU_ASSERT_EQUAL(silent(&f), PEERS);
	atomic_store(&control->shut, false);
	CU_ASSERT(all_answered(&f, "Status: 201 "));
	for (int i = 0; i < PEERS; i++)
		CU_ASSERT(answered(more[i], "Status: 201 "));
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 2);
	serving_stop(&f.serving, CHILD_DRAIN);
}

static void more_than_can_be_held_waits_for_the_sync(void)
{
	struct fixture f;

	put_all(&f);
	f.serving.conf.round_max = ROUND_MAX;
	atomic_store(&control->shut, true);
	start(&f);
	wait_for_sync();
	CU_ASSERT_EQUAL(silent(&f), PEERS);
	atomic_store(&control->shut, false);
	CU_ASSERT(all_answered(&f, "Status: 201 "));
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 2);
	serving_stop(&f.serving, CHILD_DRAIN);
}

/* Of large ones it takes fewer, so that their bodies have room. */
static void bodies_wait_for_the_sync_too(void)
{
	enum { LARGE = 3, BYTES = 3 << 20 }; /* more than 8 MiB together */
	static char body[BYTES];
	struct fixture f;
	int large[LARGE];
	int late;

	start_within_a_sync(&f);
	for (int i = 0; i < LARGE; i++)
		large[i] = send_body(&f, "PUT", PEERS + i,
				     (struct view){ body, sizeof(body) });
	late = send_request(&f, "GET", 0);
	CU_ASSERT_FALSE(readable(late, 200));
	atomic_store(&control->shut, false);
	CU_ASSERT(all_answered(&f, "Status: 201 "));
	for (int i = 0; i < LARGE; i++)
		CU_ASSERT(answered(large[i], "Status: 201 "));
	CU_ASSERT(answered(late, "Status: 200 "));
	serving_stop(&f.serving, CHILD_DRAIN);
}

static enum err commit_for_a_ticket(struct store *store,
				    struct store_batch *batch, uint64_t *ticket)
{
	enum err err = tickets.real->commit(store, batch, ticket);

	*ticket = tickets.commits == PEERS / 2 ? NEWEST : 1;
	tickets.commits++;
	return err;
}

static enum err sync_and_tell(struct store *store, uint64_t ticket)
{
	(void)store;
	atomic_fetch_add(&control->calls, 1);
	atomic_store(&control->ticket, ticket);
	return ERR_OK;
}

/* A write that changes nothing has the ticket of what it rests on. */
static void a_round_is_synced_up_to_its_newest_change(void)
{
	struct fixture f;

	put_all(&f);
	tickets.real = f.serving.store->engine;
	tickets.engine = *tickets.real;
	tickets.engine.commit = commit_for_a_ticket;
	tickets.engine.sync = sync_and_tell;
	tickets.commits = 0;
	f.serving.store->engine = &tickets.engine;
	start(&f);
	CU_ASSERT(all_answered(&f, "Status: 201 "));
	CU_ASSERT_EQUAL(atomic_load(&control->calls), 1);
	CU_ASSERT_EQUAL(atomic_load(&control->ticket), NEWEST);
	f.serving.store->engine = tickets.real;
	serving_stop(&f.serving, CHILD_DRAIN);
}

static void what_the_disk_refused_is_acknowledged_to_nobody(void)
{
	struct fixture f;

	put_all(&f);
	atomic_store(&control->fails, true);
	start(&f);
	CU_ASSERT(all_answered(&f, "Status: 500 "));
	CU_ASSERT(answered(send_request(&f, "GET", 0), "Status: 404 "));
	serving_stop(&f.serving, CHILD_DRAIN);
}

static void who_has_to_leave_within_a_sync_answers_first(void)
{
	static const int signals[] = { CHILD_DRAIN, CHILD_YIELD };

	for (size_t n = 0; n < HARNESS_COUNT(signals); n++) {
		struct fixture f;

		start_within_a_sync(&f);
		kill(f.serving.pid, signals[n]);
		clock_sleep_ms(20);
		CU_ASSERT_EQUAL(silent(&f), PEERS);
		atomic_store(&control->shut, false);
		CU_ASSERT(all_answered(&f, "Status: 20"));
		serving_stop(&f.serving, signals[n]);
	}
}

static void without_a_thread_a_worker_syncs_by_itself(void)
{
	struct fixture f;

	put_all(&f);
	no_threads = true;
	start(&f);
	CU_ASSERT(all_answered(&f, "Status: 201 "));
	serving_stop(&f.serving, CHILD_DRAIN);
}

/* The lock that the thread held is found as that of a dead process. */
static void a_worker_killed_within_a_sync_is_no_obstacle(void)
{
	struct fixture f;
	int status;

	start_within_a_sync(&f);
	kill(f.serving.pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(f.serving.pid, &status, 0), f.serving.pid);
	atomic_store(&control->shut, false);
	for (int i = 0; i < PEERS; i++)
		CU_ASSERT_FALSE(answered(f.fds[i], "Status: 20"));
	start(&f);
	for (int i = 0; i < PEERS; i++)
		f.fds[i] = send_request(&f, "PUT", i);
	CU_ASSERT(all_answered(&f, "Status: 204 "));
	serving_stop(&f.serving, CHILD_DRAIN);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_sync_goes_on_beside_and_its_end_is_told_once),
	HARNESS_TEST(one_after_the_other_is_waited_for),
	HARNESS_TEST(a_sync_that_failed_is_told_as_such),
	HARNESS_TEST(without_a_thread_nothing_is_begun),
	HARNESS_TEST(without_a_descriptor_there_is_none),
	HARNESS_TEST(who_leaves_within_a_sync_waits_for_it),
	HARNESS_TEST(who_reads_does_not_wait_for_the_disk),
	HARNESS_TEST(what_is_written_meanwhile_shares_the_next_sync),
	HARNESS_TEST(more_than_can_be_held_waits_for_the_sync),
	HARNESS_TEST(bodies_wait_for_the_sync_too),
	HARNESS_TEST(a_round_is_synced_up_to_its_newest_change),
	HARNESS_TEST(what_the_disk_refused_is_acknowledged_to_nobody),
	HARNESS_TEST(who_has_to_leave_within_a_sync_answers_first),
	HARNESS_TEST(without_a_thread_a_worker_syncs_by_itself),
	HARNESS_TEST(a_worker_killed_within_a_sync_is_no_obstacle),
};

int main(void)
{
	static char workers[] = "--workers=1";
	char *argv[] = { workers, NULL };
	char *env[] = { NULL };
	struct buf message = BUF_EMPTY;
	int status;

	if (conf_load(&conf, 1, argv, env, &message)) {
		printf("Bail out! %s\n", buf_string(&message));
		return EXIT_FAILURE;
	}
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (control == MAP_FAILED) {
		printf("Bail out! no shared memory\n");
		return EXIT_FAILURE;
	}
	child_block_signals();
	log_setup(LOG_ERROR, "test");
	status = harness_run("syncer", tests, HARNESS_COUNT(tests));
	conf_release(&conf);
	return status;
}
