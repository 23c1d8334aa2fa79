/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A record is a head of eight bytes, {version, type, id, content length,
 * padding length, reserved}, the content and the padding.
 */
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgirecord.h"

#define READ_BYTES (16 << 10)
#define PARAMS_MAX (256 << 10) /* lighttpd sends 64 KiB at most */
#define LONG_NAME  0x80        /* the length has four bytes */

void stream_init(struct stream *stream, int fd, size_t body_max)
{
	*stream = (struct stream){ .fd = fd, .body_max = body_max };
}

void stream_forget_request(struct stream *stream)
{
	buf_release(&stream->in);
	buf_release(&stream->params);
	buf_release(&stream->body);
}

void stream_release(struct stream *stream)
{
	stream_forget_request(stream);
	buf_release(&stream->out);
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}

/* Records that come */

static unsigned be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void take_begin(struct stream *stream, unsigned id, struct view content)
{
	if (stream->id || content.size < sizeof(FCGI_BeginRequestBody) ||
	    be16(content.data) != FCGI_RESPONDER)
		stream->gone = true;
	stream->id = id;
}

static void take_params(struct stream *stream, struct view content)
{
	if (!content.size)
		stream->has_params = true;
	buf_add_view(&stream->params, content);
	if (stream->params.err || stream->params.size > PARAMS_MAX)
		stream->gone = true;
}

static void take_body(struct stream *stream, struct view content)
{
	struct buf *body = &stream->body;

	if (!content.size)
		stream->has_body = true;
	if (stream->too_large || body->size + content.size > stream->body_max) {
		stream->too_large = true;
		buf_release(body);
		return;
	}
	buf_add_view(body, content);
	if (body->err)
		stream->gone = true;
}

static void take_record(struct stream *stream, const unsigned char *head,
			struct view content)
{
	unsigned type = head[1];
	unsigned id = be16(head + 2);

	if (type == FCGI_BEGIN_REQUEST)
		take_begin(stream, id, content);
	else if (!stream->id || id != stream->id)
		stream->gone = true;
	else if (type == FCGI_PARAMS && !stream->has_params)
		take_params(stream, content);
	else if (type == FCGI_STDIN && stream->has_params)
		take_body(stream, content);
	else
		stream->gone = true; /* FCGI_ABORT_REQUEST among them */
}

/* All records that are whole; what follows them moves to the front. */
static void take_records(struct stream *stream)
{
	struct buf *in = &stream->in;
	size_t at = 0;

	while (!stream->gone && !stream->has_body &&
	       in->size - at >= FCGI_HEADER_LEN) {
		const unsigned char *head =
			(const unsigned char *)in->data + at;
		size_t content = be16(head + 4);
		size_t whole = FCGI_HEADER_LEN + content + head[6];

		if (head[0] != FCGI_VERSION_1)
			stream->gone = true;
		if (stream->gone || in->size - at < whole)
			break;
		take_record(stream, head,
			    (struct view){ head + FCGI_HEADER_LEN, content });
		at += whole;
	}
	if (at)
		memmove(in->data, in->data + at, in->size - at);
	in->size -= at;
}

bool stream_read(struct stream *stream)
{
	char piece[READ_BYTES];

	while (!stream->gone && !stream->has_body) {
		ssize_t got =
			recv(stream->fd, piece, sizeof(piece), MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return false;
		if (got > 0)
			buf_add(&stream->in, piece, (size_t)got);
		if (got <= 0 || stream->in.err)
			stream->gone = true;
		else
			take_records(stream);
	}
	return stream->has_body && !stream->gone;
}

/* One byte, or four of which the first has its highest bit set. */
static bool take_length(struct view *rest, size_t *length)
{
	const unsigned char *p = rest->data;
	size_t size = rest->size && p[0] & LONG_NAME ? 4 : 1;

	if (rest->size < size)
		return false;
	*length = p[0];
	if (size == 4)
		*length = (size_t)(p[0] & ~LONG_NAME) << 24 |
			  (size_t)p[1] << 16 | be16(p + 2);
	*rest = (struct view){ p + size, rest->size - size };
	return true;
}

bool stream_variables(const struct stream *stream, struct buf *out)
{
	struct view rest = buf_view(&stream->params);

	while (rest.size) {
		size_t name, value;
		const char *p;

		if (!take_length(&rest, &name) || !take_length(&rest, &value) ||
		    rest.size < name || rest.size - name < value)
			return false;
		p = rest.data;
		buf_add(out, p, name);
		buf_add_char(out, '=');
		buf_add(out, p + name, value);
		buf_add_char(out, '\0');
		rest = (struct view){ p + name + value,
				      rest.size - name - value };
	}
	return true;
}

/* Records that go */

static void add_bytes(struct stream *stream, const void *bytes, size_t size)
{
	buf_add(&stream->out, bytes, size);
	if (stream->out.err)
		stream->gone = true;
}

void stream_flush(struct stream *stream)
{
	struct buf *out = &stream->out;

	while (!stream->gone && stream->sent < out->size) {
		ssize_t sent = send(stream->fd, out->data + stream->sent,
				    out->size - stream->sent,
				    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent >= 0)
			stream->sent += (size_t)sent;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			stream->gone = true;
	}
	buf_release(out);
	stream->sent = 0;
}

void stream_write(struct stream *stream, struct view bytes)
{
	unsigned char head[FCGI_HEADER_LEN];

	while (bytes.size) {
		size_t size = bytes.size < FCGIRECORD_MAX ? bytes.size
							  : FCGIRECORD_MAX;

		fcgirecord_head(head, FCGI_STDOUT, stream->id, size);
		add_bytes(stream, head, sizeof(head));
		add_bytes(stream, bytes.data, size);
		bytes.data = (const char *)bytes.data + size;
		bytes.size -= size;
	}
	stream_flush(stream);
}

void stream_end(struct stream *stream)
{
	unsigned char end[FCGIRECORD_END_SIZE];

	fcgirecord_end(end, stream->id);
	add_bytes(stream, end, sizeof(end));
	stream->ended = true;
	stream_flush(stream);
}

size_t stream_pending(const struct stream *stream)
{
	return stream->out.size - stream->sent;
}
