/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Room that is kept for checkpoints, as a file that nobody writes to: blocks
 * are allocated, so neither our own data nor anybody else takes them.
 *
 * To merge the live segments takes room before it gives any back: new tables
 * for what was put, and one table twice, the old and the new.  So puts are
 * taken only while as much as that is held, for each segment from the moment
 * when it is begun.  A checkpoint that meets a full disk gives it up and has
 * room, whatever else the disk holds; what it gets back by its end, the
 * segments and what was deleted, is enough to hold again what the next one
 * needs.  Deletes need no reserve: they are what brings room.  (Inodes are
 * only counted, not held.)
 *
 * shared->reserved says, under the journal lock, that it is held; when a
 * process dies on the way, the file may differ from it until the next look.
 * What the file is after a crash does not matter: recovery makes it fit.
 *
 * Growth: a record takes its key twice in a table (GDBM's and the sorted
 * keys) and 115 bytes more at most, and 48 to 88 and its key once in the
 * journal; so one byte there becomes two at the worst but for tiny records in
 * large batches, and 1.4 with keys of 20 and values of 100 bytes.
 */
#include <fcntl.h>
#include <inttypes.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/engine.h"

#define RESERVE_NAME "RESERVE"
#define FILE_MODE    0640
#define BESIDES      (256 * 1024) /* small segments, and blocks half used */
#define TABLE_LEAST  (64 * 1024)
#define RECORD_EXTRA 64
#define RECORD_USUAL 128 /* in the journal */
#define LINE_EXTRA   160 /* of a table in MANIFEST */

/* A table twice, MANIFEST, segments. */
#define FILES_BESIDES 8

/* Of tables, at the worst, from so many bytes of journal. */
static uint64_t grown(uint64_t bytes)
{
	return bytes / 2 * 5;
}

uint64_t reserve_rewrite_bytes(const struct manifest *manifest)
{
	uint64_t largest = 0;
	uint64_t text = 0;

	for (size_t i = 0; i < manifest->table_count; i++) {
		const struct manifest_table *table = &manifest->tables[i];
		uint64_t bytes = table->live_bytes * 2 +
				 table->keys * RECORD_EXTRA + TABLE_LEAST;

		if (bytes > largest)
			largest = bytes;
		text += LINE_EXTRA + table->from.size * 2;
	}
	return largest + text;
}

/* The live segments, and number `number`, which may be one of them. */
static uint64_t journal_capacity(struct gdbm_store *g, uint64_t number,
				 uint64_t capacity)
{
	struct shared *shared = g->shared;
	uint64_t last = atomic_load(&shared->segment);
	uint64_t bytes = capacity;

	for (uint64_t n = atomic_load(&shared->oldest); n <= last; n++)
		bytes += n == number ? 0
				     : shared_segment(shared, n)->head.capacity;
	return bytes;
}

/* Of tables, each of which is two; they begin with two thirds of their most. */
static uint64_t files_of(const struct gdbm_store *g, uint64_t journal_bytes)
{
	uint64_t tables = grown(journal_bytes) / g->conf.table_max_bytes +
			  journal_bytes / RECORD_USUAL / g->conf.table_max_keys;

	return FILES_BESIDES + tables * 3;
}

static enum err log_lack(const struct gdbm_store *g, const char *what,
			 uint64_t needed, uint64_t left)
{
	if (!atomic_load(&g->shared->full))
		log_eventf(LOG_WARN, "no-room",
			   "the disk has %" PRIu64 " %s left, and %" PRIu64
			   " are needed to go on",
			   left, what, needed);
	return ERR_FULL;
}

/*
 * Make the file as large, where `beside` bytes have to be left for another,
 * and so many files.  What is known not to fit isn't tried, since that would
 * take all there is from everybody else for a moment.
 */
static enum err resize(struct gdbm_store *g, int fd, uint64_t bytes,
		       uint64_t beside, uint64_t files)
{
	struct file_room room;
	int64_t size = 0;
	uint64_t held = 0;
	enum err err = file_size(fd, RESERVE_NAME, &size);

	if (!err && (uint64_t)size > bytes)
		err = file_truncate(fd, RESERVE_NAME, (int64_t)bytes);
	if (!err)
		err = file_held(fd, RESERVE_NAME, &held);
	if (!err)
		err = file_room(fd, RESERVE_NAME, &room);
	if (err)
		return err;
	if (bytes + beside > held && bytes + beside - held > room.bytes)
		return log_lack(g, "bytes", bytes + beside - held, room.bytes);
	if (files > room.files)
		return log_lack(g, "inodes", files, room.files);
	return file_hold(fd, RESERVE_NAME, (int64_t)bytes);
}

static void take_back(struct gdbm_store *g, int fd, uint64_t tried)
{
	uint64_t before = g->shared->reserved;

	if (tried < before || before == 0 ||
	    file_truncate(fd, RESERVE_NAME, (int64_t)before))
		reserve_give_up(g);
}

enum err reserve_hold(struct gdbm_store *g, uint64_t number, uint64_t capacity)
{
	bool begun = number == atomic_load(&g->shared->segment);
	uint64_t journal = journal_capacity(g, number, capacity);
	uint64_t bytes = grown(journal) + BESIDES +
			 atomic_load(&g->shared->rewrite_bytes);
	int fd;
	enum err err = file_open(g->dir, RESERVE_NAME, O_RDWR | O_CREAT,
				 FILE_MODE, &fd);

	if (err)
		return err;
	err = resize(g, fd, bytes, begun ? 0 : capacity, files_of(g, journal));
	if (err)
		take_back(g, fd, bytes);
	else
		g->shared->reserved = bytes;
	file_close(&fd, RESERVE_NAME);
	return err;
}

enum err reserve_refit(struct gdbm_store *g)
{
	uint64_t number = atomic_load(&g->shared->segment);
	uint64_t capacity = shared_segment(g->shared, number)->head.capacity;
	enum err err = reserve_hold(g, number, capacity);

	if (err == ERR_FULL && retain_give_up(g))
		err = reserve_hold(g, number, capacity);
	if (err)
		reserve_give_up(g);
	return err;
}

enum err reserve_have(struct gdbm_store *g)
{
	struct shared *shared = g->shared;
	enum err err = ERR_FULL;

	if (shared->reserved)
		return ERR_OK;
	/* The room that there is now is the checkpoint's. */
	if (!atomic_load(&shared->merging))
		err = reserve_refit(g);
	atomic_store(&shared->full, err == ERR_FULL);
	return err;
}

void reserve_give_up(struct gdbm_store *g)
{
	g->shared->reserved = 0;
	file_remove(g->dir, RESERVE_NAME);
}

bool reserve_is_short(struct gdbm_store *g)
{
	uint64_t whole = g->conf.journal_segment_bytes;
	struct file_room room;

	return !file_room(g->dir, "data directory", &room) &&
	       room.bytes < 2 * (whole + grown(whole));
}
