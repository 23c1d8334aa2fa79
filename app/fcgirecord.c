/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fcgirecord.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

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

static bool send_all(int fd, struct iovec *piece, size_t count)
{
	while (count > 0) {
		const struct msghdr message = { .msg_iov = piece,
						.msg_iovlen = count };
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

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

bool fcgirecord_send(int fd, unsigned type, unsigned id, struct view content)
{
	unsigned char head[FCGI_HEADER_LEN];
	struct iovec pieces[] = {
		{ head, sizeof(head) },
		{ (void *)(uintptr_t)content.data, content.size },
	};

	fcgirecord_head(head, type, id, content.size);
	return send_all(fd, pieces, 2);
}
