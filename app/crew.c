/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A position's place in the array is its slot in the store, so that a process
 * takes on the slot of the one whose place it takes.
 */
#include "crew.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "housekeeper.h"
#include "watcher.h"
#include "worker.h"

static const struct role role_worker = { .name = "worker", .run = worker_run };
static const struct role role_keeper = { .name = "worker",
					 .run = worker_run,
					 .keeps = true };
static const struct role role_transfer = { .name = "transfer",
					   .run = transfer_run,
					   .patient = true };
static const struct role role_watcher = { .name = "watcher",
					  .run = watcher_run };
static const struct role role_housekeeper = { .name = "housekeeper",
					      .run = housekeeper_run };

/* One a processor that we may use, and one more for while it syncs. */
static size_t worker_count(const struct conf *conf)
{
	cpu_set_t cpus;

	if (conf->workers)
		return conf->workers;
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return 2;
	return (size_t)CPU_COUNT(&cpus) + 1;
}

static void add(struct crew *crew, const struct role *role, size_t count)
{
	for (; count > 0 && crew->count < STORE_SLOTS_MAX; count--) {
		struct child *child = &crew->children[crew->count];

		child->role = role;
		child->slot = (unsigned)crew->count++;
	}
}

enum err crew_init(struct crew *crew, const struct conf *conf)
{
	crew->children = calloc(STORE_SLOTS_MAX, sizeof(*crew->children));
	if (!crew->children)
		return ERR_NO_MEMORY;
	add(crew, &role_housekeeper, 1);
	if (service_is_one_process(conf)) {
		add(crew, &role_keeper, 1);
		return ERR_OK;
	}
	add(crew, &role_watcher, 1);
	add(crew, &role_transfer, conf->transfers);
	add(crew, &role_worker, worker_count(conf));
	return ERR_OK;
}

void crew_release(struct crew *crew)
{
	free(crew->children);
	*crew = (struct crew){ 0 };
}

static enum crew_part part_of(const struct child *child)
{
	return child->role == &role_housekeeper ? CREW_KEEPING : CREW_SERVING;
}

size_t crew_alive(const struct crew *crew, enum crew_part part)
{
	size_t count = 0;

	for (size_t i = 0; i < crew->count; i++)
		if (crew->children[i].pid &&
		    part_of(&crew->children[i]) == part)
			count++;
	return count;
}

void crew_drain(struct crew *crew, enum crew_part part, long timeout_ms)
{
	for (size_t i = 0; i < crew->count; i++)
		if (part_of(&crew->children[i]) == part)
			child_ask(&crew->children[i], CHILD_DRAIN, timeout_ms);
}

void crew_start_due(struct crew *crew, const struct service *service)
{
	int64_t now_ms = clock_monotonic_ms();

	for (size_t i = 0; i < crew->count; i++) {
		struct child *child = &crew->children[i];

		if (!child->pid && child->due_ms <= now_ms)
			child_start(child, service);
	}
}

static void reap(struct crew *crew, const struct service *service)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		size_t i = 0;

		while (i < crew->count && crew->children[i].pid != pid)
			i++;
		/* Others are orphans that we got as process 1. */
		if (i < crew->count)
			child_ended(&crew->children[i], service, status);
	}
}

void crew_look_after(struct crew *crew, const struct service *service)
{
	int64_t now_ms;

	reap(crew, service);
	now_ms = clock_monotonic_ms();
	for (size_t i = 0; i < crew->count; i++)
		child_hurry(&crew->children[i], now_ms);
}

int64_t crew_next_ms(const struct crew *crew, bool starting)
{
	int64_t next_ms = 0;

	for (size_t i = 0; i < crew->count; i++) {
		const struct child *child = &crew->children[i];
		int64_t at_ms = child->pid ? child->kill_ms : child->due_ms;

		if (!child->pid && !starting)
			continue;
		if (at_ms && (!next_ms || at_ms < next_ms))
			next_ms = at_ms;
	}
	return next_ms;
}

void crew_renew(struct crew *crew)
{
	for (size_t i = 0; i < crew->count; i++)
		crew->children[i].stale = !crew->children[i].role->keeps;
	crew->rolling = true;
}

/* Who is to be asked next; NULL when that is nobody, or not yet. */
static struct child *next_stale(struct crew *crew)
{
	struct child *next = NULL;

	for (size_t i = 0; i < crew->count; i++) {
		struct child *child = &crew->children[i];

		if (child->kill_ms == CHILD_PATIENT)
			continue;
		if (!child->pid || child->kill_ms)
			return NULL;
		if (child->stale && !next)
			next = child;
	}
	return next;
}

/* Somebody is still to be replaced whom it waits for. */
static bool has_stale(const struct crew *crew)
{
	for (size_t i = 0; i < crew->count; i++) {
		const struct child *child = &crew->children[i];

		if (child->stale && child->kill_ms != CHILD_PATIENT)
			return true;
	}
	return false;
}

bool crew_roll(struct crew *crew, long timeout_ms)
{
	struct child *next;

	if (!crew->rolling)
		return false;
	while ((next = next_stale(crew)))
		child_ask(next, CHILD_YIELD, timeout_ms);
	crew->rolling = has_stale(crew);
	return !crew->rolling;
}
