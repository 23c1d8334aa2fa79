/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tests of app/http/request.c. */
#include "harness.h"

#include <string.h>

#include "http/request.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"

/* A request with these variables. */
static enum err make(struct request *request, const char *const *variables)
{
	request_reset(request);
	while (*variables)
		request_param(request, *variables++);
	return request_ready(request);
}

static enum err make_target(struct request *request, const char *target)
{
	const char *const variables[] = { "REQUEST_METHOD=GET", target, NULL };

	return make(request, variables);
}

static void a_target_is_path_and_query(void)
{
	static const struct {
		int line;
		const char *target;
		const char *path;
		const char *query; /* NULL: without "?" */
	} cases[] = {
		{ __LINE__, "/", "/", NULL },
		{ __LINE__, "/v1/kv/a", "/v1/kv/a", NULL },
		{ __LINE__, "/a?", "/a", "" },
		{ __LINE__, "/a?b=c", "/a", "b=c" },
		{ __LINE__, "/a?b?c", "/a", "b?c" },
		{ __LINE__, "/a%3Fb", "/a%3Fb", NULL },
		{ __LINE__, "//a//b/../c", "//a//b/../c", NULL },
		{ __LINE__, "/a#b", "/a#b", NULL },
		{ __LINE__, "*", "*", NULL },
		{ __LINE__, "http://host/a//b?c", "/a//b", "c" },
		{ __LINE__, "HTTPS://host:1/a", "/a", NULL },
		{ __LINE__, "http://host", "/", NULL },
		{ __LINE__, "http://host?a=/b", "/", "a=/b" },
		{ __LINE__, "http://user@[::1]:80/x", "/x", NULL },
		{ __LINE__, "/http://host/a", "/http://host/a", NULL },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct request request = { 0 };
		char target[64] = "REQUEST_URI=";

		strcat(target, cases[i].target);
		HARNESS_CASE(cases[i].line, !make_target(&request, target));
		HARNESS_CASE(cases[i].line,
			     view_equal_string(request.path, cases[i].path));
		HARNESS_CASE(cases[i].line,
			     !request.query.data == !cases[i].query);
		HARNESS_CASE(cases[i].line,
			     view_equal_string(request.query, cases[i].query));
		request_release(&request);
	}
}

static void a_target_of_another_form_is_refused(void)
{
	static const char *const targets[] = {
		"REQUEST_URI=",
		"REQUEST_URI=a",
		"REQUEST_URI=**",
		"REQUEST_URI=?a",
		"REQUEST_URI=host:80",
		"REQUEST_URI=http://",
		"REQUEST_URI=http:/host/a",
		"REQUEST_URI=ftp://host/a",
		"OTHER=x",
	};

	for (size_t i = 0; i < HARNESS_COUNT(targets); i++) {
		struct request request = { 0 };

		CU_ASSERT_EQUAL(make_target(&request, targets[i]), ERR_INVALID);
		CU_ASSERT_EQUAL(request.id.size, RANDOM_UUID_SIZE - 1);
		request_release(&request);
	}
}

static void a_target_that_was_cut_at_a_nul_is_refused(void)
{
	static const struct {
		int line;
		const char *target;
		const char *whole;
		enum err err;
	} cases[] = {
		{ __LINE__, "/v1/kv/a", "/v1/kv/a%00b", ERR_INVALID },
		{ __LINE__, "/v1/kv/a", "/v1/kv/a%00", ERR_INVALID },
		{ __LINE__, "/v1/kv/%41", "/v1/kv/A%00", ERR_INVALID },
		{ __LINE__, "/v1/kv/a", "http://h/v1/kv/a%00", ERR_INVALID },
		{ __LINE__, "http://h/v1/kv/a", "/v1/kv/a%00", ERR_INVALID },
		{ __LINE__, "/v1/kv/%41%00", "/v1/kv/A%00", ERR_OK },
		{ __LINE__, "/v1/kv/\xff", "/v1/kv/%FF", ERR_OK },
		{ __LINE__, "http://h/v1/kv/%41", "/v1/kv/A", ERR_OK },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct request request = { 0 };
		char target[64] = "REQUEST_URI=";
		char whole[64] = "REDIRECT_URI=";
		const char *variables[] = { "REQUEST_METHOD=GET", target, whole,
					    NULL };

		strcat(target, cases[i].target);
		strcat(whole, cases[i].whole);
		HARNESS_CASE(cases[i].line,
			     make(&request, variables) == cases[i].err);
		request_release(&request);
	}
}

static void without_a_method_the_request_is_refused(void)
{
	static const char *const variables[] = { "REQUEST_URI=/", NULL };
	struct request request = { 0 };

	CU_ASSERT_EQUAL(make(&request, variables), ERR_INVALID);
	CU_ASSERT_TRUE(request.id.size > 0);
	request_release(&request);
}

static void methods_are_told_apart_by_their_exact_names(void)
{
	static const struct {
		const char *variable;
		enum method method;
	} cases[] = {
		{ "REQUEST_METHOD=GET", METHOD_GET },
		{ "REQUEST_METHOD=HEAD", METHOD_HEAD },
		{ "REQUEST_METHOD=PUT", METHOD_PUT },
		{ "REQUEST_METHOD=POST", METHOD_POST },
		{ "REQUEST_METHOD=PATCH", METHOD_PATCH },
		{ "REQUEST_METHOD=DELETE", METHOD_DELETE },
		{ "REQUEST_METHOD=OPTIONS", METHOD_OPTIONS },
		{ "REQUEST_METHOD=get", METHOD_OTHER },
		{ "REQUEST_METHOD=GETS", METHOD_OTHER },
		{ "REQUEST_METHOD=BREW", METHOD_OTHER },
		{ "REQUEST_METHOD=other", METHOD_OTHER },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const char *const variables[] = { cases[i].variable,
						  "REQUEST_URI=/", NULL };
		struct request request = { 0 };

		CU_ASSERT_EQUAL(make(&request, variables), ERR_OK);
		CU_ASSERT_EQUAL(request.method, cases[i].method);
		request_release(&request);
	}
	CU_ASSERT_STRING_EQUAL(method_name(METHOD_DELETE), "DELETE");
}

static void a_header_that_was_sent_empty_is_not_one_that_was_not_sent(void)
{
	static const char *const variables[] = {
		"REQUEST_METHOD=PUT",
		"REQUEST_URI=/",
		"CONTENT_TYPE=",
		"HTTP_IF_MATCH=\"1\", \"2\"",
		"HTTP_X_UNKNOWN=1",
		"NOVALUE",
		"=x",
		"HTTP_ACCEPT=a=b",
		NULL,
	};
	struct request request = { 0 };

	CU_ASSERT_EQUAL(make(&request, variables), ERR_OK);
	CU_ASSERT_PTR_NOT_NULL(request.content_type.data);
	CU_ASSERT_EQUAL(request.content_type.size, 0);
	CU_ASSERT_PTR_NULL(request.if_none_match.data);
	CU_ASSERT_TRUE(view_equal_string(request.if_match, "\"1\", \"2\""));
	CU_ASSERT_TRUE(view_equal_string(request.accept, "a=b"));
	request_release(&request);
}

#define VARIABLE(name_, member_)                                               \
	{                                                                      \
		__LINE__, name_ "=" #member_, #member_,                        \
			offsetof(struct request, member_)                      \
	}

static void each_variable_goes_to_its_member(void)
{
	static const struct {
		int line;
		const char *variable;
		const char *value;
		size_t offset;
	} cases[] = {
		VARIABLE("REQUEST_METHOD", method_name),
		VARIABLE("REQUEST_URI", target),
		VARIABLE("REDIRECT_URI", redirect_target),
		VARIABLE("REQUEST_SCHEME", scheme),
		VARIABLE("CONTENT_TYPE", content_type),
		VARIABLE("CONTENT_LENGTH", content_length),
		VARIABLE("HTTP_CONTENT_ENCODING", content_encoding),
		VARIABLE("HTTP_CONTENT_RANGE", content_range),
		VARIABLE("HTTP_IF_MATCH", if_match),
		VARIABLE("HTTP_IF_NONE_MATCH", if_none_match),
		VARIABLE("HTTP_IF_MODIFIED_SINCE", if_modified_since),
		VARIABLE("HTTP_IF_UNMODIFIED_SINCE", if_unmodified_since),
		VARIABLE("HTTP_ACCEPT", accept),
		VARIABLE("HTTP_LAST_EVENT_ID", last_event_id),
		VARIABLE("HTTP_AUTHORIZATION", authorization),
		VARIABLE("HTTP_ORIGIN", origin),
		VARIABLE("HTTP_ACCESS_CONTROL_REQUEST_METHOD",
			 access_control_request_method),
		VARIABLE("HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
			 access_control_request_headers),
		VARIABLE("HTTP_X_REQUEST_ID", x_request_id),
		VARIABLE("HTTP_TRACEPARENT", traceparent),
		VARIABLE("HTTP_HOST", host),
	};
	struct request request = { 0 };

	request_reset(&request);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		request_param(&request, cases[i].variable);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const struct view *member =
			(const struct view *)((const char *)&request +
					      cases[i].offset);

		HARNESS_CASE(cases[i].line,
			     view_equal_string(*member, cases[i].value));
	}
	request_release(&request);
}

/* Among them all of lighttpd's that nobody needs. */
static void other_variables_go_nowhere(void)
{
	static const char *const others[] = {
		"SERVER_NAME=x",
		"SERVER_PORT=x",
		"SERVER_ADDR=x",
		"SERVER_PROTOCOL=x",
		"SERVER_SOFTWARE=x",
		"GATEWAY_INTERFACE=x",
		"REMOTE_ADDR=x",
		"REMOTE_PORT=x",
		"SCRIPT_NAME=x",
		"SCRIPT_FILENAME=x",
		"DOCUMENT_ROOT=x",
		"PATH_INFO=x",
		"QUERY_STRING=x",
		"REDIRECT_STATUS=x",
		"HTTP_hOST=x",
		"HTTP_X_HOST=x",
		"HTTP_HOS=x",
		"HTTP_HOSTS=x",
		"CONTENT_TYPF=x",
		"DONTENT_TYPE=x",
		"=x",
		"x",
		"HTTP_A_NAME_OF_MORE_BYTES_THAN_ANY_OF_THOSE=x",
	};
	struct request request;
	struct request untouched;

	memset(&request, 0, sizeof(request));
	memset(&untouched, 0, sizeof(untouched));
	for (size_t i = 0; i < HARNESS_COUNT(others); i++)
		request_param(&request, others[i]);
	CU_ASSERT(!memcmp(&request, &untouched, sizeof(request)));
}

static void a_request_id_is_kept_when_it_is_harmless(void)
{
	char longest[160] = "HTTP_X_REQUEST_ID=";
	static const char *const kept[] = {
		"HTTP_X_REQUEST_ID=a",
		"HTTP_X_REQUEST_ID=azAZ09-_.:+/=@",
	};
	static const char *const replaced[] = {
		"HTTP_X_REQUEST_ID=",         "HTTP_X_REQUEST_ID=a b",
		"HTTP_X_REQUEST_ID=a\"b",     "HTTP_X_REQUEST_ID=a\nb",
		"HTTP_X_REQUEST_ID=\xc3\xa9", "HTTP_X_REQUEST_ID=a,b",
		"HTTP_X_REQUEST_ID=a%b",
	};
	struct request request = { 0 };

	for (size_t i = 0; i < HARNESS_COUNT(kept); i++) {
		const char *const variables[] = { "REQUEST_METHOD=GET",
						  "REQUEST_URI=/", kept[i],
						  NULL };

		make(&request, variables);
		CU_ASSERT_TRUE(view_equal_string(request.id,
						 strchr(kept[i], '=') + 1));
	}
	for (size_t i = 0; i < HARNESS_COUNT(replaced); i++) {
		const char *const variables[] = { "REQUEST_METHOD=GET",
						  "REQUEST_URI=/", replaced[i],
						  NULL };

		make(&request, variables);
		CU_ASSERT_EQUAL(request.id.size, RANDOM_UUID_SIZE - 1);
		CU_ASSERT_PTR_EQUAL(request.id.data, request.made_id);
	}
	for (size_t size = 128; size <= 129; size++) {
		const char *const variables[] = { "REQUEST_METHOD=GET",
						  "REQUEST_URI=/", longest,
						  NULL };
		memset(strchr(longest, '=') + 1, 'x', size);
		make(&request, variables);
		CU_ASSERT_EQUAL(request.id.size,
				size == 128 ? 128 : RANDOM_UUID_SIZE - 1);
	}
	request_release(&request);
}

static void a_trace_id_is_taken_from_a_valid_traceparent_only(void)
{
	static const struct {
		int line;
		const char *variable;
		bool valid;
	} cases[] = {
#define VALID(text) { __LINE__, "HTTP_TRACEPARENT=" text, true }
#define INVALID(text)                                                          \
	{                                                                      \
		__LINE__, "HTTP_TRACEPARENT=" text, false                      \
	}
		VALID("00-" TRACE "-b7ad6b7169203331-01"),
		VALID("01-" TRACE "-b7ad6b7169203331-01"),
		VALID("01-" TRACE "-b7ad6b7169203331-01-more"),
		INVALID("00-" TRACE "-b7ad6b7169203331-01-more"),
		INVALID("01-" TRACE "-b7ad6b7169203331-01more"),
		INVALID("ff-" TRACE "-b7ad6b7169203331-01"),
		INVALID("0g-" TRACE "-b7ad6b7169203331-01"),
		INVALID("00-" TRACE "-b7ad6b7169203331-0"),
		INVALID("00-" TRACE "-b7ad6b7169203331-0x"),
		INVALID("00-" TRACE "-b7ad6b716920333x-01"),
		INVALID("00_" TRACE "-b7ad6b7169203331-01"),
		INVALID("00-0AF7651916CD43DD8448EB211C80319C"
			"-b7ad6b7169203331-01"),
		INVALID("00-00000000000000000000000000000000"
			"-b7ad6b7169203331-01"),
		INVALID("00-" TRACE "-0000000000000000-01"),
		INVALID(""),
#undef VALID
#undef INVALID
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const char *const variables[] = { "REQUEST_METHOD=GET",
						  "REQUEST_URI=/",
						  cases[i].variable, NULL };
		struct request request = { 0 };

		make(&request, variables);
		HARNESS_CASE(cases[i].line,
			     view_equal_string(request.trace_id,
					       cases[i].valid ? TRACE : ""));
		request_release(&request);
	}
}

static void nothing_of_a_request_is_left_for_the_next(void)
{
	static const char *const variables[] = {
		"REQUEST_METHOD=PUT",
		"REQUEST_URI=/a?b",
		"HTTP_IF_MATCH=*",
		NULL,
	};
	struct request request = { 0 };

	make(&request, variables);
	for (int i = 0; i < 100000; i++)
		buf_add_char(&request.body, 'x');
	request_reset(&request);
	CU_ASSERT_EQUAL(request.body.size, 0);
	CU_ASSERT_TRUE(request.body.capacity <= 64 << 10);
	CU_ASSERT_PTR_NULL(request.if_match.data);
	CU_ASSERT_PTR_NULL(request.query.data);
	CU_ASSERT_PTR_NULL(request.id.data);
	CU_ASSERT_EQUAL(request.method, METHOD_OTHER);
	request_release(&request);
}

static void what_is_kept_outlives_the_variables(void)
{
	char variables[][64] = {
		"REQUEST_METHOD=PURGE",
		"REQUEST_URI=/v1/kv/a?b=c",
		"HTTP_ORIGIN=https://app.example",
		"HTTP_X_REQUEST_ID=mine",
		"HTTP_IF_MATCH=*",
	};
	struct request request = { 0 };

	request_reset(&request);
	for (size_t i = 0; i < HARNESS_COUNT(variables); i++)
		request_param(&request, variables[i]);
	CU_ASSERT_EQUAL(request_ready(&request), ERR_OK);
	buf_add_string(&request.body, "body");
	CU_ASSERT_EQUAL(request_keep(&request), ERR_OK);
	memset(variables, 'x', sizeof(variables));
	CU_ASSERT_EQUAL(request.method, METHOD_OTHER);
	CU_ASSERT_TRUE(view_equal_string(request.method_name, "PURGE"));
	CU_ASSERT_TRUE(view_equal_string(request.path, "/v1/kv/a"));
	CU_ASSERT_TRUE(
		view_equal_string(request.origin, "https://app.example"));
	CU_ASSERT_TRUE(view_equal_string(request.id, "mine"));
	CU_ASSERT_PTR_NULL(request.trace_id.data);
	CU_ASSERT_PTR_NULL(request.if_match.data);
	CU_ASSERT_PTR_NULL(request.query.data);
	CU_ASSERT_TRUE(view_equal_string(buf_view(&request.body), "body"));
	request_release(&request);
}

/* One that was made here, and a trace. */
static void an_id_that_was_made_is_kept_as_well(void)
{
	char variables[][96] = {
		"REQUEST_METHOD=PUT",
		"REQUEST_URI=/a",
		"HTTP_TRACEPARENT=00-" TRACE "-b7ad6b7169203331-01",
	};
	struct request request = { 0 };
	char id[RANDOM_UUID_SIZE];

	for (size_t i = 0; i < HARNESS_COUNT(variables); i++)
		request_param(&request, variables[i]);
	CU_ASSERT_EQUAL(request_ready(&request), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(request.id.size, sizeof(id) - 1);
	memcpy(id, request.id.data, request.id.size);
	id[sizeof(id) - 1] = '\0';
	CU_ASSERT_EQUAL(request_keep(&request), ERR_OK);
	memset(variables, 'x', sizeof(variables));
	CU_ASSERT_EQUAL(request.method, METHOD_PUT);
	CU_ASSERT_TRUE(view_equal_string(request.id, id));
	CU_ASSERT_TRUE(view_equal_string(request.trace_id, TRACE));
	CU_ASSERT_PTR_NULL(request.origin.data);
	request_release(&request);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_target_is_path_and_query),
	HARNESS_TEST(a_target_of_another_form_is_refused),
	HARNESS_TEST(a_target_that_was_cut_at_a_nul_is_refused),
	HARNESS_TEST(without_a_method_the_request_is_refused),
	HARNESS_TEST(methods_are_told_apart_by_their_exact_names),
	HARNESS_TEST(a_header_that_was_sent_empty_is_not_one_that_was_not_sent),
	HARNESS_TEST(each_variable_goes_to_its_member),
	HARNESS_TEST(other_variables_go_nowhere),
	HARNESS_TEST(a_request_id_is_kept_when_it_is_harmless),
	HARNESS_TEST(a_trace_id_is_taken_from_a_valid_traceparent_only),
	HARNESS_TEST(nothing_of_a_request_is_left_for_the_next),
	HARNESS_TEST(what_is_kept_outlives_the_variables),
	HARNESS_TEST(an_id_that_was_made_is_kept_as_well),
};

int main(void)
{
	return harness_run("http/request", tests, HARNESS_COUNT(tests));
}
