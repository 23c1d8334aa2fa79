/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "harness.h"

enum { WORDS_MAX = 8 };

#define UNFIT                                                                  \
	"the value has a line break, a blank at an end, or a '#' where a "     \
	"comment begins"

/* What a start is given; lists end with the first NULL. */
struct given {
	char *flags[WORDS_MAX];
	char *variables[WORDS_MAX];
};

static enum err load(const struct given *given, struct conf *conf,
		     struct buf *message)
{
	int argc = 0;

	while (given->flags[argc])
		argc++;
	return conf_load(conf, argc, given->flags, given->variables, message);
}

static const char *write_file(const char *name, struct view text)
{
	const char *path = harness_path(name);
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(text.data, 1, text.size, file), text.size);
	CU_ASSERT_EQUAL(fclose(file), 0);
	return path;
}

/* Loads; the result must be a refusal with this sentence. */
static void check_refused(unsigned line, const struct given *given,
			  const char *sentence)
{
	struct conf conf;
	struct buf message = BUF_EMPTY;

	HARNESS_CASE(line, load(given, &conf, &message) == ERR_SETTING);
	HARNESS_CASE(line, !strcmp(buf_string(&message), sentence));
	if (strcmp(buf_string(&message), sentence))
		printf("# line %u says: %s\n", line, buf_string(&message));
	buf_release(&message);
	conf_release(&conf);
}

/* The same for a file of this text, whose path the sentence has inside. */
static void check_file_refused(unsigned line, struct view text,
			       const char *before, const char *after)
{
	const char *path = write_file("conf", text);
	struct buf flag = BUF_EMPTY, sentence = BUF_EMPTY;
	struct given given = { .flags = { NULL } };

	buf_addf(&flag, "--config-file=%s", path);
	given.flags[0] = (char *)(uintptr_t)buf_string(&flag);
	buf_addf(&sentence, "%s%s%s", before, path, after);
	check_refused(line, &given, buf_string(&sentence));
	buf_release(&flag);
	buf_release(&sentence);
}

/* The settings printed, which is also a settings file. */
static void print(const struct conf *conf, struct buf *out)
{
	const char *path = harness_path("printed");
	FILE *file = fopen(path, "w+");
	char bytes[8192];
	size_t size;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	conf_print(conf, file);
	rewind(file);
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	buf_add(out, bytes, size);
}

static void without_anything_all_is_default(void)
{
	const struct given given = { .flags = { NULL } };
	struct conf conf;
	struct buf message = BUF_EMPTY;

	CU_ASSERT_EQUAL(load(&given, &conf, &message), ERR_OK);
	CU_ASSERT_STRING_EQUAL(buf_string(&message), "");
	CU_ASSERT_STRING_EQUAL(conf.data_dir, DEFAULT_DATA_DIR);
	CU_ASSERT_STRING_EQUAL(conf.run_dir, DEFAULT_RUN_DIR);
	CU_ASSERT_STRING_EQUAL(conf.listen, "");
	CU_ASSERT_STRING_EQUAL(conf.engine, "gdbm");
	CU_ASSERT_EQUAL(conf.workers, 0);
	CU_ASSERT_EQUAL(conf.round_max, 64);
	CU_ASSERT_EQUAL(conf.request_timeout_ms, 10000);
	CU_ASSERT_EQUAL(conf.lock_timeout_ms, 5000);
	CU_ASSERT_EQUAL(conf.drain_timeout_ms, 10000);
	CU_ASSERT_EQUAL(conf.value_max_bytes, 8388608);
	CU_ASSERT_EQUAL(conf.txn_max_ops, 1024);
	CU_ASSERT_EQUAL(conf.txn_max_bytes, 8388608);
	CU_ASSERT_FALSE(conf.require_conditions);
	CU_ASSERT_EQUAL(conf.journal_segment_bytes, 67108864);
	CU_ASSERT_EQUAL(conf.journal_max_bytes, 536870912);
	CU_ASSERT_EQUAL(conf.memtable_bytes, 50331648);
	CU_ASSERT_EQUAL(conf.table_max_keys, 60000);
	CU_ASSERT_EQUAL(conf.table_max_bytes, 16777216);
	CU_ASSERT_EQUAL(conf.read_cache_bytes, 4194304);
	CU_ASSERT_EQUAL(conf.checkpoint_idle_ms, 5000);
	CU_ASSERT_EQUAL(conf.expiry_interval_ms, 1000);
	CU_ASSERT_EQUAL(conf.history_bytes, 134217728);
	CU_ASSERT_STRING_EQUAL(conf.log_level, "info");
	CU_ASSERT_STRING_EQUAL(conf.cors_origin, "*");
	CU_ASSERT_STRING_EQUAL(conf.token_file, "");
	buf_release(&message);
	conf_release(&conf);
}

static void a_flag_wins_over_a_variable_and_that_over_the_file(void)
{
	struct buf flag = BUF_EMPTY, message = BUF_EMPTY, text = BUF_EMPTY;
	struct conf conf;
	struct given given = {
		.flags = { "--workers=3", NULL },
		.variables = { "LIBRAPI_WORKERS=4", "LIBRAPI_ROUND_MAX=5" },
	};

	buf_addf(&flag, "--config-file=%s",
		 write_file("conf", view_of("workers = 6\nround-max = 7\n"
					    "table-max-keys = 8\n")));
	given.flags[1] = (char *)(uintptr_t)buf_string(&flag);
	CU_ASSERT_EQUAL(load(&given, &conf, &message), ERR_OK);
	CU_ASSERT_EQUAL(conf.workers, 3);
	CU_ASSERT_EQUAL(conf.round_max, 5);
	CU_ASSERT_EQUAL(conf.table_max_keys, 8);
	print(&conf, &text);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(buf_string(&text), "\nworkers = 3  # flag\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(buf_string(&text), "\nround-max = 5  # environment\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(buf_string(&text), "\ntable-max-keys = 8  # file\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(buf_string(&text), "\nlisten =   # default\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_string(&text), harness_path("conf")));
	buf_release(&flag);
	buf_release(&message);
	buf_release(&text);
	conf_release(&conf);
}

static void flags_are_read_in_every_form(void)
{
	static const struct given given = {
		.flags = { "--data-dir", "/a b", "--require-conditions",
			   "--listen=", "--log-level=debug", "--workers", "1" },
	};
	struct conf conf;
	struct buf message = BUF_EMPTY;

	CU_ASSERT_EQUAL(load(&given, &conf, &message), ERR_OK);
	CU_ASSERT_STRING_EQUAL(conf.data_dir, "/a b");
	CU_ASSERT(conf.require_conditions);
	CU_ASSERT_STRING_EQUAL(conf.listen, "");
	CU_ASSERT_STRING_EQUAL(conf.log_level, "debug");
	CU_ASSERT_EQUAL(conf.workers, 1);
	buf_release(&message);
	conf_release(&conf);
}

static void a_switch_takes_a_value_too(void)
{
	static const struct {
		unsigned line;
		struct given given;
		bool on;
	} cases[] = {
		{ __LINE__, { .flags = { "--require-conditions" } }, true },
		{ __LINE__, { .flags = { "--require-conditions=no" } }, false },
		{ __LINE__,
		  { .flags = { "--require-conditions", "yes" } },
		  true },
		{ __LINE__,
		  { .flags = { "--require-conditions", "--workers=1" } },
		  true },
		{ __LINE__,
		  { .flags = { "--require-conditions",
			       "--require-conditions=0" } },
		  false },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct conf conf;
		struct buf message = BUF_EMPTY;

		HARNESS_CASE(cases[i].line,
			     load(&cases[i].given, &conf, &message) == ERR_OK);
		HARNESS_CASE(cases[i].line,
			     conf.require_conditions == cases[i].on);
		buf_release(&message);
		conf_release(&conf);
	}
}

static void wrong_flags_are_refused(void)
{
	static const struct {
		unsigned line;
		struct given given;
		const char *sentence;
	} cases[] = {
		{ __LINE__,
		  { .flags = { "--wrokers=3" } },
		  "--wrokers on the command line is not a setting; did you "
		  "mean --workers?" },
		{ __LINE__,
		  { .flags = { "--quite-unheard-of" } },
		  "--quite-unheard-of on the command line is not a setting; "
		  "librapi --help lists them" },
		{ __LINE__,
		  { .flags = { "--workers=65" } },
		  "workers must be 0 to 64, not '65' (--workers on the command "
		  "line)" },
		{ __LINE__,
		  { .flags = { "--workers", "-5" } },
		  "workers must be 0 to 64, not '-5' (--workers on the command "
		  "line)" },
		{ __LINE__,
		  { .flags = { "--workers" } },
		  "--workers on the command line: its value is missing" },
		{ __LINE__,
		  { .flags = { "--workers", "--round-max=1" } },
		  "--workers on the command line: its value is missing" },
		{ __LINE__,
		  { .flags = { "--config-file" } },
		  "--config-file on the command line: its value is missing" },
		{ __LINE__,
		  { .flags = { "workers=3" } },
		  "'workers=3' is not understood; settings are given as "
		  "--name=value" },
		{ __LINE__,
		  { .flags = { "-w" } },
		  "'-w' is not understood; settings are given as --name=value" },
		{ __LINE__,
		  { .flags = { "--" } },
		  "'--' is not understood; settings are given as --name=value" },
		{ __LINE__,
		  { .flags = { "" } },
		  "'' is not understood; settings are given as --name=value" },
		{ __LINE__,
		  { .flags = { "--=3" } },
		  "-- on the command line is not a setting; librapi --help "
		  "lists them" },
		{ __LINE__,
		  { .flags = { "--engine=memory" } },
		  "workers must be 1, not 0, when engine is memory: its data "
		  "is in one process" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		check_refused(cases[i].line, &cases[i].given,
			      cases[i].sentence);
}

static void wrong_variables_are_refused(void)
{
	static const struct {
		unsigned line;
		struct given given;
		const char *sentence;
	} cases[] = {
		{ __LINE__,
		  { .variables = { "LIBRAPI_DATADIR=/x" } },
		  "LIBRAPI_DATADIR in the environment is not a setting; did you "
		  "mean LIBRAPI_DATA_DIR?" },
		{ __LINE__,
		  { .variables = { "LIBRAPI_workers=1" } },
		  "LIBRAPI_workers in the environment is not a setting; did you "
		  "mean LIBRAPI_WORKERS?" },
		{ __LINE__,
		  { .variables = { "LIBRAPI_=1" } },
		  "LIBRAPI_ in the environment is not a setting; librapi --help "
		  "lists them" },
		{ __LINE__,
		  { .variables = { "LIBRAPI_PORT=8080" } },
		  "LIBRAPI_PORT in the environment is not a setting; librapi "
		  "--help lists them" },
		{ __LINE__,
		  { .variables = { "LIBRAPI_WORKERS=" } },
		  "workers must be 0 to 64, not '' (LIBRAPI_WORKERS in the "
		  "environment)" },
		{ __LINE__,
		  { .variables = { "LIBRAPI_DATA_DIR=/a\n/b" } },
		  "LIBRAPI_DATA_DIR in the environment: " UNFIT },
		{ __LINE__,
		  { .variables = { "LIBRAPI_DATA_DIR= /a" } },
		  "LIBRAPI_DATA_DIR in the environment: " UNFIT },
		{ __LINE__,
		  { .variables = { "LIBRAPI_DATA_DIR=/a #b" } },
		  "LIBRAPI_DATA_DIR in the environment: " UNFIT },
		{ __LINE__,
		  { .flags = { "--workers=1" },
		    .variables = { "LIBRAPI_WORKERS=many" } },
		  "workers must be 0 to 64, not 'many' (LIBRAPI_WORKERS in the "
		  "environment)" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		check_refused(cases[i].line, &cases[i].given,
			      cases[i].sentence);
}

/* As of a container beside Services called librapi and librapi-web. */
static void variables_of_kubernetes_are_let_pass(void)
{
	static char *const variables[] = {
		"PATH=/bin",
		"XLIBRAPI_WORKERS=no",
		"LIBRAPI_SERVICE_HOST=10.0.0.1",
		"LIBRAPI_SERVICE_PORT=8080",
		"LIBRAPI_SERVICE_PORT_HTTP=8080",
		"LIBRAPI_PORT=tcp://10.0.0.1:8080",
		"LIBRAPI_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"LIBRAPI_PORT_8080_TCP_PROTO=tcp",
		"LIBRAPI_PORT_8080_TCP_PORT=8080",
		"LIBRAPI_PORT_8080_TCP_ADDR=10.0.0.1",
		"LIBRAPI_WEB_SERVICE_HOST=10.0.0.2",
		"LIBRAPI_WEB_SERVICE_PORT=80",
		"LIBRAPI_WEB_SERVICE_PORT_HTTP=80",
		"LIBRAPI_WEB_PORT=tcp://10.0.0.2:80",
		"LIBRAPI_WEB_PORT_80_TCP_ADDR=10.0.0.2",
		NULL,
	};
	struct conf conf;
	struct buf message = BUF_EMPTY;

	CU_ASSERT_EQUAL(conf_load(&conf, 0, NULL, variables, &message), ERR_OK);
	CU_ASSERT_STRING_EQUAL(buf_string(&message), "");
	buf_release(&message);
	conf_release(&conf);
}

static void the_file_is_read_line_by_line(void)
{
	static const char text[] = "# a comment\n"
				   "\n"
				   "  \t\n"
				   "data-dir = /srv/my data  # said here\n"
				   "\tworkers=2\r\n"
				   "listen=\n"
				   "  # indented\n"
				   "run-dir = /run/a#b=c\n"
				   "require-conditions = yes";
	struct buf variable = BUF_EMPTY, message = BUF_EMPTY;
	struct given given = { .flags = { NULL } };
	struct conf conf;

	buf_addf(&variable, "LIBRAPI_CONFIG_FILE=%s",
		 write_file("conf", view_of(text)));
	given.variables[0] = (char *)(uintptr_t)buf_string(&variable);
	CU_ASSERT_EQUAL(load(&given, &conf, &message), ERR_OK);
	CU_ASSERT_STRING_EQUAL(buf_string(&message), "");
	CU_ASSERT_STRING_EQUAL(conf.data_dir, "/srv/my data");
	CU_ASSERT_STRING_EQUAL(conf.run_dir, "/run/a#b=c");
	CU_ASSERT_STRING_EQUAL(conf.listen, "");
	CU_ASSERT_EQUAL(conf.workers, 2);
	CU_ASSERT(conf.require_conditions);
	buf_release(&variable);
	buf_release(&message);
	conf_release(&conf);
}

static void wrong_lines_are_refused_with_their_number(void)
{
	static const struct {
		unsigned line;
		struct view text;
		const char *before, *after;
	} cases[] = {
		{ __LINE__, VIEW_LITERAL("\n\nworkers 3\n"), "",
		  ", line 3: this is not name = value" },
		{ __LINE__, VIEW_LITERAL("config-file = /other\n"), "",
		  ", line 1: config-file says where this file is, and can't be "
		  "in it" },
		{ __LINE__, VIEW_LITERAL("= 3\n"), "",
		  ", line 1: '' is not a setting; librapi --help lists them" },
		{ __LINE__, VIEW_LITERAL("# x\nworker = 3"), "",
		  ", line 2: 'worker' is not a setting; did you mean "
		  "workers?" },
		{ __LINE__, VIEW_LITERAL("workers = 3 4\n"),
		  "workers must be 0 to 64, not '3 4' (", ", line 1)" },
		{ __LINE__, VIEW_LITERAL("workers = 3\n\nworkers = 3\n"), "",
		  ", line 3: workers is already set in line 1" },
		{ __LINE__, VIEW_LITERAL("data-dir = /a\0b\n"), "",
		  ", line 1: the value has a NUL byte" },
		{ __LINE__, VIEW_LITERAL("data-dir =#/a\n"), "",
		  ", line 1: " UNFIT },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		check_file_refused(cases[i].line, cases[i].text,
				   cases[i].before, cases[i].after);
}

static void a_file_that_can_not_be_read_is_told(void)
{
	struct buf large = BUF_EMPTY;
	static const struct {
		unsigned line;
		const char *name;
		enum err err;
		int errnum;
	} cases[] = {
		{ __LINE__, "missing", ERR_ACCESS, ENOENT },
		{ __LINE__, "large/x", ERR_ACCESS, ENOTDIR },
		{ __LINE__, "folder", ERR_IO, EISDIR },
		{ __LINE__, "large", ERR_FULL, EFBIG },
	};

	for (int i = 0; i < 65537; i++)
		buf_add_char(&large, '\n');
	write_file("large", buf_view(&large));
	CU_ASSERT_EQUAL(mkdir(harness_path("folder"), 0700), 0);
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		char *variables[2] = { NULL, NULL };
		struct buf variable = BUF_EMPTY, message = BUF_EMPTY;
		struct buf sentence = BUF_EMPTY;
		struct conf conf;

		buf_addf(&variable, "LIBRAPI_CONFIG_FILE=%s",
			 harness_path(cases[i].name));
		buf_addf(&sentence, "can't read the settings file %s: %s",
			 harness_path(cases[i].name),
			 strerror(cases[i].errnum));
		variables[0] = (char *)(uintptr_t)buf_string(&variable);
		HARNESS_CASE(cases[i].line,
			     conf_load(&conf, 0, NULL, variables, &message) ==
				     cases[i].err);
		HARNESS_CASE(cases[i].line, !strcmp(buf_string(&message),
						    buf_string(&sentence)));
		buf_release(&variable);
		buf_release(&message);
		buf_release(&sentence);
		conf_release(&conf);
	}
	buf_release(&large);
}

static void what_is_printed_can_be_read_again(void)
{
	static const struct given given = {
		.flags = { "--data-dir=/a b", "--workers=1", "--engine=memory",
			   "--require-conditions", "--cors-origin=" },
	};
	struct buf first = BUF_EMPTY, second = BUF_EMPTY, flag = BUF_EMPTY;
	struct buf message = BUF_EMPTY;
	struct given again = { .flags = { NULL } };
	struct conf conf;

	CU_ASSERT_EQUAL(load(&given, &conf, &message), ERR_OK);
	print(&conf, &first);
	conf_release(&conf);
	buf_addf(&flag, "--config-file=%s",
		 write_file("conf", buf_view(&first)));
	again.flags[0] = (char *)(uintptr_t)buf_string(&flag);
	CU_ASSERT_EQUAL(load(&again, &conf, &message), ERR_OK);
	CU_ASSERT_STRING_EQUAL(buf_string(&message), "");
	print(&conf, &second);
	CU_ASSERT_STRING_EQUAL(conf.data_dir, "/a b");
	CU_ASSERT_STRING_EQUAL(conf.engine, "memory");
	CU_ASSERT_STRING_EQUAL(conf.cors_origin, "");
	CU_ASSERT_EQUAL(strstr(buf_string(&second), "# default"), NULL);
	conf_release(&conf);
	buf_release(&first);
	buf_release(&second);
	buf_release(&flag);
	buf_release(&message);
}

static void help_fits_the_screen_and_lists_every_setting(void)
{
	struct conf conf;
	struct buf message = BUF_EMPTY, text = BUF_EMPTY;
	const struct given given = { .flags = { NULL } };
	FILE *file = fopen(harness_path("help"), "w+");
	char line[200];
	unsigned names = 0, printed = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	conf_help(file);
	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		CU_ASSERT(strlen(line) <= 80);
		CU_ASSERT_EQUAL(strncmp(line, "  ", 2), 0);
		names += !strncmp(line, "  --", 4);
	}
	fclose(file);
	CU_ASSERT_EQUAL(load(&given, &conf, &message), ERR_OK);
	print(&conf, &text);
	for (size_t i = 0; i < text.size; i++)
		printed += text.data[i] == '\n';
	CU_ASSERT_EQUAL(names, printed + 1); /* config-file is not printed */
	conf_release(&conf);
	buf_release(&message);
	buf_release(&text);
}

static void every_failing_allocation_is_told(void)
{
	struct buf flag = BUF_EMPTY;
	struct given given = { .flags = { "--workers=1", NULL },
			       .variables = { "LIBRAPI_ENGINE=memory" } };

	buf_addf(&flag, "--config-file=%s",
		 write_file("conf", view_of("round-max = 7\n")));
	given.flags[1] = (char *)(uintptr_t)buf_string(&flag);
	for (unsigned n = 1; fault_available(FAULT_MEMORY); n++) {
		struct conf conf;
		struct buf message = BUF_EMPTY;
		enum err err;

		fault_arm(FAULT_MEMORY, n, 0);
		err = load(&given, &conf, &message);
		if (!fault_disarm()) {
			CU_ASSERT_EQUAL(err, ERR_OK);
			CU_ASSERT(n > 20);
			conf_release(&conf);
			buf_release(&message);
			break;
		}
		/* stdio does without its buffer. */
		CU_ASSERT(err == ERR_NO_MEMORY || err == ERR_OK);
		CU_ASSERT_EQUAL(err != ERR_OK, message.size > 0);
		conf_release(&conf);
		buf_release(&message);
	}
	buf_release(&flag);
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(without_anything_all_is_default),
		HARNESS_TEST(
			a_flag_wins_over_a_variable_and_that_over_the_file),
		HARNESS_TEST(flags_are_read_in_every_form),
		HARNESS_TEST(a_switch_takes_a_value_too),
		HARNESS_TEST(wrong_flags_are_refused),
		HARNESS_TEST(wrong_variables_are_refused),
		HARNESS_TEST(variables_of_kubernetes_are_let_pass),
		HARNESS_TEST(the_file_is_read_line_by_line),
		HARNESS_TEST(wrong_lines_are_refused_with_their_number),
		HARNESS_TEST(a_file_that_can_not_be_read_is_told),
		HARNESS_TEST(what_is_printed_can_be_read_again),
		HARNESS_TEST(help_fits_the_screen_and_lists_every_setting),
		HARNESS_TEST(every_failing_allocation_is_told),
	};

	return harness_run("base/conf", tests, HARNESS_COUNT(tests));
}
