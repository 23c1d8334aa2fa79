/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MANIFEST as text, and back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "fault.h"
#include "harness.h"
#include "logged.h"
#include "store/gdbm/manifest.h"
#include "store/store.h"

#define TITLE   "librapi-manifest 1\n"
#define STORE   "store 6f1e8c2a000000000000000000000000\n"
#define NUMBERS "version 42\nrevision 184471\nsegment 17\nnext-table 9\n"
#define HEAD    TITLE STORE NUMBERS
#define TABLE_1 "table 1.12 keys 58211 live 7340032 file 9437184 from -\n"
#define TABLE_4 "table 4.3 keys 60000 live 812345 file 1048576 from YXBwLw==\n"

static void add(struct manifest *m, uint64_t id, struct view from)
{
	const struct manifest_table table = {
		.id = { id, id + 1 },
		.keys = id * 10,
		.live_bytes = id * 100,
		.file_bytes = id * 1000,
		.from = from,
	};

	CU_ASSERT_EQUAL_FATAL(manifest_add(m, &table), ERR_OK);
}

static enum err parse(const char *text, size_t size, struct manifest *m)
{
	struct buf message = BUF_EMPTY;
	enum err err = manifest_parse((struct view){ text, size }, m, &message);

	CU_ASSERT_EQUAL(message.size > 0, err != ERR_OK);
	buf_release(&message);
	return err;
}

/* The text with the right line for its checksum behind it. */
static enum err parse_sealed(const char *text, struct manifest *m)
{
	struct buf all = BUF_EMPTY;
	enum err err;

	buf_add_string(&all, text);
	buf_addf(&all, "crc32c %08" PRIx32 "\n", crc32c(0, text, strlen(text)));
	err = parse(all.data, all.size, m);
	buf_release(&all);
	return err;
}

static void what_is_formatted_parses_to_the_same(void)
{
	struct manifest made = { .version = UINT64_MAX,
				 .revision = 1,
				 .first_segment = 7,
				 .next_table = 1000 };
	struct manifest read;
	struct buf text = BUF_EMPTY;
	char bound[32];
	char longest[STORE_KEY_MAX];

	memset(longest, '\xff', sizeof(longest));
	memset(made.store_id, 0xa5, sizeof(made.store_id));
	for (uint64_t i = 1; i < 100; i++) {
		snprintf(bound, sizeof(bound), "%03" PRIu64 "/\xff", i);
		add(&made, 200 - i, i == 1 ? view_of("") : view_of(bound));
	}
	add(&made, 500, (struct view){ longest, sizeof(longest) });
	manifest_format(&made, &text);
	CU_ASSERT_EQUAL_FATAL(parse(text.data, text.size, &read), ERR_OK);
	CU_ASSERT_EQUAL(memcmp(read.store_id, made.store_id, 16), 0);
	CU_ASSERT_EQUAL(read.version, made.version);
	CU_ASSERT_EQUAL(read.revision, made.revision);
	CU_ASSERT_EQUAL(read.first_segment, made.first_segment);
	CU_ASSERT_EQUAL(read.next_table, made.next_table);
	CU_ASSERT_EQUAL_FATAL(read.table_count, made.table_count);
	for (size_t i = 0; i < made.table_count; i++) {
		const struct manifest_table *a = &made.tables[i];
		const struct manifest_table *b = &read.tables[i];

		CU_ASSERT_EQUAL(a->id.id, b->id.id);
		CU_ASSERT_EQUAL(a->id.generation, b->id.generation);
		CU_ASSERT_EQUAL(a->keys, b->keys);
		CU_ASSERT_EQUAL(a->live_bytes, b->live_bytes);
		CU_ASSERT_EQUAL(a->file_bytes, b->file_bytes);
		CU_ASSERT_TRUE(view_equal(a->from, b->from));
	}
	manifest_release(&made);
	manifest_release(&read);
	buf_release(&text);
}

static void the_text_is_as_documented(void)
{
	static const char text[] = HEAD TABLE_1 TABLE_4;
	struct manifest m;
	struct buf again = BUF_EMPTY;

	CU_ASSERT_EQUAL_FATAL(parse_sealed(text, &m), ERR_OK);
	CU_ASSERT_EQUAL(m.store_id[0], 0x6f);
	CU_ASSERT_EQUAL(m.version, 42);
	CU_ASSERT_EQUAL(m.revision, 184471);
	CU_ASSERT_EQUAL(m.first_segment, 17);
	CU_ASSERT_EQUAL(m.next_table, 9);
	CU_ASSERT_EQUAL_FATAL(m.table_count, 2);
	CU_ASSERT_EQUAL(m.tables[1].id.id, 4);
	CU_ASSERT_EQUAL(m.tables[1].id.generation, 3);
	CU_ASSERT_EQUAL(m.tables[1].keys, 60000);
	CU_ASSERT_EQUAL(m.tables[1].live_bytes, 812345);
	CU_ASSERT_EQUAL(m.tables[1].file_bytes, 1048576);
	CU_ASSERT_TRUE(view_equal_string(m.tables[1].from, "app/"));
	manifest_format(&m, &again);
	CU_ASSERT_EQUAL(memcmp(again.data, text, strlen(text)), 0);
	CU_ASSERT_EQUAL(again.size, strlen(text) + strlen("crc32c 1a2b3c4d\n"));
	buf_release(&again);
	manifest_release(&m);
}

static void a_key_is_found_in_the_range_that_holds_it(void)
{
	static const struct {
		int line;
		struct view key;
		uint64_t id;
	} cases[] = {
		{ __LINE__, VIEW_LITERAL("\0"), 1 },
		{ __LINE__, VIEW_LITERAL("a"), 1 },
		{ __LINE__, VIEW_LITERAL("az"), 1 },
		{ __LINE__, VIEW_LITERAL("b"), 2 },
		{ __LINE__, VIEW_LITERAL("b\0"), 2 },
		{ __LINE__, VIEW_LITERAL("c"), 2 },
		{ __LINE__, VIEW_LITERAL("d"), 3 },
		{ __LINE__, VIEW_LITERAL("\xff\xff"), 3 },
	};
	struct manifest m = { 0 };

	CU_ASSERT_PTR_NULL(manifest_find(&m, view_of("a")));
	add(&m, 1, view_of(""));
	CU_ASSERT_EQUAL(manifest_find(&m, view_of("zz"))->id.id, 1);
	add(&m, 2, view_of("b"));
	add(&m, 3, view_of("d"));
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     manifest_find(&m, cases[i].key)->id.id ==
				     cases[i].id);
	manifest_release(&m);
}

static void malformed_lines_are_refused(void)
{
	static const struct {
		int line;
		const char *text;
		enum err err;
	} cases[] = {
		{ __LINE__, HEAD, ERR_OK },
		{ __LINE__, HEAD TABLE_1, ERR_OK },
		{ __LINE__, "", ERR_FORMAT },
		{ __LINE__, "\n", ERR_FORMAT },
		{ __LINE__, "something else\n", ERR_FORMAT },
		{ __LINE__, "librapi-manifest\n", ERR_FORMAT },
		{ __LINE__, "librapi-manifest one\n", ERR_FORMAT },
		{ __LINE__, "librapi-manifest 2\n" STORE NUMBERS, ERR_FORMAT },
		{ __LINE__, TITLE, ERR_DAMAGED },
		{ __LINE__, TITLE STORE, ERR_DAMAGED },
		{ __LINE__, TITLE NUMBERS, ERR_DAMAGED },
		{ __LINE__, TITLE "store 6f\n" NUMBERS, ERR_DAMAGED },
		{ __LINE__,
		  TITLE "store 6F1E8C2A000000000000000000000000\n" NUMBERS,
		  ERR_DAMAGED },
		{ __LINE__,
		  TITLE STORE
		  "version -1\nrevision 1\nsegment 1\nnext-table 9\n",
		  ERR_DAMAGED },
		{ __LINE__,
		  TITLE STORE "version 1 2\nrevision 1\nsegment 1\n"
			      "next-table 9\n",
		  ERR_DAMAGED },
		{ __LINE__,
		  TITLE STORE "version 18446744073709551616\nrevision 1\n"
			      "segment 1\nnext-table 9\n",
		  ERR_DAMAGED },
		{ __LINE__,
		  TITLE STORE
		  "revision 1\nversion 1\nsegment 1\nnext-table 9\n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD "\n", ERR_DAMAGED },
		{ __LINE__, HEAD "something\n", ERR_DAMAGED },
		{ __LINE__, HEAD "table\n", ERR_DAMAGED },
		{ __LINE__, HEAD "table 1.1 keys 1 live 1 file 1 from\n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD "table 1.1 keys 1 live 1 file 1\n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD "table 1 keys 1 live 1 file 1 from -\n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD "table 0.1 keys 1 live 1 file 1 from -\n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD "table 1.0 keys 1 live 1 file 1 from -\n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD "table 1.1 keys x live 1 file 1 from -\n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD "table 1.1 keys 1 live 1 file 1 from - \n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD "table  1.1 keys 1 live 1 file 1 from -\n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD "table 9.1 keys 1 live 1 file 1 from -\n",
		  ERR_DAMAGED },
		{ __LINE__, HEAD TABLE_4, ERR_DAMAGED },
		{ __LINE__, HEAD TABLE_1 TABLE_1, ERR_DAMAGED },
		{ __LINE__, HEAD TABLE_1 TABLE_4 TABLE_4, ERR_DAMAGED },
		{ __LINE__,
		  HEAD TABLE_1 TABLE_4
		  "table 5.1 keys 1 live 1 file 1 from YQ==\n",
		  ERR_DAMAGED },
		{ __LINE__,
		  HEAD TABLE_1 TABLE_4
		  "table 1.13 keys 1 live 1 file 1 from eg==\n",
		  ERR_DAMAGED },
		{ __LINE__,
		  HEAD TABLE_1 "table 5.1 keys 1 live 1 file 1 from Y!==\n",
		  ERR_DAMAGED },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct manifest m;
		enum err err = parse_sealed(cases[i].text, &m);

		HARNESS_CASE(cases[i].line, err == cases[i].err);
		HARNESS_CASE(cases[i].line, err == ERR_OK || !m.tables);
		manifest_release(&m);
	}
}

static void a_text_that_was_cut_or_changed_is_refused(void)
{
	struct manifest m;
	struct buf text = BUF_EMPTY;

	CU_ASSERT_EQUAL_FATAL(parse_sealed(HEAD TABLE_1 TABLE_4, &m), ERR_OK);
	manifest_format(&m, &text);
	manifest_release(&m);
	for (size_t size = 0; size < text.size; size++)
		CU_ASSERT_NOT_EQUAL(parse(text.data, size, &m), ERR_OK);
	for (size_t at = 0; at < text.size; at++) {
		text.data[at] ^= 1;
		CU_ASSERT_NOT_EQUAL(parse(text.data, text.size, &m), ERR_OK);
		text.data[at] ^= 1;
	}
	buf_add_char(&text, '\n');
	CU_ASSERT_NOT_EQUAL(parse(text.data, text.size, &m), ERR_OK);
	buf_release(&text);
}

static void the_message_names_the_line(void)
{
	struct buf message = BUF_EMPTY;
	struct manifest m;

	CU_ASSERT_EQUAL(
		manifest_parse(view_of("librapi-manifest 7\n"), &m, &message),
		ERR_FORMAT);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_string(&message), "line 1"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_string(&message), "version"));
	buf_release(&message);
}

static void it_is_replaced_as_a_whole(void)
{
	int dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY);
	struct manifest m = { .version = 1, .next_table = 5 };
	struct manifest read;

	CU_ASSERT_EQUAL(manifest_read(dir, &read), ERR_NOT_FOUND);
	CU_ASSERT_EQUAL(manifest_write(dir, &m), ERR_OK);
	add(&m, 1, view_of(""));
	m.version = 2;
	CU_ASSERT_EQUAL(manifest_write(dir, &m), ERR_OK);
	CU_ASSERT_EQUAL(manifest_read(dir, &read), ERR_OK);
	CU_ASSERT_EQUAL(read.version, 2);
	CU_ASSERT_EQUAL(read.table_count, 1);
	manifest_release(&read);
	manifest_release(&m);

	CU_ASSERT_EQUAL(file_replace(dir, MANIFEST_NAME, view_of(TITLE), 0600),
			ERR_OK);
	CU_ASSERT_EQUAL(manifest_read(dir, &read), ERR_DAMAGED);
	CU_ASSERT_EQUAL(file_replace(dir, MANIFEST_NAME, view_of("x"), 0600),
			ERR_OK);
	CU_ASSERT_EQUAL(manifest_read(dir, &read), ERR_FORMAT);
	close(dir);
}

/* Whoever reads the log must not restore a backup for that. */
static void without_memory_it_is_not_called_damaged(void)
{
	int dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY);
	struct manifest m = { .version = 1, .first_segment = 1 };
	struct logged logged;
	unsigned n = 1;

	if (!fault_available(FAULT_MEMORY))
		return;
	m.next_table = 9;
	add(&m, 4, (struct view){ 0 });
	CU_ASSERT_EQUAL_FATAL(manifest_write(dir, &m), ERR_OK);
	manifest_release(&m);
	logged_begin(&logged);
	for (;; n++) {
		struct manifest read = { 0 };
		enum err err;

		fault_arm(FAULT_MEMORY, n, ENOMEM);
		err = manifest_read(dir, &read);
		if (!fault_disarm()) {
			manifest_release(&read);
			break;
		}
		CU_ASSERT_EQUAL(err, ERR_NO_MEMORY);
	}
	CU_ASSERT_PTR_NULL(strstr(logged_end(&logged), "backup"));
	CU_ASSERT(n > 2);
	close(dir);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_is_formatted_parses_to_the_same),
	HARNESS_TEST(the_text_is_as_documented),
	HARNESS_TEST(a_key_is_found_in_the_range_that_holds_it),
	HARNESS_TEST(malformed_lines_are_refused),
	HARNESS_TEST(a_text_that_was_cut_or_changed_is_refused),
	HARNESS_TEST(the_message_names_the_line),
	HARNESS_TEST(it_is_replaced_as_a_whole),
	HARNESS_TEST(without_memory_it_is_not_called_damaged),
};

int main(void)
{
	return harness_run("store/gdbm/manifest", tests, HARNESS_COUNT(tests));
}
