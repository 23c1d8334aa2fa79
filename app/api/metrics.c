/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The memory that is shared, and counting in it.  A counter has one writer at
 * a time, the process of its block or, for what the parent counts, the parent;
 * so a load and a store are enough, without the bus lock of an atomic addition.
 * Memory is reserved for every slot and taken as it is touched: who sums up
 * passes over blocks that nobody ever had.
 */
#include "api/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/store.h"

/* The slots of the store, and one for the opener. */
#define BLOCKS       (STORE_SLOTS_MAX + 1)
#define OPENERS_SLOT STORE_SLOTS_MAX

/* What is answered most comes first. */
const int metrics_statuses[METRICS_STATUSES] = {
	0,   200, 204, 201, 304, 404, 412, 308, 400, 401, 403,
	405, 406, 409, 410, 413, 414, 415, 428, 500, 503, 507,
};

/* From what a read out of memory takes to what a large export does. */
const int64_t metrics_bounds_us[METRICS_BUCKETS] = {
	50,    100,   250,    500,    1000,   2500,    5000,     10000,
	25000, 50000, 100000, 250000, 500000, 1000000, 10000000, INT64_MAX,
};

struct row {
	_Atomic uint64_t statuses[METRICS_STATUSES];
	_Atomic uint64_t buckets[METRICS_BUCKETS];
	_Atomic uint64_t took_us;
	_Atomic uint64_t received;
	_Atomic uint64_t sent;
};

struct block {
	_Alignas(64) _Atomic uint64_t watchers;
	_Atomic uint64_t dropped;
	struct row rows[METRICS_ROUTES_MAX][METHOD_COUNT];
};

/* What tells of a block; apart, so that a look touches none. */
struct position {
	_Atomic(const char *) role; /* NULL: nobody ever had it */
	_Atomic bool alive;
	_Atomic uint64_t restarts; /* the parent's */
};

struct board {
	int64_t started_ms;
	struct position positions[BLOCKS];
	struct block blocks[BLOCKS];
};

struct metrics {
	struct board *board;
	struct block *own; /* of this process */
};

static void take_place(struct metrics *metrics, unsigned slot, const char *role)
{
	struct position *position = &metrics->board->positions[slot];

	metrics->own = &metrics->board->blocks[slot];
	atomic_store(&position->role, role);
	atomic_store(&position->alive, true);
}

enum err metrics_open(struct metrics **out)
{
	struct metrics *metrics = malloc(sizeof(*metrics));
	void *memory = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	*out = NULL;
	if (!metrics || memory == MAP_FAILED) {
		if (memory != MAP_FAILED)
			munmap(memory, sizeof(struct board));
		free(metrics);
		log_event(LOG_ERROR, "start-failed", "detail",
			  "no memory for metrics", NULL);
		return ERR_NO_MEMORY;
	}
	metrics->board = memory;
	metrics->board->started_ms = clock_wall_ms();
	take_place(metrics, OPENERS_SLOT, "supervisor");
	*out = metrics;
	return ERR_OK;
}

void metrics_close(struct metrics *metrics)
{
	if (!metrics)
		return;
	munmap(metrics->board, sizeof(*metrics->board));
	free(metrics);
}

void metrics_attach(struct metrics *metrics, unsigned slot, const char *role)
{
	if (metrics && slot < STORE_SLOTS_MAX)
		take_place(metrics, slot, role);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void set(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t more)
{
	set(counter, get(counter) + more);
}

void metrics_reap(struct metrics *metrics, unsigned slot, bool died)
{
	struct position *position;

	if (!metrics || slot >= STORE_SLOTS_MAX)
		return;
	position = &metrics->board->positions[slot];
	atomic_store(&position->alive, false);
	set(&metrics->board->blocks[slot].watchers, 0);
	if (died)
		add(&position->restarts, 1);
}

static size_t status_index(int status)
{
	for (size_t i = 1; i < METRICS_STATUSES; i++)
		if (metrics_statuses[i] == status)
			return i;
	return 0;
}

static size_t bucket_index(int64_t took_us)
{
	size_t i = 0;

	while (took_us > metrics_bounds_us[i])
		i++;
	return i;
}

void metrics_count(struct metrics *metrics, const struct metrics_answer *answer)
{
	size_t route = answer->route < METRICS_ROUTES_MAX ? answer->route : 0;
	struct row *row;

	if (!metrics)
		return;
	row = &metrics->own->rows[route][answer->method];
	add(&row->statuses[status_index(answer->status)], 1);
	add(&row->buckets[bucket_index(answer->took_us)], 1);
	add(&row->took_us, (uint64_t)answer->took_us);
	add(&row->received, answer->received);
	add(&row->sent, answer->sent);
}

void metrics_dropped(struct metrics *metrics)
{
	if (metrics)
		add(&metrics->own->dropped, 1);
}

void metrics_watchers(struct metrics *metrics, size_t count)
{
	if (metrics)
		set(&metrics->own->watchers, count);
}

/* Summing up */

static void sum_row(const struct row *from, struct metrics_row *sum)
{
	for (size_t i = 0; i < METRICS_STATUSES; i++)
		sum->statuses[i] += get(&from->statuses[i]);
	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		uint64_t count = get(&from->buckets[i]);

		sum->buckets[i] += count;
		sum->count += count;
	}
	sum->took_us += get(&from->took_us);
	sum->received += get(&from->received);
	sum->sent += get(&from->sent);
}

static void sum_block(const struct block *from, struct metrics_sums *sums)
{
	sums->watchers += get(&from->watchers);
	sums->dropped += get(&from->dropped);
	for (size_t i = 0; i < METRICS_ROUTES_MAX; i++)
		for (size_t m = 0; m < METHOD_COUNT; m++)
			sum_row(&from->rows[i][m], &sums->rows[i][m]);
}

static void sum_position(const struct position *from, const char *name,
			 struct metrics_sums *sums)
{
	struct metrics_role *role = sums->roles;
	const struct metrics_role *end = role + sums->role_count;

	while (role < end && role->name != name)
		role++;
	if (role == end) {
		if (sums->role_count == METRICS_ROLES_MAX)
			return;
		sums->role_count++;
		role->name = name;
	}
	role->processes += atomic_load(&from->alive);
	role->restarts += get(&from->restarts);
}

void metrics_sum(const struct metrics *metrics, struct metrics_sums *sums)
{
	*sums = (struct metrics_sums){ .started_ms = 0 };
	if (!metrics)
		return;
	sums->started_ms = metrics->board->started_ms;
	for (size_t i = 0; i < BLOCKS; i++) {
		const struct position *position = &metrics->board->positions[i];
		const char *name = atomic_load(&position->role);

		if (!name)
			continue;
		sum_position(position, name, sums);
		sum_block(&metrics->board->blocks[i], sums);
	}
}
