/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that BoltDB wrote (make.go made them), read whole and then broken in
 * every way that can be thought of.
 */
#include "bolt/bolt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "bolt/gob.h"
#include "harness.h"

#define PAGE 4096

static struct buf fixture(const char *name)
{
	const char *source = getenv("LIBRAPI_SOURCE_DIR");
	char path[1024];
	struct buf bytes = BUF_EMPTY;
	int fd;

	snprintf(path, sizeof(path), "%s/tests/bolt/%s", source ? source : ".",
		 name);
	CU_ASSERT_EQUAL_FATAL(file_open(AT_FDCWD, path, O_RDONLY, 0, &fd),
			      ERR_OK);
	CU_ASSERT_EQUAL_FATAL(file_read_all(fd, path, 1 << 24, &bytes), ERR_OK);
	file_close(&fd, path);
	return bytes;
}

struct found {
	size_t count;
	size_t good;
	bool no_text;
};

/* The value that make.go gives to a key. */
static bool is_value(unsigned n, struct view value)
{
	unsigned times = n % 100 == 99 ? 1250 : n % 50;
	char part[32];
	size_t size = (size_t)snprintf(part, sizeof(part), "value %u;", n);
	const char *p = value.data;

	if (value.size != size * times)
		return false;
	for (; times > 0; times--, p += size)
		if (memcmp(p, part, size) != 0)
			return false;
	return true;
}

static enum err take(void *arg, struct view key, struct view value)
{
	struct found *found = arg;
	struct view string;
	char name[32];
	size_t size =
		(size_t)snprintf(name, sizeof(name), "key/%06zu", found->count);

	if (gob_string(value, &string))
		return ERR_OK;
	if (view_equal(key, VIEW_LITERAL("\xff\0")))
		found->no_text = view_equal_string(string, "no text");
	else if (view_equal(key, (struct view){ name, size }) &&
		 is_value((unsigned)found->count, string))
		found->good++;
	found->count++;
	return ERR_OK;
}

/* Reads bytes as a file; *message is there when that fails. */
static enum err read_bytes(const char *data, size_t size, struct found *found,
			   const char *bucket)
{
	const char *path = harness_path("db");
	struct buf message = BUF_EMPTY;
	struct bolt *bolt;
	FILE *out = fopen(path, "w");
	enum err err;

	*found = (struct found){ 0 };
	CU_ASSERT_EQUAL(fwrite(data, 1, size, out), size);
	fclose(out);
	err = bolt_open(path, &bolt, &message);
	if (!err)
		err = bolt_each(bolt, view_of(bucket), take, found, &message);
	CU_ASSERT_EQUAL(message.size > 0, err != ERR_OK);
	bolt_close(bolt);
	buf_release(&message);
	return err;
}

static void what_boltdb_wrote_is_read(void)
{
	static const struct {
		int line;
		const char *name;
		size_t count;
	} cases[] = {
		{ __LINE__, "small.db", 3 },
		{ __LINE__, "large.db", 200 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf bytes = fixture(cases[i].name);
		struct found found;

		HARNESS_CASE(cases[i].line,
			     read_bytes(bytes.data, bytes.size, &found,
					"librapi") == ERR_OK);
		HARNESS_CASE(cases[i].line, found.good == cases[i].count);
		HARNESS_CASE(cases[i].line, found.count == cases[i].count + 1);
		HARNESS_CASE(cases[i].line, found.no_text);
		buf_release(&bytes);
	}
}

/* Of two sound meta pages the newer one counts, of one that one. */
static void one_meta_page_is_enough(void)
{
	struct buf bytes = fixture("large.db");
	struct found found;

	for (size_t page = 0; page < 2; page++) {
		char *txid = bytes.data + page * PAGE + 16 + 48;
		bool newer = le64_get(txid) >
			     le64_get(bytes.data + (1 - page) * PAGE + 16 + 48);
		enum err err;

		txid[0] ^= 1;
		err = read_bytes(bytes.data, bytes.size, &found, "librapi");
		/* The older one may lead to pages that are no more. */
		if (!newer)
			CU_ASSERT(!err && found.good == 200);
		txid[0] ^= 1;
	}
	memset(bytes.data, 0, PAGE);
	read_bytes(bytes.data, bytes.size, &found, "librapi");
	memset(bytes.data + PAGE, 0, PAGE);
	CU_ASSERT_EQUAL(read_bytes(bytes.data, bytes.size, &found, "librapi"),
			ERR_FORMAT);
	buf_release(&bytes);
}

static void what_is_no_file_of_boltdb_is_refused(void)
{
	static const char text[] = "some text, and not of BoltDB at all";
	struct buf message = BUF_EMPTY;
	struct bolt *bolt;
	struct found found;

	CU_ASSERT_EQUAL(read_bytes("", 0, &found, "librapi"), ERR_FORMAT);
	CU_ASSERT_EQUAL(read_bytes(text, sizeof(text), &found, "librapi"),
			ERR_FORMAT);
	CU_ASSERT_EQUAL(bolt_open(harness_path("none"), &bolt, &message),
			ERR_ACCESS);
	CU_ASSERT_PTR_NULL(bolt);
	buf_release(&message);
}

static void another_bucket_is_not_found(void)
{
	struct buf bytes = fixture("small.db");
	struct found found;

	CU_ASSERT_EQUAL(read_bytes(bytes.data, bytes.size, &found, "other"),
			ERR_NOT_FOUND);
	buf_release(&bytes);
}

static void a_file_that_is_in_use_is_refused(void)
{
	struct buf bytes = fixture("small.db");
	struct buf message = BUF_EMPTY;
	struct found found;
	struct bolt *bolt;
	int fd;

	read_bytes(bytes.data, bytes.size, &found, "librapi");
	fd = open(harness_path("db"), O_RDWR);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX), 0);
	CU_ASSERT_EQUAL(bolt_open(harness_path("db"), &bolt, &message),
			ERR_OWNED);
	close(fd);
	buf_release(&message);
	buf_release(&bytes);
}

static void a_file_that_was_cut_off_is_damaged(void)
{
	struct buf bytes = fixture("large.db");
	struct found found;
	size_t whole = 0;

	for (size_t size = 0; size < bytes.size; size += PAGE / 2) {
		enum err err = read_bytes(bytes.data, size, &found, "librapi");

		/* Free room at the end may be missing. */
		CU_ASSERT(err == ERR_DAMAGED || err == ERR_FORMAT ||
			  (!err && found.good == 200));
		whole += !err;
	}
	CU_ASSERT(whole < bytes.size / PAGE);
	buf_release(&bytes);
}

static unsigned next_random(unsigned *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 8;
}

/* Whatever becomes of it, it ends, and under sanitizers without a finding. */
static void broken_pages_are_survived(void)
{
	static const char *const names[] = { "small.db", "large.db" };
	unsigned state = 1;
	size_t refused = 0;

	for (unsigned round = 0; round < 600; round++) {
		struct buf bytes = fixture(names[round % 2]);
		struct found found;

		for (unsigned n = 0; n < 1 + round % 40; n++) {
			size_t page = 2 + next_random(&state) %
						  (bytes.size / PAGE - 2);
			size_t at = page * PAGE + next_random(&state) % 128;

			bytes.data[at] = (char)next_random(&state);
		}
		refused += read_bytes(bytes.data, bytes.size, &found,
				      "librapi") != ERR_OK;
		buf_release(&bytes);
	}
	CU_ASSERT(refused > 50);
}

/* Every branch leads to itself: the root's own number in place of others. */
static void pages_that_lead_in_a_circle_are_damaged(void)
{
	struct buf bytes = fixture("large.db");
	struct found found;
	size_t branches = 0;

	for (size_t page = 2; page < bytes.size / PAGE; page++) {
		char *p = bytes.data + page * PAGE;

		if (le16_get(p + 8) != 1 || le64_get(p) != page)
			continue;
		branches++;
		le64_put(p + 16 + 8, page);
	}
	CU_ASSERT(branches > 0);
	CU_ASSERT_EQUAL(read_bytes(bytes.data, bytes.size, &found, "librapi"),
			ERR_DAMAGED);
	buf_release(&bytes);
}

static void strings_in_gob_are_read(void)
{
	static const struct {
		int line;
		const char *bytes;
		size_t size;
		enum err err;
		const char *string;
	} cases[] = {
#define GOB(text) text, sizeof(text) - 1
		{ __LINE__, GOB("\x08\x0c\x00\x05hello"), ERR_OK, "hello" },
		{ __LINE__, GOB("\x03\x0c\x00\x00"), ERR_OK, "" },
		{ __LINE__, GOB("\xff\x08\x0c\x00\x05hello"), ERR_OK, "hello" },
		{ __LINE__, GOB("\xfe\x00\x08\x0c\x00\xff\x04hell"), ERR_OK,
		  "hell" },
		{ __LINE__, GOB("\x03\x04\x00\x0e"), ERR_FORMAT, NULL },
		{ __LINE__, GOB(""), ERR_DAMAGED, NULL },
		{ __LINE__, GOB("hello"), ERR_DAMAGED, NULL },
		{ __LINE__, GOB("\x08\x0c\x00\x05hell"), ERR_DAMAGED, NULL },
		{ __LINE__, GOB("\x08\x0c\x00\x05hello!"), ERR_DAMAGED, NULL },
		{ __LINE__, GOB("\x08\x0c\x00\x04hello"), ERR_DAMAGED, NULL },
		{ __LINE__, GOB("\x08\x0c\x01\x05hello"), ERR_DAMAGED, NULL },
		{ __LINE__, GOB("\x01\x0c"), ERR_DAMAGED, NULL },
		{ __LINE__, GOB("\xf0"), ERR_DAMAGED, NULL },
		{ __LINE__, GOB("\xf8\xff\xff"), ERR_DAMAGED, NULL },
#undef GOB
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct view string = { 0 };
		struct view bytes = { cases[i].bytes, cases[i].size };

		HARNESS_CASE(cases[i].line,
			     gob_string(bytes, &string) == cases[i].err);
		if (cases[i].string)
			HARNESS_CASE(
				cases[i].line,
				view_equal_string(string, cases[i].string));
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_boltdb_wrote_is_read),
	HARNESS_TEST(one_meta_page_is_enough),
	HARNESS_TEST(what_is_no_file_of_boltdb_is_refused),
	HARNESS_TEST(another_bucket_is_not_found),
	HARNESS_TEST(a_file_that_is_in_use_is_refused),
	HARNESS_TEST(a_file_that_was_cut_off_is_damaged),
	HARNESS_TEST(broken_pages_are_survived),
	HARNESS_TEST(pages_that_lead_in_a_circle_are_damaged),
	HARNESS_TEST(strings_in_gob_are_read),
};

int main(void)
{
	return harness_run("bolt", tests, HARNESS_COUNT(tests));
}
