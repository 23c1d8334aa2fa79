/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "front/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"

#define UNIX_PREFIX "unix:"
#define SOCKET_NAME "stored.sock"

/* After something went wrong, requests are spared another try so long. */
#define AGAIN_MS 100

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void forget(struct receiver *r)
{
	stored_free(r->stored);
	r->stored = NULL;
	close_fd(&r->fd);
	close_fd(&r->place);
}

static void try_later(struct receiver *r)
{
	forget(r);
	r->again_ms = clock_monotonic_ms() + AGAIN_MS;
}

bool receiver_init(struct receiver *r, const char *run_dir)
{
	const char *listen = getenv("LIBRAPI_STORED_LISTEN");
	const char *folder = getenv("LIBRAPI_RUN_DIR");
	char *path = r->address.sun_path;
	const size_t size = sizeof(r->address.sun_path);
	int length;

	*r = (struct receiver){ .place = -1, .fd = -1 };
	r->address.sun_family = AF_UNIX;
	if (listen && *listen)
		length = strncmp(listen, UNIX_PREFIX, strlen(UNIX_PREFIX))
				 ? -1
				 : snprintf(path, size, "%s",
					    listen + strlen(UNIX_PREFIX));
	else
		length = snprintf(path, size, "%s/" SOCKET_NAME,
				  folder && *folder ? folder : run_dir);
	return length > 0 && (size_t)length < size;
}

void receiver_release(struct receiver *r)
{
	forget(r);
}

static bool connect_to(struct receiver *r)
{
	r->place = open(r->address.sun_path, O_PATH | O_CLOEXEC);
	if (r->place < 0)
		return false;
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return r->fd >= 0 && !connect(r->fd, (struct sockaddr *)&r->address,
				      sizeof(r->address));
}

static void close_all(int fds[STORED_FDS])
{
	for (int i = 0; i < STORED_FDS; i++)
		close_fd(&fds[i]);
}

/* The descriptors that came with a message, -1 for those that did not. */
static void take_rights(struct msghdr *message, int fds[STORED_FDS])
{
	const struct cmsghdr *rights = CMSG_FIRSTHDR(message);

	for (int i = 0; i < STORED_FDS; i++)
		fds[i] = -1;
	if (rights && rights->cmsg_level == SOL_SOCKET &&
	    rights->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
}

/* What has been sent; ERR_BUSY when that is nothing yet. */
static enum err receive(struct receiver *r)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(STORED_FDS * sizeof(int))];
	} control;
	char byte;
	struct iovec bytes = { &byte, sizeof(byte) };
	struct msghdr message = { .msg_iov = &bytes,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(r->fd, &message, MSG_CMSG_CLOEXEC);
	int fds[STORED_FDS];
	enum err err;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return ERR_BUSY;
	if (got != sizeof(byte))
		return ERR_SYSTEM;
	take_rights(&message, fds);
	err = stored_map(fds, &r->stored);
	close_all(fds);
	return err;
}

static bool has_its_name(int place)
{
	struct stat st;

	return !fstat(place, &st) && st.st_nlink > 0;
}

/* Nothing more is ever sent. */
static bool is_open(int fd)
{
	char byte;

	return recv(fd, &byte, sizeof(byte), MSG_PEEK) < 0 && errno == EAGAIN;
}

struct stored *receiver_look(struct receiver *r)
{
	int64_t now_ms = clock_monotonic_ms();
	enum err err = ERR_OK;

	if (r->stored && now_ms - r->seen_ms < STORED_TRUST_MS)
		return r->stored;
	if (r->place < 0 && r->again_ms > now_ms)
		return NULL;
	if (r->place >= 0 && !has_its_name(r->place))
		forget(r);
	if (r->place < 0 && !connect_to(r)) {
		try_later(r);
		return NULL;
	}
	if (!r->stored)
		err = receive(r);
	if (!err && !is_open(r->fd))
		err = ERR_SYSTEM;
	if (err && err != ERR_BUSY)
		try_later(r);
	r->seen_ms = now_ms; /* before the look, not after */
	return r->stored;
}

struct stored *receiver_last(const struct receiver *r)
{
	return r->seen_ms + RECEIVER_LAST_MS > clock_monotonic_ms() ? r->stored
								    : NULL;
}
