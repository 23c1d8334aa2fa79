/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ping.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "fcgirecord.h"
#include "listener.h"

/* Less than the 5 s that a health check or a probe usually has. */
#define TIMEOUT_S 4

#define REQUEST 1 /* its number on the connection */

/* /livez takes some hundred; the status stands first. */
#define ANSWER_BYTES 4096

/* What the last call on the socket says. */
static enum err tell(const char *path)
{
	if (errno != EAGAIN)
		return log_errno("ping-failed", path, errno);
	log_eventf(LOG_ERROR, "ping-failed", "no answer at %s within %d s",
		   path, TIMEOUT_S);
	return ERR_BUSY;
}

static enum err dial(const struct sockaddr_un *address, int *fd)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };

	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return log_errno("ping-failed", "socket", errno);
	/* That for sending holds for connecting to a full queue as well. */
	if (setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
		       sizeof(timeout)) ||
	    setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) ||
	    connect(*fd, (const struct sockaddr *)address, sizeof(*address)))
		return tell(address->sun_path);
	return ERR_OK;
}

static bool ask(int fd)
{
	static const char begin[sizeof(FCGI_BeginRequestBody)] = {
		[1] = FCGI_RESPONDER
	};
	const struct view none = { 0 };

	return fcgirecord_send(fd, FCGI_BEGIN_REQUEST, REQUEST,
			       (struct view){ begin, sizeof(begin) }, none) &&
	       fcgirecord_send(fd, FCGI_PARAMS, REQUEST,
			       VIEW_LITERAL("\016\003REQUEST_METHODGET"),
			       VIEW_LITERAL("\013\006REQUEST_URI/livez")) &&
	       fcgirecord_send(fd, FCGI_PARAMS, REQUEST, none, none) &&
	       fcgirecord_send(fd, FCGI_STDIN, REQUEST, none, none);
}

/* All of the answer, or the beginning of a long one. */
static enum err hear(int fd, const char *path)
{
	char answer[ANSWER_BYTES];
	struct view status = { answer + FCGI_HEADER_LEN, 0 };
	size_t size = 0;
	ssize_t n;

	do {
		n = recv(fd, answer + size, sizeof(answer) - size, 0);
		if (n > 0)
			size += (size_t)n;
	} while ((n > 0 && size < sizeof(answer)) || (n < 0 && errno == EINTR));
	if (n < 0)
		return tell(path);
	if (size > FCGI_HEADER_LEN)
		status.size = size - FCGI_HEADER_LEN;
	if (view_starts_with(status, VIEW_LITERAL("Status: 200 ")))
		return ERR_OK;
	log_eventf(LOG_ERROR, "ping-failed",
		   "who listens at %s does not answer GET /livez with 200",
		   path);
	return ERR_SYSTEM;
}

enum err ping(const char *listen)
{
	struct sockaddr_un address;
	int fd = -1;
	enum err err = listener_address(listen, &address);

	if (!err)
		err = dial(&address, &fd);
	if (!err && !ask(fd))
		err = tell(address.sun_path);
	if (!err)
		err = hear(fd, address.sun_path);
	file_close(&fd, "ping");
	return err;
}
