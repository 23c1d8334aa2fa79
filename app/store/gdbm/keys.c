/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sorted keys of a table; keys.h has the format. */
#include "store/gdbm/keys.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/gdbmfile.h"
#include "store/gdbm/keys_format.h"

#define WINDOW_MIN 4096
#define WINDOW_MAX 65536

/* Bytes [from, end) of the file are not as they were written. */
static enum err damaged(const struct keys *keys, const char *what,
			uint64_t from, uint64_t end)
{
	char bytes[48];

	snprintf(bytes, sizeof(bytes), "%" PRIu64 " to %" PRIu64, from,
		 end > from ? end - 1 : from);
	log_event(LOG_ERROR, "keys-damaged", "file", keys->name, "bytes", bytes,
		  "error", what, NULL);
	return ERR_DAMAGED;
}

/* Where the offsets end, and the CRCs of the GDBM file's blocks begin. */
static uint64_t offsets_end(const struct keys *keys)
{
	return keys->offsets_at + KEYS_OFFSET_SIZE * (keys->count + 1);
}

static uint64_t blocks_size(const struct keys *keys)
{
	return sums_blocks(keys->gdbm_bytes) * KEYS_CRC_SIZE;
}

static uint64_t file_end(const struct keys *keys)
{
	return offsets_end(keys) + blocks_size(keys) + KEYS_CRC_SIZE;
}

/*
 * Bytes [start, start + size) of the file, which lie in it, by way of the
 * window.  A request that follows on the window makes the next one larger.
 */
static enum err window_read(struct keys *keys, struct keys_window *window,
			    uint64_t start, size_t size, const uint8_t **out)
{
	uint64_t window_end = window->start + window->bytes.size;
	bool follows = window->bytes.size > 0 && start >= window->start &&
		       start <= window_end;

	if (!follows || start + size > window_end) {
		size_t length = follows ? 2 * window->bytes.size : WINDOW_MIN;
		uint64_t from =
			follows ? start : start & ~(uint64_t)(WINDOW_MIN - 1);

		if (length > WINDOW_MAX)
			length = WINDOW_MAX;
		if (length < start - from + size)
			length = (size_t)(start - from) + size;
		if (length > file_end(keys) - from)
			length = (size_t)(file_end(keys) - from);

		buf_clear(&window->bytes);
		buf_reserve(&window->bytes, length);
		if (window->bytes.err)
			return window->bytes.err;

		enum err err =
			file_read_at(keys->fd, keys->name, window->bytes.data,
				     length, (int64_t)from);

		if (err)
			return err;
		window->bytes.size = length;
		window->start = from;
	}
	*out = (uint8_t *)window->bytes.data + (start - window->start);
	return ERR_OK;
}

/* Where the entry begins and how long it is, as the offsets have it. */
static enum err entry_place(struct keys *keys, uint64_t position,
			    uint64_t *start, size_t *size)
{
	uint64_t place = keys->offsets_at + KEYS_OFFSET_SIZE * position;
	const uint8_t *offsets;
	enum err err = window_read(keys, &keys->offsets, place,
				   2 * KEYS_OFFSET_SIZE, &offsets);

	if (err)
		return err;

	uint64_t begin = le64_get(offsets);
	uint64_t end = le64_get(offsets + KEYS_OFFSET_SIZE);

	if (begin < HEAD_SIZE || end > keys->offsets_at || begin > end ||
	    end - begin < ENTRY_HEAD_SIZE || end - begin > ENTRY_SIZE_MAX)
		return damaged(keys, "an offset is out of range", place,
			       place + 2 * KEYS_OFFSET_SIZE);
	*start = begin;
	*size = (size_t)(end - begin);
	return ERR_OK;
}

enum err keys_verify_offsets(struct keys *keys)
{
	uint64_t at = keys->offsets_at;
	uint32_t crc = 0;

	while (at < offsets_end(keys)) {
		uint64_t rest = offsets_end(keys) - at;
		size_t size = rest < WINDOW_MIN ? (size_t)rest : WINDOW_MIN;
		const uint8_t *bytes;
		enum err err =
			window_read(keys, &keys->offsets, at, size, &bytes);

		if (err)
			return err;
		crc = crc32c(crc, bytes, size);
		at += size;
	}
	if (crc != keys->offsets_crc)
		return damaged(keys, "the checksum of the offsets is wrong",
			       keys->offsets_at, offsets_end(keys));
	return ERR_OK;
}

/* An entry, or the offsets that lead to it, if these are not as they were. */
static enum err damaged_entry(struct keys *keys, const char *what,
			      uint64_t start, size_t size)
{
	enum err err = keys_verify_offsets(keys);

	return err ? err : damaged(keys, what, start, start + size);
}

enum err keys_entry(struct keys *keys, uint64_t position, struct view *key,
		    struct record *record)
{
	assert(position < keys->count);

	uint64_t start = 0;
	size_t size = 0;
	const uint8_t *entry;
	enum err err = entry_place(keys, position, &start, &size);

	if (err)
		return err;
	err = window_read(keys, &keys->entries, start, size, &entry);
	if (err)
		return err;
	if (le32_get(entry + ENTRY_CRC) !=
	    keys_entry_crc(position, entry, size))
		return damaged_entry(keys, "an entry's checksum is wrong",
				     start, size);

	size_t key_size = le16_get(entry + ENTRY_KEY_SIZE);
	size_t type_size = entry[ENTRY_TYPE_SIZE];

	if (key_size == 0 || key_size > STORE_KEY_MAX ||
	    size != ENTRY_HEAD_SIZE + key_size + type_size)
		return damaged_entry(keys, "an entry's lengths are wrong",
				     start, size);
	*key = (struct view){ entry + ENTRY_HEAD_SIZE, key_size };
	*record = (struct record){
		.revision = le64_get(entry + ENTRY_REVISION),
		.modified_ms = (int64_t)le64_get(entry + ENTRY_MODIFIED),
		.expires_ms = (int64_t)le64_get(entry + ENTRY_EXPIRES),
		.type = { entry + ENTRY_HEAD_SIZE + key_size, type_size },
		.value = { NULL, le64_get(entry + ENTRY_VALUE_SIZE) },
	};
	return ERR_OK;
}

enum err keys_seek(struct keys *keys, struct view key, bool past,
		   uint64_t *position)
{
	uint64_t low = 0;
	uint64_t high = keys->count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		struct view other;
		struct record record;
		enum err err = keys_entry(keys, middle, &other, &record);

		if (err)
			return err;

		int order = view_compare(other, key);

		if (order < 0 || (past && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	*position = low;
	return ERR_OK;
}

enum err keys_load_blocks(struct keys *keys)
{
	size_t size = (size_t)blocks_size(keys);
	struct buf *blocks = &keys->blocks;
	enum err err;

	if (blocks->size)
		return ERR_OK;
	buf_reserve(blocks, size + KEYS_CRC_SIZE);
	if (blocks->err)
		return blocks->err;
	err = file_read_at(keys->fd, keys->name, blocks->data,
			   size + KEYS_CRC_SIZE, (int64_t)offsets_end(keys));
	if (err)
		return err;
	if (le32_get(blocks->data + size) != crc32c(0, blocks->data, size))
		return damaged(keys, "the checksum of checksums is wrong",
			       offsets_end(keys), file_end(keys));
	blocks->size = size;
	return ERR_OK;
}

uint32_t keys_block_crc(const struct keys *keys, uint64_t block)
{
	return le32_get(keys->blocks.data + block * KEYS_CRC_SIZE);
}

static enum err header_parse(struct keys *keys, struct table_id id,
			     const uint8_t *head, uint64_t size)
{
	if (memcmp(head, KEYS_MAGIC, 8) != 0)
		return damaged(keys, "the file is no keys file", 0, 8);
	if (le32_get(head + HEAD_FORMAT) != KEYS_FORMAT) {
		log_event(LOG_ERROR, "keys-format", "file", keys->name, "bytes",
			  "8 to 11", "error",
			  "the file is of another format version", NULL);
		return ERR_FORMAT;
	}
	if (le32_get(head + HEAD_CRC) !=
	    crc32c(0, head + HEAD_ID, HEAD_SIZE - HEAD_ID))
		return damaged(keys, "the header's checksum is wrong", HEAD_CRC,
			       HEAD_SIZE);
	if (le64_get(head + HEAD_ID) != id.id ||
	    le64_get(head + HEAD_GENERATION) != id.generation)
		return damaged(keys, "the file belongs to another table",
			       HEAD_ID, HEAD_COUNT);

	keys->count = le64_get(head + HEAD_COUNT);
	keys->offsets_at = le64_get(head + HEAD_OFFSETS_AT);
	keys->gdbm_bytes = le64_get(head + HEAD_GDBM_BYTES);
	keys->gdbm_crc = le32_get(head + HEAD_GDBM_CRC);
	keys->offsets_crc = le32_get(head + HEAD_OFFSETS_CRC);
	if (keys->offsets_at < HEAD_SIZE || keys->offsets_at > size ||
	    keys->count > size / KEYS_OFFSET_SIZE ||
	    keys->gdbm_bytes > size * GDBMFILE_BLOCK_SIZE ||
	    file_end(keys) != size)
		return damaged(keys, "the file's size does not fit its header",
			       0, size);
	return ERR_OK;
}

static enum err header_read(struct keys *keys, struct table_id id)
{
	uint8_t head[HEAD_SIZE];
	int64_t size;
	enum err err = file_size(keys->fd, keys->name, &size);

	if (err)
		return err;
	if (size < HEAD_SIZE)
		return damaged(keys, "the file is shorter than its header", 0,
			       (uint64_t)size);
	err = file_read_at(keys->fd, keys->name, head, sizeof(head), 0);
	if (err)
		return err;
	return header_parse(keys, id, head, (uint64_t)size);
}

enum err keys_open(int dir, struct table_id id, struct keys *keys)
{
	enum err err;

	*keys = (struct keys){ .fd = -1 };
	table_keys_name(id, keys->name);
	err = file_open_existing(dir, keys->name, O_RDONLY, &keys->fd);
	if (err)
		return err;
	err = header_read(keys, id);
	if (err)
		keys_close(keys);
	return err;
}

void keys_close(struct keys *keys)
{
	buf_release(&keys->offsets.bytes);
	buf_release(&keys->entries.bytes);
	buf_release(&keys->blocks);
	file_close(&keys->fd, keys->name);
}
