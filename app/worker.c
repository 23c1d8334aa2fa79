/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker works in rounds.  It waits for one connection, then takes every
 * connection that is already pending, serves each, answers reads at once and
 * holds the answers of writes.  One store_sync() makes all of these durable;
 * then they go out.  So the cost of a sync is shared by all writes of a round,
 * without anybody waiting for company.
 *
 * A few answers are synced for at once.  For more of them another thread does
 * it (syncer.h), and further rounds go on meanwhile; their writes share the
 * next sync.
 */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/serve.h"
#include "base/clock.h"
#include "base/log.h"
#include "exchange.h"
#include "listener.h"
#include "pace.h"
#include "syncer.h"

/* A round that has lasted so long takes no more. */
#define ROUND_US 3000

/* Nor does one while the held requests are as large as this. */
#define HELD_BODY_BYTES (8 << 20)

/* For fewer answers than this, waking a thread costs more than it gives. */
#define HAND_OVER_MIN 4

/*
 * A connection wakes one worker.  Should that one be killed or stopped just
 * then, another one looks after so long by itself.  And so often it lets go of
 * files that were replaced: what it is asked for, or woken for in vain, may
 * need none of the store's for long.
 */
#define LOOK_MS 1000

/* How long a worker that is to stop serves what still comes. */
#define LAST_ROUNDS_MS 1000

struct worker {
	struct api api;
	struct timeval timeout; /* for the peer to send or take some bytes */
	size_t body_max;
	const int *listen_fds;
	size_t listen_count;
	bool accept_failing;
	int epoll_fd;
	int signal_fd;
	bool leaving;
	struct buf head; /* of the answer being written */

	struct exchange *exchanges; /* a ring of round_max */
	size_t round_max;
	size_t oldest;     /* the first one held; the others follow it */
	size_t held;       /* answers that wait for a sync */
	size_t syncing;    /* of these, the oldest, which the syncer is at */
	size_t body_bytes; /* of the held requests */
	size_t taken;      /* in this round */
	int64_t round_us;  /* when the round began */
	int64_t let_go_us; /* ... after which files were let go of last */
	struct pace pace;
	struct syncer syncer;
	bool alone; /* there is one process, and the store is in its memory */
};

/* Have the request answered; false when no end of it came. */
static bool serve(struct worker *w, struct exchange *x)
{
	enum err err = request_ready(&x->request);
	bool pieces = !err && api_takes_pieces(&x->request);

	log_request_begin(x->request.id, x->request.trace_id);
	if (pieces)
		exchange_offer_body(x);
	else if (!exchange_read_body(x, w->body_max, &err))
		return false;
	if (err)
		api_settle(&w->api, &x->request, &x->response, err);
	else
		api_serve(&w->api, &x->request, &x->response);
	return !pieces || exchange_end_body(x);
}

/* The n-th of the held exchanges, or the place behind the last one. */
static struct exchange *held(const struct worker *w, size_t n)
{
	return &w->exchanges[(w->oldest + n) % w->round_max];
}

/* One connection: answer it now, or hold the answer until it is durable. */
static void take(struct worker *w, int fd)
{
	struct exchange *x = held(w, w->held);

	w->taken++;
	if (!exchange_begin(x, fd, w->timeout))
		return;
	if (!serve(w, x)) {
		exchange_drop(x, "the request ended early");
		return;
	}
	if (!x->response.ticket) {
		exchange_finish(x, &w->head);
		return;
	}
	exchange_hold(x);
	w->body_bytes += x->request.body.size;
	w->held++;
	log_request_end();
}

/* Send the `count` oldest of the held answers, whose sync ended like that. */
static void answer(struct worker *w, size_t count, enum err err)
{
	for (; count > 0; count--) {
		struct exchange *x = held(w, 0);

		w->body_bytes -= x->request.body.size;
		log_request_begin(x->request.id, x->request.trace_id);
		api_settle(&w->api, &x->request, &x->response, err);
		exchange_finish(x, &w->head);
		w->oldest = (w->oldest + 1) % w->round_max;
		w->held--;
	}
}

static void answer_synced(struct worker *w, enum err err)
{
	answer(w, w->syncing, err);
	w->syncing = 0;
}

static uint64_t newest_ticket(const struct worker *w)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < w->held; i++) {
		uint64_t ticket = held(w, i)->response.ticket;

		if (ticket > newest)
			newest = ticket;
	}
	return newest;
}

/*
 * Send what is durable by now, and have the rest made so.  Then nothing is
 * held, or a sync is under way.  True when this took the time of a sync.
 */
static bool settle(struct worker *w)
{
	uint64_t ticket;
	enum err err;

	if (syncer_ended(&w->syncer, &err))
		answer_synced(w, err);
	if (w->syncing || !w->held)
		return false;
	ticket = newest_ticket(w);
	if (!w->alone && w->held >= HAND_OVER_MIN &&
	    syncer_begin(&w->syncer, ticket)) {
		w->syncing = w->held;
		return false;
	}
	err = store_sync(w->api.store, ticket);
	answer(w, w->held, err);
	return true;
}

static int next_connection(struct worker *w)
{
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < w->listen_count; i++)
		fd = listener_accept(w->listen_fds[i], 0, &w->accept_failing);
	return fd;
}

static bool has_room(const struct worker *w)
{
	return w->held < w->round_max && w->body_bytes < HELD_BODY_BYTES;
}

static void work_a_round(struct worker *w)
{
	int fd;

	w->taken = 0;
	w->round_us = clock_monotonic_us();
	if (!has_room(w))
		answer_synced(w, syncer_wait(&w->syncer));
	do {
		fd = next_connection(w);
		if (fd >= 0)
			take(w, fd);
	} while (fd >= 0 && has_room(w) &&
		 clock_monotonic_us() - w->round_us < ROUND_US);
	pace_round(&w->pace, w->taken, settle(w));
}

static void obey(struct worker *w)
{
	int signal = child_read_signal(w->signal_fd);

	if (!signal)
		return;
	w->leaving = true;
	w->api.draining = w->api.draining || signal == CHILD_DRAIN;
}

/* Wait for a connection, the end of a sync, or for being asked to leave. */
static void wait_for_work(struct worker *w)
{
	struct epoll_event events[3];
	int count = epoll_wait(w->epoll_fd, events, 3, LOOK_MS);

	for (int i = 0; i < count; i++)
		if (events[i].data.fd == w->signal_fd)
			obey(w);
}

static void let_go(struct worker *w)
{
	if (w->round_us - w->let_go_us < LOOK_MS * 1000)
		return;
	w->let_go_us = w->round_us;
	store_idle(w->api.store);
}

static void answer_all_held(struct worker *w)
{
	while (w->syncing) {
		answer_synced(w, syncer_wait(&w->syncer));
		settle(w);
	}
}

/*
 * Serve what is pending.  When the service ends, that is all who have connected
 * before it refused to be connected to, as far as the time goes.  It may end
 * while we make room for a successor, who then does not come.
 */
static void work_last_rounds(struct worker *w)
{
	int64_t until_ms;

	work_a_round(w);
	answer_all_held(w);
	obey(w);
	if (!w->api.draining)
		return;
	until_ms = clock_monotonic_ms() + LAST_ROUNDS_MS;
	do
		work_a_round(w);
	while (w->taken > 0 && clock_monotonic_ms() < until_ms);
	answer_all_held(w);
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

	w->signal_fd = child_signal_fd();
	if (w->signal_fd < 0)
		return ERR_SYSTEM;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return log_errno("start-failed", "epoll_create1", errno);
	err = watch(w, w->signal_fd, EPOLLIN);
	if (!err)
		err = watch(w, w->syncer.fd, EPOLLIN);
	/* Of all workers that wait, one wakes up. */
	for (size_t i = 0; !err && i < w->listen_count; i++)
		err = watch(w, w->listen_fds[i], EPOLLIN | EPOLLEXCLUSIVE);
	return err;
}

static enum err open_worker(struct worker *w)
{
	enum err err;

	w->exchanges = calloc(w->round_max, sizeof(*w->exchanges));
	if (!w->exchanges) {
		log_event(LOG_ERROR, "worker-failed", "error",
			  err_string(ERR_NO_MEMORY), NULL);
		return ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < w->round_max; i++) {
		w->exchanges[i].metrics = w->api.metrics;
		w->exchanges[i].stored = w->api.stored;
	}
	err = exchange_init();
	if (!err)
		err = syncer_init(&w->syncer, w->api.store);
	return err ? err : open_events(w);
}

static void close_worker(struct worker *w)
{
	syncer_release(&w->syncer);
	for (size_t i = 0; w->exchanges && i < w->round_max; i++)
		exchange_release(&w->exchanges[i]);
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
		.api = { .conf = conf,
			 .store = service->store,
			 .access = service->access,
			 .metrics = service->metrics,
			 .stored = service->stored },
		.timeout = { .tv_sec = conf->request_timeout_ms / 1000,
			     .tv_usec =
				     conf->request_timeout_ms % 1000 * 1000 },
		.body_max = service_body_max(conf),
		.listen_fds = listen_fds,
		.listen_count = listen_count,
		.epoll_fd = -1,
		.signal_fd = -1,
		.round_max = round_max,
		.alone = service_is_one_process(conf),
	};
	enum err err = open_worker(&w);

	if (err)
		goto out;
	pace_init(&w.pace);
	while (!w.leaving) {
		wait_for_work(&w);
		work_a_round(&w);
		let_go(&w);
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
		   all ? LISTEN_REQUESTS : 1, service->conf->round_max);
}

int transfer_run(const struct service *service)
{
	return run(service, &service->listen_fds[LISTEN_TRANSFER], 1, 1);
}
