/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A second thread of a worker, which waits for the disk in its stead: it does
 * nothing but store_sync().  Meanwhile the worker takes more requests, whose
 * changes the next sync covers.
 *
 * The thread begins with the first sync that is handed over, since a process
 * that never had two has the cheaper malloc(3).  It ends with the process that
 * it is in, however that ends, and a lock that it holds is then found as that
 * of any dead process.
 *
 * All calls are the worker's; one sync at a time.
 */
#ifndef SYNCER_H
#define SYNCER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "store/store.h"

struct syncer {
	struct store *store;
	int fd;       /* readable when a sync that was begun has ended */
	bool busy;    /* one was begun, and its end not taken yet */
	bool running; /* the thread is there */
	bool refused; /* there was none to be had */

	pthread_t thread;
	sem_t begun;     /* the thread waits for it, and then reads */
	uint64_t ticket; /* ... this */
	bool leave;      /* ... or this, and writes */
	enum err err;    /* ... this */
	atomic_bool ended;
};

/* The store stays the caller's.  As err_from_errno() says, logged. */
enum err syncer_init(struct syncer *syncer, struct store *store);

/*
 * Begin to sync up to the ticket; none may be under way.  False when there is
 * no thread to be had (logged once): then the caller has to sync by itself.
 */
bool syncer_begin(struct syncer *syncer, uint64_t ticket);

/*
 * Whether the sync that was begun has ended, and with which error, as of
 * store_sync().  Told once; false also when none was begun.
 */
bool syncer_ended(struct syncer *syncer, enum err *err);

/* Wait for the end of the sync that was begun: the error. */
enum err syncer_wait(struct syncer *syncer);

/* End the thread, after its sync; also of one that is all zero, or failed. */
void syncer_release(struct syncer *syncer);

#endif
