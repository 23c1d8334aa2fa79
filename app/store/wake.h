/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waking one waiting process when there is something new, for as good as
 * nothing while nobody waits: an eventfd(2), written only when it is armed.
 *
 * Who waits: has looked at everything; wake_arm(); looks once more, since
 * something may have come before it was armed; and polls.  Who has news: makes
 * it visible, then wake_ring().  One of the two always sees the other.
 */
#ifndef STORE_WAKE_H
#define STORE_WAKE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"

/* In memory that both sides share. */
struct wake {
	_Atomic bool armed;
};

/* Before either side is forked.  ERR_SYSTEM, logged. */
enum err wake_open(int *fd);

void wake_arm(struct wake *wake, int fd);
void wake_ring(struct wake *wake, int fd);

#endif
