/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal's frames and records, on the reading side; see journal.h. */
#include "store/gdbm/journal.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/journal_format.h"

#define WINDOW_SIZE (1024 * 1024)

enum err journal_reader_init(struct journal_reader *reader, int fd,
			     const char *name, const struct journal_head *head)
{
	int64_t size = 0;
	enum err err = file_size(fd, name, &size);

	*reader = (struct journal_reader){ .fd = fd,
					   .name = name,
					   .head = *head,
					   .file_size = (uint64_t)size,
					   .window_size = WINDOW_SIZE };
	return err;
}

void journal_reader_release(struct journal_reader *reader)
{
	buf_release(&reader->window);
}

static bool in_window(const struct journal_reader *reader, uint64_t position,
		      uint64_t size)
{
	return position >= reader->window_at &&
	       position - reader->window_at <= reader->window.size &&
	       size <= reader->window.size - (position - reader->window_at);
}

/*
 * `size` bytes at `position`, which the file has; good until the next call.
 * More is read ahead if it is there: a sealed segment may have its unused end
 * cut off at any moment.
 */
static enum err bytes_at(struct journal_reader *reader, uint64_t position,
			 uint64_t size, const unsigned char **bytes)
{
	uint64_t rest = reader->file_size - position;
	uint64_t want = size > reader->window_size ? size : reader->window_size;
	size_t got = 0;
	enum err err = ERR_OK;

	if (!in_window(reader, position, size)) {
		if (want > rest)
			want = rest;
		buf_clear(&reader->window);
		buf_reserve(&reader->window, want);
		if (reader->window.err)
			return reader->window.err;
		err = file_read_some(reader->fd, reader->name,
				     reader->window.data, want,
				     (int64_t)position, &got);
		if (!err && got < size)
			err = ERR_DAMAGED;
		reader->window.size = err ? 0 : got;
		reader->window_at = position;
	}
	*bytes = (const unsigned char *)reader->window.data +
		 (position - reader->window_at);
	return err;
}

/* False too for what no writer writes, whatever its CRC says. */
static bool decode_frame_head(const struct journal_reader *reader,
			      uint64_t position, const unsigned char *in,
			      struct journal_frame *frame, uint32_t *body_size)
{
	uint64_t room = reader->file_size - position;

	if (le32_get(in) != journal_frame_crc(reader->head.nonce, position, in))
		return false;
	*body_size = le32_get(in + 8);
	*frame = (struct journal_frame){ .kind = in[14],
					 .op_count = le16_get(in + 12) |
						     (uint32_t)in[15] << 16,
					 .revision = le64_get(in + 16),
					 .durable = le64_get(in + 24),
					 .time_ms = (int64_t)le64_get(in + 32),
					 .position = position };
	frame->end = position + journal_frame_size(*body_size);
	return (frame->kind == JOURNAL_COMMIT || frame->kind == JOURNAL_END) &&
	       journal_frame_size(*body_size) <= room;
}

enum err journal_read_frame(struct journal_reader *reader, uint64_t position,
			    struct journal_frame *frame, struct view *body,
			    bool *valid)
{
	const unsigned char *bytes = NULL;
	uint32_t body_size = 0;
	uint32_t body_crc;
	enum err err;

	*valid = false;
	if (position > reader->file_size ||
	    reader->file_size - position < JOURNAL_FRAME_HEAD_SIZE)
		return ERR_OK;
	err = bytes_at(reader, position, JOURNAL_FRAME_HEAD_SIZE, &bytes);
	if (err)
		return err;
	if (!decode_frame_head(reader, position, bytes, frame, &body_size))
		return ERR_OK;
	body_crc = le32_get(bytes + 4);
	err = bytes_at(reader, position + JOURNAL_FRAME_HEAD_SIZE, body_size,
		       &bytes);
	if (err)
		return err;
	*body = (struct view){ bytes, body_size };
	*valid = crc32c(0, bytes, body_size) == body_crc;
	return ERR_OK;
}

enum err journal_next_op(struct view *body, uint64_t *at, struct journal_op *op)
{
	const unsigned char *in = body->data;
	uint64_t size;
	uint16_t key_size;
	uint32_t record_size;

	if (body->size < JOURNAL_OP_HEAD_SIZE || in[4] > STORE_EXPIRE)
		return ERR_DAMAGED;
	key_size = le16_get(in + 6);
	record_size = le32_get(in + 8);
	size = journal_op_size(key_size, record_size);
	if (size > body->size || key_size == 0 || key_size > STORE_KEY_MAX)
		return ERR_DAMAGED;
	if (in[4] == STORE_PUT ? record_size < RECORD_HEAD_SIZE
			       : record_size > 0)
		return ERR_DAMAGED;
	op->verb = in[4];
	op->position = *at;
	op->key = (struct view){ in + JOURNAL_OP_HEAD_SIZE, key_size };
	op->record = (struct view){ in + JOURNAL_OP_HEAD_SIZE + key_size,
				    record_size };
	*body = (struct view){ in + size, body->size - size };
	*at += size;
	return ERR_OK;
}

enum err journal_find_proof(struct journal_reader *reader, uint64_t position,
			    uint64_t revision, bool *found, uint64_t *at)
{
	struct journal_frame frame;
	const unsigned char *bytes = NULL;
	uint32_t body_size;

	*found = false;
	for (*at = position + JOURNAL_ALIGN;
	     *at + JOURNAL_FRAME_HEAD_SIZE <= reader->file_size;
	     *at += JOURNAL_ALIGN) {
		enum err err =
			bytes_at(reader, *at, JOURNAL_FRAME_HEAD_SIZE, &bytes);

		if (err)
			return err;
		/* A cheap look first: most of what lies here is zeros. */
		if (bytes[14] != JOURNAL_COMMIT && bytes[14] != JOURNAL_END)
			continue;
		if (decode_frame_head(reader, *at, bytes, &frame, &body_size) &&
		    frame.durable >= revision) {
			*found = true;
			return ERR_OK;
		}
	}
	return ERR_OK;
}

static enum err damaged(const char *name, uint64_t position, uint64_t size)
{
	log_eventf(LOG_ERROR, "journal-damaged",
		   "%s: bytes %llu to %llu fail their CRC", name,
		   (unsigned long long)position,
		   (unsigned long long)(position + size - 1));
	return ERR_DAMAGED;
}

/* The media type's length is known only once the head has been read. */
static enum err decode_without_value(const unsigned char *op,
				     const unsigned char *head, size_t key_size,
				     uint32_t record_size,
				     struct record *record)
{
	size_t type_size = head[5];
	size_t covered =
		JOURNAL_OP_HEAD_SIZE + key_size + RECORD_HEAD_SIZE + type_size;

	if (RECORD_HEAD_SIZE + type_size > record_size ||
	    le32_get(op) != crc32c(0, op + 4, covered - 4))
		return ERR_DAMAGED;
	*record = (struct record){
		.revision = le64_get(head + 8),
		.modified_ms = (int64_t)le64_get(head + 16),
		.expires_ms = (int64_t)le64_get(head + 24),
		.type = { head + RECORD_HEAD_SIZE, type_size },
		.value = { NULL, record_size - RECORD_HEAD_SIZE - type_size },
	};
	return ERR_OK;
}

enum err journal_read_record(int fd, const char *name, uint64_t position,
			     struct view key, uint32_t record_size, bool value,
			     struct buf *hold, struct record *record)
{
	size_t front = JOURNAL_OP_HEAD_SIZE + key.size;
	size_t rest = record_size;
	const unsigned char *op;
	enum err err;

	if (!value && rest > RECORD_HEAD_SIZE + RECORD_TYPE_MAX)
		rest = RECORD_HEAD_SIZE + RECORD_TYPE_MAX;
	buf_clear(hold);
	buf_reserve(hold, front + rest);
	if (hold->err)
		return hold->err;
	err = file_read_at(fd, name, hold->data, front + rest,
			   (int64_t)position);
	if (err)
		return err;
	hold->size = front + rest;
	op = (const unsigned char *)hold->data;
	if (value)
		err = record_decode(key, (struct view){ op + front, rest },
				    record);
	else
		err = decode_without_value(op, op + front, key.size,
					   record_size, record);
	if (err == ERR_DAMAGED)
		return damaged(name, position, front + record_size);
	return err;
}
