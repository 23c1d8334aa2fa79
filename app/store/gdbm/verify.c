/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `librapi check`: every file of a store that nobody has open, read and
 * verified as if for the first time.  Nothing is changed but LOCK, which keeps
 * others out meanwhile.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/foreign.h"
#include "store/gdbm/replay.h"

struct verify {
	int dir;
	struct manifest manifest;
	void (*report)(void *arg, const char *file, const char *sentence);
	void *arg;
	bool found; /* anything */
};

static void pass_on(void *arg, const char *file, const char *sentence)
{
	struct verify *v = arg;

	v->found = true;
	v->report(v->arg, file, sentence);
}

static enum err verify_tables(struct verify *v)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < v->manifest.table_count; i++) {
		const struct manifest_table *table = &v->manifest.tables[i];
		struct view upper = { 0 };

		if (i + 1 < v->manifest.table_count)
			upper = v->manifest.tables[i + 1].from;
		err = table_verify(v->dir, table->id, table->from, upper,
				   table->keys, pass_on, v);
		if (err && err != ERR_DAMAGED)
			return err;
	}
	return ERR_OK;
}

/* Operations that parse, and records whose own CRC fits. */
static enum err verify_frame(void *arg, const struct journal_head *head,
			     const struct journal_frame *frame,
			     struct view body)
{
	uint64_t at = frame->position + JOURNAL_FRAME_HEAD_SIZE;
	enum err err = ERR_OK;

	(void)arg;
	(void)head;
	for (uint32_t i = 0; !err && i < frame->op_count; i++) {
		struct journal_op op;
		struct record record;

		err = journal_next_op(&body, &at, &op);
		if (!err && op.verb == STORE_PUT)
			err = record_decode(op.key, op.record, &record);
	}
	return err;
}

static enum err verify_journal(struct verify *v)
{
	struct replay replay = { .dir = v->dir,
				 .first = v->manifest.first_segment,
				 .revision = v->manifest.revision,
				 .frame = verify_frame };
	enum err err = replay_run(&replay);

	if (err == ERR_DAMAGED) {
		/* A segment's head is refused, and logged, without one. */
		if (replay.sentence.size)
			pass_on(v, replay.file, buf_string(&replay.sentence));
		else
			pass_on(v, "journal", "a segment is damaged");
		err = ERR_OK;
	}
	replay_release(&replay);
	return err;
}

static void history_damaged(struct verify *v, const char *name,
			    uint64_t position)
{
	char sentence[160];

	snprintf(sentence, sizeof(sentence),
		 "damaged at byte %llu; it is only for those who watch: remove "
		 "it, and the segments before it",
		 (unsigned long long)position);
	pass_on(v, name, sentence);
}

/* A segment of history has its frames, from one revision up to another. */
static enum err verify_past(struct verify *v, struct journal_reader *reader,
			    uint64_t end_revision)
{
	uint64_t revision = reader->head.first_revision - 1;
	uint64_t at = JOURNAL_HEAD_SIZE;

	for (;;) {
		struct journal_frame frame = { 0 };
		struct view body;
		bool valid;
		enum err err =
			journal_read_frame(reader, at, &frame, &body, &valid);

		if (err)
			return err;
		if (valid && frame.kind == JOURNAL_END &&
		    frame.revision == revision && revision == end_revision)
			return ERR_OK;
		if (!valid || frame.kind != JOURNAL_COMMIT ||
		    frame.revision != revision + 1 ||
		    verify_frame(NULL, &reader->head, &frame, body)) {
			history_damaged(v, reader->name, at);
			return ERR_OK;
		}
		revision = frame.revision;
		at = frame.end;
	}
}

/* What retain.c would take for history, from the newest segment back. */
static enum err verify_history(struct verify *v)
{
	uint64_t end_revision = v->manifest.revision;
	enum err err = ERR_OK;

	for (uint64_t n = v->manifest.first_segment; n-- > 1 && !err;) {
		struct journal_reader reader = { 0 };
		struct journal_head head;
		char name[JOURNAL_NAME_SIZE];
		int fd;

		journal_name(n, name);
		err = journal_open(v->dir, n, O_RDONLY, &head, &fd);
		if (err == ERR_NOT_FOUND)
			return ERR_OK;
		if (err == ERR_DAMAGED || err == ERR_FORMAT) {
			history_damaged(v, name, 0);
			return ERR_OK;
		}
		if (err)
			return err;
		err = journal_reader_init(&reader, fd, name, &head);
		if (!err)
			err = verify_past(v, &reader, end_revision);
		journal_reader_release(&reader);
		file_close(&fd, name);
		end_revision = head.first_revision - 1;
	}
	return err;
}

static enum err report_missing(struct verify *v)
{
	pass_on(v, MANIFEST_NAME, "missing: this folder holds no store");
	return ERR_DAMAGED;
}

static enum err verify_manifest(struct verify *v)
{
	enum err err = manifest_read(v->dir, &v->manifest);

	if (err == ERR_NOT_FOUND)
		return report_missing(v);
	if (err == ERR_DAMAGED)
		pass_on(v, MANIFEST_NAME, "damaged");
	return err;
}

static enum err verify_files(struct verify *v)
{
	enum err err = verify_manifest(v);

	if (!err)
		err = verify_tables(v);
	if (!err)
		err = verify_journal(v);
	if (!err)
		err = verify_history(v);
	manifest_release(&v->manifest);
	if (!err && v->found)
		err = ERR_DAMAGED;
	return err;
}

static enum err verify_alone(struct verify *v)
{
	int fd = -1;
	enum err err = file_is_read_only(v->dir) ? owner_keep_out(v->dir, &fd)
						 : owner_take(v->dir, 0, &fd);

	if (!err)
		err = verify_files(v);
	file_close(&fd, LOCK_FILE_NAME);
	return err;
}

enum err verify_run(const struct store_conf *conf,
		    void (*report)(void *arg, const char *file,
				   const char *sentence),
		    void *arg)
{
	struct verify v = { .report = report, .arg = arg };
	enum err err = file_open(AT_FDCWD, conf->data_dir,
				 O_RDONLY | O_DIRECTORY, 0, &v.dir);

	if (err)
		return err;
	/* A folder without a store is no place for a LOCK. */
	err = manifest_exists(v.dir);
	if (err == ERR_NOT_FOUND)
		err = report_missing(&v);
	else if (!err)
		err = verify_alone(&v);
	file_close(&v.dir, "data directory");
	if (err == ERR_ACCESS)
		foreign_tell(conf->data_dir);
	return err;
}
