/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The journal: every commit as one frame, in the order of revisions, in
 * segment files journal-00000017.log.  This file knows bytes and files; who
 * may append, and when, is commit.c's to know.
 *
 * FILE FORMAT.  All integers are little-endian.  A segment is a head of 64
 * bytes, then frames one after another, each beginning at a multiple of 8,
 * then bytes that mean nothing (allocated in advance, so that a commit does
 * not change the file's size, and some of them zeros; see ahead.c).
 *
 *   segment head                         frame
 *    0  16  "librapi-journal\n"           0  4  CRC-32C of the nonce, of the
 *   16   4  format, 1                           frame's position (8 bytes
 *   20   4  zero                                each) and of bytes 4 to 39
 *   24   8  number                        4  4  CRC-32C of the body
 *   32   8  nonce, random                 8  4  length of the body
 *   40   8  allocated size of the file   12  2  number of operations,
 *                                              its low 16 bits
 *   48   8  revision of its first frame  14  1  kind: 1 commit, 2 end
 *   56   4  zero                         15  1  ... its high 8 bits
 *   60   4  CRC-32C of bytes 0 to 59     16  8  revision
 *                                        24  8  revision known to be on disk
 *                                               when this was written
 *                                        32  8  time, ms since 1970
 *                                        40  …  body, zeros to a multiple of 8
 *
 *   operation in the body, likewise from a multiple of 8
 *    0  4  CRC-32C of bytes 4 to 15, of the key, and of the record's head and
 *          media type: what a listing without values reads
 *    4  1  verb: 0 put, 1 delete, 2 expire (enum store_verb)
 *    5  1  zero
 *    6  2  length of the key
 *    8  4  length of the record, 0 unless put
 *   12  4  zero
 *   16  …  key, record (store/record.h), zeros to a multiple of 8
 *
 * A frame is valid if and only if (1) its head's CRC fits, which binds it to
 * this very place in this very file, (2) its body's CRC fits, (3) its revision
 * is the one after the frame before it.  Reading stops at the first place
 * where that does not hold.  What lies there is a torn tail, which nobody was
 * told of, unless something later proves otherwise: a further segment with
 * frames in it, or, beyond that place, the valid head of a frame that says
 * that a revision from the torn place on was known to be on disk.  Then it is
 * damage.
 *
 * An `end` frame seals a segment: the next one continues.  It bears the
 * revision of the frame before it.  A next one without frames whose head says
 * another first revision was made for revisions that a crash took away; it is
 * the last, and recovery puts another in its place.
 */
#ifndef STORE_GDBM_JOURNAL_H
#define STORE_GDBM_JOURNAL_H

#include "base/buf.h"
#include "store/record.h"
#include "store/store.h"

#define JOURNAL_NAME_SIZE       40
#define JOURNAL_HEAD_SIZE       64
#define JOURNAL_FRAME_HEAD_SIZE 40
#define JOURNAL_OP_HEAD_SIZE    16
#define JOURNAL_ALIGN           8
#define JOURNAL_OPS_MAX         0xffffff /* in one frame */

struct journal_head {
	uint64_t number; /* from 1 */
	uint64_t nonce;
	uint64_t capacity; /* bytes that may be written without growing */
	uint64_t first_revision;
};

enum journal_kind { JOURNAL_COMMIT = 1, JOURNAL_END = 2 };

struct journal_frame {
	enum journal_kind kind;
	uint32_t op_count;
	uint64_t revision;
	uint64_t durable;
	int64_t time_ms;
	uint64_t position; /* where the frame begins */
	uint64_t end;      /* where the next one does */
};

struct journal_op {
	enum store_verb verb;
	uint64_t position; /* in the file */
	struct view key;
	struct view record; /* STORE_PUT: encoded; otherwise empty */
};

void journal_name(uint64_t number, char out[JOURNAL_NAME_SIZE]);
bool journal_name_parse(const char *name, uint64_t *number);

/*
 * Make a segment: allocated, head written, synced, and only then given its
 * name, for good.  A leftover of that name is replaced.  *fd is open for
 * reading and writing.  ERR_FULL, ERR_IO.
 */
enum err journal_create(int dir, uint64_t number, uint64_t first_revision,
			uint64_t capacity, struct journal_head *head, int *fd);

/*
 * Remove what one who died has left of the making of a segment, which nobody
 * needs yet: with or without its name, it takes the room of another.
 */
void journal_unmake(int dir, uint64_t number);

/*
 * Open a segment and read its head.  ERR_NOT_FOUND; ERR_FORMAT and
 * ERR_DAMAGED, logged; ERR_IO.
 */
enum err journal_open(int dir, uint64_t number, int flags,
		      struct journal_head *head, int *fd);

/* Bytes that a frame takes with this body; that an operation takes in it. */
uint64_t journal_frame_size(uint64_t body_size);
uint64_t journal_op_size(uint64_t key_size, uint64_t record_size);

/*
 * Building a frame in a buf: begin, an operation for each, end.  `out` is
 * cleared at the beginning, and a failure stays in out->err.
 */
void journal_build_begin(struct buf *out);
void journal_build_op(struct buf *out, enum store_verb verb, struct view key,
		      const struct record *record);
void journal_build_end(struct buf *out, const struct journal_head *head,
		       const struct journal_frame *frame);

/* Reading frames in order, through a window of the file. */
struct journal_reader {
	int fd;
	const char *name;
	struct journal_head head;
	uint64_t file_size;   /* how far frames may reach */
	uint64_t window_size; /* read at a time */
	struct buf window;
	uint64_t window_at;
};

enum err journal_reader_init(struct journal_reader *reader, int fd,
			     const char *name, const struct journal_head *head);
void journal_reader_release(struct journal_reader *reader);

/*
 * The frame at `position`; *valid says whether (1) and (2) hold there.  The
 * body's view is good until the next call.  ERR_IO, ERR_NO_MEMORY.
 */
enum err journal_read_frame(struct journal_reader *reader, uint64_t position,
			    struct journal_frame *frame, struct view *body,
			    bool *valid);

/*
 * Take the first operation off *body, of which `*at` is the position in the
 * file; both move on.  ERR_DAMAGED when it does not parse, which the body's
 * CRC leaves to a faulty writer.
 */
enum err journal_next_op(struct view *body, uint64_t *at,
			 struct journal_op *op);

/*
 * Whether a frame head after `position` says that `revision` was known to be
 * on disk (see FILE FORMAT); *at is where it is.
 */
enum err journal_find_proof(struct journal_reader *reader, uint64_t position,
			    uint64_t revision, bool *found, uint64_t *at);

/*
 * The record of a put at `position`, whose key and record size the memtable
 * knows.  With `value` false only head and media type are read, and
 * record->value has its size but data NULL.  Views point into `hold`, which is
 * cleared first.  ERR_DAMAGED (logged) when a CRC is wrong.
 */
enum err journal_read_record(int fd, const char *name, uint64_t position,
			     struct view key, uint32_t record_size, bool value,
			     struct buf *hold, struct record *record);

#endif
