/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sorted keys of a table; keys.h has the format. */
#include "store/gdbm/keys.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/log.h"
#include "store/store.h"

#define KEYS_MAGIC  "librkeys"
#define KEYS_FORMAT 1
#define OFFSET_SIZE 8
#define WINDOW_MIN  4096
#define WINDOW_MAX  65536

enum {
	HEAD_FORMAT = 8,
	HEAD_CRC = 12,
	HEAD_ID = 16,
	HEAD_GENERATION = 24,
	HEAD_COUNT = 32,
	HEAD_OFFSETS_AT = 40,
	HEAD_GDBM_BYTES = 48,
	HEAD_GDBM_CRC = 56,
	HEAD_OFFSETS_CRC = 60,
	HEAD_SIZE = 64,
};

enum {
	ENTRY_CRC = 0,
	ENTRY_KEY_SIZE = 4,
	ENTRY_TYPE_SIZE = 6,
	ENTRY_ZERO = 7,
	ENTRY_REVISION = 8,
	ENTRY_MODIFIED = 16,
	ENTRY_EXPIRES = 24,
	ENTRY_VALUE_SIZE = 32,
	ENTRY_HEAD_SIZE = 40,
	ENTRY_SIZE_MAX = ENTRY_HEAD_SIZE + STORE_KEY_MAX + RECORD_TYPE_MAX,
};

static enum err damaged(const struct keys *keys, const char *what)
{
	log_event(LOG_ERROR, "keys-damaged", "file", keys->name, "error", what,
		  NULL);
	return ERR_DAMAGED;
}

static uint32_t entry_crc(uint64_t position, const uint8_t *entry, size_t size)
{
	uint8_t number[8];

	le64_put(number, position);
	return crc32c(crc32c(0, number, sizeof(number)), entry + 4, size - 4);
}

/* Where the offsets end, and with them the file. */
static uint64_t file_end(const struct keys *keys)
{
	return keys->offsets_at + OFFSET_SIZE * (keys->count + 1);
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
	const uint8_t *offsets;
	enum err err = window_read(keys, &keys->offsets,
				   keys->offsets_at + OFFSET_SIZE * position,
				   2 * OFFSET_SIZE, &offsets);

	if (err)
		return err;

	uint64_t begin = le64_get(offsets);
	uint64_t end = le64_get(offsets + OFFSET_SIZE);

	if (begin < HEAD_SIZE || end > keys->offsets_at || begin > end ||
	    end - begin < ENTRY_HEAD_SIZE || end - begin > ENTRY_SIZE_MAX)
		return damaged(keys, "an offset is out of range");
	*start = begin;
	*size = (size_t)(end - begin);
	return ERR_OK;
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
	if (le32_get(entry + ENTRY_CRC) != entry_crc(position, entry, size))
		return damaged(keys, "an entry's checksum is wrong");

	size_t key_size = le16_get(entry + ENTRY_KEY_SIZE);
	size_t type_size = entry[ENTRY_TYPE_SIZE];

	if (key_size == 0 || key_size > STORE_KEY_MAX ||
	    size != ENTRY_HEAD_SIZE + key_size + type_size)
		return damaged(keys, "an entry's lengths are wrong");
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

enum err keys_verify_offsets(struct keys *keys)
{
	uint64_t at = keys->offsets_at;
	uint32_t crc = 0;

	while (at < file_end(keys)) {
		uint64_t rest = file_end(keys) - at;
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
		return damaged(keys, "the checksum of the offsets is wrong");
	return ERR_OK;
}

static enum err header_parse(struct keys *keys, struct table_id id,
			     const uint8_t *head, uint64_t size)
{
	if (memcmp(head, KEYS_MAGIC, 8) != 0)
		return damaged(keys, "the file is no keys file");
	if (le32_get(head + HEAD_FORMAT) != KEYS_FORMAT) {
		log_event(LOG_ERROR, "keys-format", "file", keys->name, "error",
			  "the file is of another format version", NULL);
		return ERR_FORMAT;
	}
	if (le32_get(head + HEAD_CRC) !=
	    crc32c(0, head + HEAD_ID, HEAD_SIZE - HEAD_ID))
		return damaged(keys, "the header's checksum is wrong");
	if (le64_get(head + HEAD_ID) != id.id ||
	    le64_get(head + HEAD_GENERATION) != id.generation)
		return damaged(keys, "the file belongs to another table");

	keys->count = le64_get(head + HEAD_COUNT);
	keys->offsets_at = le64_get(head + HEAD_OFFSETS_AT);
	keys->gdbm_bytes = le64_get(head + HEAD_GDBM_BYTES);
	keys->gdbm_crc = le32_get(head + HEAD_GDBM_CRC);
	keys->offsets_crc = le32_get(head + HEAD_OFFSETS_CRC);
	if (keys->offsets_at < HEAD_SIZE || keys->offsets_at > size ||
	    keys->count > size / OFFSET_SIZE || file_end(keys) != size)
		return damaged(keys, "the file's size does not fit its header");
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
		return damaged(keys, "the file is shorter than its header");
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
	file_close(&keys->fd, keys->name);
}

void keys_builder_release(struct keys_builder *builder)
{
	buf_release(&builder->file);
	buf_release(&builder->offsets);
}

static struct view last_key(const struct keys_builder *builder)
{
	return (struct view){ builder->file.data + builder->last_at,
			      builder->last_size };
}

void keys_builder_add(struct keys_builder *builder, struct view key,
		      const struct record *record)
{
	static const uint8_t no_head[HEAD_SIZE];
	struct buf *file = &builder->file;
	uint8_t head[ENTRY_HEAD_SIZE] = { 0 };

	if (builder->count == 0)
		buf_add(file, no_head, sizeof(no_head));
	if (file->err)
		return;
	assert(key.size > 0 && key.size <= STORE_KEY_MAX);
	assert(record->type.size <= RECORD_TYPE_MAX);
	assert(builder->count == 0 || view_compare(last_key(builder), key) < 0);

	size_t start = file->size;

	le16_put(head + ENTRY_KEY_SIZE, (uint16_t)key.size);
	head[ENTRY_TYPE_SIZE] = (uint8_t)record->type.size;
	le64_put(head + ENTRY_REVISION, record->revision);
	le64_put(head + ENTRY_MODIFIED, (uint64_t)record->modified_ms);
	le64_put(head + ENTRY_EXPIRES, (uint64_t)record->expires_ms);
	le64_put(head + ENTRY_VALUE_SIZE, record->value.size);
	buf_add(file, head, sizeof(head));
	buf_add_view(file, key);
	buf_add_view(file, record->type);
	buf_add_le64(&builder->offsets, start);
	if (file->err)
		return;

	uint8_t *entry = (uint8_t *)file->data + start;

	le32_put(entry, entry_crc(builder->count, entry, file->size - start));
	builder->last_at = start + ENTRY_HEAD_SIZE;
	builder->last_size = key.size;
	builder->count++;
}

enum err keys_builder_finish(struct keys_builder *builder, struct table_id id,
			     uint64_t gdbm_bytes, uint32_t gdbm_crc)
{
	static const uint8_t no_head[HEAD_SIZE];
	struct buf *file = &builder->file;
	struct buf *offsets = &builder->offsets;

	if (builder->count == 0)
		buf_add(file, no_head, sizeof(no_head));

	uint64_t offsets_at = file->size;

	buf_add_le64(offsets, offsets_at);
	if (offsets->err)
		return offsets->err;
	buf_add_view(file, buf_view(offsets));
	if (file->err)
		return file->err;

	uint8_t *head = (uint8_t *)file->data;

	memcpy(head, KEYS_MAGIC, 8);
	le32_put(head + HEAD_FORMAT, KEYS_FORMAT);
	le64_put(head + HEAD_ID, id.id);
	le64_put(head + HEAD_GENERATION, id.generation);
	le64_put(head + HEAD_COUNT, builder->count);
	le64_put(head + HEAD_OFFSETS_AT, offsets_at);
	le64_put(head + HEAD_GDBM_BYTES, gdbm_bytes);
	le32_put(head + HEAD_GDBM_CRC, gdbm_crc);
	le32_put(head + HEAD_OFFSETS_CRC,
		 crc32c(0, offsets->data, offsets->size));
	le32_put(head + HEAD_CRC,
		 crc32c(0, head + HEAD_ID, HEAD_SIZE - HEAD_ID));
	return ERR_OK;
}
