/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Everything is in one epoll(7): the listening socket, a signal, news from the
 * store, and a connection for each seat (audience.h).  Between two waits one
 * piece of changes after another is shown, for a few milliseconds at most.
 */
#include "watcher.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/metrics.h"
#include "api/serve.h"
#include "audience.h"
#include "base/clock.h"
#include "base/log.h"
#include "listener.h"

#define EVENTS_MAX 64

/* Changes are shown for so long before sockets are looked at again. */
#define SHOW_US 5000

/* Descriptors that are not a watcher's. */
#define OTHER_DESCRIPTORS 128

/* So often files of the store that were replaced are let go of. */
#define LET_GO_MS 1000

/* For those who have to take their last bytes when we leave. */
#define LEAVE_MS 1000

struct watcher {
	struct api api;
	struct parking parking;
	struct audience audience;
	struct request request;
	struct response response;
	struct buf variables;
	struct buf head;
	size_t body_max;
	int listen_fd;
	bool accept_failing;
	int epoll_fd;
	int signal_fd;
	int changes_fd;
	bool hearing; /* of changes: there is a watcher */
	bool leaving;
	bool more;         /* there is more to be shown */
	int64_t let_go_ms; /* when to look for files that were replaced */
};

/* Serving a request */

/* Errors of ours always; every request only when asked for. */
static void log_answer(const struct watcher *w)
{
	struct view path = w->request.path;
	bool failed = w->response.status >= 500;
	struct buf text = BUF_EMPTY;
	char status[16];

	if (!failed && !log_enabled(LOG_DEBUG))
		return;
	buf_add_view(&text, path);
	snprintf(status, sizeof(status), "%d", w->response.status);
	log_event(failed ? LOG_WARN : LOG_DEBUG, "request", "path",
		  buf_string(&text), "status", status, NULL);
	buf_release(&text);
}

/* As much of the body as was announced. */
static void take_body(struct watcher *w, struct stream *stream, enum err *err)
{
	struct view length = view_trim(w->request.content_length);
	uint64_t size = 0;

	if (*err)
		return;
	if (length.size > 0 && !view_to_uint64(length, UINT64_MAX, &size))
		*err = ERR_INVALID;
	else if (stream->too_large || size > stream->body_max)
		*err = ERR_VALUE_TOO_LARGE;
	else if (size > stream->body.size)
		*err = ERR_INCOMPLETE;
	buf_release(&w->request.body);
	w->request.body = stream->body;
	w->request.body.size = *err ? 0 : (size_t)size;
	stream->body = BUF_EMPTY;
}

/* The request as the API wants it; false when it is none. */
static bool take_request(struct watcher *w, struct stream *stream,
			 enum err *err)
{
	request_reset(&w->request);
	response_reset(&w->response);
	buf_trim(&w->variables, 0);
	if (!stream_variables(stream, &w->variables) || w->variables.err)
		return false;
	for (size_t at = 0; at < w->variables.size;) {
		const char *variable = w->variables.data + at;

		request_param(&w->request, variable);
		at = (size_t)((const char *)rawmemchr(variable, '\0') -
			      w->variables.data) +
		     1;
	}
	*err = request_ready(&w->request);
	take_body(w, stream, err);
	return true;
}

/* Have the request answered.  The watch that it asks to be parked, or NULL. */
static struct watch *ask_api(struct watcher *w, enum err err)
{
	struct watch *watch;

	w->parking.room = audience_room(&w->audience);
	w->parking.parked = NULL;
	if (err)
		api_settle(&w->api, &w->request, &w->response, err);
	else
		api_serve(&w->api, &w->request, &w->response);
	/* Not for us: lighttpd sends transfers elsewhere. */
	if (response_streams(&w->response))
		api_settle(&w->api, &w->request, &w->response, ERR_BUSY);
	if (w->response.ticket) {
		err = store_sync(w->api.store, w->response.ticket);
		api_settle(&w->api, &w->request, &w->response, err);
	}
	watch = w->parking.parked;
	if (watch && w->response.status != 200) {
		watch_free(watch);
		watch = NULL;
	}
	return watch;
}

/*
 * A watch is counted when it begins to wait: how long it waits is its client's
 * affair.
 */
static void count_answer(const struct watcher *w, int64_t begun_us)
{
	const struct metrics_answer answer = {
		.route = w->response.route,
		.method = w->response.method,
		.status = w->response.status,
		.received = w->request.body.size,
		.sent = response_body(&w->response).size,
		.took_us = clock_monotonic_us() - begun_us,
	};

	metrics_count(w->api.metrics, &answer);
}

static void answer(struct watcher *w, struct seat *seat)
{
	buf_trim(&w->head, 0);
	response_head(&w->response, &w->head);
	if (w->head.err)
		audience_drop(&w->audience, seat);
	else
		audience_answer(&w->audience, seat, buf_view(&w->head),
				response_body(&w->response));
}

/* Its answer is sent when this request has long given way to others. */
static void park(struct watcher *w, struct seat *seat, struct watch *watch)
{
	if (!response_move(&w->response, &watch->head)) {
		audience_park(&w->audience, seat, watch);
		return;
	}
	watch_free(watch);
	audience_drop(&w->audience, seat);
}

static void serve(struct watcher *w, struct seat *seat)
{
	int64_t begun_us = clock_monotonic_us();
	struct watch *watch;
	enum err err;

	if (!take_request(w, &seat->stream, &err)) {
		audience_drop(&w->audience, seat);
		return;
	}
	log_request_begin(w->request.id, w->request.trace_id);
	watch = ask_api(w, err);
	count_answer(w, begun_us);
	log_answer(w);
	if (watch)
		park(w, seat, watch);
	else
		answer(w, seat);
	log_request_end();
}

/* Events */

static void read_request(struct watcher *w, struct seat *seat)
{
	if (stream_read(&seat->stream))
		serve(w, seat);
	else if (seat->stream.gone)
		audience_drop(&w->audience, seat);
}

static void accept_all(struct watcher *w)
{
	int fd;

	while ((fd = listener_accept(w->listen_fd, SOCK_NONBLOCK,
				     &w->accept_failing)) >= 0) {
		struct seat *seat =
			audience_admit(&w->audience, fd, w->body_max);

		if (seat)
			read_request(w, seat);
	}
}

static void obey(struct watcher *w)
{
	int signal = child_read_signal(w->signal_fd);

	if (!signal)
		return;
	w->leaving = true;
	w->api.draining = w->api.draining || signal == CHILD_DRAIN;
}

/* Who has taken what was kept for him is to be shown what comes after it. */
static void take_seat_event(struct watcher *w, struct seat *seat,
			    uint32_t events)
{
	audience_event(&w->audience, seat, events & EPOLLOUT,
		       events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP));
	w->more = true;
}

static void take_event(struct watcher *w, const struct epoll_event *event)
{
	struct seat *seat = event->data.ptr;

	if (event->data.ptr == &w->listen_fd)
		accept_all(w);
	else if (event->data.ptr == &w->signal_fd)
		obey(w);
	else if (event->data.ptr == &w->changes_fd)
		w->more = true;
	else if (event->events & EPOLLIN)
		read_request(w, seat);
	else
		take_seat_event(w, seat, event->events);
}

static enum err hear(const struct watcher *w, int op, const int *fd)
{
	struct epoll_event event = { .events = EPOLLIN,
				     .data.ptr = (void *)(uintptr_t)fd };

	if (!epoll_ctl(w->epoll_fd, op, *fd, &event))
		return ERR_OK;
	log_errno("epoll-failed", "epoll_ctl", errno);
	return ERR_SYSTEM;
}

/* Without watchers, nothing that is new wakes us. */
static void hear_of_changes(struct watcher *w)
{
	bool wanted = w->audience.watchers > 0;

	if (wanted == w->hearing || w->changes_fd < 0)
		return;
	if (hear(w, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, &w->changes_fd))
		return;
	w->hearing = wanted;
	w->more = wanted;
}

/* Show what is new, and what those who are behind have missed, for a while. */
static void show(struct watcher *w)
{
	int64_t until_us = clock_monotonic_us() + SHOW_US;

	while (w->more && clock_monotonic_us() < until_us)
		w->more = audience_advance(&w->audience);
}

/* Wait until something happens, or it is that time. */
static void wait_for_events(struct watcher *w, int64_t until_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t wait_ms = until_ms - clock_monotonic_ms();
	size_t watchers = w->audience.watchers;
	int count;

	if (w->more || wait_ms < 0)
		wait_ms = 0;
	else if (w->hearing)
		store_changes_fd(w->api.store, audience_heard(&w->audience));
	count = epoll_wait(w->epoll_fd, events, EVENTS_MAX, (int)wait_ms);
	for (int i = 0; i < count; i++)
		take_event(w, &events[i]);
	/* A wake may be lost (store.h), and who is new may be behind. */
	if (count <= 0 || w->audience.watchers > watchers)
		w->more = true;
}

static void let_go(struct watcher *w)
{
	int64_t now_ms = clock_monotonic_ms();

	if (now_ms < w->let_go_ms)
		return;
	w->let_go_ms = now_ms + LET_GO_MS;
	store_idle(w->api.store);
}

static void turn(struct watcher *w, int64_t until_ms)
{
	metrics_watchers(w->api.metrics, w->audience.watchers);
	wait_for_events(w, until_ms);
	hear_of_changes(w);
	show(w);
	let_go(w);
}

/* Starting and leaving */

/*
 * Thousands of connections are thousands of descriptors.  How many watchers
 * there are enough for: who comes when there are none would not be heard, and
 * none be left to read the changes by.
 */
static uint64_t raise_limit(uint64_t watchers_max)
{
	struct rlimit limit;
	uint64_t most = 1;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return watchers_max;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= watchers_max + OTHER_DESCRIPTORS)
		return watchers_max;
	if (limit.rlim_max > OTHER_DESCRIPTORS)
		most = limit.rlim_max - OTHER_DESCRIPTORS;
	log_eventf(
		LOG_WARN, "few-descriptors",
		"%llu descriptors are too few for watchers-max %llu, so only %llu can watch; raise the hard limit (ulimit -Hn) or lower the setting",
		(unsigned long long)limit.rlim_max,
		(unsigned long long)watchers_max, (unsigned long long)most);
	return most;
}

static enum err open_events(struct watcher *w)
{
	enum err err;

	w->signal_fd = child_signal_fd();
	if (w->signal_fd < 0)
		return ERR_SYSTEM;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return log_errno("start-failed", "epoll_create1", errno);
	w->changes_fd = store_changes_fd(w->api.store, UINT64_MAX);
	err = hear(w, EPOLL_CTL_ADD, &w->signal_fd);
	return err ? err : hear(w, EPOLL_CTL_ADD, &w->listen_fd);
}

static enum err open_watcher(struct watcher *w)
{
	const struct conf *conf = w->api.conf;
	const struct audience_conf audience_conf = {
		.watchers_max = raise_limit(conf->watchers_max),
		.heartbeat_ms = conf->watch_heartbeat_ms,
		.backlog_max = conf->watch_backlog_bytes,
		.timeout_ms = conf->request_timeout_ms,
		.access = w->api.access,
	};
	enum err err = open_events(w);

	if (!err)
		err = audience_init(&w->audience, &audience_conf, w->api.store,
				    w->epoll_fd);
	if (err)
		log_event(LOG_ERROR, "watcher-failed", "error", err_string(err),
			  NULL);
	return err;
}

static void close_watcher(struct watcher *w)
{
	audience_release(&w->audience);
	request_release(&w->request);
	response_release(&w->response);
	buf_release(&w->variables);
	buf_release(&w->head);
	if (w->signal_fd >= 0)
		close(w->signal_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
}

/*
 * When the service ends, who has connected already is answered; when only we
 * are replaced, the next one takes them, unless the service ends meanwhile.
 */
static void leave(struct watcher *w)
{
	int64_t until_ms = clock_monotonic_ms() + LEAVE_MS;

	if (!w->api.draining)
		epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, w->listen_fd, NULL);
	for (;;) {
		obey(w);
		if (w->api.draining)
			accept_all(w);
		audience_dismiss(&w->audience);
		if (!w->audience.count || clock_monotonic_ms() >= until_ms)
			return;
		turn(w, until_ms);
	}
}

int watcher_run(const struct service *service)
{
	const struct conf *conf = service->conf;
	struct watcher w = {
		.api = { .conf = conf,
			 .store = service->store,
			 .access = service->access,
			 .metrics = service->metrics,
			 .stored = service->stored },
		.body_max = service_body_max(conf),
		.listen_fd = service->listen_fds[LISTEN_WATCH],
		.epoll_fd = -1,
		.signal_fd = -1,
		.changes_fd = -1,
	};
	enum err err;

	w.api.parking = &w.parking;
	err = open_watcher(&w);
	while (!err && !w.leaving)
		turn(&w, audience_tick(&w.audience));
	if (!err)
		leave(&w);
	close_watcher(&w);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
