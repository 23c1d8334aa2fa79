/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal's files and frames, on the writing side.  The order that makes
 * a segment's name a promise: write, sync, rename, sync of the folder; so a
 * segment that has its name has a whole head (rename(2), fsync(2)).
 */
#include "store/gdbm/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "store/gdbm/journal_format.h"

void journal_name(uint64_t number, char out[JOURNAL_NAME_SIZE])
{
	snprintf(out, JOURNAL_NAME_SIZE, "journal-%08" PRIu64 ".log", number);
}

bool journal_name_parse(const char *name, uint64_t *number)
{
	char exact[JOURNAL_NAME_SIZE];

	if (sscanf(name, "journal-%20" SCNu64 ".log", number) != 1)
		return false;
	journal_name(*number, exact);
	return strcmp(name, exact) == 0 && *number > 0;
}

static void encode_head(const struct journal_head *head,
			unsigned char out[JOURNAL_HEAD_SIZE])
{
	memset(out, 0, JOURNAL_HEAD_SIZE);
	memcpy(out, JOURNAL_MAGIC, 16);
	le32_put(out + 16, JOURNAL_FORMAT);
	le64_put(out + 24, head->number);
	le64_put(out + 32, head->nonce);
	le64_put(out + 40, head->capacity);
	le64_put(out + 48, head->first_revision);
	le32_put(out + 60, crc32c(0, out, 60));
}

static enum err rename_synced(int dir, const char *from, const char *to)
{
	if (renameat(dir, from, dir, to))
		return log_errno("rename-failed", to, errno);
	return file_sync(dir, "data directory");
}

enum err journal_create(int dir, uint64_t number, uint64_t first_revision,
			uint64_t capacity, struct journal_head *head, int *fd)
{
	unsigned char bytes[JOURNAL_HEAD_SIZE];
	char name[JOURNAL_NAME_SIZE];
	enum err err;

	*head = (struct journal_head){ .number = number,
				       .nonce = random_uint64(),
				       .capacity = capacity,
				       .first_revision = first_revision };
	encode_head(head, bytes);
	journal_name(number, name);
	err = file_open(dir, JOURNAL_NEW_NAME, O_RDWR | O_CREAT | O_TRUNC, 0640,
			fd);
	if (err)
		return err;
	err = file_allocate(*fd, name, (int64_t)capacity);
	if (!err)
		err = file_write_at(*fd, name, bytes, sizeof(bytes), 0);
	if (!err)
		err = file_sync(*fd, name);
	if (!err)
		err = rename_synced(dir, JOURNAL_NEW_NAME, name);
	if (err) {
		file_close(fd, name);
		file_remove(dir, JOURNAL_NEW_NAME);
	}
	return err;
}

void journal_unmake(int dir, uint64_t number)
{
	char name[JOURNAL_NAME_SIZE];

	journal_name(number, name);
	file_remove(dir, JOURNAL_NEW_NAME);
	file_remove(dir, name);
}

static enum err refuse(enum err err, const char *name, const char *detail)
{
	log_event(LOG_ERROR, "journal-refused", "file", name, "bytes", "0-63",
		  "detail", detail, NULL);
	return err;
}

static enum err decode_head(const unsigned char in[JOURNAL_HEAD_SIZE],
			    const char *name, uint64_t number,
			    struct journal_head *head)
{
	if (memcmp(in, JOURNAL_MAGIC, 16))
		return refuse(ERR_DAMAGED, name,
			      "not a journal segment; restore the data "
			      "directory from a backup");
	if (le32_get(in + 16) != JOURNAL_FORMAT)
		return refuse(ERR_FORMAT, name,
			      "a journal of another format version; use the "
			      "librapi that wrote it");
	head->number = le64_get(in + 24);
	head->nonce = le64_get(in + 32);
	head->capacity = le64_get(in + 40);
	head->first_revision = le64_get(in + 48);
	if (le32_get(in + 60) != crc32c(0, in, 60) || head->number != number)
		return refuse(ERR_DAMAGED, name,
			      "the head of the segment is damaged; restore the "
			      "data directory from a backup");
	return ERR_OK;
}

enum err journal_open(int dir, uint64_t number, int flags,
		      struct journal_head *head, int *fd)
{
	unsigned char bytes[JOURNAL_HEAD_SIZE];
	char name[JOURNAL_NAME_SIZE];
	enum err err;

	journal_name(number, name);
	err = file_open_existing(dir, name, flags, fd);
	if (err)
		return err;
	err = file_read_at(*fd, name, bytes, sizeof(bytes), 0);
	if (!err)
		err = decode_head(bytes, name, number, head);
	if (err)
		file_close(fd, name);
	return err;
}

static uint64_t aligned(uint64_t size)
{
	return (size + JOURNAL_ALIGN - 1) / JOURNAL_ALIGN * JOURNAL_ALIGN;
}

uint64_t journal_frame_size(uint64_t body_size)
{
	return JOURNAL_FRAME_HEAD_SIZE + aligned(body_size);
}

uint64_t journal_op_size(uint64_t key_size, uint64_t record_size)
{
	return aligned(JOURNAL_OP_HEAD_SIZE + key_size + record_size);
}

static void pad(struct buf *out)
{
	static const char zeros[JOURNAL_ALIGN];

	buf_add(out, zeros, aligned(out->size) - out->size);
}

void journal_build_begin(struct buf *out)
{
	static const char zeros[JOURNAL_FRAME_HEAD_SIZE];

	buf_clear(out);
	buf_add(out, zeros, sizeof(zeros));
}

void journal_build_op(struct buf *out, enum store_verb verb, struct view key,
		      const struct record *record)
{
	size_t at = out->size;
	size_t covered = JOURNAL_OP_HEAD_SIZE + key.size;
	size_t size = verb == STORE_PUT ? record_size(record) : 0;

	buf_add_le32(out, 0);
	buf_add_char(out, (char)verb);
	buf_add_char(out, 0);
	buf_add_le16(out, (uint16_t)key.size);
	buf_add_le32(out, (uint32_t)size);
	buf_add_le32(out, 0);
	buf_add_view(out, key);
	if (verb == STORE_PUT) {
		record_encode(key, record, out);
		covered += RECORD_HEAD_SIZE + record->type.size;
	}
	if (!out->err)
		le32_put(out->data + at,
			 crc32c(0, out->data + at + 4, covered - 4));
	pad(out);
}

void journal_build_end(struct buf *out, const struct journal_head *head,
		       const struct journal_frame *frame)
{
	unsigned char *bytes = (unsigned char *)out->data;
	size_t body_size;

	if (out->err)
		return;
	body_size = out->size - JOURNAL_FRAME_HEAD_SIZE;
	assert(body_size <= UINT32_MAX);
	le32_put(bytes + 4,
		 crc32c(0, bytes + JOURNAL_FRAME_HEAD_SIZE, body_size));
	le32_put(bytes + 8, (uint32_t)body_size);
	le16_put(bytes + 12, (uint16_t)frame->op_count);
	bytes[14] = (unsigned char)frame->kind;
	bytes[15] = (unsigned char)(frame->op_count >> 16);
	le64_put(bytes + 16, frame->revision);
	le64_put(bytes + 24, frame->durable);
	le64_put(bytes + 32, (uint64_t)frame->time_ms);
	le32_put(bytes, journal_frame_crc(head->nonce, frame->position, bytes));
}
