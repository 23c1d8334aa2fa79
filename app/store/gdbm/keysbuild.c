/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making a file of sorted keys, in memory; keys.h has the format. */
#include <assert.h>
#include <string.h>

#include "store/gdbm/keys.h"
#include "store/gdbm/keys_format.h"

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

	le32_put(entry,
		 keys_entry_crc(builder->count, entry, file->size - start));
	builder->last_at = start + ENTRY_HEAD_SIZE;
	builder->last_size = key.size;
	builder->count++;
}

enum err keys_builder_finish(struct keys_builder *builder, struct table_id id,
			     const struct sums *sums)
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
	buf_add_view(file, buf_view(&sums->blocks));
	buf_add_le32(file, crc32c(0, sums->blocks.data, sums->blocks.size));
	if (file->err)
		return file->err;

	uint8_t *head = (uint8_t *)file->data;

	memcpy(head, KEYS_MAGIC, 8);
	le32_put(head + HEAD_FORMAT, KEYS_FORMAT);
	le64_put(head + HEAD_ID, id.id);
	le64_put(head + HEAD_GENERATION, id.generation);
	le64_put(head + HEAD_COUNT, builder->count);
	le64_put(head + HEAD_OFFSETS_AT, offsets_at);
	le64_put(head + HEAD_GDBM_BYTES, sums->bytes);
	le32_put(head + HEAD_GDBM_CRC, sums->crc);
	le32_put(head + HEAD_OFFSETS_CRC,
		 crc32c(0, offsets->data, offsets->size));
	le32_put(head + HEAD_CRC,
		 crc32c(0, head + HEAD_ID, HEAD_SIZE - HEAD_ID));
	return ERR_OK;
}
