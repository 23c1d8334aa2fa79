/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

/* The address in NOTIFY_SOCKET; a leading @ stands for an abstract one. */
static bool address_of(const char *name, struct sockaddr_un *address,
		       socklen_t *size)
{
	size_t length = strlen(name);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((name[0] != '/' && name[0] != '@') || length < 2 ||
	    length >= sizeof(address->sun_path))
		return false;
	memcpy(address->sun_path, name, length);
	if (name[0] == '@')
		address->sun_path[0] = '\0';
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	return true;
}

static int connect_to(const char *name)
{
	struct sockaddr_un address;
	socklen_t size;
	int fd;

	if (!address_of(name, &address, &size)) {
		log_errno("notify-failed", name, EINVAL);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, size))
		return fd;
	log_errno("notify-failed", name, errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* sd_watchdog_enabled(3): the time is for the process that is named. */
static long watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t value;

	if (pid && (!view_to_uint64(view_of(pid), INT32_MAX, &value) ||
		    (pid_t)value != getpid()))
		return 0;
	if (!usec || !view_to_uint64(view_of(usec), INT64_MAX, &value))
		return 0;
	value /= 1000;
	return value < INT32_MAX ? (long)value : INT32_MAX;
}

void notify_init(struct notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");

	notify->fd = name && *name ? connect_to(name) : -1;
	notify->watchdog_ms = notify->fd < 0 ? 0 : watchdog_ms();
}

void notify_release(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

bool notify_send(const struct notify *notify, const char *lines)
{
	if (notify->fd < 0 ||
	    send(notify->fd, lines, strlen(lines), MSG_NOSIGNAL) >= 0)
		return true;
	log_event(LOG_WARN, "notify-lost", "lines", lines, "error",
		  strerror(errno), NULL);
	return errno != EAGAIN && errno != ENOBUFS;
}

void notify_reloading(const struct notify *notify)
{
	char lines[64];

	snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		 clock_monotonic_us());
	notify_send(notify, lines);
}
