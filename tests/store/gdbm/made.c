/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables with known keys; made.h says which. */
#include "store/gdbm/made.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

const struct table_id made_first = { 4, 12 };
const struct table_id made_second = { 4, 13 };

int made_dir(void)
{
	int dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY);

	CU_ASSERT_TRUE_FATAL(dir >= 0);
	return dir;
}

bool made_exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

/* Key number i, ascending; its value is the key repeated i % 7 times. */
struct view made_key(size_t i, char out[32])
{
	int size = snprintf(out, 32, "key/%06zu/\xff", i);

	return (struct view){ out, (size_t)size };
}

struct record made_record(struct view key, size_t i, uint64_t generation,
			  struct buf *value)
{
	buf_clear(value);
	for (size_t j = 0; j < i % 7; j++)
		buf_add_view(value, key);
	return (struct record){
		.revision = generation * 1000000 + i,
		.modified_ms = 1700000000000 + (int64_t)i,
		.expires_ms = i % 3 ? 0 : 1800000000000,
		.type = view_of("text/plain"),
		.value = buf_view(value),
	};
}

enum err made_put(struct table_build *build, size_t i, uint64_t generation)
{
	struct buf value = BUF_EMPTY;
	struct buf bytes = BUF_EMPTY;
	char text[32];
	struct view key = made_key(i, text);
	struct record record = made_record(key, i, generation, &value);
	enum err err;

	record_encode(key, &record, &bytes);
	err = value.err ? value.err : bytes.err;
	if (!err)
		err = table_build_put(build, key, buf_view(&bytes));
	buf_release(&bytes);
	buf_release(&value);
	return err;
}

enum err made_add_key(struct table_build *build, size_t i, uint64_t generation)
{
	struct buf value = BUF_EMPTY;
	char text[32];
	struct view key = made_key(i, text);
	struct record record = made_record(key, i, generation, &value);
	enum err err = value.err;

	if (!err)
		err = table_build_key(build, key, &record);
	buf_release(&value);
	return err;
}

/* A table with keys 0 to count - 1, put in an order that is not theirs. */
enum err made_try(int dir, struct table_id id, size_t count)
{
	struct table_build *build;
	uint64_t size;
	enum err err = table_build_begin(NULL, &build);

	if (err)
		return err;
	for (size_t i = 0; i < count && !err; i++)
		err = made_put(build, i * 7919 % count, 1);
	for (size_t i = 0; i < count && !err; i++)
		err = made_add_key(build, i, 1);
	if (!err)
		err = table_build_finish(build, dir, id, &size);
	if (err)
		table_build_abort(build);
	return err;
}

void made_table(int dir, size_t count)
{
	CU_ASSERT_EQUAL_FATAL(made_try(dir, made_first, count), ERR_OK);
}

struct table *made_open(int dir, struct table_id id)
{
	struct table *table = NULL;

	CU_ASSERT_EQUAL_FATAL(table_open(dir, id, &table), ERR_OK);
	return table;
}

/*
 * Get key number i: ERR_OK when it is there as it was put, otherwise the
 * error; ERR_CONDITION, which no table returns, for something else.
 */
enum err made_get(struct table *table, size_t i, uint64_t generation)
{
	struct buf value = BUF_EMPTY;
	struct buf bytes = BUF_EMPTY;
	char text[32];
	struct view key = made_key(i, text);
	struct record expected = made_record(key, i, generation, &value);
	struct record record;
	enum err err = table_get(table, key, &bytes);

	if (!err)
		err = record_decode(key, buf_view(&bytes), &record);
	if (!err && (record.revision != expected.revision ||
		     !view_equal(record.value, expected.value)))
		err = ERR_CONDITION;
	buf_release(&bytes);
	buf_release(&value);
	return err;
}

static void count_finding(void *arg, const char *file, const char *sentence)
{
	size_t *count = arg;

	CU_ASSERT_PTR_NOT_NULL(strstr(file, "table-000004."));
	CU_ASSERT_TRUE(strlen(sentence) > 10);
	++*count;
}

size_t made_findings(int dir, struct table_id id, struct view lower,
		     struct view upper, uint64_t keys)
{
	size_t count = 0;
	enum err err = table_verify(dir, id, lower, upper, keys, count_finding,
				    &count);

	CU_ASSERT_EQUAL(err, count ? ERR_DAMAGED : ERR_OK);
	return count;
}

size_t made_findings_first(int dir, uint64_t keys)
{
	struct view none = { 0 };

	return made_findings(dir, made_first, none, none, keys);
}
