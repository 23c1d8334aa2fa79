/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What test_worker.c can't see: an exchange when memory is short. */
#include "exchange.h"

#include <string.h>

#include "base/log.h"
#include "fault.h"
#include "harness.h"
#include "logged.h"

static void without_memory_a_held_request_stays_whole_and_that_is_told(void)
{
	struct exchange x = { 0 };
	struct logged logged;
	const char *text;

	if (!fault_available(FAULT_MEMORY))
		return;
	request_param(&x.request, "REQUEST_METHOD=PUT");
	request_param(&x.request, "REQUEST_URI=/v1/kv/a");
	request_param(&x.request, "HTTP_X_REQUEST_ID=mine");
	CU_ASSERT_EQUAL(request_ready(&x.request), ERR_OK);
	x.response.id = x.request.id;
	logged_begin(&logged);
	fault_arm(FAULT_MEMORY, 1, 0);
	exchange_hold(&x);
	CU_ASSERT(fault_disarm());
	text = logged_end(&logged);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "event=request-held-whole"));
	CU_ASSERT(view_equal_string(x.request.target, "/v1/kv/a"));
	CU_ASSERT(view_equal_string(x.response.id, "mine"));
	exchange_release(&x);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(
		without_memory_a_held_request_stays_whole_and_that_is_told),
};

int main(void)
{
	log_setup(LOG_WARN, "test");
	return harness_run("exchange", tests, HARNESS_COUNT(tests));
}
