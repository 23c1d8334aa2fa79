/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stored responses (RFC 9111 section 2) in memory: workers keep what they
 * have answered to a GET, and lighttpd gives it again without asking them, by
 * app/front.  That spares the connection between the two, which is most of
 * what a GET costs (app/docs/bench.md).
 *
 * WHY NONE IS EVER STALE.  A response is kept with the durable revision that
 * it was read at and its key's mark (base/marks.h), and is given only while
 * that mark is not newer.  The store raises the mark before anybody can see
 * the change, so before the writer has its answer.  A response that is kept
 * late, after such a change, has the older revision all the same.  Nobody is
 * told of anything, nothing is taken back, and no lock is taken: a worker
 * that dies leaves at most one place that is not used again.
 *
 * The memory is memfds (memfd_create(2)), which lighttpd, in another container
 * maybe, is given the descriptors of.  It can't write to the responses and the
 * marks (F_SEAL_FUTURE_WRITE, Linux 5.1), nor make them shorter, but to the
 * counts only.  Nothing that librapi does depends on what is in them.
 *
 *   responses: marks, edition, what was asked for | places of 1 KiB
 *              | places of 16 KiB
 *   counts:    of responses given, and of their bytes
 *
 * Three quarters of the bytes are for the small ones.  A response may be in
 * one of PLACES_WAYS places (http/places.h), by its target's hash; where all
 * are taken by what is still true, one of them in turn is given to the next.
 */
#ifndef HTTP_STORED_H
#define HTTP_STORED_H

#include "base/marks.h"

#define STORED_TARGET_MAX 512 /* bytes; no longer one is kept */
#define STORED_FDS        2   /* responses, counts */

/*
 * So long lighttpd may go by the memory without looking whether it is still
 * librapi's.  A librapi that starts lets twice that pass between taking its
 * sockets and answering anybody, so that who was told of a change by it is not
 * answered out of another's memory.
 */
#define STORED_TRUST_MS 1

struct stored;

/* A response of status 200 to a GET that is everybody's. */
struct stored_response {
	struct view target; /* as the request line has it, byte for byte */
	uint64_t revision;  /* durable, that it was read at */
	uint32_t mark;      /* its key's, marks_place() */
	struct view fields; /* "Name: value\r\n" lines, all the same for all */
	struct view body;
};

/*
 * Librapi's side.  Take the memory, before the store is opened and before any
 * fork.  ERR_SYSTEM, ERR_NO_MEMORY, logged.
 */
enum err stored_new(size_t bytes, struct stored **out);

/* For the store, which raises them; NULL for NULL. */
struct marks *stored_marks(struct stored *stored);

/*
 * What was kept so far is not given any more, nor what those keep who were
 * forked so far: settings have changed that responses depend on.  Nothing for
 * NULL.
 */
void stored_forget(struct stored *stored);

/* The descriptors for stored_map(), STORED_FDS of them, which stay ours. */
const int *stored_fds(const struct stored *stored);

/*
 * Whether a response is worth being kept.  It is while there is an empty place
 * for it; then only when the target was asked for before, not long ago: what
 * is asked for once, of many keys, shall not take the place of what is asked
 * for often, nor the time.  One of more than 16 KiB, with its fields and
 * target, never is.
 */
bool stored_wants(struct stored *stored,
		  const struct stored_response *response);

/* Keep a response that is wanted, unless it is there already. */
void stored_keep(struct stored *stored, const struct stored_response *response);

/* How many were given by lighttpd, and the bytes of their bodies. */
void stored_counts(const struct stored *stored, uint64_t *given,
		   uint64_t *bytes);

/*
 * Lighttpd's side.  Map what the descriptors are of; they can be closed then.
 * ERR_FORMAT when it is not what this program has made, ERR_SYSTEM,
 * ERR_NO_MEMORY; nothing is logged.
 */
enum err stored_map(const int fds[STORED_FDS], struct stored **out);

/* False when stored_find() would find nothing; looks at the tags alone. */
bool stored_may_have(const struct stored *stored, struct view target);

/*
 * The response to a GET of that target, when one is kept and still true;
 * `hold` keeps the bytes that its views point into.
 */
bool stored_find(struct stored *stored, struct view target, struct buf *hold,
		 struct stored_response *response);

/* It was given, with so many bytes of body. */
void stored_count(struct stored *stored, size_t bytes);

/* For both; NULL is allowed. */
void stored_free(struct stored *stored);

#endif
