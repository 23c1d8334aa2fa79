/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the files to a running store, by the one owner, before anybody else is
 * there.
 *
 *   1. read MANIFEST, or make a new store where the folder has nothing of one
 *   2. see that every table is there; make missing keys files anew
 *   3. replay the journal into memtables, up to a torn tail
 *   4. close the last segment that has frames: write them again and sync, so
 *      that what was only in the page cache is on disk (also when an earlier
 *      sync had failed; see sync.c); then an `end` after them, which says so,
 *      and sync.  From now on nothing that was discarded can come back
 *   5. put MANIFEST in place again, for the same reason: from now on nothing is
 *      needed that only the one before it names
 *   6. begin a new segment; nothing is ever appended to an old one
 *   7. remove what is not part of the store
 *
 * The housekeeper checkpoints what was replayed soon after.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/journal_format.h"
#include "store/gdbm/replay.h"

#define SEGMENT_LEAST (64 * 1024) /* allocated on a disk that is nearly full */
#define ARENA_MOST    (UINT32_MAX + (size_t)1) /* links have 32 bits */
#define RING_SPARE    3 /* places beside the replayed segments */

static enum err refuse(const char *file, const char *detail)
{
	log_event(LOG_ERROR, "store-refused", "file", file, "detail", detail,
		  NULL);
	return ERR_DAMAGED;
}

static enum err refuse_lost_manifest(void)
{
	return refuse(MANIFEST_NAME,
		      "missing, though there are files of a store; restore "
		      "the data directory from a backup");
}

static enum err refuse_leftover(void *arg, const char *name)
{
	struct table_id id;
	uint64_t number;

	(void)arg;
	if (table_name_parse(name, &id) ||
	    (journal_name_parse(name, &number) && number > 1))
		return refuse_lost_manifest();
	return ERR_OK;
}

static enum err refuse_frame(void *arg, const struct journal_head *head,
			     const struct journal_frame *frame,
			     struct view body)
{
	(void)arg;
	(void)head;
	(void)frame;
	(void)body;
	return refuse_lost_manifest();
}

/*
 * A store that was not finished being made has a first segment without
 * frames and no MANIFEST; anything more is a store that lost its MANIFEST.
 */
static enum err see_that_nothing_is_lost(struct gdbm_store *g)
{
	struct replay replay = { .dir = g->dir,
				 .first = 1,
				 .frame = refuse_frame };
	uint64_t greatest = 0;
	enum err err = file_each(g->dir, refuse_leftover, NULL);

	if (!err)
		err = replay_greatest(g->dir, &greatest);
	if (!err && greatest == 1)
		err = replay_run(&replay);
	replay_release(&replay);
	return err;
}

/*
 * Its first segment is the least: step 6 puts one in its place that is as large
 * as the disk has room for.
 */
static enum err make_store(struct gdbm_store *g)
{
	struct journal_head head;
	int fd = -1;
	enum err err = see_that_nothing_is_lost(g);

	if (err)
		return err;
	g->manifest = (struct manifest){ .version = 1,
					 .first_segment = 1,
					 .next_table = 1 };
	random_bytes(g->manifest.store_id, sizeof(g->manifest.store_id));
	err = journal_create(g->dir, 1, 1, SEGMENT_LEAST, &head, &fd);
	if (err)
		return err;
	file_close(&fd, "journal");
	err = manifest_write(g->dir, &g->manifest);
	if (!err)
		log_event(LOG_INFO, "store-made", "data_dir", g->data_dir,
			  NULL);
	return err;
}

/* The table's file is there and as long as MANIFEST says. */
static enum err check_table(struct gdbm_store *g,
			    const struct manifest_table *table)
{
	char name[TABLE_NAME_SIZE];
	char detail[160];
	struct stat status;
	uint64_t size;

	table_name(table->id, name);
	if (fstatat(g->dir, name, &status, 0))
		return refuse(name, "missing, though MANIFEST names it; "
				    "restore the data directory from a backup");
	size = (uint64_t)status.st_size;
	if (size == table->file_bytes)
		return ERR_OK;
	snprintf(detail, sizeof(detail),
		 "damaged from byte %" PRIu64 ": it has %" PRIu64
		 " bytes, and MANIFEST says %" PRIu64
		 "; restore the data directory from a backup",
		 size < table->file_bytes ? size : table->file_bytes, size,
		 table->file_bytes);
	return refuse(name, detail);
}

static enum err check_tables(struct gdbm_store *g)
{
	enum err err = ERR_OK;

	for (size_t i = 0; !err && i < g->manifest.table_count; i++) {
		const struct manifest_table *table = &g->manifest.tables[i];

		err = check_table(g, table);
		if (!err)
			err = table_restore_keys(g->dir, table->id,
						 table->keys);
	}
	return err;
}

static enum err replay_segment(void *arg, const struct journal_head *head)
{
	struct gdbm_store *g = arg;

	shared_segment_init(g->shared, head);
	return ERR_OK;
}

static enum err replay_frame(void *arg, const struct journal_head *head,
			     const struct journal_frame *frame,
			     struct view body)
{
	struct gdbm_store *g = arg;
	struct segment *segment = shared_segment(g->shared, head->number);
	enum err err = append_index(g->shared, head->number, frame, body);

	if (err)
		return err;
	atomic_store(&segment->tail, frame->end);
	atomic_store(&segment->indexed, frame->end);
	return ERR_OK;
}

/* Places for what is there already, whatever the settings were then. */
static enum err ring_size(struct gdbm_store *g, uint64_t *ring)
{
	uint64_t greatest = 0;
	uint64_t needed;
	enum err err = replay_greatest(g->dir, &greatest);

	if (err)
		return err;
	needed = RING_SPARE;
	if (greatest >= g->manifest.first_segment)
		needed += greatest - g->manifest.first_segment + 1;
	*ring = g->conf.journal_max_bytes / g->conf.journal_segment_bytes + 2;
	if (*ring < needed)
		*ring = needed;
	if (*ring > SHARED_RING_MAX)
		return refuse(MANIFEST_NAME,
			      "more journal segments than can be replayed");
	return ERR_OK;
}

static enum err replay_into(struct gdbm_store *g, size_t arena_size,
			    struct replay *replay)
{
	uint64_t ring = 0;
	enum err err = ring_size(g, &ring);

	if (!err)
		err = shared_new(ring, arena_size, &g->shared);
	if (err)
		return err;
	g->shared->marks = g->conf.marks;
	*replay = (struct replay){ .dir = g->dir,
				   .first = g->manifest.first_segment,
				   .revision = g->manifest.revision,
				   .segment = replay_segment,
				   .frame = replay_frame,
				   .arg = g };
	err = replay_run(replay);
	if (err == ERR_DAMAGED && replay->sentence.size)
		refuse(replay->file, buf_string(&replay->sentence));
	return err;
}

/*
 * The arenas may be smaller than those which the segments were written with:
 * try with larger ones until all fits.
 */
static enum err replay_all(struct gdbm_store *g, struct replay *replay)
{
	size_t arena_size = g->conf.memtable_bytes;
	enum err err = replay_into(g, arena_size, replay);

	while (err == ERR_FULL && arena_size <= ARENA_MOST / 2) {
		replay_release(replay);
		shared_free(g->shared);
		g->shared = NULL;
		arena_size *= 2;
		err = replay_into(g, arena_size, replay);
	}
	return err;
}

/* Step 4: the last segment that has frames ends for good where they end. */
static enum err seal(struct gdbm_store *g, const struct replay *replay)
{
	struct segment *segment = shared_segment(g->shared, replay->last);
	struct journal_frame end = { .kind = JOURNAL_END,
				     .revision = replay->revision,
				     .durable = replay->revision,
				     .time_ms = engine_wall_ms(g),
				     .position = replay->end };
	const struct segment_file *file;
	enum err err = engine_segment_file(g, replay->last, &file);

	if (err)
		return err;
	/* As if its last syncer had died: write again, then sync. */
	err = sync_segment(g, replay->last, true);
	if (err)
		return err;
	journal_build_begin(&g->frame);
	journal_build_end(&g->frame, &segment->head, &end);
	err = g->frame.err;
	if (!err)
		err = file_write_at(file->fd, file->name, g->frame.data,
				    g->frame.size, (int64_t)end.position);
	return err ? err : sync_segment(g, replay->last, false);
}

/* With the room that its merging will take, when that is `covered`. */
static enum err create_segment(struct gdbm_store *g, uint64_t number,
			       uint64_t capacity, bool covered,
			       struct journal_head *head)
{
	uint64_t revision = atomic_load(&g->shared->revision);
	int fd = -1;
	enum err err = covered ? reserve_hold(g, number, capacity) : ERR_OK;

	if (err)
		return err;
	err = journal_create(g->dir, number, revision + 1, capacity, head, &fd);
	if (!err)
		file_close(&fd, "journal");
	return err;
}

/* Step 5.  Without room, it is where it is. */
static enum err place_manifest(struct gdbm_store *g)
{
	enum err err = manifest_write(g->dir, &g->manifest);

	return err == ERR_FULL ? ERR_OK : err;
}

/*
 * Step 6.  On a disk without room for a whole one, the largest that goes; at
 * last in the room of the reserve, with which puts are refused.
 */
static enum err begin_segment(struct gdbm_store *g, uint64_t number)
{
	uint64_t capacity = g->conf.journal_segment_bytes;
	struct journal_head head;
	enum err err = create_segment(g, number, capacity, true, &head);

	if (err == ERR_FULL && retain_give_up(g))
		err = create_segment(g, number, capacity, true, &head);
	while (err == ERR_FULL && capacity / 2 >= SEGMENT_LEAST) {
		capacity /= 2;
		err = create_segment(g, number, capacity, true, &head);
	}
	if (err == ERR_FULL) {
		reserve_give_up(g);
		err = create_segment(g, number, capacity, false, &head);
	}
	if (err)
		return err;
	atomic_store(&g->shared->full, g->shared->reserved == 0);
	shared_segment_init(g->shared, &head);
	atomic_store(&g->shared->segment, number);
	return ERR_OK;
}

static enum err begin(struct gdbm_store *g, const struct replay *replay)
{
	struct shared *shared = g->shared;
	bool frames = replay->frames > 0;
	enum err err = ERR_OK;

	atomic_store(&shared->revision, replay->revision);
	atomic_store(&shared->durable, replay->revision);
	atomic_store(&shared->version, g->manifest.version);
	atomic_store(&shared->oldest, g->manifest.first_segment);
	atomic_store(&shared->segment, replay->last);
	engine_note_tables(g);
	if (frames)
		err = seal(g, replay);
	engine_close_files(g);
	if (!err)
		err = place_manifest(g);
	if (!err)
		err = retain_begin(g);
	if (!err)
		err = begin_segment(g,
				    frames ? replay->last + 1 : replay->last);
	return err;
}

/* Step 7.  Names that end in .tmp are of files that never got their own. */
static void remove_unnamed(struct gdbm_store *g)
{
	file_remove(g->dir, JOURNAL_NEW_NAME);
	file_remove(g->dir, MANIFEST_NAME ".tmp");
	snapshot_sweep_all(g);
	sweep_run(g);
}

static void log_recovered(const struct gdbm_store *g,
			  const struct replay *replay)
{
	char frames[24];
	char revision[24];

	snprintf(frames, sizeof(frames), "%" PRIu64, replay->frames);
	snprintf(revision, sizeof(revision), "%" PRIu64, replay->revision);
	log_event(LOG_INFO, "store-open", "data_dir", g->data_dir, "revision",
		  revision, "replayed", frames, NULL);
}

enum err recovery_find(struct gdbm_store *g)
{
	enum err err = manifest_exists(g->dir);

	if (err != ERR_NOT_FOUND)
		return err;
	err = see_that_nothing_is_lost(g);
	return err ? err : ERR_NOT_FOUND;
}

enum err recovery_run(struct gdbm_store *g)
{
	struct replay replay = { 0 };
	enum err err = manifest_read(g->dir, &g->manifest);

	if (err == ERR_NOT_FOUND)
		err = make_store(g);
	if (!err)
		err = check_tables(g);
	if (!err)
		err = replay_all(g, &replay);
	if (!err)
		err = begin(g, &replay);
	if (!err) {
		remove_unnamed(g);
		log_recovered(g, &replay);
	}
	replay_release(&replay);
	return err;
}
