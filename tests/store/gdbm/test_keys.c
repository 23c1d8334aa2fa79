/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sorted keys of a table. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "harness.h"
#include "logged.h"
#include "store/gdbm/keys.h"
#include "store/store.h"

static const struct table_id id = { 4, 12 };
static const char file_name[] = "table-000004.12.keys";

static int open_dir(void)
{
	int dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY);

	CU_ASSERT_TRUE_FATAL(dir >= 0);
	return dir;
}

static void write_bytes(int dir, struct view bytes)
{
	int fd;

	/* Not O_TRUNC, after which ext4 writes the file out when it closes. */
	CU_ASSERT_EQUAL(file_remove(dir, file_name), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(file_open(dir, file_name,
					O_WRONLY | O_CREAT | O_EXCL, 0600, &fd),
			      ERR_OK);
	CU_ASSERT_EQUAL(file_write_at(fd, file_name, bytes.data, bytes.size, 0),
			ERR_OK);
	file_close(&fd, file_name);
}

/* Key number i: ascending, of many lengths, the last bytes not ASCII. */
static struct view key_of(size_t i, char out[STORE_KEY_MAX])
{
	size_t size = i % 97 == 0 ? STORE_KEY_MAX : 12 + i % 40;

	memset(out, '\xf0', size);
	snprintf(out, STORE_KEY_MAX, "key/%07zu", i);
	out[11] = '/';
	return (struct view){ out, size };
}

static struct record record_of(size_t i)
{
	static const char type[RECORD_TYPE_MAX] = "application/x-some-type";

	return (struct record){
		.revision = i + 1,
		.modified_ms = (int64_t)i * 3,
		.expires_ms = i % 5 ? 0 : (int64_t)i * 7,
		.type = { type, i % 50 ? i % 24 : sizeof(type) },
		.value = { NULL, i * 1000 },
	};
}

static void make_file(int dir, size_t count, struct buf *copy)
{
	struct sums sums = { .bytes = 777, .crc = 0xabcd };
	struct keys_builder builder = KEYS_BUILDER_EMPTY;
	char bytes[STORE_KEY_MAX];

	for (size_t i = 0; i < count; i++) {
		struct record record = record_of(i);

		keys_builder_add(&builder, key_of(i, bytes), &record);
	}
	buf_add_le32(&sums.blocks, 0xb10c);
	CU_ASSERT_EQUAL_FATAL(keys_builder_finish(&builder, id, &sums), ERR_OK);
	buf_release(&sums.blocks);
	write_bytes(dir, buf_view(&builder.file));
	if (copy)
		buf_add_view(copy, buf_view(&builder.file));
	keys_builder_release(&builder);
}

static bool is_entry(struct keys *keys, size_t i)
{
	char bytes[STORE_KEY_MAX];
	struct record expected = record_of(i);
	struct record record;
	struct view key;

	return keys_entry(keys, i, &key, &record) == ERR_OK &&
	       view_equal(key, key_of(i, bytes)) &&
	       record.revision == expected.revision &&
	       record.modified_ms == expected.modified_ms &&
	       record.expires_ms == expected.expires_ms &&
	       view_equal(record.type, expected.type) &&
	       record.value.data == NULL &&
	       record.value.size == expected.value.size;
}

static void entries_come_back_in_any_order(void)
{
	static const size_t counts[] = { 0, 1, 2, 700, 5000 };
	int dir = open_dir();

	for (size_t c = 0; c < HARNESS_COUNT(counts); c++) {
		size_t count = counts[c];
		size_t position = 0;
		struct keys keys;

		make_file(dir, count, NULL);
		CU_ASSERT_EQUAL_FATAL(keys_open(dir, id, &keys), ERR_OK);
		CU_ASSERT_EQUAL(keys.count, count);
		CU_ASSERT_EQUAL(keys.gdbm_bytes, 777);
		CU_ASSERT_EQUAL(keys.gdbm_crc, 0xabcd);
		CU_ASSERT_EQUAL(keys_verify_offsets(&keys), ERR_OK);
		CU_ASSERT_EQUAL_FATAL(keys_load_blocks(&keys), ERR_OK);
		CU_ASSERT_EQUAL(keys_block_crc(&keys, 0), 0xb10c);
		for (size_t i = 0; i < count; i++)
			CU_ASSERT_TRUE(is_entry(&keys, i));
		for (size_t i = count; i-- > 0;)
			CU_ASSERT_TRUE(is_entry(&keys, i));
		for (size_t i = 0; i < count; i++) {
			position = (position + 2654435761u) % count;
			CU_ASSERT_TRUE(is_entry(&keys, position));
		}
		keys_close(&keys);
	}
	close(dir);
}

static void seeking_finds_the_first_key_not_below(void)
{
	int dir = open_dir();
	size_t count = 1000;
	char bytes[STORE_KEY_MAX + 1];
	uint64_t position;
	struct keys keys;

	make_file(dir, count, NULL);
	CU_ASSERT_EQUAL_FATAL(keys_open(dir, id, &keys), ERR_OK);
	for (size_t i = 0; i < count; i++) {
		struct view key = key_of(i, bytes);

		CU_ASSERT_EQUAL(keys_seek(&keys, key, false, &position),
				ERR_OK);
		CU_ASSERT_EQUAL(position, i);
		CU_ASSERT_EQUAL(keys_seek(&keys, key, true, &position), ERR_OK);
		CU_ASSERT_EQUAL(position, i + 1);
		bytes[key.size++] = '\0';
		CU_ASSERT_EQUAL(keys_seek(&keys, key, false, &position),
				ERR_OK);
		CU_ASSERT_EQUAL(position, i + 1);
		key.size -= 2;
		CU_ASSERT_EQUAL(keys_seek(&keys, key, true, &position), ERR_OK);
		CU_ASSERT_EQUAL(position, i);
	}
	CU_ASSERT_EQUAL(keys_seek(&keys, view_of(""), false, &position),
			ERR_OK);
	CU_ASSERT_EQUAL(position, 0);
	CU_ASSERT_EQUAL(keys_seek(&keys, view_of("z"), true, &position),
			ERR_OK);
	CU_ASSERT_EQUAL(position, count);
	keys_close(&keys);
	close(dir);
}

/* What reading everything says of the file as it is. */
static enum err read_whole(int dir)
{
	struct keys keys;
	enum err err = keys_open(dir, id, &keys);

	if (err)
		return err;
	err = keys_verify_offsets(&keys);
	if (!err)
		err = keys_load_blocks(&keys);
	for (uint64_t i = 0; i < keys.count && !err; i++) {
		struct view key;
		struct record record;

		err = keys_entry(&keys, i, &key, &record);
	}
	keys_close(&keys);
	return err;
}

static void every_changed_bit_is_seen(void)
{
	int dir = open_dir();
	struct buf bytes = BUF_EMPTY;

	make_file(dir, 5, &bytes);
	CU_ASSERT_EQUAL(read_whole(dir), ERR_OK);
	for (size_t i = 0; i < bytes.size; i++) {
		static const char masks[] = { 0x01, '\x80' };

		for (size_t m = 0; m < 2; m++) {
			enum err err;

			bytes.data[i] ^= masks[m];
			write_bytes(dir, buf_view(&bytes));
			err = read_whole(dir);
			CU_ASSERT_TRUE(err == ERR_DAMAGED || err == ERR_FORMAT);
			bytes.data[i] ^= masks[m];
		}
	}
	buf_release(&bytes);
	close(dir);
}

/* Whether what is told of reading the entries has that byte among its own. */
static bool is_told(int dir, size_t at)
{
	struct logged logged;
	struct view key;
	struct record record;
	struct keys keys;

	logged_begin(&logged);
	if (!keys_open(dir, id, &keys)) {
		for (uint64_t i = 0; i < keys.count; i++)
			keys_entry(&keys, i, &key, &record);
		keys_close(&keys);
	}
	return logged_byte(logged_end(&logged), at);
}

/* An offset can make an entry look damaged that is not. */
static void what_is_told_has_the_byte_that_was_changed(void)
{
	int dir = open_dir();
	struct buf bytes = BUF_EMPTY;
	size_t untold = 0;

	make_file(dir, 5, &bytes);
	for (size_t i = 64; i < bytes.size - 2 * sizeof(uint32_t); i++) {
		bytes.data[i] ^= 4;
		write_bytes(dir, buf_view(&bytes));
		untold += !is_told(dir, i);
		bytes.data[i] ^= 4;
	}
	CU_ASSERT_EQUAL(untold, 0);
	buf_release(&bytes);
	close(dir);
}

static void a_file_that_was_cut_or_grew_is_refused(void)
{
	int dir = open_dir();
	struct buf bytes = BUF_EMPTY;

	make_file(dir, 3, &bytes);
	for (size_t size = 0; size < bytes.size; size++) {
		write_bytes(dir, (struct view){ bytes.data, size });
		CU_ASSERT_EQUAL(read_whole(dir), ERR_DAMAGED);
	}
	buf_add_char(&bytes, '\0');
	write_bytes(dir, buf_view(&bytes));
	CU_ASSERT_EQUAL(read_whole(dir), ERR_DAMAGED);
	buf_release(&bytes);
	close(dir);
}

static void an_entry_in_another_place_is_damage(void)
{
	static const char *const names[] = { "aaa", "bbb", "ccc" };
	int dir = open_dir();
	struct keys_builder builder = KEYS_BUILDER_EMPTY;
	struct sums none = SUMS_EMPTY;
	struct record record = { .revision = 1 };
	char saved[43];

	for (size_t i = 0; i < HARNESS_COUNT(names); i++)
		keys_builder_add(&builder, view_of(names[i]), &record);
	CU_ASSERT_EQUAL(keys_builder_finish(&builder, id, &none), ERR_OK);

	char *entries = builder.file.data + 64;

	memcpy(saved, entries, sizeof(saved));
	memcpy(entries, entries + sizeof(saved), sizeof(saved));
	memcpy(entries + sizeof(saved), saved, sizeof(saved));
	write_bytes(dir, buf_view(&builder.file));
	CU_ASSERT_EQUAL(read_whole(dir), ERR_DAMAGED);
	keys_builder_release(&builder);
	close(dir);
}

static void the_file_of_another_table_is_refused(void)
{
	int dir = open_dir();
	const struct table_id next = { 4, 13 };
	const struct table_id other = { 5, 12 };
	struct keys keys;

	make_file(dir, 3, NULL);
	CU_ASSERT_EQUAL(keys_open(dir, next, &keys), ERR_NOT_FOUND);
	renameat(dir, file_name, dir, "table-000004.13.keys");
	CU_ASSERT_EQUAL(keys_open(dir, next, &keys), ERR_DAMAGED);
	renameat(dir, "table-000004.13.keys", dir, "table-000005.12.keys");
	CU_ASSERT_EQUAL(keys_open(dir, other, &keys), ERR_DAMAGED);
	close(dir);
}

static void another_format_is_told_from_damage(void)
{
	int dir = open_dir();
	struct buf bytes = BUF_EMPTY;

	make_file(dir, 3, &bytes);
	bytes.data[8] = 1;
	write_bytes(dir, buf_view(&bytes));
	CU_ASSERT_EQUAL(read_whole(dir), ERR_FORMAT);
	bytes.data[0] = 'L';
	write_bytes(dir, buf_view(&bytes));
	CU_ASSERT_EQUAL(read_whole(dir), ERR_DAMAGED);
	buf_release(&bytes);
	close(dir);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(entries_come_back_in_any_order),
	HARNESS_TEST(seeking_finds_the_first_key_not_below),
	HARNESS_TEST(every_changed_bit_is_seen),
	HARNESS_TEST(what_is_told_has_the_byte_that_was_changed),
	HARNESS_TEST(a_file_that_was_cut_or_grew_is_refused),
	HARNESS_TEST(an_entry_in_another_place_is_damage),
	HARNESS_TEST(the_file_of_another_table_is_refused),
	HARNESS_TEST(another_format_is_told_from_damage),
};

int main(void)
{
	return harness_run("store/gdbm/keys", tests, HARNESS_COUNT(tests));
}
