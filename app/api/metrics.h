/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is counted for /metrics, in memory that all processes share: the
 * supervisor makes it before it forks.  Each process has a block of its own,
 * by its slot in the store, so that no two write to one cache line and
 * counting takes no lock.  A block outlives its process, and the next one in
 * the slot counts on: so no counter ever goes back while the service runs.
 *
 * Requests are counted by route, method and status, each out of a table of
 * ours: whatever clients send, there is only so much to count.
 */
#ifndef API_METRICS_H
#define API_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "http/request.h"

#define METRICS_ROUTES_MAX 32 /* the first is for what fits no route */
#define METRICS_STATUSES   22
#define METRICS_BUCKETS    16
#define METRICS_ROLES_MAX  8

/* The first status is 0, which stands for all that the others are not. */
extern const int metrics_statuses[METRICS_STATUSES];

/* Upper bounds in microseconds; the last one has none (INT64_MAX). */
extern const int64_t metrics_bounds_us[METRICS_BUCKETS];

struct metrics;

/* ERR_NO_MEMORY, logged. */
enum err metrics_open(struct metrics **out);
void metrics_close(struct metrics *metrics); /* NULL is allowed */

/*
 * In a child, once: count in this slot from now on.  `role` is a string that
 * all processes have at one address.  Before, and in tests, a process counts
 * in a slot of the opener's.  For NULL this and all that follows do nothing.
 */
void metrics_attach(struct metrics *metrics, unsigned slot, const char *role);

/*
 * In the parent, once the process with that slot is known to be dead: what it
 * held is let go of.  `died`: it has to be replaced though nobody asked it to
 * leave.
 */
void metrics_reap(struct metrics *metrics, unsigned slot, bool died);

/* A request that was answered. */
struct metrics_answer {
	size_t route; /* of response.route */
	enum method method;
	int status;
	uint64_t received; /* bytes of the request's body that were taken */
	uint64_t sent;     /* bytes of the answer's body */
	int64_t took_us;
};

void metrics_count(struct metrics *metrics,
		   const struct metrics_answer *answer);

/* A request went away before it had its answer. */
void metrics_dropped(struct metrics *metrics);

/* So many are parked in this process now. */
void metrics_watchers(struct metrics *metrics, size_t count);

/* The sums over all processes */

struct metrics_row {
	uint64_t statuses[METRICS_STATUSES];
	uint64_t buckets[METRICS_BUCKETS];
	uint64_t took_us;
	uint64_t received;
	uint64_t sent;
	uint64_t count; /* of requests: all buckets together */
};

struct metrics_role {
	const char *name;
	uint64_t processes; /* that are there now */
	uint64_t restarts;
};

struct metrics_sums {
	int64_t started_ms; /* wall clock: metrics_open() */
	uint64_t watchers;
	uint64_t dropped;
	struct metrics_role roles[METRICS_ROLES_MAX];
	size_t role_count;
	struct metrics_row rows[METRICS_ROUTES_MAX][METHOD_COUNT];
};

/*
 * Add up what was counted until now, while others go on: what is read first
 * may be a request behind.  90 KB, so it is not for the stack.
 */
void metrics_sum(const struct metrics *metrics, struct metrics_sums *sums);

#endif
