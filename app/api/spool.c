/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A record is its head (sizes of key, type and value, expiry; little-endian)
 * and its bytes.  The file is read by the process that has written it.
 */
#include "api/spool.h"

#include <string.h>

#include "base/file.h"

#define NAME       "spool.tmp"
#define HEAD_SIZE  16
#define CHUNK_SIZE ((size_t)256 << 10)

void spool_init(struct spool *spool, const char *folder)
{
	*spool = (struct spool){ .folder = folder, .fd = -1 };
}

void spool_release(struct spool *spool)
{
	file_close(&spool->fd, NAME);
	buf_release(&spool->bytes);
}

static enum err write_out(struct spool *spool)
{
	struct buf *bytes = &spool->bytes;
	enum err err = ERR_OK;

	if (spool->fd < 0)
		err = file_open_unnamed(spool->folder, NAME, &spool->fd);
	if (!err)
		err = file_write_at(spool->fd, NAME, bytes->data, bytes->size,
				    spool->written);
	spool->written += (int64_t)bytes->size;
	buf_clear(bytes);
	return err;
}

enum err spool_add(struct spool *spool, const struct spool_record *record)
{
	struct buf *bytes = &spool->bytes;

	buf_add_le16(bytes, (uint16_t)record->key.size);
	buf_add_le16(bytes, (uint16_t)record->type.size);
	buf_add_le32(bytes, (uint32_t)record->value.size);
	buf_add_le64(bytes, (uint64_t)record->expires_ms);
	buf_add_view(bytes, record->key);
	buf_add_view(bytes, record->type);
	buf_add_view(bytes, record->value);
	if (bytes->err)
		return bytes->err;
	return bytes->size < CHUNK_SIZE ? ERR_OK : write_out(spool);
}

enum err spool_rewind(struct spool *spool)
{
	return spool->fd < 0 ? ERR_OK : write_out(spool);
}

/* More of the file behind what is left, until `size` bytes are there. */
static enum err fill(struct spool *spool, size_t size)
{
	struct buf *bytes = &spool->bytes;
	size_t left = bytes->size - spool->at;
	size_t more = size > left + CHUNK_SIZE ? size - left : CHUNK_SIZE;
	enum err err;

	if (left >= size)
		return ERR_OK;
	if ((int64_t)more > spool->written - spool->read)
		more = (size_t)(spool->written - spool->read);
	memmove(bytes->data, bytes->data + spool->at, left);
	spool->at = 0;
	bytes->size = left;
	buf_reserve(bytes, more);
	if (bytes->err)
		return bytes->err;
	err = file_read_at(spool->fd, NAME, bytes->data + left, more,
			   spool->read);
	spool->read += (int64_t)more;
	bytes->size += more;
	return err;
}

static struct view take(struct spool *spool, size_t size)
{
	struct view view = { spool->bytes.data + spool->at, size };

	spool->at += size;
	return view;
}

enum err spool_next(struct spool *spool, struct spool_record *record, bool *end)
{
	const char *head;
	size_t key, type, value;
	enum err err;

	*end = spool->at == spool->bytes.size && spool->read == spool->written;
	if (*end)
		return ERR_OK;
	err = fill(spool, HEAD_SIZE);
	if (err)
		return err;
	head = spool->bytes.data + spool->at;
	key = le16_get(head);
	type = le16_get(head + 2);
	value = le32_get(head + 4);
	err = fill(spool, HEAD_SIZE + key + type + value);
	if (err)
		return err;
	head = take(spool, HEAD_SIZE).data;
	record->expires_ms = (int64_t)le64_get(head + 8);
	record->key = take(spool, key);
	record->type = take(spool, type);
	record->value = take(spool, value);
	spool->taken++;
	return ERR_OK;
}
