/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A table whose GDBM file is not what it was.  The input is changes to the
 * file of a small table: a place (two bytes, within the file) and what to put
 * there, one to eight bytes; 0xff as the number cuts the file off.  What a
 * reader gets from it is what was put in, or an error, and looking it over
 * comes to an end.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz/fuzz.h"
#include "store/gdbm/gdbmfile.h"
#include "store/gdbm/table.h"

#define KEYS       12
#define SCAN_LIMIT 1000
#define FILE_MAX   (1 << 20)

static const struct table_id id = { 4, 12 };

static struct view key_of(size_t i, char out[4])
{
	out[0] = 'k';
	out[1] = (char)('a' + i);
	out[2] = '/';
	out[3] = (char)(0xf0 + i);
	return (struct view){ out, 4 };
}

static struct record record_of(size_t i)
{
	static const char value[] = "twelve bytes";

	return (struct record){ .revision = i + 1,
				.type = view_of("text/plain"),
				.value = { value, i } };
}

/* The bytes of a sound GDBM file, made once. */
static struct view sound_file(void)
{
	static struct buf bytes;
	struct gdbmfile *file;
	int fd;

	if (bytes.size)
		return buf_view(&bytes);
	FUZZ_HOLDS((fd = memfd_create("sound", MFD_CLOEXEC)) >= 0);
	FUZZ_HOLDS(!gdbmfile_edit(fd, "sound", &file));
	for (size_t i = 0; i < KEYS; i++) {
		struct record record = record_of(i);
		struct buf encoded = BUF_EMPTY;
		char text[4];
		struct view key = key_of(i, text);

		record_encode(key, &record, &encoded);
		FUZZ_HOLDS(!gdbmfile_put(file, key, buf_view(&encoded)));
		buf_release(&encoded);
	}
	FUZZ_HOLDS(!gdbmfile_close(file));
	FUZZ_HOLDS(!file_read_all(fd, "sound", FILE_MAX, &bytes));
	file_close(&fd, "sound");
	return buf_view(&bytes);
}

static void damage(struct view input, struct buf *file)
{
	while (input.size > 0) {
		size_t at = fuzz_take_uint16(&input) % (file->size + 1);
		uint8_t count = fuzz_take_byte(&input);
		struct view bytes;

		if (count == 0xff) {
			file->size = at;
			continue;
		}
		bytes = fuzz_take(&input, count % 8 + 1);
		if (bytes.size > file->size - at)
			bytes.size = file->size - at;
		if (bytes.size)
			memcpy(file->data + at, bytes.data, bytes.size);
	}
}

static enum err see(void *arg, struct view key, struct view record_bytes)
{
	struct record record;
	size_t *seen = arg;

	++*seen;
	record_decode(key, record_bytes, &record);
	return ERR_OK;
}

static void get_all(struct table *table)
{
	for (size_t i = 0; i < KEYS; i++) {
		struct record expected = record_of(i);
		struct buf bytes = BUF_EMPTY;
		struct record record;
		char text[4];
		struct view key = key_of(i, text);

		if (!table_get(table, key, &bytes) &&
		    !record_decode(key, buf_view(&bytes), &record)) {
			FUZZ_HOLDS(record.revision == expected.revision);
			FUZZ_HOLDS(view_equal(record.value, expected.value));
		}
		buf_release(&bytes);
	}
}

static void count(void *arg, const char *file, const char *sentence)
{
	size_t *findings = arg;

	FUZZ_HOLDS(*file && *sentence);
	++*findings;
}

/* With keys made of what is there, or none where that can't be done. */
static void verify(void)
{
	const struct view none = { 0 };
	char name[TABLE_NAME_SIZE];
	size_t findings = 0;
	enum err err;

	table_restore_keys(fuzz_folder(), id, KEYS);
	err = table_verify(fuzz_folder(), id, none, none, KEYS, count,
			   &findings);
	FUZZ_HOLDS(err == (findings ? ERR_DAMAGED : ERR_OK));
	table_keys_name(id, name);
	unlink(fuzz_path(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view input = { data, size };
	struct buf file = BUF_EMPTY;
	struct table *table;
	char name[TABLE_NAME_SIZE];
	size_t seen = 0;

	buf_add_view(&file, sound_file());
	damage(input, &file);
	table_name(id, name);
	fuzz_write(name, buf_view(&file));
	if (!table_open(fuzz_folder(), id, &table)) {
		get_all(table);
		table_scan(table, SCAN_LIMIT, see, &seen);
		FUZZ_HOLDS(seen <= SCAN_LIMIT + 1);
		table_verify_space(table);
		table_close(table);
	}
	verify();
	unlink(fuzz_path(name));
	buf_release(&file);
	return 0;
}
