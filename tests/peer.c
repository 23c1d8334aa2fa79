/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"

int peer_dial(const char *listen)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = 20 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		 listen + sizeof("unix:") - 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	CU_ASSERT_EQUAL_FATAL(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void peer_send(int fd, const struct buf *bytes)
{
	size_t sent = 0;

	while (sent < bytes->size) {
		ssize_t n = send(fd, bytes->data + sent, bytes->size - sent,
				 MSG_NOSIGNAL);

		if (n <= 0)
			return;
		sent += (size_t)n;
	}
}

void peer_record(struct buf *out, int type, struct view content)
{
	buf_add_char(out, 1);
	buf_add_char(out, (char)type);
	buf_add_char(out, 0);
	buf_add_char(out, 1);
	buf_add_char(out, (char)(content.size >> 8));
	buf_add_char(out, (char)content.size);
	buf_add_char(out, 0);
	buf_add_char(out, 0);
	buf_add_view(out, content);
}

void peer_begin(struct buf *out, int role, int flags)
{
	const char body[8] = { 0, (char)role, (char)flags };

	peer_record(out, BEGIN, (struct view){ body, sizeof(body) });
}

void peer_param(struct buf *out, const char *name, const char *value)
{
	buf_add_char(out, (char)strlen(name));
	buf_add_char(out, (char)strlen(value));
	buf_add_string(out, name);
	buf_add_string(out, value);
}

void peer_params(struct buf *out, const char *method, const char *target,
		 const char *length)
{
	struct buf list = BUF_EMPTY;

	peer_param(&list, "REQUEST_METHOD", method);
	peer_param(&list, "REQUEST_URI", target);
	if (length)
		peer_param(&list, "CONTENT_LENGTH", length);
	peer_record(out, PARAMS, buf_view(&list));
	peer_record(out, PARAMS, (struct view){ 0 });
	buf_release(&list);
}

/* All of a body in records, and the record that ends it. */
void peer_body(struct buf *out, struct view bytes)
{
	while (bytes.size > 0) {
		size_t piece = bytes.size < 60000 ? bytes.size : 60000;

		peer_record(out, STDIN, (struct view){ bytes.data, piece });
		bytes.data = (const char *)bytes.data + piece;
		bytes.size -= piece;
	}
	peer_record(out, STDIN, bytes);
}

void peer_request(struct buf *out, const char *method, const char *target,
		  struct view content)
{
	char length[24];

	snprintf(length, sizeof(length), "%zu", content.size);
	peer_begin(out, RESPONDER, 0);
	peer_params(out, method, target, length);
	peer_body(out, content);
}

/* Everything until the worker closes; the records' headers stay in. */
void peer_receive(int fd, struct buf *out)
{
	ssize_t n;

	do {
		buf_reserve(out, 65536);
		n = recv(fd, out->data + out->size, 65536, 0);
		if (n > 0)
			out->size += (size_t)n;
	} while (n > 0);
	if (n < 0 && errno == EAGAIN)
		CU_FAIL("the worker neither answers nor closes");
	close(fd);
}

bool peer_answered(struct buf *answer, const char *text)
{
	return answer->size &&
	       memmem(answer->data, answer->size, text, strlen(text));
}
