/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sorted keys of a table.  The input is the file; the magic, the ids and
 * the CRCs of its head and of as many entries as can be found are put right.
 * Whatever it says, an entry lies within limits and a search ends.
 */
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "fuzz/fuzz.h"
#include "store/gdbm/keys.h"
#include "store/store.h"

#define HEAD_SIZE   64
#define ENTRIES_MAX 64 /* that are looked at */

static const struct table_id id = { 4, 12 };

/* `size` bytes at a position that lies in the file, or NULL. */
static char *at(struct buf *file, uint64_t position, uint64_t size)
{
	if (position > file->size || size > file->size - position)
		return NULL;
	return file->data + position;
}

static void seal_entry(struct buf *file, uint64_t number, const char *offsets)
{
	uint64_t begin = le64_get(offsets);
	uint64_t end = le64_get(offsets + 8);
	char position[8];
	char *entry;

	if (begin < HEAD_SIZE || end < begin || end - begin < 4)
		return;
	entry = at(file, begin, end - begin);
	if (!entry)
		return;
	le64_put(position, number);
	le32_put(entry, crc32c(crc32c(0, position, 8), entry + 4,
			       (size_t)(end - begin - 4)));
}

/* The CRCs of the offsets and of the blocks' CRCs behind them. */
static void seal_rest(struct buf *file, uint64_t offsets_at, uint64_t count,
		      uint64_t blocks)
{
	const char *offsets;
	char *rest;

	if (count > file->size || blocks > file->size)
		return;
	offsets = at(file, offsets_at, 8 * (count + 1));
	if (!offsets)
		return;
	le32_put(file->data + 60, crc32c(0, offsets, 8 * (count + 1)));
	rest = at(file, offsets_at + 8 * (count + 1), 4 * blocks + 4);
	if (rest)
		le32_put(rest + 4 * blocks, crc32c(0, rest, 4 * blocks));
}

static void seal(struct buf *file)
{
	char *head = at(file, 0, HEAD_SIZE);

	if (!head)
		return;
	memcpy(head, "librkeys\2\0\0\0", 12);
	le64_put(head + 16, id.id);
	le64_put(head + 24, id.generation);

	uint64_t count = le64_get(head + 32);
	uint64_t offsets_at = le64_get(head + 40);

	for (uint64_t i = 0; i < count && i < ENTRIES_MAX; i++) {
		const char *offsets = at(file, offsets_at + 8 * i, 16);

		if (offsets)
			seal_entry(file, i, offsets);
	}
	seal_rest(file, offsets_at, count, sums_blocks(le64_get(head + 48)));
	le32_put(head + 12, crc32c(0, head + 16, HEAD_SIZE - 16));
}

static void check_entry(struct keys *keys, uint64_t position)
{
	char copy[STORE_KEY_MAX];
	struct record record;
	struct view key;
	uint64_t found;

	if (keys_entry(keys, position, &key, &record))
		return;
	FUZZ_HOLDS(key.size > 0 && key.size <= STORE_KEY_MAX);
	FUZZ_HOLDS(record.type.size <= RECORD_TYPE_MAX);
	memcpy(copy, key.data, key.size);
	key.data = copy;
	if (!keys_seek(keys, key, false, &found))
		FUZZ_HOLDS(found <= keys->count);
	if (!keys_seek(keys, key, true, &found))
		FUZZ_HOLDS(found <= keys->count);
}

static void try(const struct buf *file)
{
	char name[TABLE_NAME_SIZE];
	struct keys keys;

	table_keys_name(id, name);
	fuzz_write(name, buf_view(file));
	if (!keys_open(fuzz_folder(), id, &keys)) {
		keys_verify_offsets(&keys);
		if (!keys_load_blocks(&keys) && keys.gdbm_bytes)
			keys_block_crc(&keys, sums_blocks(keys.gdbm_bytes) - 1);
		for (uint64_t i = 0; i < keys.count && i < ENTRIES_MAX; i++)
			check_entry(&keys, i);
		keys_close(&keys);
	}
	unlink(fuzz_path(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file = BUF_EMPTY;

	buf_add(&file, data, size);
	seal(&file);
	try(&file);
	buf_release(&file);
	return 0;
}
