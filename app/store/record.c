/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bytes of a record; record.h has the format. */
#include "store/record.h"

#include <assert.h>

#include "base/crc32c.h"

#define RECORD_FORMAT 1

enum {
	AT_CRC = 0,
	AT_FORMAT = 4,
	AT_TYPE_SIZE = 5,
	AT_ZERO = 6,
	AT_REVISION = 8,
	AT_MODIFIED = 16,
	AT_EXPIRES = 24,
};

/* Over the key and everything of the record behind the CRC itself. */
static uint32_t record_crc(struct view key, const uint8_t *bytes, size_t size)
{
	uint32_t crc = crc32c(0, key.data, key.size);

	return crc32c(crc, bytes + AT_FORMAT, size - AT_FORMAT);
}

size_t record_size(const struct record *record)
{
	return RECORD_HEAD_SIZE + record->type.size + record->value.size;
}

void record_encode(struct view key, const struct record *record,
		   struct buf *out)
{
	assert(record->type.size <= RECORD_TYPE_MAX);

	size_t size = record_size(record);
	size_t start = out->size;
	uint8_t head[RECORD_HEAD_SIZE] = { 0 };

	head[AT_FORMAT] = RECORD_FORMAT;
	head[AT_TYPE_SIZE] = (uint8_t)record->type.size;
	le64_put(head + AT_REVISION, record->revision);
	le64_put(head + AT_MODIFIED, (uint64_t)record->modified_ms);
	le64_put(head + AT_EXPIRES, (uint64_t)record->expires_ms);

	buf_reserve(out, size);
	buf_add(out, head, sizeof(head));
	buf_add_view(out, record->type);
	buf_add_view(out, record->value);
	if (out->err)
		return;

	uint8_t *bytes = (uint8_t *)out->data + start;

	le32_put(bytes + AT_CRC, record_crc(key, bytes, size));
}

enum err record_decode(struct view key, struct view bytes,
		       struct record *record)
{
	const uint8_t *data = bytes.data;

	if (bytes.size < RECORD_HEAD_SIZE)
		return ERR_DAMAGED;
	if (data[AT_FORMAT] != RECORD_FORMAT || le16_get(data + AT_ZERO) != 0)
		return ERR_DAMAGED;

	size_t type_size = data[AT_TYPE_SIZE];

	if (bytes.size - RECORD_HEAD_SIZE < type_size)
		return ERR_DAMAGED;
	if (le32_get(data + AT_CRC) != record_crc(key, data, bytes.size))
		return ERR_DAMAGED;

	*record = (struct record){
		.revision = le64_get(data + AT_REVISION),
		.modified_ms = (int64_t)le64_get(data + AT_MODIFIED),
		.expires_ms = (int64_t)le64_get(data + AT_EXPIRES),
		.type = { data + RECORD_HEAD_SIZE, type_size },
		.value = { data + RECORD_HEAD_SIZE + type_size,
			   bytes.size - RECORD_HEAD_SIZE - type_size },
	};
	return ERR_OK;
}

int64_t record_peek_expiry(struct view bytes)
{
	return (int64_t)le64_get((const uint8_t *)bytes.data + AT_EXPIRES);
}

bool record_expired(const struct record *record, int64_t now_ms)
{
	return record->expires_ms != 0 && record->expires_ms <= now_ms;
}
