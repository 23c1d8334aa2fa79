/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One watcher of GET /v1/watch: what it wants to hear of, how far it is, and
 * what it is to be sent, be it a stream of events or the one answer of a long
 * poll.  Whoever parks it (watcher.c) does the waiting and the sending.
 *
 * A stream is told a revision's id with the last event of that revision, or
 * by itself when the last change of the revision is none of its own.  So a
 * client that was cut off within a large revision has the id of the one
 * before, and is sent all of it again: it may see an event twice, but never
 * misses one.  A long poll is answered with whole revisions only.
 */
#ifndef API_WATCH_H
#define API_WATCH_H

#include "api/access.h"
#include "api/news.h"
#include "http/response.h"

#define WATCH_WAIT_S     30
#define WATCH_WAIT_MAX_S 300
#define WATCH_RETRY_MS   1000

struct watch {
	struct response head; /* of the answer, but its type */
	struct buf id;        /* of its request */
	struct buf prefix;
	struct buf token; /* by which it is allowed */
	struct place place;
	uint64_t wait_ms; /* of a long poll */
	bool stream;      /* of events; else a long poll */
	bool values;
	bool untold;       /* was sent events, but not yet their id */
	bool looked;       /* has been shown what was there */
	struct buf events; /* of a long poll, with commas */
};

/* Where api_serve() leaves a watcher to be parked. */
struct parking {
	size_t room; /* how many more there may be */
	struct watch *parked;
};

void watch_free(struct watch *watch);

/*
 * Whether it would still be allowed, by the file as it is now; without a
 * file, NULL, it is.
 */
bool watch_is_allowed(const struct watch *watch,
		      const struct access_file *file);

/* What a stream begins with; nothing for a long poll. */
void watch_begin(struct watch *watch, struct buf *out);

/*
 * Show it a piece that serves its place, and go to the piece's end.  What a
 * stream has to be sent is appended to `out`.  ERR_NO_MEMORY: it may have
 * missed something and has to be cut off.
 */
enum err watch_feed(struct watch *watch, struct news *news, struct buf *out);

/*
 * Whether a long poll can be answered: it is between two revisions and has
 * events, or it is `late` and has been shown something or is at `newest`.
 */
bool watch_is_due(const struct watch *watch, uint64_t newest, bool late);

/* Append the whole answer of a long poll. */
void watch_answer(struct watch *watch, struct buf *out);

/*
 * How many bytes a long poll keeps of a revision that it has not seen the end
 * of.
 */
size_t watch_half(const struct watch *watch);

/*
 * Append instead that it can't be answered: the problem that `err` is.
 * ERR_GONE says that there is too much of the revision for a long poll, and
 * that what comes after it can be had.
 */
void watch_refuse(struct watch *watch, enum err err, struct buf *out);

/* Append a heartbeat: to a stream only, and only between two revisions. */
void watch_beat(const struct watch *watch, struct buf *out);

#endif
