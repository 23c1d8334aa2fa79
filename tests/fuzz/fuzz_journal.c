/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A journal segment.  The first byte says what the rest is: 0, all that lies
 * behind the head, as it is; otherwise bodies, each after two bytes for its
 * length and one for its kind, which become frames with the right CRCs and
 * revisions in a row.  Those are all found again, and what operations parse
 * is built and read back to the same.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "fuzz/fuzz.h"
#include "store/gdbm/journal.h"

#define NUMBER         17
#define NONCE          UINT64_C(0x0123456789abcdef)
#define FIRST_REVISION 100

static const struct journal_head head = {
	.number = NUMBER,
	.nonce = NONCE,
	.capacity = 1 << 20,
	.first_revision = FIRST_REVISION,
};

/* As journal.h describes it. */
static void add_head(struct buf *out)
{
	buf_add(out, "librapi-journal\n", 16);
	buf_add_le32(out, 1);
	buf_add_le32(out, 0);
	buf_add_le64(out, head.number);
	buf_add_le64(out, head.nonce);
	buf_add_le64(out, head.capacity);
	buf_add_le64(out, head.first_revision);
	buf_add_le32(out, 0);
	buf_add_le32(out, crc32c(0, out->data, out->size));
}

static size_t add_frames(struct view input, struct buf *out)
{
	struct buf frame = BUF_EMPTY;
	size_t count = 0;

	while (input.size > 0) {
		size_t size = fuzz_take_uint16(&input);
		uint8_t kind = fuzz_take_byte(&input);
		const struct journal_frame meta = {
			.kind = kind & 1 ? JOURNAL_COMMIT : JOURNAL_END,
			.op_count = kind,
			.revision = FIRST_REVISION + count,
			.durable = FIRST_REVISION + count - 1,
			.position = out->size,
		};

		journal_build_begin(&frame);
		buf_add_view(&frame, fuzz_take(&input, size));
		journal_build_end(&frame, &head, &meta);
		buf_add_view(out, buf_view(&frame));
		while (out->size % JOURNAL_ALIGN)
			buf_add_char(out, '\0');
		count++;
	}
	buf_release(&frame);
	return count;
}

/* Build the operation alone in a body, and take it off again. */
static void check_rebuilt(const struct journal_op *op,
			  const struct record *record)
{
	struct buf frame = BUF_EMPTY;
	struct journal_op again;
	uint64_t at = 0;

	journal_build_begin(&frame);
	journal_build_op(&frame, op->verb, op->key, record);

	struct view body = { frame.data + JOURNAL_FRAME_HEAD_SIZE,
			     frame.size - JOURNAL_FRAME_HEAD_SIZE };

	FUZZ_HOLDS(!journal_next_op(&body, &at, &again));
	FUZZ_HOLDS(!body.size && at == frame.size - JOURNAL_FRAME_HEAD_SIZE);
	FUZZ_HOLDS(again.verb == op->verb);
	FUZZ_HOLDS(view_equal(again.key, op->key));
	FUZZ_HOLDS(view_equal(again.record, op->record));
	buf_release(&frame);
}

static void check_op(int fd, const struct journal_op *op)
{
	uint32_t size = (uint32_t)op->record.size;
	struct buf hold = BUF_EMPTY;
	struct record record = { 0 };
	struct record read;
	bool sound = op->verb != STORE_PUT ||
		     !record_decode(op->key, op->record, &record);

	if (op->verb == STORE_PUT) {
		enum err err =
			journal_read_record(fd, "segment", op->position,
					    op->key, size, true, &hold, &read);

		FUZZ_HOLDS(!err == sound);
		journal_read_record(fd, "segment", op->position, op->key, size,
				    false, &hold, &read);
	}
	if (sound)
		check_rebuilt(op, &record);
	buf_release(&hold);
}

static void check_ops(int fd, const struct journal_frame *frame,
		      struct view body)
{
	uint64_t at = frame->position + JOURNAL_FRAME_HEAD_SIZE;
	struct buf copy = BUF_EMPTY;
	struct journal_op op;

	buf_add_view(&copy, body);
	body = buf_view(&copy);
	while (body.size > 0 && !journal_next_op(&body, &at, &op))
		check_op(fd, &op);
	buf_release(&copy);
}

static size_t read_frames(struct journal_reader *reader)
{
	uint64_t position = JOURNAL_HEAD_SIZE;
	struct journal_frame frame;
	struct view body;
	size_t count = 0;
	uint64_t at;
	bool valid;

	for (;;) {
		FUZZ_HOLDS(!journal_read_frame(reader, position, &frame, &body,
					       &valid));
		if (!valid)
			break;
		FUZZ_HOLDS(frame.end > position);
		check_ops(reader->fd, &frame, body);
		position = frame.end;
		count++;
	}
	FUZZ_HOLDS(!journal_find_proof(reader, position, FIRST_REVISION + count,
				       &valid, &at));
	return count;
}

static size_t read_segment(void)
{
	struct journal_reader reader;
	struct journal_head found;
	size_t count;
	int fd;

	FUZZ_HOLDS(!journal_open(fuzz_folder(), NUMBER, O_RDONLY, &found, &fd));
	FUZZ_HOLDS(found.nonce == NONCE);
	FUZZ_HOLDS(!journal_reader_init(&reader, fd, "segment", &found));
	count = read_frames(&reader);
	journal_reader_release(&reader);
	file_close(&fd, "segment");
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view input = { data, size };
	struct buf file = BUF_EMPTY;
	char name[JOURNAL_NAME_SIZE];
	bool raw = !fuzz_take_byte(&input);
	size_t count = 0;

	add_head(&file);
	if (raw)
		buf_add_view(&file, input);
	else
		count = add_frames(input, &file);
	journal_name(NUMBER, name);
	fuzz_write(name, buf_view(&file));
	FUZZ_HOLDS(read_segment() == count || raw);
	unlink(fuzz_path(name));
	buf_release(&file);
	return 0;
}
