/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/sha256.h"
#include "fault.h"
#include "harness.h"
#include "logged.h"

static char path[4096];
static struct buf text;

static void write_text(const char *bytes)
{
	char temporary[4100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tokens", harness_tmpdir());
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	f = fopen(temporary, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_NOT_EQUAL(fputs(bytes, f), EOF);
	CU_ASSERT_EQUAL(fclose(f), 0);
	CU_ASSERT_EQUAL(rename(temporary, path), 0);
}

/* The line of a token, with what stands behind its digest. */
static const char *line(const char *token, const char *rest)
{
	struct sha256 digest = sha256_of(view_of(token));
	char hex[SHA256_HEX_SIZE];

	sha256_to_hex(&digest, hex);
	buf_clear(&text);
	buf_addf(&text, "%s%s", hex, rest);
	return buf_string(&text);
}

static struct access_file *open_file(void)
{
	struct buf message = BUF_EMPTY;
	struct access_file *file;

	CU_ASSERT_EQUAL(access_open(path, &file, &message), ERR_OK);
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_STRING_EQUAL(buf_string(&message), "");
	buf_release(&message);
	return file;
}

static bool knows(const struct access_file *file, const char *token)
{
	struct access access;

	return access_find(file, view_of(token), &access);
}

static void a_line_says_role_and_prefix(void)
{
	static const struct {
		int line;
		const char *rest;
		enum auth_role role;
		const char *prefix;
	} cases[] = {
		{ __LINE__, " read", ROLE_READ, "" },
		{ __LINE__, "\twrite \t app/\n", ROLE_WRITE, "app/" },
		{ __LINE__, " admin\r\n", ROLE_ADMIN, "" },
		{ __LINE__, " read a%20b%2F%25\n# end", ROLE_READ, "a b/%" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct access_file *file;
		struct access access = { 0 };

		write_text(line("t", cases[i].rest));
		file = open_file();
		HARNESS_CASE(cases[i].line,
			     access_find(file, VIEW_LITERAL("t"), &access));
		HARNESS_CASE(cases[i].line, access.role == cases[i].role);
		HARNESS_CASE(cases[i].line,
			     view_equal_string(access.prefix, cases[i].prefix));
		CU_ASSERT_FALSE(knows(file, "u"));
		CU_ASSERT_FALSE(knows(file, ""));
		access_close(file);
	}
}

static void a_mistake_is_told_with_its_line(void)
{
	static const struct {
		int line;
		const char *rest;
		const char *what;
	} cases[] = {
		{ __LINE__, "", "line 2 has no role" },
		{ __LINE__, " root", "line 2 has no role" },
		{ __LINE__, " Read", "line 2 has no role" },
		{ __LINE__, "0 read", "line 2 begins with no SHA-256" },
		{ __LINE__, " read %", "line 2 has a prefix" },
		{ __LINE__, " read %2", "line 2 has a prefix" },
		{ __LINE__, " read a b", "line 2 has something behind" },
		{ __LINE__, " read\nx read", "line 3 begins with no SHA-256" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf message = BUF_EMPTY, all = BUF_EMPTY;
		struct access_file *file;

		buf_addf(&all, "# first\n%s\n", line("t", cases[i].rest));
		write_text(buf_string(&all));
		HARNESS_CASE(cases[i].line,
			     access_open(path, &file, &message) == ERR_SETTING);
		HARNESS_CASE(cases[i].line, !file);
		HARNESS_CASE(cases[i].line,
			     strstr(buf_string(&message), cases[i].what));
		buf_release(&message);
		buf_release(&all);
	}
}

static void a_file_that_is_not_there_is_told(void)
{
	struct buf message = BUF_EMPTY;
	struct access_file *file;

	CU_ASSERT_EQUAL(access_open("/nowhere/tokens", &file, &message),
			ERR_ACCESS);
	CU_ASSERT_PTR_NULL(file);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(buf_string(&message), "/nowhere/tokens: No such file"));
	buf_release(&message);
	access_close(NULL);
}

static void an_empty_file_lets_nobody_in(void)
{
	struct access_file *file;

	write_text("");
	file = open_file();
	CU_ASSERT_FALSE(knows(file, ""));
	CU_ASSERT_FALSE(knows(file, "t"));
	access_close(file);
}

static void another_file_is_read(void)
{
	struct access_file *file;

	write_text(line("old", " read"));
	file = open_file();
	write_text(line("new", " read"));
	access_hurry(file);
	access_refresh(file, false);
	CU_ASSERT_FALSE(knows(file, "old"));
	CU_ASSERT(knows(file, "new"));
	/* Not a second later. */
	write_text(line("newer", " read"));
	access_refresh(file, false);
	CU_ASSERT(knows(file, "new"));
	access_close(file);
}

static void a_broken_file_changes_nothing(void)
{
	struct access_file *file;

	write_text(line("old", " read"));
	file = open_file();
	write_text(line("new", " reed"));
	access_hurry(file);
	access_refresh(file, false);
	CU_ASSERT(knows(file, "old"));
	CU_ASSERT_FALSE(knows(file, "new"));
	CU_ASSERT_EQUAL(remove(path), 0);
	access_hurry(file);
	access_refresh(file, false);
	CU_ASSERT(knows(file, "old"));
	write_text(line("new", " read"));
	access_hurry(file);
	access_refresh(file, false);
	CU_ASSERT_FALSE(knows(file, "old"));
	CU_ASSERT(knows(file, "new"));
	access_close(file);
}

static void look_again(struct access_file *file, bool tell)
{
	access_hurry(file);
	access_refresh(file, tell);
}

static void what_could_not_be_read_is_read_at_the_next_look(void)
{
	static const struct {
		enum fault fault;
		int errnum;
	} cases[] = {
		{ FAULT_CALL, EMFILE },
		{ FAULT_READ, EIO },
		{ FAULT_MEMORY, ENOMEM },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		bool struck = fault_available(cases[i].fault);

		for (unsigned n = 1; struck; n++) {
			struct access_file *file;

			write_text(line("old", " read"));
			file = open_file();
			write_text(line("new", " read"));
			fault_arm(cases[i].fault, n, cases[i].errnum);
			look_again(file, false);
			struck = fault_disarm();
			CU_ASSERT(knows(file, "old") != knows(file, "new"));
			CU_ASSERT(struck || knows(file, "new"));
			look_again(file, false);
			CU_ASSERT_FALSE(knows(file, "old"));
			CU_ASSERT(knows(file, "new"));
			access_close(file);
		}
	}
}

static size_t count_of(const char *told, const char *what)
{
	size_t count = 0;

	while ((told = strstr(told, what))) {
		told += strlen(what);
		count++;
	}
	return count;
}

/* Nobody else may find that it is this process that has no descriptors. */
static void a_failure_of_one_process_is_told_once(void)
{
	struct access_file *file;
	struct logged logged;
	struct rlimit limit;
	struct rlimit none;
	const char *told;

	write_text(line("old", " read"));
	file = open_file();
	write_text(line("new", " read"));
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	logged_begin(&logged);
	setrlimit(RLIMIT_NOFILE, &none);
	for (int i = 0; i < 3; i++)
		look_again(file, false);
	setrlimit(RLIMIT_NOFILE, &limit);
	CU_ASSERT(knows(file, "old"));
	for (int i = 0; i < 3; i++)
		look_again(file, false);
	told = logged_end(&logged);
	CU_ASSERT_EQUAL(count_of(told, "event="), 2);
	CU_ASSERT_EQUAL(count_of(told, "event=tokens-kept"), 1);
	CU_ASSERT_EQUAL(count_of(told, "Too many open files"), 1);
	CU_ASSERT_EQUAL(count_of(told, "event=tokens-read"), 1);
	CU_ASSERT(knows(file, "new"));
	access_close(file);
}

/* Another failure is told, and a mistake by one process alone. */
static void each_failure_is_told_once(void)
{
	struct access_file *file;
	struct logged logged;
	const char *told;

	write_text(line("old", " read"));
	file = open_file();
	logged_begin(&logged);
	CU_ASSERT_EQUAL(remove(path), 0);
	look_again(file, false);
	look_again(file, false);
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	look_again(file, false);
	look_again(file, false);
	CU_ASSERT_EQUAL(remove(path), 0);
	write_text(line("new", " reed"));
	look_again(file, false);
	look_again(file, false);
	write_text(line("new", " ride"));
	look_again(file, true);
	look_again(file, true);
	told = logged_end(&logged);
	CU_ASSERT_EQUAL(count_of(told, "event="), 3);
	CU_ASSERT_EQUAL(count_of(told, "No such file"), 1);
	CU_ASSERT_EQUAL(count_of(told, "Is a directory"), 1);
	CU_ASSERT_EQUAL(count_of(told, "has no role"), 1);
	CU_ASSERT(knows(file, "old"));
	access_close(file);
}

static void a_file_that_is_too_large_is_a_mistake(void)
{
	struct buf message = BUF_EMPTY, all = BUF_EMPTY;
	struct access_file *file;
	struct logged logged;

	while (all.size < 1 << 20)
		buf_add_string(&all, "# nobody\n");
	write_text(buf_string(&all));
	logged_begin(&logged);
	CU_ASSERT_EQUAL(access_open(path, &file, &message), ERR_SETTING);
	CU_ASSERT_STRING_EQUAL(logged_end(&logged), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_string(&message), "1048576 bytes"));
	buf_release(&message);
	buf_release(&all);
}

static void many_tokens_are_all_known(void)
{
	struct buf all = BUF_EMPTY;
	struct access_file *file;
	char token[16];

	for (int i = 0; i < 100; i++) {
		snprintf(token, sizeof(token), "t%d", i);
		buf_addf(&all, "%s\n", line(token, i % 2 ? " read" : " admin"));
	}
	write_text(buf_string(&all));
	file = open_file();
	for (int i = 0; i < 100; i++) {
		struct access access = { .role = ROLE_ANYBODY };

		snprintf(token, sizeof(token), "t%d", i);
		CU_ASSERT(access_find(file, view_of(token), &access));
		CU_ASSERT_EQUAL(access.role, i % 2 ? ROLE_READ : ROLE_ADMIN);
	}
	access_close(file);
	buf_release(&all);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_line_says_role_and_prefix),
	HARNESS_TEST(a_mistake_is_told_with_its_line),
	HARNESS_TEST(a_file_that_is_not_there_is_told),
	HARNESS_TEST(an_empty_file_lets_nobody_in),
	HARNESS_TEST(another_file_is_read),
	HARNESS_TEST(a_broken_file_changes_nothing),
	HARNESS_TEST(what_could_not_be_read_is_read_at_the_next_look),
	HARNESS_TEST(a_failure_of_one_process_is_told_once),
	HARNESS_TEST(each_failure_is_told_once),
	HARNESS_TEST(a_file_that_is_too_large_is_a_mistake),
	HARNESS_TEST(many_tokens_are_all_known),
};

int main(void)
{
	int status = harness_run("api/access", tests, HARNESS_COUNT(tests));

	buf_release(&text);
	return status;
}
