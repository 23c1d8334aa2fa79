/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/health.c. */
#include "harness.h"

#include "api/client.h"

static struct client client;
static bool writable;

static void fake_stats(struct store *store, struct store_stats *stats)
{
	(void)store;
	*stats = (struct store_stats){ .writable = writable, .full = true };
}

static const struct store_engine fake_engine = {
	.name = "fake",
	.stats = fake_stats,
};

static struct store fake = { .engine = &fake_engine };

static void a_healthy_service_is_alive_and_ready(void)
{
	client_open(&client);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/livez", "", NULL), 200);
	CU_ASSERT_TRUE(view_equal_string(client_body(&client),
					 "{\"status\":\"alive\"}\n"));
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/readyz", "", NULL), 200);
	CU_ASSERT_TRUE(view_equal_string(client_body(&client),
					 "{\"status\":\"ready\"}\n"));
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/hc", "", NULL), 200);
	CU_ASSERT_TRUE(view_equal_string(client_body(&client),
					 "{\"status\":\"ok\"}\n"));
	client_close(&client);
}

static void a_service_that_is_stopping_is_alive_and_not_ready(void)
{
	client_open(&client);
	client.api.draining = true;
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/readyz", "", NULL), 503);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "draining");
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Retry-After"), "1");
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/livez", "", NULL), 200);
	CU_ASSERT_EQUAL(client_send(&client, "PUT", "/v1/kv/a", "x", NULL),
			201);
	client_close(&client);
}

static void a_store_that_takes_no_writes_is_not_ready(void)
{
	struct store *store;

	client_open(&client);
	store = client.api.store;
	client.api.store = &fake;
	writable = false;
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/readyz", "", NULL), 503);
	CU_ASSERT_STRING_EQUAL(client_code(&client), "writes-stopped");
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/livez", "", NULL), 200);
	client.api.store = store;
	client_close(&client);
}

static void a_full_disk_leaves_the_service_ready(void)
{
	struct store *store;

	client_open(&client);
	store = client.api.store;
	client.api.store = &fake;
	writable = true;
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/readyz", "", NULL), 200);
	client.api.store = store;
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_healthy_service_is_alive_and_ready),
	HARNESS_TEST(a_service_that_is_stopping_is_alive_and_not_ready),
	HARNESS_TEST(a_store_that_takes_no_writes_is_not_ready),
	HARNESS_TEST(a_full_disk_leaves_the_service_ready),
};

int main(void)
{
	return harness_run("api/health", tests, HARNESS_COUNT(tests));
}
