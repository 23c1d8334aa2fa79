/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fcgirecord.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/*
 * As much as this is joined and sent by send(2): 1.75 us with its read, of 350
 * bytes in four pieces, where sendmsg(2) of the pieces takes 1.98.
 */
#define JOINED_BYTES 1024

void fcgirecord_head(unsigned char head[FCGI_HEADER_LEN], unsigned type,
		     unsigned id, size_t size)
{
	head[0] = FCGI_VERSION_1;
	head[1] = (unsigned char)type;
	head[2] = (unsigned char)(id >> 8);
	head[3] = (unsigned char)id;
	head[4] = (unsigned char)(size >> 8);
	head[5] = (unsigned char)size;
	head[6] = 0; /* padding */
	head[7] = 0;
}

void fcgirecord_end(unsigned char end[FCGIRECORD_END_SIZE], unsigned id)
{
	memset(end, 0, FCGIRECORD_END_SIZE);
	fcgirecord_head(end, FCGI_STDOUT, id, 0);
	fcgirecord_head(end + FCGI_HEADER_LEN, FCGI_END_REQUEST, id,
			sizeof(FCGI_EndRequestBody));
}

static bool send_all(int fd, struct iovec *piece, size_t count)
{
	while (count > 0) {
		const struct msghdr message = { .msg_iov = piece,
						.msg_iovlen = count };
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		for (; count > 0 && (size_t)sent >= piece->iov_len; count--)
			sent -= (ssize_t)piece++->iov_len;
		if (count > 0) {
			piece->iov_base = (char *)piece->iov_base + sent;
			piece->iov_len -= (size_t)sent;
		}
	}
	return true;
}

/* The same of a few bytes. */
static bool send_joined(int fd, const struct iovec *pieces, size_t count)
{
	unsigned char joined[JOINED_BYTES];
	unsigned char *end = joined;

	for (size_t i = 0; i < count; i++)
		if (pieces[i].iov_len)
			end = mempcpy(end, pieces[i].iov_base,
				      pieces[i].iov_len);
	return send(fd, joined, (size_t)(end - joined), MSG_NOSIGNAL) ==
	       end - joined;
}

static struct iovec piece_of(struct view bytes)
{
	return (struct iovec){ (void *)(uintptr_t)bytes.data, bytes.size };
}

bool fcgirecord_send(int fd, unsigned type, unsigned id, struct view first,
		     struct view rest)
{
	unsigned char head[FCGI_HEADER_LEN];
	struct iovec pieces[] = {
		{ head, sizeof(head) },
		piece_of(first),
		piece_of(rest),
	};

	fcgirecord_head(head, type, id, first.size + rest.size);
	return send_all(fd, pieces, 3);
}

bool fcgirecord_send_last(int fd, unsigned id, struct view first,
			  struct view rest)
{
	unsigned char head[FCGI_HEADER_LEN];
	unsigned char end[FCGIRECORD_END_SIZE];
	struct iovec pieces[] = {
		{ head, sizeof(head) },
		piece_of(first),
		piece_of(rest),
		{ end, sizeof(end) },
	};

	fcgirecord_head(head, FCGI_STDOUT, id, first.size + rest.size);
	fcgirecord_end(end, id);
	if (first.size + rest.size + sizeof(head) + sizeof(end) <= JOINED_BYTES)
		return send_joined(fd, pieces, 4);
	return send_all(fd, pieces, 4);
}
