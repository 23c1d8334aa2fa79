/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/metrics.c and app/api/metrics_text.c. */
#include "api/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/client.h"
#include "api/failure.h"
#include "api/handlers.h"
#include "harness.h"
#include "http/stored.h"
#include "store/store.h"

static struct client client;
static struct metrics_sums sums;

static void begin(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL_FATAL(metrics_open(&client.api.metrics), ERR_OK);
}

static void end(void)
{
	metrics_close(client.api.metrics);
	client_close(&client);
}

static void sum(void)
{
	metrics_sum(client.api.metrics, &sums);
}

/* What a worker does with the answer to a request. */
static void count(int64_t took_us)
{
	const struct metrics_answer answer = {
		.route = client.response.route,
		.method = client.response.method,
		.status = client.response.status,
		.received = client.request.body.size,
		.sent = client_body(&client).size,
		.took_us = took_us,
	};

	metrics_count(client.api.metrics, &answer);
}

static void ask(const char *method, const char *target)
{
	client_send(&client, method, target, "body", NULL);
	count(300);
}

/* Rows that something was counted in. */
static size_t rows(void)
{
	size_t found = 0;

	sum();
	for (size_t i = 0; i < METRICS_ROUTES_MAX; i++)
		for (size_t m = 0; m < METHOD_COUNT; m++)
			found += sums.rows[i][m].count > 0;
	return found;
}

static bool tells(const char *line)
{
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/metrics", "", NULL), 200);
	return client_body_has(&client, line);
}

static void an_answer_is_counted_by_route_method_and_status(void)
{
	begin();
	ask("PUT", "/v1/kv/a");
	ask("PUT", "/v1/kv/b");
	ask("PUT", "/v1/kv/a");
	ask("GET", "/v1/kv/a%2Fb");
	ask("HEAD", "/v1/kv/a");
	CU_ASSERT(tells("\nlibrapi_http_requests_total{route=\"/v1/kv/{key}\","
			"method=\"PUT\",status=\"201\"} 2\n"));
	CU_ASSERT(tells("{route=\"/v1/kv/{key}\",method=\"PUT\","
			"status=\"204\"} 1\n"));
	CU_ASSERT(tells("{route=\"/v1/kv/{key}\",method=\"GET\","
			"status=\"404\"} 1\n"));
	CU_ASSERT(tells("{route=\"/v1/kv/{key}\",method=\"HEAD\","
			"status=\"200\"} 1\n"));
	CU_ASSERT(tells("\nlibrapi_http_request_body_bytes_total{"
			"route=\"/v1/kv/{key}\",method=\"PUT\"} 12\n"));
	CU_ASSERT(tells("\nlibrapi_http_request_duration_seconds_count{"
			"route=\"/v1/kv/{key}\",method=\"PUT\"} 3\n"));
	CU_ASSERT(tells("\nlibrapi_http_request_duration_seconds_sum{"
			"route=\"/v1/kv/{key}\",method=\"PUT\"} 0.0009\n"));
	end();
}

static void whatever_is_asked_for_there_are_only_so_many_rows(void)
{
	static const char *const methods[] = {
		"GET", "BREW", "get", "PROPFIND", "\"{}\\\n", "OPTIONS"
	};
	size_t before;
	char target[64];

	begin();
	for (size_t i = 0; i < HARNESS_COUNT(methods); i++) {
		ask(methods[i], "/x");
		ask(methods[i], "/v1/kv/x");
		ask(methods[i], "*");
	}
	before = rows();
	for (int n = 0; n < 1000; n++) {
		const char *method =
			methods[(size_t)n % HARNESS_COUNT(methods)];

		snprintf(target, sizeof(target), "/%d\"}\\n", n);
		ask(method, target);
		snprintf(target, sizeof(target), "/v1/kv/%d?%d=%d", n, n, n);
		ask(method, target);
	}
	CU_ASSERT_EQUAL(rows(), before);
	CU_ASSERT(tells("{route=\"other\",method=\"other\",status=\"404\"}"));
	CU_ASSERT(tells("{route=\"/v1/kv/{key}\",method=\"other\","
			"status=\"405\"}"));
	CU_ASSERT(tells("{route=\"other\",method=\"OPTIONS\",status=\"204\"}"));
	CU_ASSERT_FALSE(tells("BREW"));
	end();
}

/* A method that a route does not have is as unknown there as any other. */
static void methods_that_a_route_has_not_are_one(void)
{
	begin();
	ask("POST", "/readyz");
	ask("DELETE", "/readyz");
	ask("PATCH", "/readyz");
	CU_ASSERT_EQUAL(rows(), 1);
	CU_ASSERT(tells("{route=\"/readyz\",method=\"other\",status=\"405\"} 3"
			"\n"));
	end();
}

static bool has_place(int status)
{
	for (size_t i = 1; i < METRICS_STATUSES; i++)
		if (metrics_statuses[i] == status)
			return true;
	return false;
}

static void every_status_that_we_answer_has_its_place(void)
{
	static const int good[] = { 200, 201, 204, 304, 308 };

	for (int err = ERR_OK + 1; err < ERR_COUNT; err++)
		HARNESS_CASE(err, has_place(failure_of((enum err)err)->status));
	for (size_t i = 0; i < HARNESS_COUNT(good); i++)
		HARNESS_CASE(good[i], has_place(good[i]));
	begin();
	client.response.status = 299;
	count(1);
	CU_ASSERT(tells("status=\"other\"} 1\n"));
	end();
}

static void a_time_is_in_the_first_bucket_that_holds_it(void)
{
	static const struct {
		int line;
		int64_t took_us;
		size_t bucket;
	} cases[] = {
		{ __LINE__, 0, 0 },         { __LINE__, 50, 0 },
		{ __LINE__, 51, 1 },        { __LINE__, 1000000, 13 },
		{ __LINE__, 1000001, 14 },  { __LINE__, 10000000, 14 },
		{ __LINE__, 10000001, 15 }, { __LINE__, INT64_MAX / 2, 15 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		begin();
		client.response.status = 200;
		count(cases[i].took_us);
		sum();
		HARNESS_CASE(cases[i].line,
			     sums.rows[0][0].buckets[cases[i].bucket] == 1);
		HARNESS_CASE(cases[i].line, sums.rows[0][0].count == 1);
		end();
	}
}

static void buckets_are_told_as_sums(void)
{
	begin();
	client_send(&client, "GET", "/hc", "", NULL);
	count(60);
	count(2500);
	count(90000000);
	CU_ASSERT(tells("route=\"/hc\",method=\"GET\",le=\"0.00005\"} 0\n"));
	CU_ASSERT(tells("route=\"/hc\",method=\"GET\",le=\"0.0001\"} 1\n"));
	CU_ASSERT(tells("route=\"/hc\",method=\"GET\",le=\"0.001\"} 1\n"));
	CU_ASSERT(tells("route=\"/hc\",method=\"GET\",le=\"0.0025\"} 2\n"));
	CU_ASSERT(tells("route=\"/hc\",method=\"GET\",le=\"10\"} 2\n"));
	CU_ASSERT(tells("route=\"/hc\",method=\"GET\",le=\"+Inf\"} 3\n"));
	CU_ASSERT(tells("_sum{route=\"/hc\",method=\"GET\"} 90.00256\n"));
	end();
}

/* Processes */

enum { CHILDREN = 8, COUNTS = 100000 };

/* Counts in its slot, and never sees a sum go back. */
static int count_much(unsigned slot)
{
	uint64_t last = 0;

	metrics_attach(client.api.metrics, slot, "worker");
	for (int i = 0; i < COUNTS; i++) {
		count(i % 5000);
		if (i % 1000)
			continue;
		sum();
		if (sums.rows[0][0].count < last)
			return EXIT_FAILURE;
		last = sums.rows[0][0].count;
	}
	return EXIT_SUCCESS;
}

static void processes_count_side_by_side(void)
{
	pid_t pids[CHILDREN];
	int status;

	begin();
	client.response.status = 200;
	for (unsigned i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(count_much(i));
		CU_ASSERT_FATAL(pids[i] > 0);
	}
	for (unsigned i = 0; i < CHILDREN; i++) {
		CU_ASSERT_EQUAL(waitpid(pids[i], &status, 0), pids[i]);
		CU_ASSERT_EQUAL(status, 0);
	}
	sum();
	CU_ASSERT_EQUAL(sums.rows[0][0].count, CHILDREN * COUNTS);
	CU_ASSERT_EQUAL(sums.rows[0][0].statuses[1], CHILDREN * COUNTS);
	CU_ASSERT_EQUAL(sums.role_count, 2);
	CU_ASSERT_STRING_EQUAL(sums.roles[0].name, "worker");
	CU_ASSERT_EQUAL(sums.roles[0].processes, CHILDREN);
	end();
}

static void one_that_takes_a_place_counts_on(void)
{
	begin();
	for (unsigned n = 1; n <= 3; n++) {
		metrics_attach(client.api.metrics, 7, "worker");
		ask("GET", "/hc");
		metrics_watchers(client.api.metrics, 100);
		sum();
		CU_ASSERT_EQUAL(sums.watchers, 100);
		metrics_reap(client.api.metrics, 7, n > 1);
		sum();
		CU_ASSERT_EQUAL(sums.watchers, 0);
		CU_ASSERT_EQUAL(sums.roles[0].processes, 0);
		CU_ASSERT_EQUAL(sums.roles[0].restarts, n - 1);
		CU_ASSERT(tells("librapi_processes{role=\"worker\"} 0\n"));
	}
	CU_ASSERT(tells("_total{route=\"/hc\",method=\"GET\",status=\"200\"} 3"
			"\n"));
	CU_ASSERT(tells("librapi_process_restarts_total{role=\"worker\"} 2\n"));
	end();
}

static void slots_that_are_not_there_are_not_written_to(void)
{
	begin();
	metrics_attach(client.api.metrics, STORE_SLOTS_MAX, "x");
	metrics_attach(client.api.metrics, UINT32_MAX, "x");
	metrics_reap(client.api.metrics, STORE_SLOTS_MAX, true);
	metrics_attach(client.api.metrics, STORE_SLOTS_MAX - 1, "last");
	client.response.route = SIZE_MAX;
	client.response.status = 200;
	count(1);
	sum();
	CU_ASSERT_EQUAL(sums.rows[0][0].count, 1);
	CU_ASSERT_EQUAL(sums.role_count, 2);
	end();
}

/* Tests, and `librapi dump`, have nothing to count in. */
static void without_memory_to_count_in_the_store_is_told_of(void)
{
	client_open(&client);
	count(1);
	metrics_attach(NULL, 0, "x");
	metrics_reap(NULL, 0, true);
	metrics_dropped(NULL);
	metrics_watchers(NULL, 1);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "x", NULL),
			201);
	CU_ASSERT(tells("\nlibrapi_store_revision 1\n"));
	CU_ASSERT(tells("\nlibrapi_store_writable 1\n"));
	CU_ASSERT(tells("engine=\"memory\"} 1\n"));
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "text/plain; version=0.0.4; charset=utf-8");
	CU_ASSERT_EQUAL(client_send(&client, "HEAD", "/metrics", "", NULL),
			200);
	CU_ASSERT_EQUAL(client_body(&client).size, 0);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/metrics?a=1", "", NULL),
			400);
	client_close(&client);
}

static void stats_of_a_bad_day(struct store *store, struct store_stats *stats)
{
	(void)store;
	*stats = (struct store_stats){
		.full = true,
		.sync_us = 1500,
		.sync_counts = { 1, 1, [STORE_SYNC_BUCKETS - 1] = 1 },
		.batched = 5000,
		.batch_counts = { 0, 0, 1, [STORE_BATCH_BUCKETS - 1] = 1 },
		.checkpoints = 2,
		.checkpoint_us = 3000001,
		.checkpoint_failures = 7,
		.expired = 8,
		.cache_hits = 9,
		.cache_misses = 10,
	};
}

static void the_store_is_told_of_as_it_is(void)
{
	static const char *const lines[] = {
		"store_writable 0\n",
		"store_full 1\n",
		"store_expired_keys_total 8\n",
		"store_read_cache_hits_total 9\n",
		"store_read_cache_misses_total 10\n",
		"store_sync_duration_seconds_bucket{le=\"0.00025\"} 2\n",
		"store_sync_duration_seconds_bucket{le=\"5\"} 2\n",
		"store_sync_duration_seconds_bucket{le=\"+Inf\"} 3\n",
		"store_sync_duration_seconds_count 3\n",
		"store_sync_duration_seconds_sum 0.0015\n",
		"store_sync_commits_bucket{le=\"2\"} 0\n",
		"store_sync_commits_bucket{le=\"4\"} 1\n",
		"store_sync_commits_bucket{le=\"1024\"} 1\n",
		"store_sync_commits_bucket{le=\"+Inf\"} 2\n",
		"store_sync_commits_count 2\n",
		"store_sync_commits_sum 5000\n",
		"store_checkpoint_duration_seconds_sum 3.000001\n",
		"store_checkpoint_duration_seconds_count 2\n",
		"store_checkpoint_failures_total 7\n",
	};
	const struct store_engine *real;
	struct store_engine engine;

	begin();
	real = client.api.store->engine;
	engine = *real;
	engine.stats = stats_of_a_bad_day;
	client.api.store->engine = &engine;
	for (size_t i = 0; i < HARNESS_COUNT(lines); i++)
		HARNESS_CASE((unsigned)i, tells(lines[i]));
	client.api.store->engine = real;
	end();
}

/* As if a worker had answered, in no time. */
static void what_lighttpd_gave_is_counted_with_the_rest(void)
{
	static const char *const lines[] = {
		"\nlibrapi_http_requests_total{route=\"/v1/kv/{key}\","
		"method=\"GET\",status=\"200\"} 4\n",
		"_bucket{route=\"/v1/kv/{key}\",method=\"GET\","
		"le=\"0.00005\"} 3\n",
		"_bucket{route=\"/v1/kv/{key}\",method=\"GET\","
		"le=\"+Inf\"} 4\n",
		"_seconds_count{route=\"/v1/kv/{key}\",method=\"GET\"} 4\n",
		"_seconds_sum{route=\"/v1/kv/{key}\",method=\"GET\"} 0.0003\n",
		"\nlibrapi_http_response_body_bytes_total{"
		"route=\"/v1/kv/{key}\",method=\"GET\"} 1704\n",
		"\nlibrapi_http_stored_responses_total 3\n",
	};

	begin();
	CU_ASSERT_EQUAL_FATAL(stored_new(1 << 20, &client.api.stored), ERR_OK);
	ask("PUT", "/v1/kv/a");
	ask("GET", "/v1/kv/a");
	stored_count(client.api.stored, 1000);
	stored_count(client.api.stored, 0);
	stored_count(client.api.stored, 700);
	for (size_t i = 0; i < HARNESS_COUNT(lines); i++)
		HARNESS_CASE((unsigned)i, tells(lines[i]));
	CU_ASSERT(tells("{route=\"/v1/kv/{key}\",method=\"PUT\","
			"status=\"201\"} 1\n"));
	stored_free(client.api.stored);
	end();
}

static const char *place_of(const char *text)
{
	struct view body = client_body(&client);

	return memmem(body.data, body.size, text, strlen(text));
}

static void it_is_told_behind_the_requests_that_it_is_a_part_of(void)
{
	const char *requests, *sent, *stored, *dropped;

	begin();
	CU_ASSERT(
		tells("# TYPE librapi_http_stored_responses_total counter\n"));
	requests = place_of("# HELP librapi_http_requests_total");
	sent = place_of("# HELP librapi_http_response_body_bytes_total");
	stored = place_of("# HELP librapi_http_stored_responses_total");
	dropped = place_of("# HELP librapi_http_dropped_requests_total");
	CU_ASSERT(requests && requests < sent);
	CU_ASSERT(sent < stored && stored < dropped);
	end();
}

/* No request of a worker's before, so that there was no such row yet. */
static void what_lighttpd_alone_has_answered_is_counted_too(void)
{
	begin();
	CU_ASSERT(tells("\nlibrapi_http_stored_responses_total 0\n"));
	CU_ASSERT_EQUAL_FATAL(stored_new(0, &client.api.stored), ERR_OK);
	CU_ASSERT(tells("\nlibrapi_http_stored_responses_total 0\n"));
	CU_ASSERT_FALSE(tells("route=\"/v1/kv/{key}\""));
	stored_count(client.api.stored, 5);
	CU_ASSERT(tells("\nlibrapi_http_stored_responses_total 1\n"));
	CU_ASSERT(tells("{route=\"/v1/kv/{key}\",method=\"GET\","
			"status=\"200\"} 1\n"));
	stored_free(client.api.stored);
	end();
}

static const struct harness_test tests[] = {
	HARNESS_TEST(an_answer_is_counted_by_route_method_and_status),
	HARNESS_TEST(whatever_is_asked_for_there_are_only_so_many_rows),
	HARNESS_TEST(methods_that_a_route_has_not_are_one),
	HARNESS_TEST(every_status_that_we_answer_has_its_place),
	HARNESS_TEST(a_time_is_in_the_first_bucket_that_holds_it),
	HARNESS_TEST(buckets_are_told_as_sums),
	HARNESS_TEST(processes_count_side_by_side),
	HARNESS_TEST(one_that_takes_a_place_counts_on),
	HARNESS_TEST(slots_that_are_not_there_are_not_written_to),
	HARNESS_TEST(without_memory_to_count_in_the_store_is_told_of),
	HARNESS_TEST(the_store_is_told_of_as_it_is),
	HARNESS_TEST(what_lighttpd_gave_is_counted_with_the_rest),
	HARNESS_TEST(it_is_told_behind_the_requests_that_it_is_a_part_of),
	HARNESS_TEST(what_lighttpd_alone_has_answered_is_counted_too),
};

int main(void)
{
	return harness_run("api/metrics", tests, HARNESS_COUNT(tests));
}
