/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two kinds of lock that guard a store.
 *
 * `struct lock` is a mutex in shared memory, for the short moments inside a
 * commit.  It is robust: when its holder is killed, the next one gets it and
 * is told, and repairs what the lock guards.  (A process-shared rwlock can't
 * do that: it stays locked for ever when its holder is killed; seen.)
 *
 * `owner` and `checkpointer` are locks on bytes of the file LOCK (open file
 * description locks, fcntl(2)).  The kernel drops them when the last process
 * that inherited the description is gone, whatever killed it.
 *
 * Order, outermost first: checkpointer, stripes by rising number, journal,
 * sync.  Nothing is taken twice.
 */
#ifndef STORE_GDBM_LOCK_H
#define STORE_GDBM_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "base/err.h"

#define LOCK_FILE_NAME "LOCK"

struct lock {
	pthread_mutex_t mutex;
};

/* In memory that all processes share, before any of them uses it. */
enum err lock_init(struct lock *lock);

/*
 * Take it, waiting until `deadline` (CLOCK_MONOTONIC) at most.  *died is set
 * true when the last holder died with it, and left alone otherwise.
 * ERR_BUSY when the deadline has passed.
 */
enum err lock_take(struct lock *lock, const struct timespec *deadline,
		   bool *died);

/* The same without waiting: ERR_BUSY when somebody has it. */
enum err lock_try(struct lock *lock, bool *died);

void lock_release(struct lock *lock);

/*
 * Become the one owner of folder fd `dir`: locks byte 0 of LOCK, which is
 * made when absent, and writes our pid into it.  Waits up to timeout_ms for
 * an owner that is on its way out.  The lock is held until *fd is closed here
 * and in every process forked meanwhile.
 *
 * ERR_OWNED with the other's pid in the log; ERR_ACCESS, ERR_IO.
 */
enum err owner_take(int dir, long timeout_ms, int *fd);

/*
 * The same for who only reads, on a file system where nothing can be written:
 * others can't become the owner, and an owner is ERR_OWNED at once.  Where
 * there is no LOCK, nobody is kept out, and *fd is -1.
 */
enum err owner_keep_out(int dir, int *fd);

/*
 * Become the one who changes tables: byte 1 of LOCK, through a description
 * of our own (an inherited one would share the lock with its siblings).
 * Held until *fd is closed.  ERR_BUSY when somebody else has it.
 */
enum err checkpointer_take(int dir, int *fd);

#endif
