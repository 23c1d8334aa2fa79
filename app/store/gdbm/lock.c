/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Robust mutexes in shared memory, and byte locks on the file LOCK. */
#include "store/gdbm/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define OWNER_BYTE        0
#define CHECKPOINTER_BYTE 1
#define RETRY_MS          20
#define LOCK_FILE_MAX     64

enum err lock_init(struct lock *lock)
{
	pthread_mutexattr_t attr;
	int errnum = pthread_mutexattr_init(&attr);

	if (errnum)
		return log_errno("lock-init-failed", "mutex", errnum);
	errnum = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (!errnum)
		errnum = pthread_mutexattr_setrobust(&attr,
						     PTHREAD_MUTEX_ROBUST);
	if (!errnum)
		errnum = pthread_mutex_init(&lock->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	if (errnum)
		return log_errno("lock-init-failed", "mutex", errnum);
	return ERR_OK;
}

static enum err taken(struct lock *lock, int errnum, bool *died)
{
	if (errnum == EOWNERDEAD) {
		errnum = pthread_mutex_consistent(&lock->mutex);
		*died = true;
	}
	if (errnum == ETIMEDOUT || errnum == EBUSY)
		return ERR_BUSY;
	if (errnum) {
		log_errno("lock-failed", "mutex", errnum);
		return ERR_SYSTEM;
	}
	return ERR_OK;
}

enum err lock_take(struct lock *lock, const struct timespec *deadline,
		   bool *died)
{
	return taken(lock,
		     pthread_mutex_clocklock(&lock->mutex, CLOCK_MONOTONIC,
					     deadline),
		     died);
}

enum err lock_try(struct lock *lock, bool *died)
{
	return taken(lock, pthread_mutex_trylock(&lock->mutex), died);
}

void lock_release(struct lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}

/* One try; *taken says whether the byte is ours now. */
static enum err byte_lock(int fd, short type, off_t byte, bool *taken)
{
	struct flock range = { .l_type = type,
			       .l_whence = SEEK_SET,
			       .l_start = byte,
			       .l_len = 1 };

	*taken = fcntl(fd, F_OFD_SETLK, &range) == 0;
	if (*taken || errno == EAGAIN || errno == EACCES || errno == EINTR)
		return ERR_OK;
	return log_errno("lock-failed", LOCK_FILE_NAME, errno);
}

static void log_owner(int fd)
{
	struct buf text = BUF_EMPTY;

	if (file_read_all(fd, LOCK_FILE_NAME, LOCK_FILE_MAX, &text))
		buf_clear(&text);
	log_event(LOG_ERROR, "data-dir-owned", "owner_pid", buf_string(&text),
		  "detail",
		  "another librapi has this data directory open; stop it, or "
		  "choose another data-dir",
		  NULL);
	buf_release(&text);
}

static enum err write_pid(int fd)
{
	struct buf text = BUF_EMPTY;
	enum err err;

	buf_addf(&text, "%ld", (long)getpid());
	err = text.err;
	if (!err && ftruncate(fd, 0))
		err = log_errno("truncate-failed", LOCK_FILE_NAME, errno);
	if (!err)
		err = file_write_at(fd, LOCK_FILE_NAME, text.data, text.size,
				    0);
	buf_release(&text);
	return err;
}

enum err owner_take(int dir, long timeout_ms, int *fd)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
	bool taken = false;
	enum err err =
		file_open(dir, LOCK_FILE_NAME, O_RDWR | O_CREAT, 0640, fd);

	if (err)
		return err;
	for (;;) {
		err = byte_lock(*fd, F_WRLCK, OWNER_BYTE, &taken);
		if (err)
			goto out;
		if (taken)
			break;
		if (clock_monotonic_ms() >= deadline_ms) {
			log_owner(*fd);
			err = ERR_OWNED;
			goto out;
		}
		clock_sleep_ms(RETRY_MS);
	}
	err = write_pid(*fd);
out:
	if (err)
		file_close(fd, LOCK_FILE_NAME);
	return err;
}

enum err owner_keep_out(int dir, int *fd)
{
	bool taken = false;
	enum err err = file_open_existing(dir, LOCK_FILE_NAME, O_RDONLY, fd);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = byte_lock(*fd, F_RDLCK, OWNER_BYTE, &taken);
	if (!err && !taken) {
		log_owner(*fd);
		err = ERR_OWNED;
	}
	if (err)
		file_close(fd, LOCK_FILE_NAME);
	return err;
}

enum err checkpointer_take(int dir, int *fd)
{
	bool taken = false;
	enum err err = file_open(dir, LOCK_FILE_NAME, O_RDWR, 0, fd);

	if (err)
		return err;
	err = byte_lock(*fd, F_WRLCK, CHECKPOINTER_BYTE, &taken);
	if (!err && !taken)
		err = ERR_BUSY;
	if (err)
		file_close(fd, LOCK_FILE_NAME);
	return err;
}
