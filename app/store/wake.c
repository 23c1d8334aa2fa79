/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See wake.h. */
#include "store/wake.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/log.h"

enum err wake_open(int *fd)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd >= 0)
		return ERR_OK;
	log_errno("eventfd-failed", "changes", errno);
	return ERR_SYSTEM;
}

void wake_arm(struct wake *wake, int fd)
{
	eventfd_t count;

	eventfd_read(fd, &count); /* nothing to read is as good */
	atomic_store(&wake->armed, true);
}

/* Disarmed first: afterwards, it might be what was armed anew meanwhile. */
void wake_ring(struct wake *wake, int fd)
{
	if (atomic_load(&wake->armed) && atomic_exchange(&wake->armed, false))
		eventfd_write(fd, 1);
}
