/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/response.c. */
#include "harness.h"

#include <string.h>

#include "http/response.h"

static struct response response;
static struct buf head;

static const char *head_text(void)
{
	buf_clear(&head);
	response_head(&response, &head);
	return buf_string(&head);
}

static void release(void)
{
	response_release(&response);
	buf_release(&head);
}

static void the_head_is_what_cgi_wants(void)
{
	response.status = 200;
	response_field(&response, "Content-Type", VIEW_LITERAL("text/plain"));
	response_fieldf(&response, "ETag", "\"%d\"", 17);
	buf_add_string(&response.text, "hello");
	CU_ASSERT_STRING_EQUAL(head_text(), "Status: 200 OK\r\n"
					    "Content-Type: text/plain\r\n"
					    "ETag: \"17\"\r\n"
					    "Content-Length: 5\r\n\r\n");
	CU_ASSERT_TRUE(view_equal_string(response_body(&response), "hello"));
	release();
}

static void the_id_of_the_request_is_in_the_head_only(void)
{
	response.status = 200;
	response_field(&response, "A", VIEW_LITERAL("b"));
	response.id = VIEW_LITERAL("abc-1");
	CU_ASSERT_STRING_EQUAL(head_text(), "Status: 200 OK\r\n"
					    "A: b\r\n"
					    "X-Request-Id: abc-1\r\n"
					    "Content-Length: 0\r\n\r\n");
	CU_ASSERT_TRUE(
		view_equal_string(buf_view(&response.fields), "A: b\r\n"));
	response_reset(&response);
	response.status = 200;
	CU_ASSERT_PTR_NULL(strstr(head_text(), "X-Request-Id"));
	release();
}

static void what_is_handed_on_outlives_its_request(void)
{
	char id[] = "abc-1";
	struct response next;

	response.status = 200;
	response.id = view_of(id);
	buf_add_string(&response.text, "x");
	CU_ASSERT_EQUAL(response_move(&response, &next), ERR_OK);
	CU_ASSERT_EQUAL(response.status, 0);
	CU_ASSERT_PTR_NULL(response.fields.data);
	memset(id, '#', sizeof(id) - 1);
	response = next;
	CU_ASSERT_STRING_EQUAL(head_text(), "Status: 200 OK\r\n"
					    "X-Request-Id: abc-1\r\n"
					    "Content-Length: 1\r\n\r\n");
	release();
	CU_ASSERT_EQUAL(response_move(&response, &next), ERR_OK);
	CU_ASSERT_EQUAL(next.fields.size, 0);
	response_release(&next);
}

static void what_is_begun_anew_may_not_be_given_again(void)
{
	response.shown_at = 7;
	response_clear(&response);
	CU_ASSERT_EQUAL(response.shown_at, 0);
	response.shown_at = 7;
	response_reset(&response);
	CU_ASSERT_EQUAL(response.shown_at, 0);
	release();
}

static void a_body_held_elsewhere_is_sent_without_a_copy(void)
{
	static const char value[] = "value";

	response.status = 200;
	response.body = (struct view){ value, 5 };
	CU_ASSERT_PTR_EQUAL(response_body(&response).data, value);
	CU_ASSERT_PTR_NOT_NULL(strstr(head_text(), "Content-Length: 5\r\n"));
	release();
}

static void head_tells_the_length_and_sends_nothing(void)
{
	response.status = 200;
	response.no_body = true;
	buf_add_string(&response.text, "hello");
	CU_ASSERT_PTR_NOT_NULL(strstr(head_text(), "Content-Length: 5\r\n"));
	CU_ASSERT_EQUAL(response_body(&response).size, 0);
	release();
}

static void some_statuses_have_neither_body_nor_length(void)
{
	static const int statuses[] = { 204, 304 };

	for (size_t i = 0; i < HARNESS_COUNT(statuses); i++) {
		response.status = statuses[i];
		buf_add_string(&response.text, "hello");
		CU_ASSERT_PTR_NULL(strstr(head_text(), "Content-Length"));
		CU_ASSERT_EQUAL(response_body(&response).size, 0);
		release();
	}
}

static void an_empty_body_has_a_length_of_zero(void)
{
	response.status = 201;
	CU_ASSERT_STRING_EQUAL(
		head_text(),
		"Status: 201 Created\r\nContent-Length: 0\r\n\r\n");
	release();
}

static void no_value_can_begin_another_field(void)
{
	response.status = 200;
	response_field(&response, "A", VIEW_LITERAL("x\r\nSet-Cookie: y\0z"));
	response_fieldf(&response, "B", "%s", "p\nq");
	CU_ASSERT_STRING_EQUAL(head_text(), "Status: 200 OK\r\n"
					    "A: x  Set-Cookie: y z\r\n"
					    "B: p q\r\n"
					    "Content-Length: 0\r\n\r\n");
	release();
}

static void a_formatted_value_is_cut_at_its_bound(void)
{
	char longer[600];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	response_fieldf(&response, "A", "%s", longer);
	CU_ASSERT_EQUAL(response.fields.size, strlen("A: \r\n") + 511);
	release();
}

static void what_is_cleared_is_forgotten_but_not_the_ticket(void)
{
	response.status = 200;
	response.ticket = 7;
	response_field(&response, "A", VIEW_LITERAL("b"));
	response.body = VIEW_LITERAL("x");
	buf_add_string(&response.text, "y");
	response_clear(&response);
	response.status = 404;
	CU_ASSERT_STRING_EQUAL(
		head_text(),
		"Status: 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	CU_ASSERT_EQUAL(response.ticket, 7);
	response.no_body = true;
	response_reset(&response);
	CU_ASSERT_EQUAL(response.ticket, 0);
	CU_ASSERT_FALSE(response.no_body);
	release();
}

static void a_large_value_is_not_kept_for_ever(void)
{
	buf_reserve(&response.hold, 1 << 20);
	response_reset(&response);
	CU_ASSERT_TRUE(response.hold.capacity <= 64 << 10);
	release();
}

static void every_status_has_a_phrase(void)
{
	CU_ASSERT_STRING_EQUAL(status_phrase(308), "Permanent Redirect");
	CU_ASSERT_STRING_EQUAL(status_phrase(412), "Precondition Failed");
	CU_ASSERT_STRING_EQUAL(status_phrase(507), "Insufficient Storage");
	CU_ASSERT_STRING_EQUAL(status_phrase(299), "Unknown");
}

static enum err stream_hello(void *arg, const struct sink *sink)
{
	(void)arg;
	return sink->put(sink->arg, view_of("hello"));
}

static void count_done(void *arg)
{
	++*(int *)arg;
}

static struct response streamed(int *done)
{
	return (struct response){
		.status = 200,
		.stream = stream_hello,
		.stream_done = count_done,
		.stream_arg = done,
	};
}

static void a_body_made_while_it_is_sent_has_no_length(void)
{
	int done = 0;
	struct response r = streamed(&done);
	struct buf bytes = BUF_EMPTY;

	CU_ASSERT(response_streams(&r));
	CU_ASSERT_EQUAL(response_body(&r).size, 0);
	response_head(&r, &bytes);
	CU_ASSERT(
		view_equal_string(buf_view(&bytes), "Status: 200 OK\r\n\r\n"));
	r.no_body = true;
	CU_ASSERT(!response_streams(&r));
	response_release(&r);
	CU_ASSERT_EQUAL(done, 1);
	buf_release(&bytes);
}

static void its_maker_is_told_once_that_it_is_over(void)
{
	void (*const ends[])(struct response *) = { response_reset,
						    response_clear,
						    response_release };

	for (size_t i = 0; i < HARNESS_COUNT(ends); i++) {
		int done = 0;
		struct response r = streamed(&done);

		ends[i](&r);
		CU_ASSERT_EQUAL(done, 1);
		CU_ASSERT(!response_streams(&r));
		response_release(&r);
		CU_ASSERT_EQUAL(done, 1);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(the_head_is_what_cgi_wants),
	HARNESS_TEST(the_id_of_the_request_is_in_the_head_only),
	HARNESS_TEST(what_is_handed_on_outlives_its_request),
	HARNESS_TEST(what_is_begun_anew_may_not_be_given_again),
	HARNESS_TEST(a_body_held_elsewhere_is_sent_without_a_copy),
	HARNESS_TEST(head_tells_the_length_and_sends_nothing),
	HARNESS_TEST(some_statuses_have_neither_body_nor_length),
	HARNESS_TEST(an_empty_body_has_a_length_of_zero),
	HARNESS_TEST(no_value_can_begin_another_field),
	HARNESS_TEST(a_formatted_value_is_cut_at_its_bound),
	HARNESS_TEST(what_is_cleared_is_forgotten_but_not_the_ticket),
	HARNESS_TEST(a_large_value_is_not_kept_for_ever),
	HARNESS_TEST(every_status_has_a_phrase),
	HARNESS_TEST(a_body_made_while_it_is_sent_has_no_length),
	HARNESS_TEST(its_maker_is_told_once_that_it_is_over),
};

int main(void)
{
	return harness_run("http/response", tests, HARNESS_COUNT(tests));
}
