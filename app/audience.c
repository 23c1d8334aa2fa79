/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A seat moves through three states: its request is being read (no watch, not
 * ended), it is parked (a watch), its answer is going out (ended).
 */
#include "audience.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define SEATS_STEP   64
#define SCRATCH_KEEP (256 << 10)
#define STUCK_MS     1000
#define STUCK_PART   4 /* of the bound, to be taken in that time */
#define TICK_MAX_MS  1000
#define RETRY_MS     1000

static struct place newest(const struct audience *audience)
{
	struct store_stats stats;

	store_stats(audience->store, &stats);
	return (struct place){ stats.revision, 0 };
}

enum err audience_init(struct audience *audience,
		       const struct audience_conf *conf, struct store *store,
		       int epoll_fd)
{
	*audience = (struct audience){
		.conf = *conf,
		.store = store,
		.epoll_fd = epoll_fd,
	};
	return news_init(&audience->news);
}

void audience_release(struct audience *audience)
{
	while (audience->count)
		audience_drop(audience, audience->seats[0]);
	free(audience->seats);
	news_release(&audience->news);
	buf_release(&audience->scratch);
}

size_t audience_room(const struct audience *audience)
{
	return audience->conf.watchers_max > audience->watchers
		       ? (size_t)audience->conf.watchers_max -
				 audience->watchers
		       : 0;
}

/* Seats */

static bool listen_for(struct audience *audience, struct seat *seat, int op,
		       uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = seat };

	if (!epoll_ctl(audience->epoll_fd, op, seat->stream.fd, &event))
		return true;
	log_errno("epoll-failed", "epoll_ctl", errno);
	return false;
}

static bool has_room(struct audience *audience)
{
	size_t capacity = audience->capacity + SEATS_STEP;
	struct seat **seats = audience->seats;

	if (audience->count < audience->capacity)
		return true;
	seats = reallocarray(seats, capacity, sizeof(struct seat *));
	if (!seats)
		return false;
	audience->seats = seats;
	audience->capacity = capacity;
	return true;
}

struct seat *audience_admit(struct audience *audience, int fd, size_t body_max)
{
	struct seat *seat = calloc(1, sizeof(*seat));

	if (!seat || !has_room(audience)) {
		free(seat);
		close(fd);
		return NULL;
	}
	stream_init(&seat->stream, fd, body_max);
	seat->due_ms =
		clock_monotonic_ms() + (int64_t)audience->conf.timeout_ms;
	seat->index = audience->count;
	audience->seats[audience->count++] = seat;
	if (listen_for(audience, seat, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP))
		return seat;
	audience_drop(audience, seat);
	return NULL;
}

/* What the seat keeps in memory for a reader that does not take it. */
static void count_bytes(struct audience *audience, struct seat *seat)
{
	size_t enough = audience->conf.backlog_max / STUCK_PART;
	size_t bytes = stream_pending(&seat->stream);

	if (seat->watch)
		bytes += seat->watch->events.size;
	audience->backlog += bytes;
	audience->backlog -= seat->counted;
	if (!seat->counted || bytes + enough <= seat->level) {
		seat->moved_ms = clock_monotonic_ms();
		seat->level = bytes;
	}
	if (bytes > seat->level)
		seat->level = bytes;
	seat->counted = bytes;
}

static void stop_watching(struct audience *audience, struct seat *seat)
{
	if (!seat->watch)
		return;
	audience->watchers--;
	if (seat->watch->values)
		audience->with_values--;
	watch_free(seat->watch);
	seat->watch = NULL;
}

void audience_drop(struct audience *audience, struct seat *seat)
{
	struct seat *last = audience->seats[--audience->count];

	stop_watching(audience, seat);
	audience->backlog -= seat->counted;
	last->index = seat->index;
	audience->seats[seat->index] = last;
	stream_release(&seat->stream);
	free(seat);
}

/* Sending */

/*
 * After bytes were sent or kept: see what becomes of the seat.  False when it
 * is gone.
 */
static bool settle(struct audience *audience, struct seat *seat)
{
	bool pending = stream_pending(&seat->stream) > 0;

	count_bytes(audience, seat);
	if (seat->stream.gone || (seat->stream.ended && !pending)) {
		audience_drop(audience, seat);
		return false;
	}
	if (pending == seat->sending)
		return true;
	seat->sending = pending;
	if (listen_for(audience, seat, EPOLL_CTL_MOD,
		       EPOLLRDHUP | (pending ? EPOLLOUT : 0)))
		return true;
	audience_drop(audience, seat);
	return false;
}

static void set_due(struct seat *seat, uint64_t in_ms)
{
	seat->due_ms = clock_monotonic_ms() + (int64_t)in_ms;
}

static void finish(struct audience *audience, struct seat *seat)
{
	stop_watching(audience, seat);
	set_due(seat, audience->conf.timeout_ms);
	stream_end(&seat->stream);
	settle(audience, seat);
}

/* Send what is in the scratch buffer.  False when the seat is gone. */
static bool send_scratch(struct audience *audience, struct seat *seat)
{
	if (audience->scratch.err) {
		audience_drop(audience, seat);
		return false;
	}
	if (!audience->scratch.size)
		return true;
	stream_write(&seat->stream, buf_view(&audience->scratch));
	set_due(seat, audience->conf.heartbeat_ms);
	return settle(audience, seat);
}

void audience_answer(struct audience *audience, struct seat *seat,
		     struct view head, struct view body)
{
	stream_forget_request(&seat->stream);
	stream_write(&seat->stream, head);
	stream_write(&seat->stream, body);
	finish(audience, seat);
}

/* With what it has heard of, or why it can't be. */
static void end_poll(struct audience *audience, struct seat *seat, enum err err)
{
	struct buf *out = &audience->scratch;

	buf_trim(out, SCRATCH_KEEP);
	if (err)
		watch_refuse(seat->watch, err, out);
	else
		watch_answer(seat->watch, out);
	if (out->err)
		audience_drop(audience, seat);
	else
		audience_answer(audience, seat, buf_view(out),
				(struct view){ 0 });
}

void audience_park(struct audience *audience, struct seat *seat,
		   struct watch *watch)
{
	stream_forget_request(&seat->stream);
	seat->watch = watch;
	if (!audience->watchers++)
		audience->tail = newest(audience);
	if (watch->values)
		audience->with_values++;
	set_due(seat,
		watch->stream ? audience->conf.heartbeat_ms : watch->wait_ms);
	if (!listen_for(audience, seat, EPOLL_CTL_MOD, EPOLLRDHUP)) {
		audience_drop(audience, seat);
		return;
	}
	buf_trim(&audience->scratch, SCRATCH_KEEP);
	watch_begin(watch, &audience->scratch);
	send_scratch(audience, seat);
}

void audience_event(struct audience *audience, struct seat *seat, bool writable,
		    bool gone)
{
	if (gone) {
		audience_drop(audience, seat);
		return;
	}
	if (!writable)
		return;
	stream_flush(&seat->stream);
	settle(audience, seat);
}

/* Showing */

static bool is_late(const struct seat *seat, int64_t now_ms)
{
	return now_ms >= seat->due_ms;
}

/* Show the piece to one.  The seat may be gone afterwards. */
static void show(struct audience *audience, struct seat *seat, int64_t now_ms)
{
	struct watch *watch = seat->watch;

	buf_trim(&audience->scratch, SCRATCH_KEEP);
	if (watch_feed(watch, &audience->news, &audience->scratch)) {
		audience_drop(audience, seat);
		return;
	}
	if (watch_is_due(watch, UINT64_MAX, is_late(seat, now_ms))) {
		end_poll(audience, seat, ERR_OK);
		return;
	}
	if (watch_half(watch) > audience->conf.backlog_max) {
		end_poll(audience, seat, ERR_GONE);
		return;
	}
	if (watch->stream)
		send_scratch(audience, seat);
	else
		settle(audience, seat);
}

/* While too much is kept for those who are slow, nobody gets more to keep. */
static bool can_be_shown(const struct audience *audience,
			 const struct seat *seat)
{
	return seat->watch && !stream_pending(&seat->stream) &&
	       audience->backlog <= audience->conf.backlog_max;
}

/* Backwards, since a seat that is given up is filled by the last one. */
static void show_all(struct audience *audience)
{
	int64_t now_ms = clock_monotonic_ms();

	for (size_t i = audience->count; i-- > 0;) {
		struct seat *seat = audience->seats[i];

		if (can_be_shown(audience, seat) &&
		    news_serve(&audience->news, seat->watch->place))
			show(audience, seat, now_ms);
	}
}

static enum err read_piece(struct audience *audience, struct place from)
{
	uint64_t oldest;

	return news_read(&audience->news, audience->store, from,
			 audience->with_values > 0, &oldest);
}

static bool is_to_wait(const struct audience *audience)
{
	return clock_monotonic_ms() < audience->retry_ms;
}

/* What is new.  True when there is more of it. */
static bool follow(struct audience *audience)
{
	enum err err;

	if (is_to_wait(audience))
		return false;
	err = read_piece(audience, audience->tail);
	/* We were held up for long; those who watch catch up. */
	if (err == ERR_GONE)
		audience->tail = newest(audience);
	else if (err)
		audience->retry_ms = clock_monotonic_ms() + RETRY_MS;
	if (err)
		return false;
	show_all(audience);
	audience->tail = audience->news.to;
	return !audience->news.all;
}

static void give_up(struct audience *audience, struct seat *seat)
{
	if (seat->watch->stream)
		finish(audience, seat);
	else if (!seat->watch->place.index)
		end_poll(audience, seat, ERR_OK);
	else
		end_poll(audience, seat, ERR_BUSY);
}

static struct seat *next_behind(struct audience *audience)
{
	for (size_t n = 0; n < audience->count; n++) {
		struct seat *seat =
			audience->seats[audience->turn++ % audience->count];

		if (can_be_shown(audience, seat) &&
		    place_before(seat->watch->place, audience->tail))
			return seat;
	}
	return NULL;
}

/* Somebody who is behind.  True when there was one. */
static bool catch_up(struct audience *audience)
{
	struct seat *seat = next_behind(audience);

	if (!seat)
		return false;
	/* A stream that ends is taken up again, and hears why it can't be. */
	if (read_piece(audience, seat->watch->place))
		give_up(audience, seat);
	else
		show_all(audience);
	return true;
}

bool audience_advance(struct audience *audience)
{
	bool more;

	if (!audience->watchers)
		return false;
	more = follow(audience);
	return catch_up(audience) || more;
}

uint64_t audience_heard(const struct audience *audience)
{
	return is_to_wait(audience) ? UINT64_MAX : audience->tail.revision;
}

/* Time */

static void beat(struct audience *audience, struct seat *seat)
{
	buf_trim(&audience->scratch, SCRATCH_KEEP);
	watch_beat(seat->watch, &audience->scratch);
	set_due(seat, audience->conf.heartbeat_ms);
	if (!stream_pending(&seat->stream))
		send_scratch(audience, seat);
}

/* It is due. */
static void remind(struct audience *audience, struct seat *seat)
{
	struct watch *watch = seat->watch;

	if (!watch) {
		audience_drop(audience, seat);
		return;
	}
	if (watch->stream)
		beat(audience, seat);
	else if (watch_is_due(watch, newest(audience).revision, true))
		end_poll(audience, seat, ERR_OK);
}

/*
 * When too much is kept, give up whom it is kept for, unless they take it, and
 * not in drops: all others wait for that.  True when the seat was given up.
 */
static bool cut_off(struct audience *audience, struct seat *seat,
		    int64_t now_ms)
{
	if (audience->backlog <= audience->conf.backlog_max || !seat->counted ||
	    now_ms - seat->moved_ms < STUCK_MS)
		return false;
	log_event(LOG_INFO, "watcher-cut-off", "why", "it reads too slowly",
		  NULL);
	if (seat->watch && !stream_pending(&seat->stream))
		give_up(audience, seat);
	else
		audience_drop(audience, seat);
	return true;
}

/* Give up who has lost his token.  Should he come back, he hears why. */
static void send_away(struct audience *audience, struct seat *seat)
{
	struct watch *watch = seat->watch;

	if (!watch || watch_is_allowed(watch, audience->conf.access))
		return;
	log_event(LOG_INFO, "watcher-cut-off", "why", "its token is no more",
		  NULL);
	if (watch->stream)
		finish(audience, seat);
	else
		end_poll(audience, seat, ERR_BUSY);
}

/* See whether there are other tokens, and who may stay by them. */
static void check_tokens(struct audience *audience)
{
	struct access_file *access = audience->conf.access;

	if (!access)
		return;
	access_refresh(access, false);
	if (access_generation(access) == audience->tokens)
		return;
	audience->tokens = access_generation(access);
	for (size_t i = audience->count; i-- > 0;)
		send_away(audience, audience->seats[i]);
}

int64_t audience_tick(struct audience *audience)
{
	int64_t now_ms = clock_monotonic_ms();
	int64_t next_ms = now_ms + TICK_MAX_MS;

	check_tokens(audience);
	for (size_t i = audience->count; i-- > 0;) {
		struct seat *seat = audience->seats[i];

		if (cut_off(audience, seat, now_ms))
			continue;
		if (is_late(seat, now_ms))
			remind(audience, seat);
		else if (seat->due_ms < next_ms)
			next_ms = seat->due_ms;
	}
	return next_ms;
}

void audience_dismiss(struct audience *audience)
{
	for (size_t i = audience->count; i-- > 0;)
		if (audience->seats[i]->watch)
			give_up(audience, audience->seats[i]);
}
