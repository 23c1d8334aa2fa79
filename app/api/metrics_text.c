/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /metrics: what was counted (metrics.h) and how the store is, in
 * Prometheus' text format 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats).  One table has every
 * metric; metrics.md tells the same to people, and a test compares the two.
 *
 * Of requests, only what has happened is there: a route that nobody has asked
 * for has no lines.
 */
#include "config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/metrics.h"
#include "http/stored.h"

#define US_PER_S 1000000
#define TYPE     "text/plain; version=0.0.4; charset=utf-8"
#define VALUES   "/v1/kv/{key}"

/* What the lines are made of. */
struct scene {
	struct store_stats stats;
	struct metrics_sums sums;
	uint64_t stored; /* responses that lighttpd gave */
	const char *engine;
};

struct metric {
	const char *name; /* after "librapi_" */
	const char *type;
	const char *help;
	void (*write)(const struct metric *metric, const struct scene *scene,
		      struct buf *out);
	size_t offset; /* of a number in the scene, its roles or its rows */
};

#define SCENE(member) .offset = offsetof(struct scene, member)
#define ROLE(member)  .offset = offsetof(struct metrics_role, member)
#define ROW(member)   .offset = offsetof(struct metrics_row, member)

static void add_name(const struct metric *metric, struct buf *out)
{
	buf_addf(out, "librapi_%s", metric->name);
}

/* As short as it goes: 2500 is 0.0025. */
static void add_seconds(struct buf *out, uint64_t us)
{
	unsigned fraction = (unsigned)(us % US_PER_S);
	int digits = 6;

	buf_add_uint64(out, us / US_PER_S);
	if (!fraction)
		return;
	for (; fraction % 10 == 0; fraction /= 10)
		digits--;
	buf_addf(out, ".%0*u", digits, fraction);
}

static const void *member_of(const void *whole, const struct metric *metric)
{
	return (const char *)whole + metric->offset;
}

static const uint64_t *number_in(const void *whole, const struct metric *metric)
{
	return member_of(whole, metric);
}

static void write_number(const struct metric *metric, const struct scene *scene,
			 struct buf *out)
{
	add_name(metric, out);
	buf_addf(out, " %" PRIu64 "\n", *number_in(scene, metric));
}

static void write_switch(const struct metric *metric, const struct scene *scene,
			 struct buf *out)
{
	const bool *is = member_of(scene, metric);

	add_name(metric, out);
	buf_add_string(out, *is ? " 1\n" : " 0\n");
}

static void write_time(const struct metric *metric, const struct scene *scene,
		       struct buf *out)
{
	const int64_t *ms = member_of(scene, metric);

	add_name(metric, out);
	buf_add_char(out, ' ');
	add_seconds(out, (uint64_t)*ms * 1000);
	buf_add_char(out, '\n');
}

static void write_build(const struct metric *metric, const struct scene *scene,
			struct buf *out)
{
	add_name(metric, out);
	buf_addf(out, "{version=\"%s\",engine=\"%s\"} 1\n", PACKAGE_VERSION,
		 scene->engine);
}

static void write_roles(const struct metric *metric, const struct scene *scene,
			struct buf *out)
{
	for (size_t i = 0; i < scene->sums.role_count; i++) {
		const struct metrics_role *role = &scene->sums.roles[i];

		add_name(metric, out);
		buf_addf(out, "{role=\"%s\"} %" PRIu64 "\n", role->name,
			 *number_in(role, metric));
	}
}

/* Requests: the parts of a line that all of them have. */

struct place {
	const char *route;
	const char *method;
};

/* librapi_NAME_PART{route="/v1/kv/{key}",method="GET" */
static void begin_line(const struct metric *metric, const char *part,
		       const struct place *place, struct buf *out)
{
	buf_addf(out, "librapi_%s%s{route=\"%s\",method=\"%s\"", metric->name,
		 part, place->route, place->method);
}

static void for_each_row(
	const struct metric *metric, const struct scene *scene, struct buf *out,
	void (*write)(const struct metric *metric, const struct place *place,
		      const struct metrics_row *row, struct buf *out))
{
	for (size_t i = 0; i < METRICS_ROUTES_MAX; i++) {
		for (int m = 0; m < METHOD_COUNT; m++) {
			const struct metrics_row *row = &scene->sums.rows[i][m];
			const struct place place = {
				api_route_name(i),
				m == METHOD_OTHER ? "other"
						  : method_name((enum method)m),
			};

			if (row->count)
				write(metric, &place, row, out);
		}
	}
}

static void write_statuses_of(const struct metric *metric,
			      const struct place *place,
			      const struct metrics_row *row, struct buf *out)
{
	for (size_t i = 0; i < METRICS_STATUSES; i++) {
		if (!row->statuses[i])
			continue;
		begin_line(metric, "", place, out);
		if (i)
			buf_addf(out, ",status=\"%d\"} ", metrics_statuses[i]);
		else
			buf_add_string(out, ",status=\"other\"} ");
		buf_addf(out, "%" PRIu64 "\n", row->statuses[i]);
	}
}

static void write_requests(const struct metric *metric,
			   const struct scene *scene, struct buf *out)
{
	for_each_row(metric, scene, out, write_statuses_of);
}

static void write_durations_of(const struct metric *metric,
			       const struct place *place,
			       const struct metrics_row *row, struct buf *out)
{
	uint64_t count = 0;

	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		count += row->buckets[i];
		begin_line(metric, "_bucket", place, out);
		buf_add_string(out, ",le=\"");
		if (i + 1 < METRICS_BUCKETS)
			add_seconds(out, (uint64_t)metrics_bounds_us[i]);
		else
			buf_add_string(out, "+Inf");
		buf_addf(out, "\"} %" PRIu64 "\n", count);
	}
	begin_line(metric, "_sum", place, out);
	buf_add_string(out, "} ");
	add_seconds(out, row->took_us);
	buf_add_char(out, '\n');
	begin_line(metric, "_count", place, out);
	buf_addf(out, "} %" PRIu64 "\n", row->count);
}

static void write_durations(const struct metric *metric,
			    const struct scene *scene, struct buf *out)
{
	for_each_row(metric, scene, out, write_durations_of);
}

static void write_number_of(const struct metric *metric,
			    const struct place *place,
			    const struct metrics_row *row, struct buf *out)
{
	begin_line(metric, "", place, out);
	buf_addf(out, "} %" PRIu64 "\n", *number_in(row, metric));
}

static void write_row_numbers(const struct metric *metric,
			      const struct scene *scene, struct buf *out)
{
	for_each_row(metric, scene, out, write_number_of);
}

/* The store's */

/* A bucket's line up to its bound. */
static void begin_bucket(const struct metric *metric, struct buf *out)
{
	add_name(metric, out);
	buf_add_string(out, "_bucket{le=\"");
}

static void end_histogram(const struct metric *metric, uint64_t count,
			  struct buf *out)
{
	begin_bucket(metric, out);
	buf_addf(out, "+Inf\"} %" PRIu64 "\n", count);
	add_name(metric, out);
	buf_addf(out, "_count %" PRIu64 "\n", count);
}

static void write_sum(const struct metric *metric, uint64_t us, struct buf *out)
{
	add_name(metric, out);
	buf_add_string(out, "_sum ");
	add_seconds(out, us);
	buf_add_char(out, '\n');
}

static void write_syncs(const struct metric *metric, const struct scene *scene,
			struct buf *out)
{
	const struct store_stats *stats = &scene->stats;
	uint64_t count = 0;

	for (size_t i = 0; i + 1 < STORE_SYNC_BUCKETS; i++) {
		count += stats->sync_counts[i];
		begin_bucket(metric, out);
		add_seconds(out, store_sync_bounds_us[i]);
		buf_addf(out, "\"} %" PRIu64 "\n", count);
	}
	count += stats->sync_counts[STORE_SYNC_BUCKETS - 1];
	end_histogram(metric, count, out);
	write_sum(metric, stats->sync_us, out);
}

static void write_batches(const struct metric *metric,
			  const struct scene *scene, struct buf *out)
{
	const struct store_stats *stats = &scene->stats;
	uint64_t count = 0;

	for (size_t i = 0; i + 1 < STORE_BATCH_BUCKETS; i++) {
		count += stats->batch_counts[i];
		begin_bucket(metric, out);
		buf_addf(out, "%u\"} %" PRIu64 "\n", 1u << i, count);
	}
	count += stats->batch_counts[STORE_BATCH_BUCKETS - 1];
	end_histogram(metric, count, out);
	add_name(metric, out);
	buf_addf(out, "_sum %" PRIu64 "\n", stats->batched);
}

static void write_checkpoints(const struct metric *metric,
			      const struct scene *scene, struct buf *out)
{
	write_sum(metric, scene->stats.checkpoint_us, out);
	add_name(metric, out);
	buf_addf(out, "_count %" PRIu64 "\n", scene->stats.checkpoints);
}

static const struct metric metrics[] = {
	{ "build_info", "gauge", "The version and the engine; always 1.",
	  .write = write_build },
	{ "process_start_time_seconds", "gauge",
	  "When the service was started, in seconds since 1970.", write_time,
	  SCENE(sums.started_ms) },
	{ "processes", "gauge", "Processes that are there, by role.",
	  write_roles, ROLE(processes) },
	{ "process_restarts_total", "counter",
	  "Processes that died and were replaced, by role.", write_roles,
	  ROLE(restarts) },
	{ "http_requests_total", "counter", "Requests that were answered.",
	  .write = write_requests },
	{ "http_request_duration_seconds", "histogram",
	  "Time from taking a request's connection to its answer.",
	  .write = write_durations },
	{ "http_request_body_bytes_total", "counter",
	  "Bytes of requests' bodies that were taken.", write_row_numbers,
	  ROW(received) },
	{ "http_response_body_bytes_total", "counter",
	  "Bytes of answers' bodies.", write_row_numbers, ROW(sent) },
	{ "http_stored_responses_total", "counter",
	  "Of these requests, GETs that lighttpd answered out of memory.",
	  write_number, SCENE(stored) },
	{ "http_dropped_requests_total", "counter",
	  "Requests that went away, or were cut off, before the whole answer.",
	  write_number, SCENE(sums.dropped) },
	{ "watchers", "gauge", "Watches that are open.", write_number,
	  SCENE(sums.watchers) },
	{ "store_revision", "gauge", "The newest durable revision.",
	  write_number, SCENE(stats.revision) },
	{ "store_oldest_revision", "gauge",
	  "The oldest revision after which a watch can begin.", write_number,
	  SCENE(stats.oldest) },
	{ "store_keys", "gauge",
	  "Keys in the tables, as of the last checkpoint.", write_number,
	  SCENE(stats.keys) },
	{ "store_tables", "gauge", "GDBM files of the last checkpoint.",
	  write_number, SCENE(stats.tables) },
	{ "store_table_bytes", "gauge", "Bytes of these files.", write_number,
	  SCENE(stats.table_bytes) },
	{ "store_journal_bytes", "gauge",
	  "Bytes of journal that wait for a checkpoint.", write_number,
	  SCENE(stats.journal_bytes) },
	{ "store_memtable_bytes", "gauge",
	  "Bytes of shared memory that the index of this journal takes.",
	  write_number, SCENE(stats.memtable_bytes) },
	{ "store_history_bytes", "gauge",
	  "Bytes of journal that are kept for watchers only.", write_number,
	  SCENE(stats.history_bytes) },
	{ "store_writable", "gauge",
	  "1, or 0 after a sync failed: then no writes until a restart.",
	  write_switch, SCENE(stats.writable) },
	{ "store_full", "gauge", "1 while the disk has no room for writes.",
	  write_switch, SCENE(stats.full) },
	{ "store_commits_total", "counter",
	  "Commits, each of which took a revision.", write_number,
	  SCENE(stats.commits) },
	{ "store_sync_duration_seconds", "histogram",
	  "Time of a sync of the journal.", .write = write_syncs },
	{ "store_sync_commits", "histogram",
	  "Commits that one sync made durable.", .write = write_batches },
	{ "store_expired_keys_total", "counter",
	  "Keys that were removed because their time was up.", write_number,
	  SCENE(stats.expired) },
	{ "store_read_cache_hits_total", "counter",
	  "Reads of a value that found it in a worker's memory.", write_number,
	  SCENE(stats.cache_hits) },
	{ "store_read_cache_misses_total", "counter",
	  "Reads of a value that looked into the journal or a GDBM file.",
	  write_number, SCENE(stats.cache_misses) },
	{ "store_checkpoint_duration_seconds", "summary",
	  "Time of a checkpoint.", .write = write_checkpoints },
	{ "store_checkpoint_failures_total", "counter",
	  "Checkpoints that failed and were left for the next try.",
	  write_number, SCENE(stats.checkpoint_failures) },
};

static void write_all(const struct scene *scene, struct buf *out)
{
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		const struct metric *metric = &metrics[i];

		buf_addf(out, "# HELP librapi_%s %s\n# TYPE librapi_%s %s\n",
			 metric->name, metric->help, metric->name,
			 metric->type);
		metric->write(metric, scene, out);
	}
}

/* To lighttpd they take no time that we could measure. */
static void add_stored(struct scene *scene, const struct stored *stored)
{
	struct metrics_row *row;
	uint64_t bytes;
	size_t route = 0;
	size_t status = 0;

	scene->stored = 0;
	if (!stored)
		return;
	while (strcmp(api_route_name(route), VALUES) != 0)
		route++;
	while (metrics_statuses[status] != 200)
		status++;
	stored_counts(stored, &scene->stored, &bytes);
	row = &scene->sums.rows[route][METHOD_GET];
	row->statuses[status] += scene->stored;
	row->buckets[0] += scene->stored;
	row->count += scene->stored;
	row->sent += bytes;
}

enum err metrics_get(struct call *call)
{
	struct response *response = call->response;
	struct scene *scene = malloc(sizeof(*scene));

	if (!scene)
		return ERR_NO_MEMORY;
	scene->engine = store_engine_name(call->api->store);
	store_stats(call->api->store, &scene->stats);
	metrics_sum(call->api->metrics, &scene->sums);
	add_stored(scene, call->api->stored);
	write_all(scene, &response->text);
	free(scene);
	response->status = 200;
	response_field(response, "Content-Type", VIEW_LITERAL(TYPE));
	return ERR_OK;
}
