/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a request gets when there is no memory for it: each is served with its
 * n-th allocation failing, for every n.  Bodies that reach json-c are left
 * out, for the reason that app/http/json.c gives.
 */
#include "harness.h"

#include <errno.h>

#include "api/client.h"
#include "fault.h"
#include "http/json.h"

struct attempt {
	int line;
	int status; /* where memory lasts */
	const char *body;
	const char *variables[6];
};

static struct client client;

static void prepare(const struct attempt *attempt)
{
	client_open(&client);
	client_send(&client, "PUT", "/v1/kv/here", "old", NULL);
	client_send(&client, "PUT", "/v1/kv/there", "old", NULL);
	client_send(&client, "PUT", "/v1/kv/\xff", "old", NULL);
	client_send(&client, "PUT", "/v1/kv/json", "{\"b\":\"\\n\"}", NULL);
	response_release(&client.response);
	request_reset(&client.request);
	buf_add_string(&client.request.body, attempt->body);
	for (const char *const *v = attempt->variables; *v; v++)
		request_param(&client.request, *v);
	CU_ASSERT_EQUAL(request_ready(&client.request), ERR_OK);
}

/* The status for want of memory, and a body that is whole or not there. */
static bool refused(void)
{
	struct view body = response_body(&client.response);
	struct json_error error;

	return client.response.status == 503 &&
	       (!body.size || !json_check(body, &error));
}

static bool unchanged(void)
{
	return client_send(&client, "GET", "/v1/kv/here", "", NULL) == 200 &&
	       view_equal_string(client_body(&client), "old");
}

/*
 * After the commit only the answer can fail: the client is told of a failure,
 * and what was written stays.  So a refused write may have happened.
 */
static void run(const struct attempt *attempt)
{
	unsigned refusals = 0;

	for (unsigned n = 1;; n++) {
		bool struck;

		prepare(attempt);
		fault_arm(FAULT_MEMORY, n, ENOMEM);
		api_serve(&client.api, &client.request, &client.response);
		struck = fault_disarm();
		if (struck && client.response.status != attempt->status) {
			HARNESS_CASE(attempt->line, refused());
			refusals++;
			if (n == 1)
				HARNESS_CASE(attempt->line, unchanged());
		}
		if (!struck)
			HARNESS_CASE(attempt->line,
				     client.response.status == attempt->status);
		client_close(&client);
		if (!struck)
			break;
	}
	HARNESS_CASE(attempt->line, refusals > 0);
}

static void without_memory_the_answer_is_503_and_whole(void)
{
	static const struct attempt attempts[] = {
		{ __LINE__,
		  200,
		  "",
		  { "REQUEST_METHOD=GET", "REQUEST_URI=/v1/kv/here" } },
		{ __LINE__,
		  204,
		  "new",
		  { "REQUEST_METHOD=PUT", "REQUEST_URI=/v1/kv/here",
		    "HTTP_IF_MATCH=\"1\",\"2\",\"3\",\"4\",\"5\",\"6\","
		    "\"7\",\"8\",\"9\"" } },
		{ __LINE__,
		  201,
		  "new",
		  { "REQUEST_METHOD=PUT", "REQUEST_URI=/v1/kv/new" } },
		{ __LINE__,
		  412,
		  "new",
		  { "REQUEST_METHOD=PUT", "REQUEST_URI=/v1/kv/here",
		    "HTTP_IF_MATCH=\"7\"" } },
		{ __LINE__,
		  400,
		  "new",
		  { "REQUEST_METHOD=PUT", "REQUEST_URI=/v1/kv/here?x=1" } },
		{ __LINE__,
		  404,
		  "",
		  { "REQUEST_METHOD=GET", "REQUEST_URI=/nowhere" } },
		{ __LINE__,
		  200,
		  "",
		  { "REQUEST_METHOD=GET", "REQUEST_URI=/v1" } },
		{ __LINE__,
		  200,
		  "",
		  { "REQUEST_METHOD=GET", "REQUEST_URI=/metrics" } },
		{ __LINE__,
		  200,
		  "",
		  { "REQUEST_METHOD=GET", "REQUEST_URI=/v1/kv?values=1" } },
		{ __LINE__,
		  200,
		  "",
		  { "REQUEST_METHOD=GET",
		    "REQUEST_URI=/v1/kv?delimiter=r&limit=1" } },
		{ __LINE__,
		  406,
		  "",
		  { "REQUEST_METHOD=GET", "REQUEST_URI=/v1/kv",
		    "HTTP_ACCEPT=image/png" } },
		{ __LINE__,
		  200,
		  "{\"a\":1}",
		  { "REQUEST_METHOD=PATCH", "REQUEST_URI=/v1/kv/json",
		    "CONTENT_TYPE=application/merge-patch+json" } },
		{ __LINE__,
		  200,
		  "{\"if\":[{\"key\":\"here\",\"rev\":1}],\"do\":["
		  "{\"get\":\"here\"},{\"touch\":\"here\",\"ttl\":9},"
		  "{\"add\":\"n\"},{\"put64\":\"/w==\",\"value\":\"\\n\"}]}",
		  { "REQUEST_METHOD=POST", "REQUEST_URI=/v1/txn" } },
		{ __LINE__,
		  412,
		  "{\"if\":[{\"key\":\"here\",\"rev\":7}],\"do\":[]}",
		  { "REQUEST_METHOD=POST", "REQUEST_URI=/v1/txn" } },
		{ __LINE__,
		  400,
		  "{\"do\":[{\"x\":\"here\"}]}",
		  { "REQUEST_METHOD=POST", "REQUEST_URI=/v1/txn" } },
		{ __LINE__,
		  200,
		  "",
		  { "REQUEST_METHOD=GET", "REQUEST_URI=/datas/here" } },
		{ __LINE__,
		  400,
		  "{",
		  { "REQUEST_METHOD=POST", "REQUEST_URI=/datas" } },
	};

	if (!fault_available(FAULT_MEMORY))
		return;
	for (size_t i = 0; i < HARNESS_COUNT(attempts); i++)
		run(&attempts[i]);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(without_memory_the_answer_is_503_and_whole),
};

int main(void)
{
	return harness_run("api/memory", tests, HARNESS_COUNT(tests));
}
