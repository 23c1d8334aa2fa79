/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/api/about.c. */
#include "harness.h"

#include <string.h>

#include "api/client.h"
#include "http/json.h"

static struct client client;

static bool has_string(struct json_object *object, const char *name,
		       const char *value)
{
	struct json_object *member;
	struct view string;

	return json_member(object, name, &member) &&
	       json_string(member, &string) &&
	       (!value || view_equal_string(string, value));
}

static void the_service_describes_itself(void)
{
	struct json_object *root, *links;
	struct json_error error;

	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/a", "x", NULL);
	client_send(&client, "PUT", "/v1/kv/a", "y", NULL);
	CU_ASSERT_EQUAL(client_send(&client, "GET", "/v1", "", NULL), 200);
	CU_ASSERT_STRING_EQUAL(client_field(&client, "Content-Type"),
			       "application/json");
	CU_ASSERT_EQUAL_FATAL(json_parse(client_body(&client), &root, &error),
			      ERR_OK);
	CU_ASSERT_TRUE(has_string(root, "name", "librapi"));
	CU_ASSERT_TRUE(has_string(root, "version", NULL));
	CU_ASSERT_TRUE(has_string(root, "engine", "memory"));
	CU_ASSERT_TRUE(client_body_has(&client, "\"revision\":2,"));
	CU_ASSERT_TRUE(client_body_has(
		&client, "\"limits\":{\"key_bytes\":1024,"
			 "\"value_bytes\":1000,\"type_bytes\":255,"
			 "\"ttl_seconds\":315360000,"
			 "\"list_keys\":1000,"
			 "\"list_bytes\":1048576,"
			 "\"txn_ops\":20,\"txn_bytes\":4000}"));
	CU_ASSERT_TRUE_FATAL(json_member(root, "links", &links));
	CU_ASSERT_TRUE(has_string(links, "entry", "/v1/kv/{key}"));
	json_free(root);
	client_close(&client);
}

/* A link that is no template has to lead somewhere. */
static void every_link_is_on_the_map(void)
{
	static const char *const names[] = { "self",        "entries", "livez",
					     "readyz",      "metrics", "datas",
					     "health-check" };
	struct json_object *root, *links, *link;
	struct json_error error;
	struct view url;

	client_open(&client);
	client_send(&client, "GET", "/v1", "", NULL);
	CU_ASSERT_EQUAL_FATAL(json_parse(client_body(&client), &root, &error),
			      ERR_OK);
	CU_ASSERT_TRUE_FATAL(json_member(root, "links", &links));
	for (size_t i = 0; i < HARNESS_COUNT(names); i++) {
		struct buf target = BUF_EMPTY;

		CU_ASSERT_TRUE_FATAL(json_member(links, names[i], &link));
		CU_ASSERT_TRUE_FATAL(json_string(link, &url));
		buf_add_view(&target, url);
		CU_ASSERT_EQUAL(client_send(&client, "OPTIONS",
					    buf_string(&target), "", NULL),
				204);
		buf_release(&target);
	}
	json_free(root);
	client_close(&client);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(the_service_describes_itself),
	HARNESS_TEST(every_link_is_on_the_map),
};

int main(void)
{
	return harness_run("api/about", tests, HARNESS_COUNT(tests));
}
