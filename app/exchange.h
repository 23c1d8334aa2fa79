/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One FastCGI request, from its connection to its answer: libfcgi's home.
 * Who holds one may finish it at any later time, in any order.
 *
 * No signal may be delivered to the process (child.h): libfcgi takes a write
 * that was interrupted for one that failed.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <fcgiapp.h>
#include <sys/time.h>

#include "api/metrics.h"
#include "http/request.h"
#include "http/response.h"
#include "http/stored.h"

struct exchange {
	FCGX_Request fcgi;
	struct request request;
	struct response response;
	int64_t begun_us;
	uint64_t body_left;      /* of a body that is taken in pieces */
	uint64_t sent;           /* bytes of the answer's body */
	uint64_t received;       /* of the request's body */
	struct metrics *metrics; /* where it is counted, or NULL */
	struct stored *stored;   /* where its answer may be kept, or NULL */
	int64_t checked_ms;      /* response.stream_check, last */
	struct timeval timeout;  /* for the peer to send or take some bytes */
};

/* Once in a process.  ERR_SYSTEM, logged. */
enum err exchange_init(void);

/*
 * Take the beginning of a request from a connection: its variables, not its
 * body.  The request, its response and `fd` are then the exchange's.  False
 * when there is none: the connection has been closed.
 */
bool exchange_begin(struct exchange *x, int fd, struct timeval timeout);

/*
 * Read the body to the end of the stream.  False when no end came.  A body
 * that can't be taken is *err: ERR_INVALID, ERR_INCOMPLETE when less came than
 * was said, or ERR_VALUE_TOO_LARGE when it has more than body_max bytes.  It
 * has been read all the same, since the peer does not listen before it has
 * sent everything.  So it has with an *err that is there before, of which
 * nothing is kept.
 */
bool exchange_read_body(struct exchange *x, size_t body_max, enum err *err);

/*
 * Instead: let request->read take it, and afterwards see to what was left of
 * it.  False when no end came.
 */
void exchange_offer_body(struct exchange *x);
bool exchange_end_body(struct exchange *x);

/*
 * The answer has to wait: give back what libfcgi has for the request, so that
 * the next one finds it warm.  Of the request no more than request_keep() says
 * is there afterwards.  Without memory for that (logged) it is held as it is,
 * and answered all the same.
 */
void exchange_hold(struct exchange *x);

/*
 * Write the answer, count and log it, and close.  `head` is memory to be used.
 * A body that is made in pieces and fails in the middle ends without FastCGI's
 * end, so that the peer can tell.
 */
void exchange_finish(struct exchange *x, struct buf *head);

/* Close without an answer, or in the middle of it; count that. */
void exchange_drop(struct exchange *x, const char *why);

/* The memory of request and response; nothing may be open. */
void exchange_release(struct exchange *x);

#endif
