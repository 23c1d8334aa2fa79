/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "handout.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "listener.h"

static bool give(int fd, const int *fds, size_t count)
{
	const size_t size = count * sizeof(*fds);
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(HANDOUT_FDS_MAX * sizeof(int))];
	} control = { 0 };
	char byte = 0;
	struct iovec bytes = { &byte, sizeof(byte) };
	struct msghdr message = { .msg_iov = &bytes,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = CMSG_SPACE(size) };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(rights), fds, size);
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* Peers send nothing: what is to be read is the end. */
static bool is_gone(int fd)
{
	char byte;

	return recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != EINTR);
}

static void drop(struct handout *handout, size_t place)
{
	close(handout->peers[place]);
	handout->count--;
	memmove(&handout->peers[place], &handout->peers[place + 1],
		(handout->count - place) * sizeof(handout->peers[0]));
}

static void make_room(struct handout *handout)
{
	for (size_t i = handout->count; i-- > 0;)
		if (is_gone(handout->peers[i]))
			drop(handout, i);
	if (handout->count == HANDOUT_PEERS_MAX)
		drop(handout, 0);
}

static void keep(struct handout *handout, int fd)
{
	make_room(handout);
	handout->peers[handout->count++] = fd;
}

void handout_serve(struct handout *handout, int listen_fd, const int *fds,
		   size_t count)
{
	int fd;

	assert(count <= HANDOUT_FDS_MAX);
	while ((fd = listener_accept(listen_fd, SOCK_NONBLOCK,
				     &handout->failing)) >= 0) {
		if (give(fd, fds, count)) {
			keep(handout, fd);
			continue;
		}
		log_event(LOG_DEBUG, "handout-failed", "error", strerror(errno),
			  NULL);
		close(fd);
	}
}

void handout_release(struct handout *handout)
{
	while (handout && handout->count > 0)
		drop(handout, handout->count - 1);
}
