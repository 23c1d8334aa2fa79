/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal's files: names, heads, frames, operations, every bad byte. */
#include "store/gdbm/journal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "harness.h"

#define CAPACITY 65536

struct segment_case {
	int dir;
	int fd;
	struct journal_head head;
	struct buf frame;
	struct journal_frame meta;
};

static void begin(struct segment_case *s)
{
	s->dir = open(harness_tmpdir(), O_RDONLY | O_DIRECTORY);
	CU_ASSERT_FATAL(s->dir >= 0);
	CU_ASSERT_EQUAL_FATAL(
		journal_create(s->dir, 17, 100, CAPACITY, &s->head, &s->fd),
		ERR_OK);
}

static void end(struct segment_case *s)
{
	buf_release(&s->frame);
	close(s->fd);
	close(s->dir);
}

/* One frame with a put and a delete at the segment's first place. */
static void write_frame(struct segment_case *s)
{
	struct record record = { .revision = 100,
				 .modified_ms = 5,
				 .expires_ms = 77,
				 .type = view_of("text/plain"),
				 .value = view_of("hello") };

	s->meta = (struct journal_frame){ .kind = JOURNAL_COMMIT,
					  .op_count = 2,
					  .revision = 100,
					  .durable = 99,
					  .time_ms = 5,
					  .position = JOURNAL_HEAD_SIZE };
	journal_build_begin(&s->frame);
	journal_build_op(&s->frame, STORE_PUT, view_of("key"), &record);
	journal_build_op(&s->frame, STORE_DELETE, view_of("gone"), NULL);
	journal_build_end(&s->frame, &s->head, &s->meta);
	CU_ASSERT_EQUAL_FATAL(s->frame.err, ERR_OK);
	CU_ASSERT_EQUAL(file_write_at(s->fd, "segment", s->frame.data,
				      s->frame.size, JOURNAL_HEAD_SIZE),
			ERR_OK);
}

static bool reads_valid(struct segment_case *s, struct journal_frame *frame,
			struct buf *body)
{
	struct journal_reader reader;
	struct view view;
	bool valid = false;

	CU_ASSERT_EQUAL(journal_reader_init(&reader, s->fd, "s", &s->head),
			ERR_OK);
	CU_ASSERT_EQUAL(journal_read_frame(&reader, JOURNAL_HEAD_SIZE, frame,
					   &view, &valid),
			ERR_OK);
	if (valid && body)
		buf_add_view(body, view);
	journal_reader_release(&reader);
	return valid;
}

static void names_are_read_back_and_others_are_not(void)
{
	static const struct {
		int line;
		const char *name;
		uint64_t number; /* 0: not one */
	} cases[] = {
		{ __LINE__, "journal-00000017.log", 17 },
		{ __LINE__, "journal-123456789.log", 123456789 },
		{ __LINE__, "journal-00000000.log", 0 },
		{ __LINE__, "journal-17.log", 0 },
		{ __LINE__, "journal-00000017.logx", 0 },
		{ __LINE__, "journal- 0000017.log", 0 },
		{ __LINE__, "journal-0000001a.log", 0 },
		{ __LINE__, "journal-+0000017.log", 0 },
		{ __LINE__, "journal.tmp", 0 },
		{ __LINE__, "journal-99999999999999999999999.log", 0 },
	};
	char name[JOURNAL_NAME_SIZE];

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		uint64_t number = 0;
		bool parsed = journal_name_parse(cases[i].name, &number);

		HARNESS_CASE(cases[i].line, parsed == (cases[i].number != 0));
		if (!parsed)
			continue;
		HARNESS_CASE(cases[i].line, number == cases[i].number);
		journal_name(number, name);
		HARNESS_CASE(cases[i].line, !strcmp(name, cases[i].name));
	}
}

static void a_segment_has_its_room_and_its_head(void)
{
	struct segment_case s = { 0 };
	struct journal_head head;
	int64_t size = 0;
	int fd;

	begin(&s);
	CU_ASSERT_EQUAL(journal_open(s.dir, 17, O_RDONLY, &head, &fd), ERR_OK);
	CU_ASSERT_EQUAL(head.nonce, s.head.nonce);
	CU_ASSERT_EQUAL(head.first_revision, 100);
	CU_ASSERT_EQUAL(head.capacity, CAPACITY);
	CU_ASSERT_EQUAL(file_size(fd, "segment", &size), ERR_OK);
	CU_ASSERT_EQUAL(size, CAPACITY);
	close(fd);
	CU_ASSERT_EQUAL(journal_open(s.dir, 18, O_RDONLY, &head, &fd),
			ERR_NOT_FOUND);
	end(&s);
}

static void every_flipped_byte_of_a_head_is_noticed(void)
{
	struct segment_case s = { 0 };
	struct journal_head head;
	unsigned char byte;
	int fd;

	begin(&s);
	for (int at = 0; at < JOURNAL_HEAD_SIZE; at++) {
		enum err err;

		CU_ASSERT_EQUAL(pread(s.fd, &byte, 1, at), 1);
		byte ^= 0x40;
		CU_ASSERT_EQUAL(pwrite(s.fd, &byte, 1, at), 1);
		err = journal_open(s.dir, 17, O_RDONLY, &head, &fd);
		CU_ASSERT(err == ERR_DAMAGED || err == ERR_FORMAT);
		byte ^= 0x40;
		CU_ASSERT_EQUAL(pwrite(s.fd, &byte, 1, at), 1);
	}
	CU_ASSERT_EQUAL(journal_open(s.dir, 17, O_RDONLY, &head, &fd), ERR_OK);
	close(fd);
	end(&s);
}

static void a_frame_comes_back_with_its_operations(void)
{
	struct segment_case s = { 0 };
	struct buf body = BUF_EMPTY;
	struct journal_frame frame;
	struct journal_op op;
	struct record record;
	uint64_t at = JOURNAL_HEAD_SIZE + JOURNAL_FRAME_HEAD_SIZE;
	struct view rest;

	begin(&s);
	write_frame(&s);
	CU_ASSERT_FATAL(reads_valid(&s, &frame, &body));
	CU_ASSERT_EQUAL(frame.revision, 100);
	CU_ASSERT_EQUAL(frame.durable, 99);
	CU_ASSERT_EQUAL(frame.op_count, 2);
	CU_ASSERT_EQUAL(frame.end, JOURNAL_HEAD_SIZE + s.frame.size);
	rest = buf_view(&body);
	CU_ASSERT_EQUAL(journal_next_op(&rest, &at, &op), ERR_OK);
	CU_ASSERT_EQUAL(op.verb, STORE_PUT);
	CU_ASSERT(view_equal_string(op.key, "key"));
	CU_ASSERT_EQUAL(record_decode(op.key, op.record, &record), ERR_OK);
	CU_ASSERT(view_equal_string(record.value, "hello"));
	CU_ASSERT_EQUAL(journal_next_op(&rest, &at, &op), ERR_OK);
	CU_ASSERT_EQUAL(op.verb, STORE_DELETE);
	CU_ASSERT(view_equal_string(op.key, "gone"));
	CU_ASSERT_EQUAL(rest.size, 0);
	CU_ASSERT_EQUAL(at, frame.end);
	buf_release(&body);
	end(&s);
}

static void every_flipped_byte_of_a_frame_is_noticed(void)
{
	struct segment_case s = { 0 };
	struct journal_frame frame;

	begin(&s);
	write_frame(&s);
	for (size_t i = 0; i < s.frame.size; i++) {
		char byte = (char)(s.frame.data[i] ^ 1);
		off_t at = (off_t)(JOURNAL_HEAD_SIZE + i);

		CU_ASSERT_EQUAL(pwrite(s.fd, &byte, 1, at), 1);
		CU_ASSERT(!reads_valid(&s, &frame, NULL));
		CU_ASSERT_EQUAL(pwrite(s.fd, s.frame.data + i, 1, at), 1);
	}
	CU_ASSERT(reads_valid(&s, &frame, NULL));
	end(&s);
}

static void a_frame_is_valid_in_its_own_place_only(void)
{
	struct segment_case s = { 0 };
	struct journal_frame frame;

	begin(&s);
	write_frame(&s);
	s.head.nonce++;
	CU_ASSERT(!reads_valid(&s, &frame, NULL));
	s.head.nonce--;
	s.meta.position += JOURNAL_ALIGN;
	journal_build_end(&s.frame, &s.head, &s.meta);
	CU_ASSERT_EQUAL(file_write_at(s.fd, "segment", s.frame.data,
				      s.frame.size, JOURNAL_HEAD_SIZE),
			ERR_OK);
	CU_ASSERT(!reads_valid(&s, &frame, NULL));
	end(&s);
}

static void a_frame_longer_than_the_file_is_not_valid(void)
{
	struct segment_case s = { 0 };
	struct journal_frame frame;

	begin(&s);
	write_frame(&s);
	for (size_t cut = 0; cut < s.frame.size; cut++) {
		CU_ASSERT_EQUAL(
			ftruncate(s.fd, (off_t)(JOURNAL_HEAD_SIZE + cut)), 0);
		CU_ASSERT(!reads_valid(&s, &frame, NULL));
	}
	end(&s);
}

static void operations_that_do_not_parse_are_damage(void)
{
	static const struct {
		int line;
		int at;
		unsigned char byte;
	} cases[] = {
		{ __LINE__, 4, 3 },    /* no such verb */
		{ __LINE__, 4, 1 },    /* a delete with a record */
		{ __LINE__, 6, 0 },    /* no key */
		{ __LINE__, 7, 0xff }, /* a key longer than the body */
		{ __LINE__, 7, 5 },    /* a key longer than keys may be */
		{ __LINE__, 8, 0 },    /* a put without a record */
		{ __LINE__, 8, 31 },   /* a record shorter than its head */
		{ __LINE__, 11, 0x7f } /* a record longer than the body */
	};
	struct record record = { .revision = 1, .value = view_of("v") };
	struct buf out = BUF_EMPTY;

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		uint64_t at = 0;
		struct journal_op op;
		struct view body;

		journal_build_begin(&out);
		journal_build_op(&out, STORE_PUT, view_of("k"), &record);
		out.data[JOURNAL_FRAME_HEAD_SIZE + cases[i].at] =
			(char)cases[i].byte;
		body = (struct view){ out.data + JOURNAL_FRAME_HEAD_SIZE,
				      out.size - JOURNAL_FRAME_HEAD_SIZE };
		HARNESS_CASE(cases[i].line,
			     journal_next_op(&body, &at, &op) == ERR_DAMAGED);
	}
	buf_release(&out);
}

static void a_record_is_read_with_and_without_its_value(void)
{
	struct segment_case s = { 0 };
	struct buf hold = BUF_EMPTY;
	struct record record;
	uint32_t size = RECORD_HEAD_SIZE + 10 + 5;
	uint64_t at = JOURNAL_HEAD_SIZE + JOURNAL_FRAME_HEAD_SIZE;

	begin(&s);
	write_frame(&s);
	CU_ASSERT_EQUAL(journal_read_record(s.fd, "s", at, view_of("key"), size,
					    true, &hold, &record),
			ERR_OK);
	CU_ASSERT(view_equal_string(record.value, "hello"));
	CU_ASSERT_EQUAL(record.expires_ms, 77);
	CU_ASSERT_EQUAL(journal_read_record(s.fd, "s", at, view_of("key"), size,
					    false, &hold, &record),
			ERR_OK);
	CU_ASSERT_PTR_NULL(record.value.data);
	CU_ASSERT_EQUAL(record.value.size, 5);
	CU_ASSERT(view_equal_string(record.type, "text/plain"));
	CU_ASSERT_EQUAL(record.revision, 100);
	buf_release(&hold);
	end(&s);
}

static void a_damaged_record_is_never_returned(void)
{
	struct segment_case s = { 0 };
	struct buf hold = BUF_EMPTY;
	struct record record;
	uint32_t size = RECORD_HEAD_SIZE + 10 + 5;
	uint64_t at = JOURNAL_HEAD_SIZE + JOURNAL_FRAME_HEAD_SIZE;
	size_t first = JOURNAL_FRAME_HEAD_SIZE + JOURNAL_OP_HEAD_SIZE + 3;

	begin(&s);
	write_frame(&s);
	for (size_t i = first; i < first + size; i++) {
		char byte = (char)(s.frame.data[i] ^ 0x10);
		off_t place = (off_t)(JOURNAL_HEAD_SIZE + i);
		bool of_value = i >= first + RECORD_HEAD_SIZE + 10;

		CU_ASSERT_EQUAL(pwrite(s.fd, &byte, 1, place), 1);
		CU_ASSERT_EQUAL(journal_read_record(s.fd, "s", at,
						    view_of("key"), size, true,
						    &hold, &record),
				ERR_DAMAGED);
		CU_ASSERT_EQUAL(journal_read_record(s.fd, "s", at,
						    view_of("key"), size, false,
						    &hold, &record),
				of_value ? ERR_OK : ERR_DAMAGED);
		CU_ASSERT_EQUAL(pwrite(s.fd, s.frame.data + i, 1, place), 1);
	}
	buf_release(&hold);
	end(&s);
}

static void a_later_frame_proves_what_was_on_disk(void)
{
	struct segment_case s = { 0 };
	struct journal_reader reader;
	bool found = true;
	uint64_t at = 0;

	begin(&s);
	write_frame(&s);
	s.meta.position = JOURNAL_HEAD_SIZE + s.frame.size;
	s.meta.durable = 100;
	journal_build_end(&s.frame, &s.head, &s.meta);
	CU_ASSERT_EQUAL(file_write_at(s.fd, "segment", s.frame.data,
				      s.frame.size, (int64_t)s.meta.position),
			ERR_OK);
	CU_ASSERT_EQUAL(journal_reader_init(&reader, s.fd, "s", &s.head),
			ERR_OK);
	CU_ASSERT_EQUAL(journal_find_proof(&reader, JOURNAL_HEAD_SIZE, 100,
					   &found, &at),
			ERR_OK);
	CU_ASSERT(found);
	CU_ASSERT_EQUAL(at, s.meta.position);
	CU_ASSERT_EQUAL(journal_find_proof(&reader, JOURNAL_HEAD_SIZE, 101,
					   &found, &at),
			ERR_OK);
	CU_ASSERT(!found);
	journal_reader_release(&reader);
	end(&s);
}

/* Also across the end of what was read at a time. */
static void a_proof_is_found_wherever_it_is(void)
{
	const uint64_t first = JOURNAL_HEAD_SIZE + JOURNAL_ALIGN;
	struct segment_case s = { 0 };
	struct journal_reader reader;

	begin(&s);
	write_frame(&s);
	s.meta.durable = 100;
	CU_ASSERT_EQUAL(journal_reader_init(&reader, s.fd, "s", &s.head),
			ERR_OK);
	reader.window_size = 1000;
	for (uint64_t position = first; position + s.frame.size <= CAPACITY;
	     position += JOURNAL_ALIGN) {
		bool found = false;
		uint64_t at = 0;

		s.meta.position = position;
		journal_build_end(&s.frame, &s.head, &s.meta);
		CU_ASSERT_EQUAL(ftruncate(s.fd, JOURNAL_HEAD_SIZE), 0);
		CU_ASSERT_EQUAL(file_write_at(s.fd, "segment", s.frame.data,
					      s.frame.size, (int64_t)position),
				ERR_OK);
		CU_ASSERT_EQUAL(ftruncate(s.fd, CAPACITY), 0);
		buf_clear(&reader.window);
		CU_ASSERT_EQUAL(journal_find_proof(&reader, JOURNAL_HEAD_SIZE,
						   100, &found, &at),
				ERR_OK);
		CU_ASSERT(found);
		CU_ASSERT_EQUAL(at, position);
		CU_ASSERT_EQUAL(
			journal_find_proof(&reader, position, 100, &found, &at),
			ERR_OK);
		CU_ASSERT(!found);
	}
	journal_reader_release(&reader);
	end(&s);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(names_are_read_back_and_others_are_not),
	HARNESS_TEST(a_segment_has_its_room_and_its_head),
	HARNESS_TEST(every_flipped_byte_of_a_head_is_noticed),
	HARNESS_TEST(a_frame_comes_back_with_its_operations),
	HARNESS_TEST(every_flipped_byte_of_a_frame_is_noticed),
	HARNESS_TEST(a_frame_is_valid_in_its_own_place_only),
	HARNESS_TEST(a_frame_longer_than_the_file_is_not_valid),
	HARNESS_TEST(operations_that_do_not_parse_are_damage),
	HARNESS_TEST(a_record_is_read_with_and_without_its_value),
	HARNESS_TEST(a_damaged_record_is_never_returned),
	HARNESS_TEST(a_later_frame_proves_what_was_on_disk),
	HARNESS_TEST(a_proof_is_found_wherever_it_is),
};

int main(void)
{
	return harness_run("store/gdbm/journal", tests, HARNESS_COUNT(tests));
}
