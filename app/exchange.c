/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What this file relies on, in libfcgi 2.4.2:
 *  - FCGX_Accept_r() reads from request.ipcFd when that is open already and
 *    keepConnection is set, and accepts on listen_sock only when that failed;
 *    with a listen_sock of -1 it then returns an error;
 *  - a request that was detached is closed by a plain close(2), not by a
 *    shutdown and up to two seconds of waiting for the peer.  That can't cost
 *    the peer its answer, because the whole of its request has been read;
 *  - it takes variables that are cut off between two of them for complete;
 *    only FCGX_GetError() tells;
 *  - envp and all that points into it is good until FCGX_Free(), which leaves
 *    the connection open when told so, and may be called again to close it;
 *  - it has sent nothing before FCGX_FClose() or 8 KiB: an answer may as well
 *    be records of our own (fcgirecord.h), as long as none of its are.
 */
#include "exchange.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "fcgirecord.h"

/* FCGX_GetStr() and FCGX_PutStr() count in int. */
#define PIECE_BYTES (1 << 20)

/*
 * A body made in pieces goes at the client's pace.  After so long lighttpd
 * gives up a client that takes nothing (server.max-write-idle).
 */
#define STREAM_TIMEOUT_S   400
#define STREAM_PIECE_BYTES (32 << 10)

/* So often whoever makes the body is asked whether it shall go on. */
#define CHECK_MS 1000

/*
 * A socket takes as much as this at once, before anything else was written to
 * it, with the smallest buffer that there can be (socket(7), SO_SNDBUF: 4608
 * bytes, of which unix_stream_sendmsg() puts half into one piece).
 */
#define SURE_BYTES 2048

/*
 * What is left of a body for the last record, which leaves after all has been
 * counted: a body as large as MAX is cut, and then MIN of it is left.
 */
#define LAST_BYTES_MAX (8 << 10)
#define LAST_BYTES_MIN 1024

#define HEAD_KEEP_BYTES (16 << 10)
#define DRAIN_BYTES     (16 << 10)

enum err exchange_init(void)
{
	if (!FCGX_Init())
		return ERR_OK;
	log_event(LOG_ERROR, "worker-failed", "error", "FCGX_Init failed",
		  NULL);
	return ERR_SYSTEM;
}

void exchange_drop(struct exchange *x, const char *why)
{
	log_event(LOG_INFO, "request-dropped", "why", why, NULL);
	log_request_end();
	metrics_dropped(x->metrics);
	FCGX_Free(&x->fcgi, 1);
	request_reset(&x->request);
	response_reset(&x->response);
}

bool exchange_begin(struct exchange *x, int fd, struct timeval timeout)
{
	x->begun_us = clock_monotonic_us();
	x->received = 0;
	x->timeout = timeout;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	request_reset(&x->request);
	response_reset(&x->response);
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
		exchange_drop(x, "the variables ended early");
		return false;
	}
	x->fcgi.keepConnection = 0; /* whatever the peer wants */
	if (x->fcgi.role != FCGI_RESPONDER) {
		exchange_drop(x, "a role that is not served");
		return false;
	}
	for (char **p = x->fcgi.envp; *p; p++)
		request_param(&x->request, *p);
	return true;
}

static int64_t timeout_us(const struct exchange *x)
{
	return (int64_t)x->timeout.tv_sec * 1000000 + x->timeout.tv_usec;
}

/*
 * Read the stream to its end, and keep nothing.  False when the end does not
 * come: then the peer went away, or gave the request up.  What is taken in
 * pieces may be of any size, and has the time for each piece anew.
 */
static bool read_end(struct exchange *x, bool pieces)
{
	int64_t until_us = clock_monotonic_us() + timeout_us(x);
	char piece[DRAIN_BYTES];

	while (FCGX_GetStr(piece, sizeof(piece), x->fcgi.in) > 0) {
		int64_t now_us = clock_monotonic_us();

		if (now_us > until_us)
			return false;
		if (pieces)
			until_us = now_us + timeout_us(x);
	}
	return !FCGX_GetError(x->fcgi.in);
}

/* ERR_INCOMPLETE also when the stream broke off, which read_end() tells. */
static enum err read_bytes(struct exchange *x, size_t size)
{
	struct buf *body = &x->request.body;

	while (size > 0) {
		int want = size < PIECE_BYTES ? (int)size : PIECE_BYTES;

		buf_reserve(body, (size_t)want);
		if (body->err)
			return body->err;
		if (FCGX_GetStr(body->data + body->size, want, x->fcgi.in) !=
		    want)
			return ERR_INCOMPLETE;
		body->size += (size_t)want;
		x->received += (uint64_t)want;
		size -= (size_t)want;
	}
	return ERR_OK;
}

/* Content-Length; without one there is no body. */
static bool body_length(const struct exchange *x, uint64_t *size)
{
	struct view length = view_trim(x->request.content_length);

	*size = 0;
	return length.size == 0 || view_to_uint64(length, UINT64_MAX, size);
}

bool exchange_read_body(struct exchange *x, size_t body_max, enum err *err)
{
	uint64_t size;

	if (*err)
		return read_end(x, false);
	if (!body_length(x, &size))
		*err = ERR_INVALID;
	else if (size > body_max)
		*err = ERR_VALUE_TOO_LARGE;
	else
		*err = read_bytes(x, (size_t)size);
	return read_end(x, false);
}

static enum err read_piece(void *arg, void *data, size_t size, size_t *got)
{
	struct exchange *x = arg;
	int want = size < PIECE_BYTES ? (int)size : PIECE_BYTES;

	*got = 0;
	if ((uint64_t)want > x->body_left)
		want = (int)x->body_left;
	if (want == 0)
		return ERR_OK;
	want = FCGX_GetStr(data, want, x->fcgi.in);
	if (want <= 0)
		return ERR_INCOMPLETE;
	*got = (size_t)want;
	x->body_left -= (uint64_t)want;
	x->received += (uint64_t)want;
	return ERR_OK;
}

/* A length that is no number leaves `read` away: what serves it asks. */
void exchange_offer_body(struct exchange *x)
{
	if (!body_length(x, &x->body_left))
		return;
	x->request.read = read_piece;
	x->request.read_arg = x;
}

bool exchange_end_body(struct exchange *x)
{
	return read_end(x, true);
}

static enum err put(void *arg, struct view bytes)
{
	struct exchange *x = arg;
	const char *p = bytes.data;

	while (bytes.size > 0) {
		int piece = bytes.size < PIECE_BYTES ? (int)bytes.size
						     : PIECE_BYTES;

		if (FCGX_PutStr(p, piece, x->fcgi.out) < 0)
			return ERR_IO;
		p += piece;
		bytes.size -= (size_t)piece;
		x->sent += (uint64_t)piece;
	}
	return ERR_OK;
}

/* The first `max` bytes, which are then no longer in *rest. */
static struct view take_front(struct view *rest, size_t max)
{
	struct view taken = *rest;

	if (taken.size > max)
		taken.size = max;
	if (taken.size) {
		rest->data = (const char *)rest->data + taken.size;
		rest->size -= taken.size;
	}
	return taken;
}

/* Send all that is too much for the last record. */
static bool send_most(struct exchange *x, struct view *head, struct view *body)
{
	while (head->size + body->size >= LAST_BYTES_MAX) {
		struct view first = take_front(head, FCGIRECORD_MAX);
		size_t room = FCGIRECORD_MAX - first.size;
		size_t most = body->size > LAST_BYTES_MIN
				      ? body->size - LAST_BYTES_MIN
				      : 0;
		struct view rest = take_front(body, most < room ? most : room);

		if (!fcgirecord_send(x->fcgi.ipcFd, FCGI_STDOUT,
				     (unsigned)x->fcgi.requestId, first, rest))
			return false;
		x->sent += rest.size;
	}
	return true;
}

/* Errors of ours always; every request only when asked for. */
static void log_answer(const struct exchange *x, int64_t took_us)
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
	snprintf(line[2], sizeof(line[2]), "%llu", (unsigned long long)x->sent);
	snprintf(line[3], sizeof(line[3]), "%lld", (long long)took_us);
	log_event(failed ? LOG_WARN : LOG_DEBUG, "request", "method", line[0],
		  "path", buf_string(&text), "status", line[1], "bytes",
		  line[2], "duration_us", line[3], NULL);
	buf_release(&text);
}

/*
 * Wait until the peer takes bytes again, but no longer than whoever makes them
 * agrees.  A unix socket that can be written to has room for a piece.
 */
static enum err wait_for_peer(struct exchange *x)
{
	struct response *response = &x->response;
	struct pollfd peer = { .fd = x->fcgi.ipcFd, .events = POLLOUT };
	int64_t until_ms = clock_monotonic_ms() + STREAM_TIMEOUT_S * 1000;
	int ready = 0;

	while (!ready && clock_monotonic_ms() < until_ms) {
		if (response->stream_check &&
		    clock_monotonic_ms() - x->checked_ms >= CHECK_MS) {
			enum err err =
				response->stream_check(response->stream_arg);

			if (err)
				return err;
			x->checked_ms = clock_monotonic_ms();
		}
		ready = poll(&peer, 1, CHECK_MS);
	}
	return ready > 0 ? ERR_OK : ERR_IO;
}

static enum err put_patiently(void *arg, struct view bytes)
{
	struct view rest = bytes;
	enum err err = ERR_OK;

	while (!err && rest.size > 0) {
		struct view piece = rest;

		if (piece.size > STREAM_PIECE_BYTES)
			piece.size = STREAM_PIECE_BYTES;
		err = wait_for_peer(arg);
		if (!err)
			err = put(arg, piece);
		rest.data = (const char *)rest.data + piece.size;
		rest.size -= piece.size;
	}
	return err;
}

static void count_answer(const struct exchange *x, int64_t took_us)
{
	const struct metrics_answer answer = {
		.route = x->response.route,
		.method = x->response.method,
		.status = x->response.status,
		.received = x->received,
		.sent = x->sent,
		.took_us = took_us,
	};

	metrics_count(x->metrics, &answer);
}

static void keep_answer(const struct exchange *x)
{
	const struct response *response = &x->response;
	const struct stored_response kept = {
		.target = x->request.target,
		.revision = response->shown_at,
		.mark = response->mark,
		.fields = buf_view(&response->fields),
		.body = response_body(response),
	};

	if (x->stored && response->shown_at && stored_wants(x->stored, &kept))
		stored_keep(x->stored, &kept);
}

/* How long the peer may take nothing, where it may have to take something. */
static void bound_sending(const struct exchange *x, size_t head_size)
{
	struct timeval timeout = x->timeout;

	if (response_streams(&x->response))
		timeout = (struct timeval){ .tv_sec = STREAM_TIMEOUT_S };
	else if (head_size + response_body(&x->response).size <= SURE_BYTES)
		return;
	setsockopt(x->fcgi.ipcFd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
		   sizeof(timeout));
}

/* Before the end leaves: who has the answer finds it counted. */
static void note_answer(const struct exchange *x)
{
	int64_t took_us = clock_monotonic_us() - x->begun_us;

	count_answer(x, took_us);
	keep_answer(x);
	log_answer(x, took_us);
	log_request_end();
}

/* The body is made in pieces, which libfcgi sends.  False: it has no end. */
static bool send_stream(struct exchange *x, struct view head)
{
	const struct sink sink = { put_patiently, x };

	put(x, head);
	x->sent = 0; /* it counts the body alone */
	x->checked_ms = clock_monotonic_ms();
	if (x->response.stream(x->response.stream_arg, &sink))
		return false;
	note_answer(x);
	FCGX_Finish_r(&x->fcgi);
	return true;
}

/* False when the peer has not taken it all. */
static bool send_whole(struct exchange *x, struct view head)
{
	struct view body = response_body(&x->response);

	x->sent = 0;
	if (!send_most(x, &head, &body))
		return false;
	x->sent += body.size;
	note_answer(x);
	fcgirecord_send_last(x->fcgi.ipcFd, (unsigned)x->fcgi.requestId, head,
			     body);
	return true;
}

void exchange_hold(struct exchange *x)
{
	enum err err;

	if (response_streams(&x->response))
		return;
	err = request_keep(&x->request);
	if (err) {
		log_event(LOG_WARN, "request-held-whole", "error",
			  err_string(err), NULL);
		return;
	}
	x->response.id = x->request.id;
	FCGX_Free(&x->fcgi, 0);
}

void exchange_finish(struct exchange *x, struct buf *head)
{
	bool sent;

	buf_trim(head, HEAD_KEEP_BYTES);
	response_head(&x->response, head);
	if (head->err) {
		exchange_drop(x, "no memory for the answer");
		return;
	}
	bound_sending(x, head->size);
	sent = response_streams(&x->response) ? send_stream(x, buf_view(head))
					      : send_whole(x, buf_view(head));
	if (!sent) {
		exchange_drop(x, "the body of the answer ended early");
		return;
	}
	FCGX_Free(&x->fcgi, 1);
	request_reset(&x->request);
	response_reset(&x->response);
}

void exchange_release(struct exchange *x)
{
	request_release(&x->request);
	response_release(&x->response);
}
