/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker works in rounds.  It waits for one connection, then takes every
 * connection that is already pending, serves each, answers reads at once and
 * holds the answers of writes.  One store_sync() makes the whole round
 * durable; then the held answers go out.  So the cost of a sync is shared by
 * all writes of a round, without anybody waiting for company.
 *
 * libfcgi's home.  What this file relies on, in libfcgi 2.4.2:
 *  - FCGX_Accept_r() reads from request.ipcFd when that is open already and
 *    keepConnection is set, and accepts on listen_sock only when that failed;
 *    with a listen_sock of -1 it then returns an error;
 *  - a request that was detached is closed by a plain close(2), not by a
 *    shutdown and up to two seconds of waiting for the peer.  That can't cost
 *    the peer its answer, because the whole of its request has been read;
 *  - it takes variables that are cut off between two of them for complete;
 *    only FCGX_GetError() tells;
 *  - envp and all that points into it is good until FCGX_Finish_r(), so a
 *    held answer keeps its FCGX_Request.
 *
 * No signal is ever delivered here (child.h): libfcgi takes a write that was
 * interrupted for one that failed.
 */
#include "worker.h"

#include <errno.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/serve.h"
#include "base/clock.h"
#include "base/log.h"

/* A round that has lasted so long, or holds so much, takes no more. */
#define ROUND_US         3000
#define ROUND_BODY_BYTES (8 << 20)

/*
 * A value as text in JSON can take more bytes than it stands for.  Of a
 * longer body nothing is kept, and the answer is 413.
 */
#define BODY_FACTOR      2
#define BODY_SLACK_BYTES (64 << 10)

/* FCGX_GetStr() and FCGX_PutStr() count in int. */
#define PIECE_BYTES (1 << 20)

/*
 * A connection wakes one worker.  Should that one be killed or stopped just
 * then, another one looks after so long by itself.
 */
#define LOOK_MS 1000

/* Out of descriptors: what others hold may be free soon. */
#define ACCEPT_PAUSE_MS 10

/* How long a worker that is to stop serves what still comes. */
#define LAST_ROUNDS_MS 1000

#define HEAD_KEEP_BYTES (16 << 10)

/* One request from its connection to its answer. */
struct exchange {
	FCGX_Request fcgi;
	struct request request;
	struct response response;
	int64_t begun_us;
};

struct worker {
	struct api api;
	struct timeval timeout; /* for the peer to send or take some bytes */
	size_t body_max;
	const int *listen_fds;
	size_t listen_count;
	int epoll_fd;
	int signal_fd;
	bool leaving;
	struct buf head; /* of the answer being written */

	struct exchange *exchanges; /* round_max; the first `held` are held */
	size_t round_max;
	size_t held;
	size_t taken; /* in this round */
	size_t body_bytes;
	int64_t round_us; /* when the round began */
};

static void set_timeouts(const struct worker *w, int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &w->timeout,
		   sizeof(w->timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &w->timeout,
		   sizeof(w->timeout));
}

/* Close without an answer: the peer is gone or does not speak FastCGI. */
static void drop(struct exchange *x, const char *why)
{
	log_event(LOG_INFO, "request-dropped", "why", why, NULL);
	log_request_end();
	FCGX_Free(&x->fcgi, 1);
}

/* Read the beginning of a request: its variables, not its body. */
static bool begin(struct exchange *x, int fd)
{
	x->begun_us = clock_monotonic_us();
	FCGX_InitRequest(&x->fcgi, -1, 0);
	x->fcgi.ipcFd = fd;
	x->fcgi.keepConnection = 1;
	FCGX_Detach(&x->fcgi);
	if (FCGX_Accept_r(&x->fcgi)) {
		/* So does lighttpd when it looks whether anybody is there. */
		log_event(LOG_DEBUG, "request-dropped", "why",
			  "no request came", NULL);
		return false;
	}
	if (FCGX_GetError(x->fcgi.in)) {
		drop(x, "the variables ended early");
		return false;
	}
	x->fcgi.keepConnection = 0; /* whatever the peer wants */
	if (x->fcgi.role != FCGI_RESPONDER) {
		drop(x, "a role that is not served");
		return false;
	}
	request_reset(&x->request);
	response_reset(&x->response);
	for (char **p = x->fcgi.envp; *p; p++)
		request_param(&x->request, *p);
	return true;
}

/*
 * Read the stream to its end, and keep nothing.  False when the end does not
 * come: then the peer went away, or gave the request up.
 */
static bool read_end(const struct worker *w, struct exchange *x)
{
	int64_t until_us = clock_monotonic_us() + w->timeout.tv_sec * 1000000;
	char piece[4096];

	while (FCGX_GetStr(piece, sizeof(piece), x->fcgi.in) > 0)
		if (clock_monotonic_us() > until_us)
			return false;
	return !FCGX_GetError(x->fcgi.in);
}

static bool read_bytes(struct exchange *x, size_t size)
{
	struct buf *body = &x->request.body;

	while (size > 0) {
		int want = size < PIECE_BYTES ? (int)size : PIECE_BYTES;
		int got;

		buf_reserve(body, (size_t)want);
		if (body->err)
			return true;
		got = FCGX_GetStr(body->data + body->size, want, x->fcgi.in);
		if (got != want)
			return false;
		body->size += (size_t)want;
		size -= (size_t)want;
	}
	return true;
}

/*
 * Read the body, to the end of the stream.  False when less came than was
 * said, or no end.  A body that can't be taken is *err; it has been read all
 * the same, since the peer does not listen before it has sent everything.
 */
static bool read_body(const struct worker *w, struct exchange *x, enum err *err)
{
	struct view length = view_trim(x->request.content_length);
	uint64_t size = 0;

	if (*err)
		return read_end(w, x);
	if (length.size > 0 && !view_to_uint64(length, UINT64_MAX, &size))
		*err = ERR_INVALID;
	else if (size > w->body_max)
		*err = ERR_VALUE_TOO_LARGE;
	else if (!read_bytes(x, (size_t)size))
		return false;
	else
		*err = x->request.body.err;
	return read_end(w, x);
}

static void put(struct exchange *x, struct view bytes)
{
	const char *p = bytes.data;

	while (bytes.size > 0) {
		int piece = bytes.size < PIECE_BYTES ? (int)bytes.size
						     : PIECE_BYTES;

		if (FCGX_PutStr(p, piece, x->fcgi.out) < 0)
			return;
		p += piece;
		bytes.size -= (size_t)piece;
	}
}

/* Errors of ours always; every request only when asked for. */
static void log_answer(const struct exchange *x)
{
	bool failed = x->response.status >= 500;
	struct view method = x->request.method_name;
	struct view path = x->request.path;
	char line[4][64];
	struct buf text = BUF_EMPTY;

	if (!failed && !log_enabled(LOG_DEBUG))
		return;
	buf_add_view(&text, path);
	snprintf(line[0], sizeof(line[0]), "%.*s", (int)method.size,
		 method.data ? (const char *)method.data : "");
	snprintf(line[1], sizeof(line[1]), "%d", x->response.status);
	snprintf(line[2], sizeof(line[2]), "%zu",
		 response_body(&x->response).size);
	snprintf(line[3], sizeof(line[3]), "%lld",
		 (long long)(clock_monotonic_us() - x->begun_us));
	log_event(failed ? LOG_WARN : LOG_DEBUG, "request", "method", line[0],
		  "path", buf_string(&text), "status", line[1], "bytes",
		  line[2], "duration_us", line[3], NULL);
	buf_release(&text);
}

/* Write the answer, log it, and close. */
static void finish(struct worker *w, struct exchange *x)
{
	buf_trim(&w->head, HEAD_KEEP_BYTES);
	response_head(&x->response, &w->head);
	if (w->head.err) {
		drop(x, "no memory for the answer");
		return;
	}
	put(x, buf_view(&w->head));
	put(x, response_body(&x->response));
	log_answer(x);
	log_request_end();
	FCGX_Finish_r(&x->fcgi);
	request_reset(&x->request);
	response_reset(&x->response);
}

/* One connection: answer it now, or hold the answer for the round's end. */
static void take(struct worker *w, int fd)
{
	struct exchange *x = &w->exchanges[w->held];
	enum err err;

	w->taken++;
	set_timeouts(w, fd);
	if (!begin(x, fd))
		return;
	err = request_ready(&x->request);
	log_request_begin(x->request.id, x->request.trace_id);
	if (!read_body(w, x, &err)) {
		drop(x, "the request ended early");
		return;
	}
	if (err)
		api_settle(&w->api, &x->request, &x->response, err);
	else
		api_serve(&w->api, &x->request, &x->response);
	if (!x->response.ticket) {
		finish(w, x);
		return;
	}
	w->body_bytes += x->request.body.size;
	w->held++;
	log_request_end();
}

/* Make the held answers true, and send them. */
static void settle(struct worker *w)
{
	uint64_t ticket = 0;
	enum err err;

	if (!w->held)
		return;
	for (size_t i = 0; i < w->held; i++)
		if (w->exchanges[i].response.ticket > ticket)
			ticket = w->exchanges[i].response.ticket;
	err = store_sync(w->api.store, ticket);
	for (size_t i = 0; i < w->held; i++) {
		struct exchange *x = &w->exchanges[i];

		log_request_begin(x->request.id, x->request.trace_id);
		api_settle(&w->api, &x->request, &x->response, err);
		finish(w, x);
	}
	w->held = 0;
}

/* The next connection that is pending at a socket, or -1. */
static int accept_from(int listen_fd)
{
	for (;;) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		/* EINVAL: the last one, after listener_refuse() */
		if (fd >= 0 || errno == EAGAIN || errno == EINVAL)
			return fd;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		log_errno("accept-failed", "listening socket", errno);
		clock_sleep_ms(ACCEPT_PAUSE_MS);
		return -1;
	}
}

static int next_connection(const struct worker *w)
{
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < w->listen_count; i++)
		fd = accept_from(w->listen_fds[i]);
	return fd;
}

static bool round_has_room(const struct worker *w)
{
	return w->held < w->round_max && w->body_bytes < ROUND_BODY_BYTES &&
	       clock_monotonic_us() - w->round_us < ROUND_US;
}

static void work_a_round(struct worker *w)
{
	int fd;

	w->taken = 0;
	w->body_bytes = 0;
	w->round_us = clock_monotonic_us();
	do {
		fd = next_connection(w);
		if (fd >= 0)
			take(w, fd);
	} while (fd >= 0 && round_has_room(w));
	settle(w);
}

/* Wait for a connection or for being asked to leave. */
static void wait_for_work(struct worker *w)
{
	struct epoll_event events[2];
	struct signalfd_siginfo info;
	int count = epoll_wait(w->epoll_fd, events, 2, LOOK_MS);

	if (count == 0)
		store_idle(w->api.store);
	for (int i = 0; i < count; i++) {
		if (events[i].data.fd != w->signal_fd ||
		    read(w->signal_fd, &info, sizeof(info)) != sizeof(info))
			continue;
		w->leaving = true;
		w->api.draining = info.ssi_signo == CHILD_DRAIN;
	}
}

/*
 * When the service ends, serve all who have connected before it refused to
 * be connected to; where it can't refuse, not for ever.
 */
static void work_last_rounds(struct worker *w)
{
	int64_t until_ms = clock_monotonic_ms() + LAST_ROUNDS_MS;

	do
		work_a_round(w);
	while (w->api.draining && w->taken > 0 &&
	       clock_monotonic_ms() < until_ms);
}

static enum err watch(const struct worker *w, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		log_errno("epoll-failed", "epoll_ctl", errno);
		return ERR_SYSTEM;
	}
	return ERR_OK;
}

static enum err open_events(struct worker *w)
{
	enum err err;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, CHILD_DRAIN);
	sigaddset(&set, CHILD_YIELD);
	w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->signal_fd < 0 || w->epoll_fd < 0) {
		log_errno("epoll-failed", "epoll_create1", errno);
		return ERR_SYSTEM;
	}
	err = watch(w, w->signal_fd, EPOLLIN);
	/* Of all workers that wait, one wakes up. */
	for (size_t i = 0; !err && i < w->listen_count; i++)
		err = watch(w, w->listen_fds[i], EPOLLIN | EPOLLEXCLUSIVE);
	return err;
}

static enum err open_worker(struct worker *w)
{
	w->exchanges = calloc(w->round_max, sizeof(*w->exchanges));
	if (!w->exchanges) {
		log_event(LOG_ERROR, "worker-failed", "error",
			  err_string(ERR_NO_MEMORY), NULL);
		return ERR_NO_MEMORY;
	}
	if (FCGX_Init()) {
		log_event(LOG_ERROR, "worker-failed", "error",
			  "FCGX_Init failed", NULL);
		return ERR_SYSTEM;
	}
	return open_events(w);
}

static void close_worker(struct worker *w)
{
	for (size_t i = 0; w->exchanges && i < w->round_max; i++) {
		request_release(&w->exchanges[i].request);
		response_release(&w->exchanges[i].response);
	}
	free(w->exchanges);
	buf_release(&w->head);
	if (w->signal_fd >= 0)
		close(w->signal_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
}

static int run(const struct service *service, const int *listen_fds,
	       size_t listen_count, size_t round_max)
{
	const struct conf *conf = service->conf;
	struct worker w = {
		.api = { .conf = conf, .store = service->store },
		.timeout = { .tv_sec = conf->request_timeout_ms / 1000,
			     .tv_usec =
				     conf->request_timeout_ms % 1000 * 1000 },
		.body_max =
			conf->value_max_bytes * BODY_FACTOR + BODY_SLACK_BYTES,
		.listen_fds = listen_fds,
		.listen_count = listen_count,
		.epoll_fd = -1,
		.signal_fd = -1,
		.round_max = round_max,
	};
	enum err err = open_worker(&w);

	if (err)
		goto out;
	while (!w.leaving) {
		wait_for_work(&w);
		work_a_round(&w);
	}
	work_last_rounds(&w);
out:
	close_worker(&w);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int worker_run(const struct service *service)
{
	bool all = service_is_one_process(service->conf);

	return run(service, &service->listen_fds[LISTEN_API],
		   all ? LISTEN_COUNT : 1, service->conf->round_max);
}

int transfer_run(const struct service *service)
{
	return run(service, &service->listen_fds[LISTEN_TRANSFER], 1, 1);
}

int watcher_run(const struct service *service)
{
	return run(service, &service->listen_fds[LISTEN_WATCH], 1, 1);
}
