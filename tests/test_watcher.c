/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A watcher in a process of its own, over a store in that process's memory:
 * what it is to see is put through its own socket, since it serves everything.
 */
#include "watcher.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "harness.h"
#include "peer.h"

#define HEARTBEAT_MS 300
#define TIMEOUT_MS   1000
#define WATCHERS_MAX 20
#define BACKLOG_MAX  200000

struct fixture {
	struct conf conf;
	struct service service;
	char listen[LISTEN_REQUESTS][256];
	pid_t pid;
};

static const struct store_engine *real;
static struct store_engine counting;
static _Atomic unsigned *let_go; /* across fork(2); NULL: nobody counts */

static void count_letting_go(struct store *store)
{
	(void)store;
	atomic_fetch_add(let_go, 1);
}

static void start_with(struct fixture *f, uint64_t backlog_max)
{
	struct store_conf store_conf = {
		.engine = "memory",
		.value_max_bytes = 1 << 20,
		.lock_timeout_ms = 1000,
		.history_bytes = 64 << 20,
	};

	for (int i = 0; i < LISTEN_REQUESTS; i++) {
		char name[] = "s0";

		name[1] = (char)('0' + i);
		snprintf(f->listen[i], sizeof(f->listen[i]), "unix:%s",
			 harness_path(name));
	}
	f->conf = (struct conf){
		.listen = f->listen[LISTEN_API],
		.watch_listen = f->listen[LISTEN_WATCH],
		.transfer_listen = f->listen[LISTEN_TRANSFER],
		.stored_listen = "",
		.engine = "memory",
		.run_dir = "",
		.cors_origin = "",
		.value_max_bytes = 1 << 20,
		.request_timeout_ms = TIMEOUT_MS,
		.watchers_max = WATCHERS_MAX,
		.watch_heartbeat_ms = HEARTBEAT_MS,
		.watch_backlog_bytes = backlog_max,
	};
	f->service = (struct service){ .conf = &f->conf };
	CU_ASSERT_EQUAL_FATAL(store_open(&store_conf, &f->service.store),
			      ERR_OK);
	CU_ASSERT_EQUAL_FATAL(service_listen(&f->service, -1), ERR_OK);
	real = f->service.store->engine;
	counting = *real;
	counting.idle = count_letting_go;
	if (let_go)
		f->service.store->engine = &counting;
	f->pid = fork();
	if (f->pid == 0)
		_exit(watcher_run(&f->service));
	CU_ASSERT_FATAL(f->pid > 0);
}

static void start(struct fixture *f)
{
	start_with(f, BACKLOG_MAX);
}

static void wait_end(struct fixture *f)
{
	int status = -1;

	CU_ASSERT_EQUAL(waitpid(f->pid, &status, 0), f->pid);
	CU_ASSERT_EQUAL(status, 0);
	service_close_listeners(&f->service);
	f->service.store->engine = real;
	store_close(f->service.store);
}

static void stop(struct fixture *f)
{
	kill(f->pid, CHILD_DRAIN);
	wait_end(f);
}

static int send_request(const struct fixture *f, const char *method,
			const char *target, struct view content)
{
	struct buf bytes = BUF_EMPTY;
	int fd = peer_dial(f->listen[LISTEN_WATCH]);

	peer_request(&bytes, method, target, content);
	peer_send(fd, &bytes);
	buf_release(&bytes);
	return fd;
}

static bool ask(const struct fixture *f, const char *method, const char *target,
		struct view content, const char *expected)
{
	struct buf answer = BUF_EMPTY;
	bool ok;

	peer_receive(send_request(f, method, target, content), &answer);
	ok = peer_answered(&answer, expected);
	buf_release(&answer);
	return ok;
}

static bool put(const struct fixture *f, const char *target)
{
	return ask(f, "PUT", target, view_of("xyz"), "Status: 20");
}

/* Begin to watch a stream of events. */
static int watch(const struct fixture *f, const char *target)
{
	struct buf bytes = BUF_EMPTY;
	struct buf list = BUF_EMPTY;
	int fd = peer_dial(f->listen[LISTEN_WATCH]);

	peer_begin(&bytes, RESPONDER, 0);
	peer_param(&list, "REQUEST_METHOD", "GET");
	peer_param(&list, "REQUEST_URI", target);
	peer_param(&list, "HTTP_ACCEPT", "text/event-stream");
	peer_record(&bytes, PARAMS, buf_view(&list));
	peer_record(&bytes, PARAMS, (struct view){ 0 });
	peer_body(&bytes, (struct view){ 0 });
	peer_send(fd, &bytes);
	buf_release(&bytes);
	buf_release(&list);
	return fd;
}

/* Read until the text is among what has come; false at the end. */
static bool see(int fd, struct buf *seen, const char *text)
{
	while (!peer_answered(seen, text)) {
		char piece[4096];
		ssize_t got = recv(fd, piece, sizeof(piece), 0);

		if (got <= 0)
			return false;
		buf_add(seen, piece, (size_t)got);
	}
	return true;
}

/* The same of much, of which nothing is kept. */
static bool skip_to(int fd, const char *text)
{
	enum { KEPT = 256 };
	struct buf seen = BUF_EMPTY;
	bool found = false;
	ssize_t got = 1;

	while (!found && got > 0) {
		static char piece[65536];

		if (seen.size > KEPT)
			memmove(seen.data, seen.data + seen.size - KEPT, KEPT);
		if (seen.size > KEPT)
			seen.size = KEPT;
		got = recv(fd, piece, sizeof(piece), 0);
		if (got > 0)
			buf_add(&seen, piece, (size_t)got);
		found = peer_answered(&seen, text);
	}
	buf_release(&seen);
	return found;
}

/* Seeing */

static void what_is_put_is_seen_by_all_who_watch_it(void)
{
	struct fixture f;
	struct buf seen[4] = { BUF_EMPTY };
	int fds[4];

	start(&f);
	for (int i = 0; i < 4; i++) {
		fds[i] = watch(&f, i % 2 ? "/v1/watch?prefix=b" : "/v1/watch");
		CU_ASSERT(see(fds[i], &seen[i], "id: 0\n\n"));
	}
	CU_ASSERT(put(&f, "/v1/kv/a"));
	CU_ASSERT(put(&f, "/v1/kv/b"));
	for (int i = 0; i < 4; i++) {
		CU_ASSERT(see(fds[i], &seen[i], "\"rev\":2,\"size\":3}\n\n"));
		CU_ASSERT_EQUAL(peer_answered(&seen[i], "\"rev\":1,"),
				i % 2 == 0);
		CU_ASSERT_FALSE(peer_answered(&seen[i], "Content-Length"));
		close(fds[i]);
		buf_release(&seen[i]);
	}
	stop(&f);
}

static void who_comes_late_catches_up(void)
{
	enum { CHANGES = 3000 };
	struct fixture f;
	struct buf seen = BUF_EMPTY;
	int fd;

	start(&f);
	for (int i = 0; i < CHANGES; i++)
		CU_ASSERT(put(&f, "/v1/kv/a"));
	fd = watch(&f, "/v1/watch?since=10");
	CU_ASSERT(see(fd, &seen, "\"rev\":3000,"));
	CU_ASSERT_FALSE(peer_answered(&seen, "\"rev\":10,"));
	CU_ASSERT_TRUE(peer_answered(&seen, "\"rev\":11,"));
	close(fd);
	buf_release(&seen);
	stop(&f);
}

static void a_poll_is_answered_by_the_first_event(void)
{
	struct fixture f;
	struct buf answer = BUF_EMPTY;
	int fd;

	start(&f);
	fd = send_request(&f, "GET", "/v1/watch?prefix=b", (struct view){ 0 });
	CU_ASSERT(put(&f, "/v1/kv/a"));
	CU_ASSERT(put(&f, "/v1/kv/b"));
	peer_receive(fd, &answer);
	CU_ASSERT(peer_answered(&answer, "{\"rev\":2,\"events\":[{\"event\":"
					 "\"put\",\"key\":\"b\",\"rev\":2,"));
	CU_ASSERT(peer_answered(&answer, "Content-Length: "));
	buf_release(&answer);
	stop(&f);
}

static void a_poll_is_answered_when_its_time_is_up(void)
{
	struct fixture f;
	int64_t begun_ms;

	start(&f);
	CU_ASSERT(put(&f, "/v1/kv/a"));
	CU_ASSERT(ask(&f, "GET", "/v1/watch?wait=0&since=0", (struct view){ 0 },
		      "\"rev\":1,\"events\":[{"));
	begun_ms = clock_monotonic_ms();
	CU_ASSERT(ask(&f, "GET", "/v1/watch?wait=0", (struct view){ 0 },
		      "{\"rev\":1,\"events\":[]}"));
	CU_ASSERT(clock_monotonic_ms() - begun_ms < 900);
	begun_ms = clock_monotonic_ms();
	CU_ASSERT(ask(&f, "GET", "/v1/watch?wait=1", (struct view){ 0 },
		      "{\"rev\":1,\"events\":[]}"));
	CU_ASSERT(clock_monotonic_ms() - begun_ms >= 1000);
	stop(&f);
}

static void a_quiet_stream_is_told_the_revision(void)
{
	struct fixture f;
	struct buf seen = BUF_EMPTY;
	int fd;

	start(&f);
	fd = watch(&f, "/v1/watch?prefix=quiet");
	CU_ASSERT(see(fd, &seen, "id: 0\n\n"));
	CU_ASSERT(put(&f, "/v1/kv/a"));
	CU_ASSERT(see(fd, &seen, "id: 1\n\n"));
	CU_ASSERT_FALSE(peer_answered(&seen, "data:"));
	close(fd);
	buf_release(&seen);
	stop(&f);
}

/* Coming and going */

static void past_the_limit_there_is_503_until_one_goes(void)
{
	struct fixture f;
	int fds[WATCHERS_MAX];
	struct buf seen = BUF_EMPTY;
	int64_t until_ms = clock_monotonic_ms() + 20000;

	start(&f);
	for (int i = 0; i < WATCHERS_MAX; i++) {
		fds[i] = watch(&f, "/v1/watch");
		buf_clear(&seen);
		CU_ASSERT(see(fds[i], &seen, "id: 0\n\n"));
	}
	CU_ASSERT(ask(&f, "GET", "/v1/watch?wait=0", (struct view){ 0 },
		      "Retry-After: 1"));
	close(fds[0]);
	while (!ask(&f, "GET", "/v1/watch?wait=0", (struct view){ 0 },
		    "Status: 200"))
		CU_ASSERT_FATAL(clock_monotonic_ms() < until_ms);
	for (int i = 1; i < WATCHERS_MAX; i++)
		close(fds[i]);
	buf_release(&seen);
	stop(&f);
}

static void who_does_not_read_is_cut_off_and_the_others_are_not(void)
{
	enum { SIZE = 100000 };
	struct fixture f;
	struct buf seen = BUF_EMPTY;
	struct view value = { calloc(1, SIZE), SIZE };
	int slow[3], good;
	char last[32];

	start(&f);
	for (int i = 0; i < 3; i++)
		slow[i] = watch(&f, "/v1/watch?values=1");
	good = watch(&f, "/v1/watch");
	CU_ASSERT(see(good, &seen, "id: 0\n\n"));
	for (int i = 1; i <= 40; i++) {
		CU_ASSERT(ask(&f, "PUT", "/v1/kv/a", value, "Status: 20"));
		snprintf(last, sizeof(last), "\"rev\":%d,", i);
		CU_ASSERT(see(good, &seen, last));
	}
	for (int i = 0; i < 3; i++) {
		struct buf rest = BUF_EMPTY;

		/* It ends, and not with FastCGI's end, or has all. */
		if (i < 2)
			peer_receive(slow[i], &rest);
		else
			close(slow[i]);
		CU_ASSERT_FALSE(peer_answered(&rest, "\"rev\":40,"));
		buf_release(&rest);
	}
	close(good);
	free((void *)(uintptr_t)value.data);
	buf_release(&seen);
	stop(&f);
}

/* It goes on taking, but would take some 20 s for its event of 6 MiB. */
static void who_reads_in_drops_holds_nobody_up(void)
{
	enum { SIZE = 1 << 20, BOUND = 2 << 20, DROP = 32 << 10 };
	struct view value = { calloc(1, SIZE), SIZE };
	struct fixture f;
	struct buf seen = BUF_EMPTY;
	int64_t begun_ms;
	int slow, good;
	pid_t reader;

	start_with(&f, BOUND);
	slow = watch(&f, "/v1/watch?values=1");
	CU_ASSERT(see(slow, &seen, "id: 0\n\n"));
	buf_clear(&seen);
	good = watch(&f, "/v1/watch");
	CU_ASSERT(see(good, &seen, "id: 0\n\n"));
	reader = fork();
	if (reader == 0) {
		static char drop[DROP];

		while (recv(slow, drop, sizeof(drop), 0) > 0)
			clock_sleep_ms(100);
		_exit(0);
	}
	CU_ASSERT(ask(&f, "PUT", "/v1/kv/a", value, "Status: 20"));
	begun_ms = clock_monotonic_ms();
	CU_ASSERT(put(&f, "/v1/kv/b"));
	CU_ASSERT(see(good, &seen, "\"rev\":2,"));
	CU_ASSERT(clock_monotonic_ms() - begun_ms < 6000);
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
	close(slow);
	close(good);
	free((void *)(uintptr_t)value.data);
	buf_release(&seen);
	stop(&f);
}

static void who_reads_slowly_misses_nothing(void)
{
	enum { SIZE = 50000, CHANGES = 30 };
	struct fixture f;
	struct buf seen = BUF_EMPTY;
	struct view value = { calloc(1, SIZE), SIZE };
	int fd;

	memset((void *)(uintptr_t)value.data, 'v', SIZE);
	start(&f);
	fd = watch(&f, "/v1/watch?values=1");
	CU_ASSERT(see(fd, &seen, "id: 0\n\n"));
	for (int i = 0; i < CHANGES; i++)
		CU_ASSERT(ask(&f, "PUT", "/v1/kv/a", value, "Status: 20"));
	CU_ASSERT(see(fd, &seen, "\"rev\":30,"));
	for (int i = 1; i <= CHANGES; i++) {
		char id[32];

		snprintf(id, sizeof(id), "id: %d\nevent: put", i);
		CU_ASSERT(peer_answered(&seen, id));
	}
	close(fd);
	free((void *)(uintptr_t)value.data);
	buf_release(&seen);
	stop(&f);
}

/* Each of the events is more than a socket takes at once. */
static void who_has_taken_an_event_is_sent_the_next_at_once(void)
{
	enum { SIZE = 500000, CHANGES = 30 };
	struct fixture f;
	struct view value = { malloc(SIZE), SIZE };
	int64_t begun_ms;
	int fd;

	memset((void *)(uintptr_t)value.data, 'v', SIZE);
	start(&f);
	for (int i = 0; i < CHANGES; i++)
		CU_ASSERT(ask(&f, "PUT", "/v1/kv/a", value, "Status: 20"));
	begun_ms = clock_monotonic_ms();
	fd = watch(&f, "/v1/watch?values=1&since=0");
	CU_ASSERT(skip_to(fd, "\"rev\":30,"));
	CU_ASSERT(clock_monotonic_ms() - begun_ms < CHANGES * HEARTBEAT_MS / 2);
	close(fd);
	free((void *)(uintptr_t)value.data);
	stop(&f);
}

static void a_revision_of_too_much_is_gone_for_a_poll_only(void)
{
	enum { KEYS = 2000 };
	struct view none = { 0 };
	struct fixture f;
	struct buf answer = BUF_EMPTY;
	struct buf seen = BUF_EMPTY;
	char target[160];
	int fd;

	start(&f);
	for (int i = 0; i < KEYS; i++) {
		snprintf(target, sizeof(target), "/v1/kv/a%0100d", i);
		CU_ASSERT(put(&f, target));
	}
	CU_ASSERT(ask(&f, "DELETE", "/v1/kv?prefix=a", none, "Status: 200 "));
	peer_receive(send_request(&f, "GET", "/v1/watch?since=2000", none),
		     &answer);
	CU_ASSERT(peer_answered(&answer, "Status: 410 "));
	CU_ASSERT(peer_answered(&answer, "application/problem+json"));
	CU_ASSERT(peer_answered(&answer, "revision 2001 has more changes"));
	CU_ASSERT(peer_answered(&answer, "\"oldest\":2001}"));
	CU_ASSERT(ask(&f, "GET", "/v1/watch?since=2001&wait=0", none,
		      "{\"rev\":2001,\"events\":[]}"));
	CU_ASSERT(ask(&f, "GET", "/v1/watch?since=2000&wait=0&prefix=b", none,
		      "{\"rev\":2001,\"events\":[]}"));
	fd = watch(&f, "/v1/watch?since=2000");
	CU_ASSERT(see(fd, &seen, "id: 2001\n"));
	close(fd);
	buf_release(&answer);
	buf_release(&seen);
	stop(&f);
}

static void a_request_that_does_not_come_is_given_up(void)
{
	struct fixture f;
	struct buf half = BUF_EMPTY;
	struct buf answer = BUF_EMPTY;
	int fd;

	start(&f);
	fd = peer_dial(f.listen[LISTEN_WATCH]);
	peer_begin(&half, RESPONDER, 0);
	peer_send(fd, &half);
	CU_ASSERT(put(&f, "/v1/kv/a"));
	peer_receive(fd, &answer);
	CU_ASSERT_EQUAL(answer.size, 0);
	buf_release(&half);
	buf_release(&answer);
	stop(&f);
}

static void leaving_ends_streams_and_answers_polls(void)
{
	static const int signals[] = { CHILD_DRAIN, CHILD_YIELD };

	for (size_t n = 0; n < HARNESS_COUNT(signals); n++) {
		struct fixture f;
		struct buf seen = BUF_EMPTY;
		struct buf answer = BUF_EMPTY;
		int stream, poll;

		start(&f);
		stream = watch(&f, "/v1/watch");
		CU_ASSERT(see(stream, &seen, "id: 0\n\n"));
		poll = send_request(&f, "GET", "/v1/watch", (struct view){ 0 });
		CU_ASSERT(put(&f, "/v1/kv/a"));
		CU_ASSERT(see(stream, &seen, "id: 1\n"));
		kill(f.pid, signals[n]);
		peer_receive(stream, &seen);
		/* END_REQUEST */
		CU_ASSERT(seen.size > 16 && seen.data[seen.size - 15] == 3);
		peer_receive(poll, &answer);
		CU_ASSERT(peer_answered(&answer, "{\"rev\":1,\"events\":["));
		wait_end(&f);
		buf_release(&seen);
		buf_release(&answer);
	}
}

/* A request that does not come keeps it until the service ends as well. */
static void who_has_connected_when_the_service_ends_is_answered(void)
{
	struct view none = { 0 };
	struct fixture f;
	struct buf half = BUF_EMPTY;
	struct buf answer = BUF_EMPTY;
	int fd, poll, late;

	start(&f);
	fd = peer_dial(f.listen[LISTEN_WATCH]);
	peer_begin(&half, RESPONDER, 0);
	peer_send(fd, &half);
	CU_ASSERT(put(&f, "/v1/kv/a"));
	poll = send_request(&f, "GET", "/v1/watch", none);
	CU_ASSERT(ask(&f, "GET", "/v1/kv/a", none, "Status: 200 "));
	kill(f.pid, CHILD_YIELD);
	peer_receive(poll, &answer);
	late = send_request(&f, "GET", "/v1/kv/a", none);
	kill(f.pid, CHILD_DRAIN);
	wait_end(&f);
	buf_clear(&answer);
	peer_receive(late, &answer);
	CU_ASSERT(peer_answered(&answer, "Status: 200 "));
	close(fd);
	buf_release(&half);
	buf_release(&answer);
}

/* Everything else */

static void other_requests_are_served_as_by_a_worker(void)
{
	struct view none = { 0 };
	struct fixture f;
	struct buf bytes = BUF_EMPTY;
	struct buf answer = BUF_EMPTY;
	int fd;

	start(&f);
	CU_ASSERT(put(&f, "/v1/kv/../watch"));
	CU_ASSERT(ask(&f, "GET", "/v1/kv/../watch", none, "xyz"));
	CU_ASSERT(ask(&f, "GET", "/v1/watch/", none, "Status: 404 "));
	CU_ASSERT(ask(&f, "POST", "/v1/watch", none, "Status: 405 "));
	CU_ASSERT(ask(&f, "GET", "/v1/watch?x=1", none, "Status: 400 "));
	peer_begin(&bytes, RESPONDER, 0);
	peer_params(&bytes, "PUT", "/v1/kv/short", "10");
	peer_body(&bytes, view_of("123456789"));
	fd = peer_dial(f.listen[LISTEN_WATCH]);
	peer_send(fd, &bytes);
	peer_receive(fd, &answer);
	CU_ASSERT(peer_answered(&answer, "Status: 503 "));
	CU_ASSERT(ask(&f, "GET", "/v1/kv/short", none, "Status: 404 "));
	buf_release(&bytes);
	buf_release(&answer);
	stop(&f);
}

/* Of files that were replaced; also while others wait for changes. */
static void it_lets_go_whatever_it_does(void)
{
	int64_t until_ms = clock_monotonic_ms() + 10000;
	struct buf seen = BUF_EMPTY;
	struct fixture f;
	int fd;

	let_go = mmap(NULL, sizeof(*let_go), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(let_go != MAP_FAILED);
	start(&f);
	fd = watch(&f, "/v1/watch");
	CU_ASSERT(see(fd, &seen, "id: 0\n\n"));
	while (atomic_load(let_go) < 2 && clock_monotonic_ms() < until_ms) {
		CU_ASSERT(put(&f, "/v1/kv/a"));
		clock_sleep_ms(50);
	}
	CU_ASSERT(atomic_load(let_go) >= 2);
	close(fd);
	buf_release(&seen);
	stop(&f);
	munmap((void *)let_go, sizeof(*let_go));
	let_go = NULL;
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_is_put_is_seen_by_all_who_watch_it),
	HARNESS_TEST(who_comes_late_catches_up),
	HARNESS_TEST(a_poll_is_answered_by_the_first_event),
	HARNESS_TEST(a_poll_is_answered_when_its_time_is_up),
	HARNESS_TEST(a_quiet_stream_is_told_the_revision),
	HARNESS_TEST(past_the_limit_there_is_503_until_one_goes),
	HARNESS_TEST(who_does_not_read_is_cut_off_and_the_others_are_not),
	HARNESS_TEST(who_reads_in_drops_holds_nobody_up),
	HARNESS_TEST(who_reads_slowly_misses_nothing),
	HARNESS_TEST(who_has_taken_an_event_is_sent_the_next_at_once),
	HARNESS_TEST(a_revision_of_too_much_is_gone_for_a_poll_only),
	HARNESS_TEST(a_request_that_does_not_come_is_given_up),
	HARNESS_TEST(leaving_ends_streams_and_answers_polls),
	HARNESS_TEST(who_has_connected_when_the_service_ends_is_answered),
	HARNESS_TEST(other_requests_are_served_as_by_a_worker),
	HARNESS_TEST(it_lets_go_whatever_it_does),
};

int main(void)
{
	child_block_signals();
	log_setup(LOG_ERROR, "test");
	return harness_run("watcher", tests, HARNESS_COUNT(tests));
}
