/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/setting.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "harness.h"

static const struct setting *find(const char *name)
{
	const struct setting *setting = setting_find(view_of(name));

	CU_ASSERT_PTR_NOT_NULL_FATAL(setting);
	return setting;
}

static void every_row_is_complete_and_its_default_allowed(void)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = &settings[i];
		struct conf conf = { .owned = NULL };
		char variable[SETTING_NAME_SIZE];
		struct buf text = BUF_EMPTY;

		CU_ASSERT_PTR_NOT_NULL_FATAL(setting->name);
		CU_ASSERT_EQUAL(setting_find(view_of(setting->name)), setting);
		setting_variable(setting->name, variable);
		CU_ASSERT_EQUAL(setting_find_variable(view_of(variable)),
				setting);
		CU_ASSERT(setting_read(setting, setting->initial, &conf));
		setting_write(setting, &conf, &text);
		CU_ASSERT_STRING_EQUAL(buf_string(&text), setting->initial);
		CU_ASSERT(strlen(setting->about) > 10);
		CU_ASSERT_EQUAL(strchr(setting->about, '.'), NULL);
		buf_release(&text);
	}
}

/* Each fills a place of its own: no two rows name one member. */
static void no_two_settings_share_a_member(void)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		for (size_t j = 0; j < i; j++) {
			CU_ASSERT_NOT_EQUAL(settings[i].offset,
					    settings[j].offset);
			CU_ASSERT_STRING_NOT_EQUAL(settings[i].name,
						   settings[j].name);
		}
	}
}

static void numbers_are_held_to_their_bounds(void)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = &settings[i];
		struct conf conf = { .owned = NULL };
		struct buf least = BUF_EMPTY, most = BUF_EMPTY;
		struct buf under = BUF_EMPTY, over = BUF_EMPTY;

		if (setting->type != SETTING_NUMBER)
			continue;
		buf_add_uint64(&least, setting->min);
		buf_add_uint64(&most, setting->max);
		buf_add_uint64(&under, setting->min - 1);
		buf_add_uint64(&over, setting->max + 1);
		CU_ASSERT(setting_read(setting, buf_string(&least), &conf));
		CU_ASSERT(setting_read(setting, buf_string(&most), &conf));
		CU_ASSERT_FALSE(
			setting_read(setting, buf_string(&under), &conf));
		CU_ASSERT_FALSE(
			setting_read(setting, buf_string(&over), &conf));
		buf_release(&least);
		buf_release(&most);
		buf_release(&under);
		buf_release(&over);
	}
}

static void values_of_every_type_are_checked(void)
{
	static const struct {
		unsigned line;
		const char *name, *text;
		bool allowed;
	} cases[] = {
		{ __LINE__, "workers", "64", true },
		{ __LINE__, "workers", "064", true },
		{ __LINE__, "workers", "", false },
		{ __LINE__, "workers", "-1", false },
		{ __LINE__, "workers", "1k", false },
		{ __LINE__, "workers", " 1", false },
		{ __LINE__, "workers", "99999999999999999999999", false },
		{ __LINE__, "require-conditions", "true", true },
		{ __LINE__, "require-conditions", "false", true },
		{ __LINE__, "require-conditions", "1", true },
		{ __LINE__, "require-conditions", "0", true },
		{ __LINE__, "require-conditions", "yes", true },
		{ __LINE__, "require-conditions", "no", true },
		{ __LINE__, "require-conditions", "True", false },
		{ __LINE__, "require-conditions", "on", false },
		{ __LINE__, "require-conditions", "", false },
		{ __LINE__, "engine", "gdbm", true },
		{ __LINE__, "engine", "memory", true },
		{ __LINE__, "engine", "GDBM", false },
		{ __LINE__, "engine", "", false },
		{ __LINE__, "log-level", "debug", true },
		{ __LINE__, "log-level", "trace", false },
		{ __LINE__, "data-dir", "relative/is fine", true },
		{ __LINE__, "data-dir", "", false },
		{ __LINE__, "data-dir", "a\nb", false },
		{ __LINE__, "data-dir", "a\x7f", false },
		{ __LINE__, "data-dir", "\xc3\xa4", true },
		{ __LINE__, "listen", "", true },
		{ __LINE__, "listen", "unix:/run/x.sock", true },
		{ __LINE__, "listen", "unix:relative", false },
		{ __LINE__, "listen", "unix:", false },
		{ __LINE__, "listen", "/run/x.sock", false },
		{ __LINE__, "listen", "127.0.0.1:9000", false },
		{ __LINE__, "listen", "unix:/a\tb", false },
		{ __LINE__, "cors-origin", "*", true },
		{ __LINE__, "cors-origin", "", true },
		{ __LINE__, "cors-origin", "https://example.org:8443", true },
		{ __LINE__, "cors-origin", "http://a,https://b.c:1", true },
		{ __LINE__, "cors-origin", "http://a,", false },
		{ __LINE__, "cors-origin", ",http://a", false },
		{ __LINE__, "cors-origin", "http://a,*", false },
		{ __LINE__, "cors-origin", "http://a/", false },
		{ __LINE__, "cors-origin", "http://", false },
		{ __LINE__, "cors-origin", "://a", false },
		{ __LINE__, "cors-origin", "a.example", false },
		{ __LINE__, "cors-origin", "http://*.a", false },
		{ __LINE__, "cors-origin", "http://A.example", false },
		{ __LINE__, "cors-origin", "http://a, http://b", false },
		{ __LINE__, "cors-origin", "null", false },
		{ __LINE__, "cors-origin", "x\r\nSet-Cookie:a", false },
		{ __LINE__, "cors-origin", "\xc3\xa4", false },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct conf conf = { .owned = NULL };
		const struct conf before = conf;
		bool allowed =
			setting_read(find(cases[i].name), cases[i].text, &conf);

		HARNESS_CASE(cases[i].line, allowed == cases[i].allowed);
		HARNESS_CASE(cases[i].line,
			     allowed || !memcmp(&conf, &before, sizeof(conf)));
	}
}

static void a_switch_is_read_as_it_says(void)
{
	const struct setting *setting = find("require-conditions");
	struct conf conf = { .owned = NULL };

	CU_ASSERT(setting_read(setting, "yes", &conf));
	CU_ASSERT(conf.require_conditions);
	CU_ASSERT(setting_read(setting, "0", &conf));
	CU_ASSERT_FALSE(conf.require_conditions);
	CU_ASSERT(setting_read(setting, "1", &conf));
	CU_ASSERT(conf.require_conditions);
}

/* unix(7): 108 bytes with the NUL. */
static void a_socket_has_the_longest_path_that_fits(void)
{
	char text[5 + 108 + 1] = "unix:/";
	struct conf conf = { .owned = NULL };

	memset(text + 6, 'x', 108 - 1);
	text[5 + 108] = '\0';
	CU_ASSERT_FALSE(setting_read(find("listen"), text, &conf));
	text[5 + 107] = '\0';
	CU_ASSERT(setting_read(find("listen"), text, &conf));
	CU_ASSERT_STRING_EQUAL(conf.listen, text);
}

static void what_is_allowed_is_said(void)
{
	static const struct {
		unsigned line;
		const char *name, *allowed;
	} cases[] = {
		{ __LINE__, "workers", "0 to 64" },
		{ __LINE__, "require-conditions", "true or false" },
		{ __LINE__, "engine", "gdbm or memory" },
		{ __LINE__, "log-level", "error, warn, info or debug" },
		{ __LINE__, "data-dir", "the path of a folder" },
		{ __LINE__, "listen",
		  "empty or unix:/path of at most 107 bytes" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf text = BUF_EMPTY;

		setting_allowed(find(cases[i].name), &text);
		HARNESS_CASE(cases[i].line,
			     !strcmp(buf_string(&text), cases[i].allowed));
		buf_release(&text);
	}
}

static void a_slip_finds_the_name_that_was_meant(void)
{
	static const struct {
		unsigned line;
		const char *slip, *meant;
	} cases[] = {
		{ __LINE__, "data-dir", "data-dir" },
		{ __LINE__, "datadir", "data-dir" },
		{ __LINE__, "wrokers", "workers" },
		{ __LINE__, "worker", "workers" },
		{ __LINE__, "valuemax-byte", "value-max-bytes" },
		{ __LINE__, "config-flie", "config-file" },
		{ __LINE__, "loglevel", "log-level" },
		{ __LINE__, "completely-different", NULL },
		{ __LINE__, "x", NULL },
		{ __LINE__, "", NULL },
		{ __LINE__,
		  "a-name-that-is-longer-than-any-setting-ever-was-or-will-be",
		  NULL },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		const char *nearest = setting_nearest(view_of(cases[i].slip));

		HARNESS_CASE(cases[i].line, !nearest == !cases[i].meant);
		HARNESS_CASE(cases[i].line,
			     !nearest || !cases[i].meant ||
				     !strcmp(nearest, cases[i].meant));
	}
}

static void variables_are_found_in_their_one_spelling(void)
{
	CU_ASSERT_EQUAL(setting_find_variable(view_of("LIBRAPI_WORKERS")),
			find("workers"));
	CU_ASSERT_EQUAL(setting_find_variable(view_of("LIBRAPI_workers")),
			NULL);
	CU_ASSERT_EQUAL(setting_find_variable(view_of("LIBRAPI_DATA-DIR")),
			NULL);
	CU_ASSERT_EQUAL(setting_find_variable(view_of("LIBRAPI_")), NULL);
	CU_ASSERT_STRING_EQUAL(
		setting_nearest_variable(view_of("LIBRAPI_data_dirs")),
		"data-dir");
	CU_ASSERT_EQUAL(setting_nearest_variable(view_of("LIBRAPI_")), NULL);
	CU_ASSERT_EQUAL(setting_nearest_variable(view_of(
				"LIBRAPI_A_VARIABLE_THAT_IS_LONGER_THAN_ALL_"
				"THAT_ARE_SETTINGS")),
			NULL);
}

static struct conf defaults(void)
{
	struct conf conf = { .owned = NULL };

	for (size_t i = 0; i < SETTING_COUNT; i++)
		CU_ASSERT(
			setting_read(&settings[i], settings[i].initial, &conf));
	return conf;
}

static void rules_bind_two_settings_and_name_both(void)
{
	static const struct {
		unsigned line;
		const char *first_name, *first;
		const char *second_name, *second;
		const char *sentence; /* NULL: allowed */
	} cases[] = {
		{ __LINE__, "workers", "0", "engine", "gdbm", NULL },
		{ __LINE__, "workers", "1", "engine", "memory", NULL },
		{ __LINE__, "workers", "0", "engine", "memory",
		  "workers must be 1, not 0, when engine is memory: its data "
		  "is in one process" },
		{ __LINE__, "value-max-bytes", "33554432",
		  "journal-segment-bytes", "67108864", NULL },
		{ __LINE__, "value-max-bytes", "33554433",
		  "journal-segment-bytes", "67108864",
		  "journal-segment-bytes must be at least 67108866, twice "
		  "value-max-bytes, not 67108864" },
		{ __LINE__, "journal-segment-bytes", "67108864",
		  "journal-max-bytes", "134217728", NULL },
		{ __LINE__, "journal-segment-bytes", "67108864",
		  "journal-max-bytes", "134217727",
		  "journal-max-bytes must be at least 134217728, twice "
		  "journal-segment-bytes, not 134217727" },
		{ __LINE__, "journal-segment-bytes", "67108864",
		  "journal-max-bytes", "4294967296", NULL },
		{ __LINE__, "journal-segment-bytes", "67108864",
		  "journal-max-bytes", "4294967297",
		  "journal-max-bytes must be at most 4294967296, 64 times "
		  "journal-segment-bytes, not 4294967297" },
		{ __LINE__, "run-dir", "/run/x", "listen", "", NULL },
		{ __LINE__, "run-dir", "run", "listen", "",
		  "run-dir must begin with /, not be 'run': the sockets in it "
		  "that listen and others don't name need a whole path" },
		{ __LINE__, "listen", "unix:/a", "watch-listen", "unix:/b",
		  NULL },
		{ __LINE__, "listen", "unix:/a", "watch-listen", "unix:/a",
		  "watch-listen must not be the socket of listen, unix:/a" },
		{ __LINE__, "watch-listen", "unix:/a", "stored-listen",
		  "unix:/a",
		  "stored-listen must not be the socket of watch-listen, "
		  "unix:/a" },
		{ __LINE__, "transfer-listen", "unix:/a", "stored-listen",
		  "unix:/a",
		  "stored-listen must not be the socket of transfer-listen, "
		  "unix:/a" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct conf conf = defaults();
		struct buf message = BUF_EMPTY;
		enum err err;

		CU_ASSERT(setting_read(find(cases[i].first_name),
				       cases[i].first, &conf));
		CU_ASSERT(setting_read(find(cases[i].second_name),
				       cases[i].second, &conf));
		err = setting_rules(&conf, &message);
		HARNESS_CASE(cases[i].line,
			     err == (cases[i].sentence ? ERR_SETTING : ERR_OK));
		HARNESS_CASE(
			cases[i].line,
			!strcmp(buf_string(&message),
				cases[i].sentence ? cases[i].sentence : ""));
		buf_release(&message);
	}
}

/* A hyphen of a man page is written \-. */
static void add_roff(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '-')
			buf_add_char(out, '\\');
		buf_add_char(out, *text);
	}
}

/* The folders depend on where librapi is installed. */
static const char *initial_in_manual(const struct setting *setting)
{
	if (!strcmp(setting->initial, DEFAULT_DATA_DIR))
		return "@data_dir@";
	if (!strcmp(setting->initial, DEFAULT_DOCS_DIR))
		return "@docs_dir@";
	if (!strcmp(setting->initial, DEFAULT_RUN_DIR))
		return "@run_dir@";
	return *setting->initial ? setting->initial : "empty";
}

static void add_manual_entry(struct buf *out, const struct setting *setting)
{
	struct buf allowed = BUF_EMPTY;

	setting_allowed(setting, &allowed);
	buf_add_string(out, "\n.TP\n.B ");
	add_roff(out, setting->name);
	buf_add_string(out, "\n");
	add_roff(out, setting->about);
	buf_add_string(out, "\n(");
	add_roff(out, buf_string(&allowed));
	buf_add_string(out, "; default ");
	add_roff(out, initial_in_manual(setting));
	buf_add_string(out, ").\n");
	buf_release(&allowed);
}

static void the_manual_says_what_the_table_says(void)
{
	const char *source = getenv("LIBRAPI_SOURCE_DIR");
	struct buf path = BUF_EMPTY, manual = BUF_EMPTY;
	int fd = -1;

	buf_addf(&path, "%s/app/docs/librapi.conf.5.in", source ? source : ".");
	CU_ASSERT_EQUAL_FATAL(
		file_open(AT_FDCWD, buf_string(&path), O_RDONLY, 0, &fd),
		ERR_OK);
	CU_ASSERT_EQUAL(file_read_all(fd, "manual", 65536, &manual), ERR_OK);
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		struct buf entry = BUF_EMPTY;

		add_manual_entry(&entry, &settings[i]);
		if (!strstr(buf_string(&manual), buf_string(&entry))) {
			CU_FAIL("an entry of the manual is missing or old");
			printf("# it should be:%s\n", buf_string(&entry));
		}
		buf_release(&entry);
	}
	file_close(&fd, "manual");
	buf_release(&path);
	buf_release(&manual);
}

int main(void)
{
	static const struct harness_test tests[] = {
		HARNESS_TEST(every_row_is_complete_and_its_default_allowed),
		HARNESS_TEST(no_two_settings_share_a_member),
		HARNESS_TEST(numbers_are_held_to_their_bounds),
		HARNESS_TEST(values_of_every_type_are_checked),
		HARNESS_TEST(a_switch_is_read_as_it_says),
		HARNESS_TEST(a_socket_has_the_longest_path_that_fits),
		HARNESS_TEST(what_is_allowed_is_said),
		HARNESS_TEST(a_slip_finds_the_name_that_was_meant),
		HARNESS_TEST(variables_are_found_in_their_one_spelling),
		HARNESS_TEST(rules_bind_two_settings_and_name_both),
		HARNESS_TEST(the_manual_says_what_the_table_says),
	};

	return harness_run("base/setting", tests, HARNESS_COUNT(tests));
}
