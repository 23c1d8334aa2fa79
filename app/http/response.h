/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One HTTP response being built: a status, header fields, a body.  The worker
 * sends response_head() and then the body.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "base/buf.h"
#include "base/sink.h"
#include "http/request.h"

struct response {
	int status;
	struct buf fields; /* "Name: value\r\n" lines */
	struct view id;    /* for X-Request-Id, the request's; may be empty */
	struct buf text;   /* a body made here; sent when body.data is NULL */
	struct view body;  /* a body held elsewhere, in `hold` for a value */
	struct buf hold;   /* bytes of a value read from the store */
	bool no_body;      /* HEAD: fields as for GET, nothing sent */
	bool unbounded;    /* nobody knows how long the body will be */

	/*
	 * Instead of these three, a body that is made while it is sent: its
	 * length is not told, and an error in the middle is a body without an
	 * end.  `stream_check`, when set, is asked once a second meanwhile,
	 * whether or not its peer takes it; an error ends the body likewise.
	 * `stream_done`, when set, is called once, whether or not `stream`
	 * was.
	 */
	enum err (*stream)(void *arg, const struct sink *sink);
	enum err (*stream_check)(void *arg);
	void (*stream_done)(void *arg);
	void *stream_arg;

	/* What it is counted as (api/metrics.h): the number of the route in
	 * the table, from 1, or 0, and the method, both of a bounded set. */
	size_t route;
	enum method method;

	/* Not to be sent before store_sync(ticket); 0: send at once. */
	uint64_t ticket;

	/* Everybody may be given the same again, but for the id, while the
	 * mark agrees with this revision (http/stored.h); 0: nobody. */
	uint64_t shown_at;
	uint32_t mark;
};

/* Ready for the next request; memory past 64 KiB is given back. */
void response_reset(struct response *response);
void response_release(struct response *response);

/*
 * Add a header field.  CR, LF and NUL in a value become spaces: whatever it
 * came from, it can't begin another field.  response_fieldf() is for short
 * values of our own: it cuts at 511 bytes.
 */
void response_field(struct response *response, const char *name,
		    struct view value);
void response_fieldf(struct response *response, const char *name,
		     const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Hand a response on to who sends it after its request has gone; `from` is
 * empty then.  What it has by a view, the id, becomes its own.  One with a body
 * held elsewhere can't be.  ERR_NO_MEMORY, and *to is not to be sent.
 */
enum err response_move(struct response *from, struct response *to);

/* Forget status, fields and bodies, to answer something else instead. */
void response_clear(struct response *response);

/* Whether stream() is to make the body; not for HEAD, 204 and 304. */
bool response_streams(const struct response *response);

/* The bytes that will follow the head; empty for HEAD, 204 and 304. */
struct view response_body(const struct response *response);

/*
 * Append "Status: 200 OK\r\n", the fields, X-Request-Id, Content-Length where
 * there may be one (RFC 9110 8.6) and it is known, and the empty line, in
 * CGI's form (RFC 3875 6.3).
 */
void response_head(const struct response *response, struct buf *out);

/* RFC 9110's reason phrase; "Unknown" for a code that we don't use. */
const char *status_phrase(int status);

#endif
