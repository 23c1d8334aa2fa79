/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The semaphore says "begin", the eventfd "ended"; what stands between belongs
 * to the thread.
 */
#include "syncer.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

static void tell_end(struct syncer *syncer)
{
	const uint64_t one = 1;
	ssize_t written;

	atomic_store(&syncer->ended, true);
	do
		written = write(syncer->fd, &one, sizeof(one));
	while (written < 0 && errno == EINTR);
}

static void *run(void *arg)
{
	struct syncer *syncer = arg;

	prctl(PR_SET_NAME, "syncer");
	for (;;) {
		while (sem_wait(&syncer->begun))
			; /* EINTR */
		if (syncer->leave)
			return NULL;
		syncer->err = store_sync(syncer->store, syncer->ticket);
		tell_end(syncer);
	}
}

enum err syncer_init(struct syncer *syncer, struct store *store)
{
	*syncer = (struct syncer){ .fd = eventfd(0, EFD_CLOEXEC) };
	if (syncer->fd < 0)
		return log_errno("start-failed", "eventfd", errno);
	if (sem_init(&syncer->begun, 0, 0)) {
		enum err err = log_errno("start-failed", "semaphore", errno);

		close(syncer->fd);
		return err;
	}
	syncer->store = store;
	return ERR_OK;
}

static bool have_thread(struct syncer *syncer)
{
	int errnum;

	if (syncer->running || syncer->refused)
		return syncer->running;
	errnum = pthread_create(&syncer->thread, NULL, run, syncer);
	syncer->running = errnum == 0;
	syncer->refused = errnum != 0;
	if (errnum)
		log_errno("syncer-missing", "thread", errnum);
	return syncer->running;
}

bool syncer_begin(struct syncer *syncer, uint64_t ticket)
{
	if (!have_thread(syncer))
		return false;
	syncer->ticket = ticket;
	syncer->busy = true;
	atomic_store(&syncer->ended, false);
	sem_post(&syncer->begun);
	return true;
}

bool syncer_ended(struct syncer *syncer, enum err *err)
{
	if (!syncer->busy || !atomic_load(&syncer->ended))
		return false;
	*err = syncer_wait(syncer);
	return true;
}

enum err syncer_wait(struct syncer *syncer)
{
	uint64_t count;
	ssize_t got;

	do
		got = read(syncer->fd, &count, sizeof(count));
	while (got < 0 && errno == EINTR);
	syncer->busy = false;
	return syncer->err;
}

void syncer_release(struct syncer *syncer)
{
	if (!syncer->store)
		return;
	if (syncer->busy)
		syncer_wait(syncer);
	if (syncer->running) {
		syncer->leave = true;
		sem_post(&syncer->begun);
		pthread_join(syncer->thread, NULL);
	}
	sem_destroy(&syncer->begun);
	close(syncer->fd);
	*syncer = (struct syncer){ 0 };
}
