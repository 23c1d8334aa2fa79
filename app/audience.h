/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All who are connected to the watcher process, most of them parked: each has
 * a seat.  Pieces of what has changed are read once and shown to everybody
 * whose place they serve; who is behind is brought forward by pieces of its
 * own, one after another, so that nobody waits for long.
 *
 * Who does not take what it is sent is shown nothing more until it has: what
 * it has yet to hear of is in the store's journal, not in memory.  Once the
 * bytes that are kept for slow readers have grown past a bound, nobody is shown
 * anything, and those who take less of theirs in a second than a quarter of
 * that bound are cut off, so that it does not last.  So is who has fallen so
 * far behind that the journal no longer holds what it has yet to hear.  Both
 * may come back and go on where they were.  A long poll for which a single
 * revision has more than that bound never could: it is told that the changes
 * are gone.
 */
#ifndef AUDIENCE_H
#define AUDIENCE_H

#include "api/watch.h"
#include "stream.h"

struct seat {
	struct stream stream;
	struct watch *watch; /* NULL: it has not asked for that */
	size_t index;        /* in audience.seats */
	int64_t due_ms;      /* monotonic: request, answer or heartbeat */
	size_t counted;      /* of its bytes in audience.backlog */
	size_t level;        /* how many there were at moved_ms */
	int64_t moved_ms;    /* monotonic: when it last took enough of them */
	bool sending;        /* we wait for the peer to take bytes */
};

struct audience_conf {
	uint64_t watchers_max;
	uint64_t heartbeat_ms;
	uint64_t backlog_max;
	uint64_t timeout_ms; /* for a request to come or an answer to go */
	struct access_file *access; /* or NULL */
};

struct audience {
	struct audience_conf conf;
	struct store *store;
	int epoll_fd; /* seats are there with a pointer to them */
	struct seat **seats;
	size_t count;
	size_t capacity;
	size_t watchers;
	size_t with_values; /* of them */
	uint64_t backlog;   /* bytes that are kept for them */
	size_t turn;        /* where the next who is behind is looked for */
	uint64_t tokens;    /* access_generation() that all have been seen by */

	struct news news;
	struct place tail; /* where all are who miss nothing */
	int64_t retry_ms;  /* monotonic: what is new can't be read before */
	struct buf scratch;
};

enum err audience_init(struct audience *audience,
		       const struct audience_conf *conf, struct store *store,
		       int epoll_fd);
void audience_release(struct audience *audience);

/* How many more may be parked. */
size_t audience_room(const struct audience *audience);

/* Take a seat for a connection; NULL, and it is closed, without memory. */
struct seat *audience_admit(struct audience *audience, int fd, size_t body_max);

/* Give up a seat. */
void audience_drop(struct audience *audience, struct seat *seat);

/* Its request is answered by these bytes, and that is all. */
void audience_answer(struct audience *audience, struct seat *seat,
		     struct view head, struct view body);

/* Its request was to watch: the watch is the seat's from now on. */
void audience_park(struct audience *audience, struct seat *seat,
		   struct watch *watch);

/* Its socket can be written to, or its peer has gone. */
void audience_event(struct audience *audience, struct seat *seat, bool writable,
		    bool gone);

/* Show one piece to whom it serves.  True when there is more to be shown. */
bool audience_advance(struct audience *audience);

/*
 * What there is to wait for, for store_changes_fd(): what comes after the
 * revision that has been shown, or anything at all while that can't be read.
 */
uint64_t audience_heard(const struct audience *audience);

/*
 * Heartbeats, answers that can't wait any longer, requests that don't come,
 * and tokens: the file is looked at once a second, and when it is another one,
 * who has lost his is sent away.  Returns the monotonic time when to look
 * again, a second from now at most.
 */
int64_t audience_tick(struct audience *audience);

/* End every watch: streams and long polls are complete as they are. */
void audience_dismiss(struct audience *audience);

#endif
