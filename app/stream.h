/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One FastCGI connection that nobody waits for: a request that comes piece by
 * piece, and an answer that goes out as fast as the peer takes it and may go
 * on for as long as one likes.  One request a connection, as lighttpd has it.
 *
 * libfcgi waits for its peer and keeps two buffers for each request; here one
 * process holds thousands, of which most have nothing to say.
 * FastCGI specification 1.0, sections 3.3, 5 and 8.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>

#include "base/buf.h"

struct stream {
	int fd;
	unsigned id; /* of the request; 0 before it has begun */
	bool gone;   /* the peer went away, or speaks something else */
	bool ended;  /* the answer is complete */

	struct buf in;     /* a record that is not all there */
	struct buf params; /* name-value pairs */
	struct buf body;
	size_t body_max;
	bool has_params; /* all of them */
	bool has_body;   /* all of it: the request is complete */
	bool too_large;  /* more body than body_max; none of it is kept */

	struct buf out; /* records to be sent */
	size_t sent;    /* of them */
};

/* Takes over the descriptor, which must not block. */
void stream_init(struct stream *stream, int fd, size_t body_max);

/* Close, and release everything. */
void stream_release(struct stream *stream);

/* Let go of the request, which has been served. */
void stream_forget_request(struct stream *stream);

/*
 * Take in what has come.  True when the request is complete; `gone` is set
 * when it never will be.
 */
bool stream_read(struct stream *stream);

/*
 * Append the request's variables to `out`, each as "NAME=value" and a NUL;
 * false when they are malformed.  ERR_NO_MEMORY is in out->err.
 */
bool stream_variables(const struct stream *stream, struct buf *out);

/* Send bytes of the answer; what is not taken now is kept for flush. */
void stream_write(struct stream *stream, struct view bytes);

/* The answer is complete. */
void stream_end(struct stream *stream);

/* Send more of what was kept. */
void stream_flush(struct stream *stream);

/* Bytes that the peer has yet to take. */
size_t stream_pending(const struct stream *stream);

#endif
