/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bytes of a record. */
#include <string.h>

#include "harness.h"
#include "store/record.h"

static const struct view key = VIEW_LITERAL("app/key");

static struct record sample(void)
{
	return (struct record){
		.revision = 0x1122334455667788,
		.modified_ms = 1700000000123,
		.expires_ms = 1800000000456,
		.type = view_of("text/plain"),
		.value = view_of("the value"),
	};
}

static void what_is_encoded_decodes_to_the_same(void)
{
	char type[RECORD_TYPE_MAX];
	const struct record cases[] = {
		sample(),
		{ .revision = 1 },
		{ .revision = UINT64_MAX,
		  .modified_ms = INT64_MIN,
		  .expires_ms = INT64_MAX,
		  .type = { type, sizeof(type) },
		  .value = VIEW_LITERAL("\0\xff") },
	};

	memset(type, 't', sizeof(type));
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct buf bytes = BUF_EMPTY;
		struct record found = { 0 };

		record_encode(key, &cases[i], &bytes);
		CU_ASSERT_EQUAL(bytes.size, record_size(&cases[i]));
		CU_ASSERT_EQUAL(record_decode(key, buf_view(&bytes), &found),
				ERR_OK);
		CU_ASSERT_EQUAL(found.revision, cases[i].revision);
		CU_ASSERT_EQUAL(found.modified_ms, cases[i].modified_ms);
		CU_ASSERT_EQUAL(found.expires_ms, cases[i].expires_ms);
		CU_ASSERT_TRUE(view_equal(found.type, cases[i].type));
		CU_ASSERT_TRUE(view_equal(found.value, cases[i].value));
		buf_release(&bytes);
	}
}

/* Files written by one version are read by the next: these bytes stay. */
static void the_bytes_are_as_the_format_says(void)
{
	static const char expected[] = "\x01\x0a\x00\x00"
				       "\x88\x77\x66\x55\x44\x33\x22\x11"
				       "\x7b\x68\xe5\xcf\x8b\x01\x00\x00"
				       "\xc8\x51\x5c\x18\xa3\x01\x00\x00"
				       "text/plainthe value";
	struct record record = sample();
	struct buf bytes = BUF_EMPTY;

	buf_add_string(&bytes, "before");
	record_encode(key, &record, &bytes);
	CU_ASSERT_EQUAL_FATAL(bytes.size, 6 + 4 + sizeof(expected) - 1);
	CU_ASSERT_EQUAL(memcmp(bytes.data, "before", 6), 0);
	CU_ASSERT_EQUAL(memcmp(bytes.data + 10, expected, sizeof(expected) - 1),
			0);
	CU_ASSERT_EQUAL(le32_get(bytes.data + 6), 0x384d24c2);
	buf_release(&bytes);
}

static void a_changed_bit_is_damage(void)
{
	struct record record = sample();
	struct buf bytes = BUF_EMPTY;

	record_encode(key, &record, &bytes);
	for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
		bytes.data[bit / 8] ^= (char)(1 << bit % 8);
		CU_ASSERT_EQUAL(record_decode(key, buf_view(&bytes), &record),
				ERR_DAMAGED);
		bytes.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	buf_release(&bytes);
}

static void a_record_that_was_cut_is_damage(void)
{
	struct record record = sample();
	struct buf bytes = BUF_EMPTY;

	record_encode(key, &record, &bytes);
	for (size_t size = 0; size < bytes.size; size++)
		CU_ASSERT_EQUAL(record_decode(key,
					      (struct view){ bytes.data, size },
					      &record),
				ERR_DAMAGED);
	buf_release(&bytes);
}

static void a_record_under_another_key_is_damage(void)
{
	static const struct view others[] = {
		VIEW_LITERAL("app/kex"),
		VIEW_LITERAL("app/ke"),
		VIEW_LITERAL("app/key\0"),
	};
	struct record record = sample();
	struct buf bytes = BUF_EMPTY;

	record_encode(key, &record, &bytes);
	for (size_t i = 0; i < HARNESS_COUNT(others); i++)
		CU_ASSERT_EQUAL(
			record_decode(others[i], buf_view(&bytes), &record),
			ERR_DAMAGED);
	buf_release(&bytes);
}

static void a_record_expires_with_its_millisecond(void)
{
	struct record mortal = { .expires_ms = 1000 };
	struct record immortal = { .expires_ms = 0 };

	CU_ASSERT_FALSE(record_expired(&mortal, 999));
	CU_ASSERT_TRUE(record_expired(&mortal, 1000));
	CU_ASSERT_TRUE(record_expired(&mortal, 1001));
	CU_ASSERT_FALSE(record_expired(&immortal, INT64_MAX));
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_is_encoded_decodes_to_the_same),
	HARNESS_TEST(the_bytes_are_as_the_format_says),
	HARNESS_TEST(a_changed_bit_is_damage),
	HARNESS_TEST(a_record_that_was_cut_is_damage),
	HARNESS_TEST(a_record_under_another_key_is_damage),
	HARNESS_TEST(a_record_expires_with_its_millisecond),
};

int main(void)
{
	return harness_run("store/record", tests, HARNESS_COUNT(tests));
}
