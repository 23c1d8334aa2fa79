/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "logged.h"

/* What follows `event=` in the one line that was logged. */
static const char *from_event(const char *text)
{
	const char *event = strstr(text, " event=");

	CU_ASSERT_PTR_NOT_NULL_FATAL(event);
	CU_ASSERT_EQUAL(strchr(text, '\n'), text + strlen(text) - 1);
	return event + 1;
}

static void a_line_says_when_who_and_what(void)
{
	struct logged logged;
	const char *text;
	char expected[100];

	logged_begin(&logged);
	log_setup(LOG_INFO, "worker");
	log_event(LOG_WARN, "lock-timeout", "lock", "journal", "none", NULL,
		  "waited_ms", "5000", NULL);
	log_setup(LOG_INFO, "");
	text = logged_end(&logged);
	CU_ASSERT_EQUAL(strncmp(text, "time=2", 6), 0);
	CU_ASSERT_EQUAL(text[5 + 24], ' ');
	snprintf(expected, sizeof(expected),
		 " level=warn pid=%d role=worker event=lock-timeout"
		 " lock=journal waited_ms=5000\n",
		 (int)getpid());
	CU_ASSERT_STRING_EQUAL(text + 5 + 24, expected);
}

static void values_are_quoted_where_they_need_it(void)
{
	static const struct {
		unsigned line;
		const char *value, *written;
	} cases[] = {
		{ __LINE__, "plain-1.2/3:4", "plain-1.2/3:4" },
		{ __LINE__, "", "\"\"" },
		{ __LINE__, "two words", "\"two words\"" },
		{ __LINE__, "a=b", "\"a=b\"" },
		{ __LINE__, "a\"b", "\"a\\x22b\"" },
		{ __LINE__, "a\\x22", "\"a\\x5cx22\"" },
		{ __LINE__, "a\nlevel=info\r\t",
		  "\"a\\x0alevel=info\\x0d\\x09\"" },
		{ __LINE__, "\x1b[31m\x7f", "\"\\x1b[31m\\x7f\"" },
		{ __LINE__, "\xc3\xa4\xff", "\"\\xc3\\xa4\\xff\"" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct logged logged;
		char expected[100];

		unlink(harness_path("log"));
		logged_begin(&logged);
		log_event(LOG_INFO, "e", "v", cases[i].value, NULL);
		snprintf(expected, sizeof(expected), "event=e v=%s\n",
			 cases[i].written);
		HARNESS_CASE(
			cases[i].line,
			!strcmp(from_event(logged_end(&logged)), expected));
	}
}

static void levels_past_the_set_one_are_silent(void)
{
	static const struct {
		unsigned line;
		enum log_level set, used;
		bool written;
	} cases[] = {
		{ __LINE__, LOG_ERROR, LOG_ERROR, true },
		{ __LINE__, LOG_ERROR, LOG_WARN, false },
		{ __LINE__, LOG_WARN, LOG_WARN, true },
		{ __LINE__, LOG_INFO, LOG_DEBUG, false },
		{ __LINE__, LOG_DEBUG, LOG_DEBUG, true },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct logged logged;

		unlink(harness_path("log"));
		logged_begin(&logged);
		log_setup(cases[i].set, "");
		log_event(cases[i].used, "e", NULL);
		log_eventf(cases[i].used, "e", "%s", "x");
		HARNESS_CASE(cases[i].line, (*logged_end(&logged) != '\0') ==
						    cases[i].written);
		HARNESS_CASE(cases[i].line,
			     log_enabled(cases[i].used) == cases[i].written);
	}
	log_setup(LOG_INFO, "");
}

static void lines_bear_the_request_until_it_ends(void)
{
	struct logged logged;
	const char *text;

	logged_begin(&logged);
	log_request_begin(view_of("id-1"), view_of("0af7"));
	log_event(LOG_INFO, "first", NULL);
	log_request_begin(view_of("id 2"), (struct view){ NULL, 0 });
	log_event(LOG_INFO, "second", NULL);
	log_request_end();
	log_event(LOG_INFO, "third", NULL);
	text = logged_end(&logged);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, " event=first request=id-1 trace=0af7\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, " event=second request=\"id 2\"\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " event=third\n"));
}

static void a_long_request_id_is_cut(void)
{
	struct logged logged;
	char id[1000];
	const char *text;

	memset(id, 'i', sizeof(id));
	logged_begin(&logged);
	log_request_begin((struct view){ id, sizeof(id) }, view_of("t"));
	log_event(LOG_INFO, "e", NULL);
	log_request_end();
	text = from_event(logged_end(&logged));
	CU_ASSERT_EQUAL(strlen(text),
			strlen("event=e request= trace=t\n") + 128);
}

static void formatted_detail_is_one_value(void)
{
	struct logged logged;

	logged_begin(&logged);
	log_eventf(LOG_INFO, "e", "%d of %s", 3, "\"four\"");
	CU_ASSERT_STRING_EQUAL(from_event(logged_end(&logged)),
			       "event=e detail=\"3 of \\x22four\\x22\"\n");
}

static void a_failed_call_is_logged_and_translated(void)
{
	struct logged logged;

	logged_begin(&logged);
	CU_ASSERT_EQUAL(log_errno("open-failed", "MANIFEST", ENOSPC), ERR_FULL);
	CU_ASSERT_STRING_EQUAL(from_event(logged_end(&logged)),
			       "event=open-failed what=MANIFEST"
			       " error=\"No space left on device\"\n");
}

/* Of any length, with a value that is plain or needs escapes. */
static void no_line_is_longer_than_a_pipe_takes_at_once(void)
{
	static const char fillers[] = { 'x', ' ', '\n' };

	for (size_t f = 0; f < sizeof(fillers); f++) {
		for (size_t size = 800; size < 4300; size += 7) {
			struct logged logged;
			char value[4300];
			const char *text;
			size_t length;
			bool cut;

			memset(value, fillers[f], size);
			value[size] = '\0';
			unlink(harness_path("log"));
			logged_begin(&logged);
			log_event(LOG_INFO, "e", "v", value, "w", "last", NULL);
			text = logged_end(&logged);
			length = strlen(text);
			cut = !strstr(text, " w=last\n");
			CU_ASSERT(length <= PIPE_BUF);
			CU_ASSERT(!cut || length > PIPE_BUF - 64);
			CU_ASSERT_EQUAL(cut,
					strstr(text, " cut=yes\n") != NULL);
			CU_ASSERT_EQUAL(strchr(text, '\n'), text + length - 1);
		}
	}
}

/* An escape is whole or not there: 4 letters each between the quotes. */
static void an_escape_is_never_cut_in_two(void)
{
	struct logged logged;
	char value[2000];
	static const char event[] = "event";
	const char *text, *quote;

	memset(value, '\n', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	for (size_t shift = 0; shift < 4; shift++) {
		unlink(harness_path("log"));
		logged_begin(&logged);
		log_event(LOG_INFO, event + shift, "v", value, NULL);
		text = logged_end(&logged);
		quote = strchr(text, '"');
		CU_ASSERT_PTR_NOT_NULL_FATAL(quote);
		CU_ASSERT_EQUAL(strcspn(quote + 1, "\"") % 4, 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, "\\x0a\" cut=yes\n"));
	}
}

static void a_broken_stderr_changes_nothing(void)
{
	struct logged logged;

	logged_begin(&logged);
	close(STDERR_FILENO);
	errno = EDOM;
	log_event(LOG_ERROR, "e", NULL);
	CU_ASSERT_EQUAL(errno, EDOM);
	CU_ASSERT_EQUAL(log_errno("e", "x", EIO), ERR_IO);
	logged_end(&logged);
}

/* Many processes at once: every line arrives whole. */
static void lines_of_many_processes_do_not_mix(void)
{
	enum { WRITERS = 4, LINES = 100, LETTERS = 1000 };
	int ends[2];
	size_t lines = 0;
	char line[PIPE_BUF];
	FILE *in;

	CU_ASSERT_FATAL(pipe(ends) == 0);
	for (int w = 0; w < WRITERS; w++) {
		if (fork())
			continue;
		char letters[LETTERS + 1];

		memset(letters, 'a' + w, LETTERS);
		letters[LETTERS] = '\0';
		dup2(ends[1], STDERR_FILENO);
		for (int i = 0; i < LINES; i++)
			log_event(LOG_INFO, "e", "v", letters, NULL);
		_exit(0);
	}
	close(ends[1]);
	in = fdopen(ends[0], "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(in);
	while (fgets(line, sizeof(line), in)) {
		const char *value = strstr(line, "v=\"");
		char letter[2] = { 0 };

		lines++;
		CU_ASSERT_PTR_NOT_NULL_FATAL(value);
		letter[0] = value[3];
		CU_ASSERT_EQUAL(strspn(value + 3, letter), LETTERS);
		CU_ASSERT_STRING_EQUAL(value + 3 + LETTERS, "\"\n");
	}
	fclose(in);
	for (int w = 0; w < WRITERS; w++)
		wait(NULL);
	CU_ASSERT_EQUAL(lines, WRITERS * LINES);
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(a_line_says_when_who_and_what),
		HARNESS_TEST(values_are_quoted_where_they_need_it),
		HARNESS_TEST(levels_past_the_set_one_are_silent),
		HARNESS_TEST(lines_bear_the_request_until_it_ends),
		HARNESS_TEST(a_long_request_id_is_cut),
		HARNESS_TEST(formatted_detail_is_one_value),
		HARNESS_TEST(a_failed_call_is_logged_and_translated),
		HARNESS_TEST(no_line_is_longer_than_a_pipe_takes_at_once),
		HARNESS_TEST(an_escape_is_never_cut_in_two),
		HARNESS_TEST(a_broken_stderr_changes_nothing),
		HARNESS_TEST(lines_of_many_processes_do_not_mix),
	};

	return harness_run("base/log", tests, HARNESS_COUNT(tests));
}
