/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker in a process of its own, as in the service, and a peer that
 * speaks FastCGI to it, well or badly.  After every misdeed the worker has
 * to answer the next request.
 */
#include "worker.h"

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
#include "serving.h"

#define VALUE_MAX  (1 << 20)
#define TIMEOUT_MS 1000 /* request-timeout-ms of the worker */

static struct conf conf;

static enum err failing_sync(struct store *store, uint64_t ticket)
{
	(void)store;
	(void)ticket;
	return ERR_IO;
}

struct fixture {
	struct serving serving;
	enum listen at; /* where the peer connects */
};

static void open_service(struct fixture *f)
{
	f->at = LISTEN_API;
	serving_open(&f->serving, &conf);
}

static void start(struct fixture *f)
{
	open_service(f);
	serving_start(&f->serving);
}

static void stop(struct fixture *f, int signal)
{
	serving_stop(&f->serving, signal);
}

/* The peer's side. */

static int dial(const struct fixture *f)
{
	return peer_dial(f->serving.listen[f->at]);
}

/* Send what is in `bytes`; the answer is still to be received. */
static int begin_exchange(const struct fixture *f, struct buf *bytes)
{
	int fd = dial(f);

	peer_send(fd, bytes);
	buf_release(bytes);
	return fd;
}

/* Send what is in `bytes`, and see `expected` in what comes back. */
static bool exchange(const struct fixture *f, struct buf *bytes,
		     const char *expected)
{
	struct buf answer = BUF_EMPTY;
	int fd = begin_exchange(f, bytes);
	bool ok;

	shutdown(fd, SHUT_WR);
	peer_receive(fd, &answer);
	ok = expected ? peer_answered(&answer, expected) : !answer.size;
	buf_release(&answer);
	return ok;
}

static bool request(const struct fixture *f, const char *method,
		    const char *target, struct view content,
		    const char *expected)
{
	struct buf bytes = BUF_EMPTY;

	peer_request(&bytes, method, target, content);
	return exchange(f, &bytes, expected);
}

static bool get(const struct fixture *f, const char *target,
		const char *expected)
{
	return request(f, "GET", target, (struct view){ 0 }, expected);
}

static bool put(const struct fixture *f, const char *target, const char *value,
		const char *expected)
{
	return request(f, "PUT", target, view_of(value), expected);
}

/* Well-behaved peers */

static void a_request_is_answered_and_the_connection_closed(void)
{
	struct fixture f;

	start(&f);
	CU_ASSERT(put(&f, "/v1/kv/a", "hello", "Status: 201 "));
	CU_ASSERT(get(&f, "/v1/kv/a", "hello"));
	CU_ASSERT(get(&f, "/v1/kv/b", "Status: 404 "));
	stop(&f, CHILD_DRAIN);
}

static void what_is_in_one_process_is_served_at_every_socket(void)
{
	struct fixture f;

	start(&f);
	CU_ASSERT(put(&f, "/v1/kv/a", "hello", "Status: 201 "));
	for (int i = 0; i < LISTEN_REQUESTS; i++) {
		f.at = (enum listen)i;
		CU_ASSERT(get(&f, "/v1/kv/a", "hello"));
	}
	stop(&f, CHILD_DRAIN);
}

/* As who has the answer finds it: it is kept before the connection ends. */
static void a_value_that_was_answered_is_kept(void)
{
	struct stored_response found = { 0 };
	struct buf hold = BUF_EMPTY;
	struct stored *stored;
	struct fixture f;

	open_service(&f);
	CU_ASSERT_EQUAL_FATAL(stored_new(1 << 20, &stored), ERR_OK);
	f.serving.service.stored = stored;
	serving_start(&f.serving);
	CU_ASSERT(put(&f, "/v1/kv/%61", "hello", "Status: 201 "));
	CU_ASSERT(get(&f, "/v1/kv/b", "Status: 404 "));
	CU_ASSERT(request(&f, "HEAD", "/v1/kv/a", (struct view){ 0 },
			  "Status: 200 "));
	CU_ASSERT_FALSE(
		stored_find(stored, view_of("/v1/kv/a"), &hold, &found));
	CU_ASSERT(get(&f, "/v1/kv/a", "X-Request-Id: "));
	CU_ASSERT_TRUE(stored_find(stored, view_of("/v1/kv/a"), &hold, &found));
	CU_ASSERT_TRUE(view_equal_string(found.body, "hello"));
	CU_ASSERT_EQUAL(found.revision, 1);
	CU_ASSERT_EQUAL(found.mark, marks_place(view_of("a")));
	CU_ASSERT_PTR_NOT_NULL(memmem(found.fields.data, found.fields.size,
				      "ETag: \"1\"\r\n", 11));
	CU_ASSERT_PTR_NULL(memmem(found.fields.data, found.fields.size,
				  "X-Request-Id: ", 14));
	CU_ASSERT_PTR_NULL(
		memmem(found.fields.data, found.fields.size, "Status", 6));
	CU_ASSERT_FALSE(
		stored_find(stored, view_of("/v1/kv/b"), &hold, &found));
	stop(&f, CHILD_DRAIN);
	stored_free(stored);
	buf_release(&hold);
}

static void a_peer_that_would_keep_the_connection_is_closed_too(void)
{
	struct fixture f;
	struct buf bytes = BUF_EMPTY;
	struct buf answer = BUF_EMPTY;
	int fd;

	start(&f);
	peer_begin(&bytes, RESPONDER, KEEP_CONNECTION);
	peer_params(&bytes, "GET", "/livez", NULL);
	peer_body(&bytes, (struct view){ 0 });
	fd = dial(&f);
	peer_send(fd, &bytes);
	peer_receive(fd, &answer);
	CU_ASSERT(peer_answered(&answer, "Status: 200 "));
	buf_release(&bytes);
	buf_release(&answer);
	stop(&f, CHILD_DRAIN);
}

static void values_of_many_records_go_in_and_come_out(void)
{
	static const size_t sizes[] = { 0,    1,    7,     8,     8183,
					8184, 8192, 16384, 60000, VALUE_MAX };
	struct fixture f;
	static char value[VALUE_MAX];

	memset(value, 'v', sizeof(value));
	start(&f);
	for (size_t i = 0; i < HARNESS_COUNT(sizes); i++) {
		struct view content = { value, sizes[i] };
		char length[64];

		CU_ASSERT(
			request(&f, "PUT", "/v1/kv/a", content, "Status: 20"));
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
			 sizes[i]);
		CU_ASSERT(get(&f, "/v1/kv/a", length));
	}
	stop(&f, CHILD_DRAIN);
}

/*
 * What the records of an answer carry, taken together in *text, behind its
 * head; false when they are not whole, or have no end.
 */
static bool body_of(const struct buf *answer, struct buf *text,
		    struct view *body)
{
	const unsigned char *p = (const unsigned char *)answer->data;
	size_t left = answer->size;
	int type = 0;
	char *end;

	for (size_t size; left >= 8 && type != END; left -= size, p += size) {
		size_t content = (size_t)p[4] << 8 | p[5];

		type = p[1];
		size = 8 + content + p[6];
		if (p[0] != 1 || size > left)
			return false;
		if (type == STDOUT)
			buf_add(text, p + 8, content);
	}
	end = strstr(buf_string(text), "\r\n\r\n");
	if (type != END || left || !end)
		return false;
	end += 4;
	*body = (struct view){ end, text->size - (size_t)(end - text->data) };
	return true;
}

static bool comes_out(struct fixture *f, struct view content)
{
	struct buf bytes = BUF_EMPTY;
	struct buf answer = BUF_EMPTY;
	struct buf text = BUF_EMPTY;
	struct view body = { 0 };
	bool same;
	int fd;

	CU_ASSERT(request(f, "PUT", "/v1/kv/a", content, "Status: 20"));
	peer_request(&bytes, "GET", "/v1/kv/a", (struct view){ 0 });
	fd = dial(f);
	peer_send(fd, &bytes);
	peer_receive(fd, &answer);
	same = body_of(&answer, &text, &body) && view_equal(body, content);
	buf_release(&bytes);
	buf_release(&answer);
	buf_release(&text);
	return same;
}

/*
 * Around each size at which they are sent in another way: the first record has
 * the head too, and the last kilobyte is libfcgi's.
 */
static void large_values_come_out_byte_for_byte(void)
{
	static const struct {
		int line;
		size_t least, most;
	} cases[] = {
		{ __LINE__, 8180, 8200 },
		{ __LINE__, 65528 + 1024 - 700, 65528 + 1024 + 2 },
		{ __LINE__, 2 * 65528 + 1024 - 700, 2 * 65528 + 1024 - 600 },
		{ __LINE__, VALUE_MAX, VALUE_MAX },
	};
	static char value[VALUE_MAX];
	struct fixture f;

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)(i * 2654435761U >> 24);
	start(&f);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		for (size_t size = cases[i].least; size <= cases[i].most;
		     size++)
			HARNESS_CASE(
				cases[i].line,
				comes_out(&f, (struct view){ value, size }));
	}
	stop(&f, CHILD_DRAIN);
}

static void all_that_is_pending_is_answered(void)
{
	enum { PEERS = 200 }; /* more than one round takes */
	struct fixture f;
	int fds[PEERS];

	open_service(&f);
	for (int i = 0; i < PEERS; i++) {
		struct buf bytes = BUF_EMPTY;
		char target[32];

		snprintf(target, sizeof(target), "/v1/kv/%d", i);
		peer_request(&bytes, i % 3 ? "PUT" : "GET", target,
			     view_of("x"));
		fds[i] = begin_exchange(&f, &bytes);
	}
	serving_start(&f.serving);
	for (int i = 0; i < PEERS; i++) {
		struct buf answer = BUF_EMPTY;

		peer_receive(fds[i], &answer);
		CU_ASSERT(peer_answered(&answer, i % 3 ? "Status: 201 "
						       : "Status: 404 "));
		buf_release(&answer);
	}
	stop(&f, CHILD_DRAIN);
}

/* Leaving */

/* PUTs that nobody has taken yet. */
static void put_many(const struct fixture *f, int *fds, int count)
{
	for (int i = 0; i < count; i++) {
		struct buf bytes = BUF_EMPTY;

		peer_request(&bytes, "PUT", "/v1/kv/a", view_of("x"));
		fds[i] = begin_exchange(f, &bytes);
	}
}

static void begin_puts(struct fixture *f, int *fds, int count)
{
	open_service(f);
	put_many(f, fds, count);
	serving_start(&f->serving);
}

static void end_puts(const int *fds, int count)
{
	for (int i = 0; i < count; i++) {
		struct buf answer = BUF_EMPTY;

		peer_receive(fds[i], &answer);
		CU_ASSERT(peer_answered(&answer, "Status: 20"));
		buf_release(&answer);
	}
}

static void what_is_pending_when_the_service_ends_is_answered(void)
{
	enum { PEERS = 20 };
	struct fixture f;
	int fds[PEERS];

	begin_puts(&f, fds, PEERS);
	kill(f.serving.pid, CHILD_DRAIN);
	end_puts(fds, PEERS);
	stop(&f, CHILD_DRAIN);
}

/* It answers what it has taken, if not all; what it has not taken stays. */
static void what_a_worker_leaves_behind_is_answered_by_the_next_one(void)
{
	enum { PEERS = 20 };
	struct fixture f;
	int fds[PEERS];
	char byte;

	begin_puts(&f, fds, PEERS);
	serving_leave(&f.serving, CHILD_YIELD);
	CU_ASSERT_EQUAL(recv(fds[0], &byte, 1, MSG_PEEK | MSG_DONTWAIT), 1);
	serving_start(&f.serving);
	end_puts(fds, PEERS);
	stop(&f, CHILD_YIELD);
}

/* In which of its syncs a worker is asked for what. */
static struct {
	int yield;
	int drain;
	int syncs;
} asked;

static enum err sync_asked(struct store *store, uint64_t ticket)
{
	(void)store;
	(void)ticket;
	asked.syncs++;
	if (asked.syncs == asked.yield)
		kill(getpid(), CHILD_YIELD);
	if (asked.syncs == asked.drain)
		kill(getpid(), CHILD_DRAIN);
	return ERR_OK;
}

/* The worker has ended; whoever is still pending has nobody. */
static void end_service(struct fixture *f)
{
	int status = -1;

	CU_ASSERT_EQUAL(waitpid(f->serving.pid, &status, 0), f->serving.pid);
	CU_ASSERT_EQUAL(status, 0);
	service_close_listeners(&f->serving.service);
	store_close(f->serving.store);
}

static void a_worker_that_leaves_when_the_service_ends_answers_all(void)
{
	enum { PEERS = 100, ROUND = 4 };
	static const int drains[] = { 1, 2, 3 };

	for (size_t i = 0; i < HARNESS_COUNT(drains); i++) {
		struct fixture f;
		struct store_engine engine;
		const struct store_engine *real;
		int fds[PEERS];

		asked.syncs = 0;
		asked.yield = 1;
		asked.drain = drains[i];
		open_service(&f);
		f.serving.conf.round_max = ROUND;
		real = f.serving.store->engine;
		engine = *real;
		engine.sync = sync_asked;
		f.serving.store->engine = &engine;
		put_many(&f, fds, PEERS);
		serving_start(&f.serving);
		f.serving.store->engine = real;
		end_service(&f);
		end_puts(fds, PEERS);
	}
}

static void an_idle_worker_leaves_at_once(void)
{
	struct fixture f;
	int64_t begun_ms;

	start(&f);
	CU_ASSERT(get(&f, "/livez", "Status: 200 "));
	begun_ms = clock_monotonic_ms();
	stop(&f, CHILD_YIELD);
	CU_ASSERT(clock_monotonic_ms() - begun_ms < 5000);
}

/* How often the worker has let go, told across fork(2). */
static _Atomic unsigned *let_go;

static void count_letting_go(struct store *store)
{
	(void)store;
	atomic_fetch_add(let_go, 1);
}

/* Also when there always is something to do, that needs none of its files. */
static void a_worker_lets_go_of_files_whatever_it_is_asked_for(void)
{
	int64_t until_ms = clock_monotonic_ms() + 10000;
	struct fixture f;
	struct store_engine engine;
	const struct store_engine *real;

	let_go = mmap(NULL, sizeof(*let_go), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(let_go != MAP_FAILED);
	open_service(&f);
	real = f.serving.store->engine;
	engine = *real;
	engine.idle = count_letting_go;
	f.serving.store->engine = &engine;
	serving_start(&f.serving);
	while (atomic_load(let_go) < 2 && clock_monotonic_ms() < until_ms) {
		CU_ASSERT(get(&f, "/livez", "Status: 200 "));
		clock_sleep_ms(50);
	}
	CU_ASSERT(atomic_load(let_go) >= 2);
	f.serving.store->engine = real;
	stop(&f, CHILD_DRAIN);
	munmap((void *)let_go, sizeof(*let_go));
}

/* What fails inside */

struct failing {
	struct store_engine engine;
	const struct store_engine *real;
};

static void fail_syncs(struct fixture *f, struct failing *failing)
{
	failing->real = f->serving.store->engine;
	failing->engine = *failing->real;
	failing->engine.sync = failing_sync;
	f->serving.store->engine = &failing->engine;
}

static void stop_failing(struct fixture *f, const struct failing *failing)
{
	f->serving.store->engine = failing->real;
	stop(f, CHILD_DRAIN);
}

static void a_write_that_is_not_on_disk_is_not_acknowledged(void)
{
	struct fixture f;
	struct failing failing;

	open_service(&f);
	fail_syncs(&f, &failing);
	serving_start(&f.serving);
	CU_ASSERT(put(&f, "/v1/kv/a", "x", "Status: 5"));
	CU_ASSERT(get(&f, "/livez", "Status: 200 "));
	stop_failing(&f, &failing);
}

/* A PUT by the n-th of many; of three kinds. */
static void put_as(struct buf *out, int n)
{
	static const char *const targets[] = { "/v1/kv/a", "/v1/kv/a?ttl=60",
					       "/datas/a" };
	struct buf list = BUF_EMPTY;
	char id[32];

	snprintf(id, sizeof(id), "request-%d.", n);
	peer_begin(out, RESPONDER, 0);
	peer_param(&list, "REQUEST_METHOD", "PUT");
	peer_param(&list, "REQUEST_URI", targets[n % 3]);
	peer_param(&list, "CONTENT_LENGTH", "13");
	peer_param(&list, "CONTENT_TYPE", "application/json");
	peer_param(&list, "HTTP_X_REQUEST_ID", id);
	if (n % 2)
		peer_param(&list, "HTTP_ORIGIN", "https://app.example");
	peer_record(out, PARAMS, buf_view(&list));
	peer_record(out, PARAMS, (struct view){ 0 });
	peer_body(out, view_of("{\"value\":\"x\"}"));
	buf_release(&list);
}

static void check_failure_of(struct buf *answer, int n)
{
	char field[64];
	char member[64];

	snprintf(field, sizeof(field), "X-Request-Id: request-%d.\r\n", n);
	snprintf(member, sizeof(member), ":request:request-%d.\"", n);
	HARNESS_CASE(n, peer_answered(answer, "Status: 500 "));
	HARNESS_CASE(n, peer_answered(answer, field));
	HARNESS_CASE(n, peer_answered(answer, member));
	HARNESS_CASE(n, peer_answered(answer, "Allow-Origin: *\r\n") ==
				(n % 2 == 1));
	HARNESS_CASE(n, peer_answered(answer, "\"error\":") == (n % 3 == 2));
}

/* By then nothing that libfcgi had of the requests is there. */
static void what_fails_after_it_has_waited_is_told_to_whom_it_belongs(void)
{
	enum { PEERS = 100 };
	struct fixture f;
	struct failing failing;
	int fds[PEERS];

	open_service(&f);
	fail_syncs(&f, &failing);
	for (int i = 0; i < PEERS; i++) {
		struct buf bytes = BUF_EMPTY;

		put_as(&bytes, i);
		fds[i] = begin_exchange(&f, &bytes);
	}
	serving_start(&f.serving);
	for (int i = 0; i < PEERS; i++) {
		struct buf answer = BUF_EMPTY;

		peer_receive(fds[i], &answer);
		check_failure_of(&answer, i);
		buf_release(&answer);
	}
	stop_failing(&f, &failing);
}

/* What is counted */

static uint64_t counted(const struct fixture *f, uint64_t *dropped)
{
	static struct metrics_sums sums;
	uint64_t count = 0;

	metrics_sum(f->serving.service.metrics, &sums);
	for (size_t i = 0; i < METRICS_ROUTES_MAX; i++)
		for (size_t m = 0; m < METHOD_COUNT; m++)
			count += sums.rows[i][m].count;
	*dropped = sums.dropped;
	return count;
}

static void an_answer_is_counted_before_its_end_and_one_cut_off_is_not(void)
{
	struct fixture f;
	struct buf bytes = BUF_EMPTY;
	uint64_t dropped;

	open_service(&f);
	CU_ASSERT_EQUAL_FATAL(metrics_open(&f.serving.service.metrics), ERR_OK);
	serving_start(&f.serving);
	for (uint64_t n = 1; n <= 20; n++) {
		CU_ASSERT(n % 2 ? put(&f, "/v1/kv/a", "x", "Status: 20")
				: get(&f, "/v1/kv/a", "Status: 200 "));
		CU_ASSERT_EQUAL(counted(&f, &dropped), n);
		CU_ASSERT_EQUAL(dropped, 0);
	}
	peer_begin(&bytes, RESPONDER, 0);
	peer_params(&bytes, "PUT", "/v1/kv/a", "5");
	CU_ASSERT(exchange(&f, &bytes, NULL));
	CU_ASSERT_EQUAL(counted(&f, &dropped), 20);
	CU_ASSERT_EQUAL(dropped, 1);
	stop(&f, CHILD_DRAIN);
	metrics_close(f.serving.service.metrics);
}

/* Peers that misbehave */

static void what_is_no_fastcgi_is_dropped(void)
{
	static const struct {
		int line;
		const char *bytes;
		size_t size;
	} cases[] = {
		{ __LINE__, "", 0 },
		{ __LINE__, "\1", 1 },
		{ __LINE__, "GET / HTTP/1.1\r\n\r\n", 18 },
		{ __LINE__, "\2\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0", 16 },
		{ __LINE__, "\1\1\0\0\0\10\0\0\0\1\0\0\0\0\0\0", 16 },
		{ __LINE__, "\1\1\0\1\0\7\0\0\0\1\0\0\0\0\0", 15 },
		{ __LINE__, "\1\4\0\1\0\0\0\0", 8 },
		{ __LINE__, "\1\5\0\1\0\0\0\0", 8 },
		{ __LINE__, "\377\377\377\377\377\377\377\377", 8 },
	};
	struct fixture f;

	start(&f);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf bytes = BUF_EMPTY;

		buf_add(&bytes, cases[i].bytes, cases[i].size);
		HARNESS_CASE(cases[i].line, exchange(&f, &bytes, NULL));
		HARNESS_CASE(cases[i].line, get(&f, "/livez", "Status: 200 "));
	}
	stop(&f, CHILD_DRAIN);
}

static void other_roles_are_not_served(void)
{
	static const int roles[] = { 0, AUTHORIZER, FILTER, 99 };
	struct fixture f;

	start(&f);
	for (size_t i = 0; i < HARNESS_COUNT(roles); i++) {
		struct buf bytes = BUF_EMPTY;

		peer_begin(&bytes, roles[i], 0);
		peer_params(&bytes, "GET", "/livez", NULL);
		peer_body(&bytes, (struct view){ 0 });
		CU_ASSERT(exchange(&f, &bytes, NULL));
		CU_ASSERT(get(&f, "/livez", "Status: 200 "));
	}
	stop(&f, CHILD_DRAIN);
}

static void a_request_cut_off_anywhere_changes_nothing(void)
{
	struct fixture f;
	struct buf whole = BUF_EMPTY;

	start(&f);
	peer_request(&whole, "PUT", "/v1/kv/cut", view_of("0123456789"));
	for (size_t size = 0; size < whole.size; size++) {
		struct buf bytes = BUF_EMPTY;

		buf_add(&bytes, whole.data, size);
		CU_ASSERT(exchange(&f, &bytes, NULL));
	}
	CU_ASSERT(get(&f, "/v1/kv/cut", "Status: 404 "));
	buf_release(&whole);
	stop(&f, CHILD_DRAIN);
}

static void a_body_shorter_than_said_changes_nothing(void)
{
	struct fixture f;
	struct buf bytes = BUF_EMPTY;

	start(&f);
	peer_begin(&bytes, RESPONDER, 0);
	peer_params(&bytes, "PUT", "/v1/kv/short", "10");
	peer_body(&bytes, view_of("123456789"));
	CU_ASSERT(exchange(&f, &bytes, "Status: 503 "));
	CU_ASSERT(get(&f, "/v1/kv/short", "Status: 404 "));
	stop(&f, CHILD_DRAIN);
}

static void of_a_body_longer_than_said_only_that_much_counts(void)
{
	struct fixture f;
	struct buf bytes = BUF_EMPTY;

	start(&f);
	peer_begin(&bytes, RESPONDER, 0);
	peer_params(&bytes, "PUT", "/v1/kv/long", "3");
	peer_body(&bytes, view_of("abcdefghijklmnopqrstuvwxyz"));
	CU_ASSERT(exchange(&f, &bytes, "Status: 201 "));
	CU_ASSERT(get(&f, "/v1/kv/long", "Content-Length: 3\r\n"));
	stop(&f, CHILD_DRAIN);
}

static void a_length_that_is_no_number_is_refused(void)
{
	static const char *const lengths[] = {
		"x", "-1", "1x", "0x1", "1 2", "99999999999999999999999"
	};
	struct fixture f;

	start(&f);
	for (size_t i = 0; i < HARNESS_COUNT(lengths); i++) {
		struct buf bytes = BUF_EMPTY;

		peer_begin(&bytes, RESPONDER, 0);
		peer_params(&bytes, "PUT", "/v1/kv/bad", lengths[i]);
		peer_body(&bytes, view_of("x"));
		CU_ASSERT(exchange(&f, &bytes, "Status: 400 "));
	}
	CU_ASSERT(get(&f, "/v1/kv/bad", "Status: 404 "));
	stop(&f, CHILD_DRAIN);
}

static void a_body_that_is_too_long_is_read_and_refused(void)
{
	enum { SIZE = 3 * VALUE_MAX };
	struct fixture f;
	char *value = calloc(1, SIZE);

	start(&f);
	CU_ASSERT(request(&f, "PUT", "/v1/kv/large",
			  (struct view){ value, SIZE }, "Status: 413 "));
	CU_ASSERT(request(&f, "PUT", "/v1/kv/large",
			  (struct view){ value, VALUE_MAX + 1 },
			  "Status: 413 "));
	CU_ASSERT(get(&f, "/v1/kv/large", "Status: 404 "));
	free(value);
	stop(&f, CHILD_DRAIN);
}

/* Longer than a request may take in all, but no piece is late. */
static void an_import_is_refused_however_long_its_body_takes(void)
{
	enum { PIECES = 15, PIECE = 40000 };
	struct fixture f;
	struct buf bytes = BUF_EMPTY;
	struct buf answer = BUF_EMPTY;
	char *piece = calloc(1, PIECE);
	int64_t begun_ms = clock_monotonic_ms();
	int fd;

	start(&f);
	fd = dial(&f);
	peer_begin(&bytes, RESPONDER, 0);
	peer_params(&bytes, "POST", "/v1/import?mode=none", "600000");
	peer_send(fd, &bytes);
	buf_clear(&bytes);
	peer_record(&bytes, STDIN, (struct view){ piece, PIECE });
	for (int i = 0; i < PIECES; i++) {
		clock_sleep_ms(TIMEOUT_MS / 10);
		peer_send(fd, &bytes);
	}
	buf_clear(&bytes);
	peer_record(&bytes, STDIN, (struct view){ 0 });
	peer_send(fd, &bytes);
	CU_ASSERT(clock_monotonic_ms() - begun_ms > TIMEOUT_MS);
	peer_receive(fd, &answer);
	CU_ASSERT(peer_answered(&answer, "Status: 4"));
	free(piece);
	buf_release(&bytes);
	buf_release(&answer);
	stop(&f, CHILD_DRAIN);
}

static void a_request_that_is_aborted_changes_nothing(void)
{
	struct fixture f;
	struct buf bytes = BUF_EMPTY;

	start(&f);
	peer_begin(&bytes, RESPONDER, 0);
	peer_params(&bytes, "PUT", "/v1/kv/aborted", "3");
	peer_record(&bytes, STDIN, view_of("ab"));
	peer_record(&bytes, ABORT, (struct view){ 0 });
	CU_ASSERT(exchange(&f, &bytes, NULL));
	CU_ASSERT(get(&f, "/v1/kv/aborted", "Status: 404 "));
	stop(&f, CHILD_DRAIN);
}

static void a_request_without_method_or_target_is_refused(void)
{
	static const char *const names[] = { "REQUEST_METHOD", "REQUEST_URI" };
	struct fixture f;

	start(&f);
	for (size_t i = 0; i < HARNESS_COUNT(names); i++) {
		struct buf bytes = BUF_EMPTY;
		struct buf list = BUF_EMPTY;

		peer_begin(&bytes, RESPONDER, 0);
		peer_param(&list, names[i], i ? "/livez" : "GET");
		peer_record(&bytes, PARAMS, buf_view(&list));
		peer_record(&bytes, PARAMS, (struct view){ 0 });
		peer_body(&bytes, (struct view){ 0 });
		CU_ASSERT(exchange(&f, &bytes, "Status: 400 "));
		buf_release(&list);
	}
	stop(&f, CHILD_DRAIN);
}

static void a_peer_that_stalls_is_given_up(void)
{
	struct fixture f;
	struct buf half = BUF_EMPTY;
	int64_t begun_ms = clock_monotonic_ms();
	int fd;

	start(&f);
	peer_begin(&half, RESPONDER, 0);
	fd = dial(&f);
	peer_send(fd, &half);
	CU_ASSERT(get(&f, "/livez", "Status: 200 "));
	CU_ASSERT(clock_monotonic_ms() - begun_ms < 10 * TIMEOUT_MS);
	close(fd);
	buf_release(&half);
	stop(&f, CHILD_DRAIN);
}

static void a_peer_that_takes_nothing_is_given_up_within_the_answer(void)
{
	static char value[VALUE_MAX];
	struct fixture f;
	struct buf bytes = BUF_EMPTY;
	struct buf answer = BUF_EMPTY;
	struct buf text = BUF_EMPTY;
	struct view body;
	int64_t begun_ms = clock_monotonic_ms();
	int fd;

	start(&f);
	CU_ASSERT(request(&f, "PUT", "/v1/kv/a",
			  (struct view){ value, sizeof(value) },
			  "Status: 201 "));
	peer_request(&bytes, "GET", "/v1/kv/a", (struct view){ 0 });
	fd = dial(&f);
	peer_send(fd, &bytes);
	CU_ASSERT(get(&f, "/livez", "Status: 200 "));
	CU_ASSERT(clock_monotonic_ms() - begun_ms < 10 * TIMEOUT_MS);
	peer_receive(fd, &answer);
	CU_ASSERT(answer.size > 0);
	CU_ASSERT(!body_of(&answer, &text, &body));
	buf_release(&bytes);
	buf_release(&answer);
	buf_release(&text);
	stop(&f, CHILD_DRAIN);
}

static void a_peer_that_does_not_wait_for_its_answer_hurts_nobody(void)
{
	struct fixture f;
	static char value[VALUE_MAX];

	memset(value, 'v', sizeof(value));
	start(&f);
	CU_ASSERT(request(&f, "PUT", "/v1/kv/a",
			  (struct view){ value, sizeof(value) },
			  "Status: 201 "));
	for (int i = 0; i < 20; i++) {
		struct buf bytes = BUF_EMPTY;
		int fd = dial(&f);

		peer_request(&bytes, i % 2 ? "GET" : "PUT", "/v1/kv/a",
			     view_of(i % 2 ? "" : "v"));
		peer_send(fd, &bytes);
		close(fd);
		buf_release(&bytes);
	}
	CU_ASSERT(get(&f, "/v1/kv/a", "Status: 200 "));
	stop(&f, CHILD_DRAIN);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_request_is_answered_and_the_connection_closed),
	HARNESS_TEST(what_is_in_one_process_is_served_at_every_socket),
	HARNESS_TEST(a_value_that_was_answered_is_kept),
	HARNESS_TEST(a_peer_that_would_keep_the_connection_is_closed_too),
	HARNESS_TEST(values_of_many_records_go_in_and_come_out),
	HARNESS_TEST(large_values_come_out_byte_for_byte),
	HARNESS_TEST(all_that_is_pending_is_answered),
	HARNESS_TEST(what_is_pending_when_the_service_ends_is_answered),
	HARNESS_TEST(what_a_worker_leaves_behind_is_answered_by_the_next_one),
	HARNESS_TEST(a_worker_that_leaves_when_the_service_ends_answers_all),
	HARNESS_TEST(an_idle_worker_leaves_at_once),
	HARNESS_TEST(a_worker_lets_go_of_files_whatever_it_is_asked_for),
	HARNESS_TEST(a_write_that_is_not_on_disk_is_not_acknowledged),
	HARNESS_TEST(what_fails_after_it_has_waited_is_told_to_whom_it_belongs),
	HARNESS_TEST(
		an_answer_is_counted_before_its_end_and_one_cut_off_is_not),
	HARNESS_TEST(what_is_no_fastcgi_is_dropped),
	HARNESS_TEST(other_roles_are_not_served),
	HARNESS_TEST(a_request_cut_off_anywhere_changes_nothing),
	HARNESS_TEST(a_body_shorter_than_said_changes_nothing),
	HARNESS_TEST(of_a_body_longer_than_said_only_that_much_counts),
	HARNESS_TEST(a_length_that_is_no_number_is_refused),
	HARNESS_TEST(a_body_that_is_too_long_is_read_and_refused),
	HARNESS_TEST(an_import_is_refused_however_long_its_body_takes),
	HARNESS_TEST(a_request_that_is_aborted_changes_nothing),
	HARNESS_TEST(a_request_without_method_or_target_is_refused),
	HARNESS_TEST(a_peer_that_stalls_is_given_up),
	HARNESS_TEST(a_peer_that_takes_nothing_is_given_up_within_the_answer),
	HARNESS_TEST(a_peer_that_does_not_wait_for_its_answer_hurts_nobody),
};

int main(void)
{
	static char engine[] = "--engine=memory";
	static char workers[] = "--workers=1";
	static char value_max[] = "--value-max-bytes=1048576";
	static char timeout[] = "--request-timeout-ms=1000";
	char *argv[] = { engine, workers, value_max, timeout, NULL };
	char *env[] = { NULL };
	struct buf message = BUF_EMPTY;
	int status;

	if (conf_load(&conf, 4, argv, env, &message)) {
		printf("Bail out! %s\n", buf_string(&message));
		return EXIT_FAILURE;
	}
	child_block_signals();
	log_setup(LOG_ERROR, "test");
	status = harness_run("worker", tests, HARNESS_COUNT(tests));
	conf_release(&conf);
	return status;
}
