/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From sealed journal segments to tables, by the housekeeper alone, while
 * everybody reads and writes on.
 *
 * Every range of keys that the segments touch is rebuilt (rebuild.c); the new
 * MANIFEST is put in place, announced, and what only the old one names is let
 * go (sweep.c).  Every few dozen tables, or fewer when the disk is short of
 * room, a MANIFEST in between, which still needs the same segments, bounds the
 * room that is taken twice.  When there is no room, history goes; and when
 * that is not enough, so does the reserve (reserve.c), and each table is put in
 * place, and the old one let go, before the next one is begun.  On a disk that
 * is full, or soon will be, no table is a copy of the old one: so it gets back
 * what was deleted.
 *
 * A failure leaves files that no MANIFEST names, and the segments: nothing is
 * lost, and the next turn tries again.  A MANIFEST that was put in place, and
 * whose folder could not be synced, stays: readers may go by it, so its version
 * and the names in it are used up.  Until it is known to be on disk, what the
 * one before names stays as well.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/rebuild.h"

#define TABLES_BETWEEN_MANIFESTS 32
#define TURN_MS                  50
#define LET_GO_MS                1500 /* processes look each second */

struct checkpoint {
	struct gdbm_store *g;
	struct merge merge;
	struct manifest fresh;
	uint64_t last;  /* sealed segment to be merged */
	size_t rebuilt; /* ranges */
	size_t between; /* MANIFESTs, so many are rebuilt */
	bool anew;      /* no table as a copy */
	bool waited;    /* in vain; see wait_for_room() */
};

/* By the MANIFEST on disk, which this announces. */
static void go_by(struct gdbm_store *g, struct manifest disk)
{
	manifest_release(&g->manifest);
	g->manifest = disk;
	atomic_store(&g->shared->version, disk.version);
	engine_close_unneeded(g);
	engine_note_tables(g);
	g->housekeeping.resumed = true;
	atomic_store(&g->shared->in_doubt, false);
}

static enum err read_existing(struct gdbm_store *g, struct manifest *disk)
{
	enum err err = manifest_read(g->dir, disk);

	return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

/*
 * The folder's next sync may succeed because the kernel has given up on what
 * the last one failed to write (sync.c).  The same MANIFEST is put in place
 * once more, so that there is something to be written; without room for it,
 * that was what the sync lacked, and it can be tried again.
 */
enum err checkpoint_resume(struct gdbm_store *g)
{
	struct manifest disk = { 0 };
	enum err err = read_existing(g, &disk);

	if (err)
		return err;
	if (atomic_load(&g->shared->in_doubt))
		err = manifest_write(g->dir, &disk);
	if (err && err != ERR_FULL) {
		manifest_release(&disk);
		return err;
	}
	go_by(g, disk);
	return ERR_OK;
}

/* Sync the folder, so that the tables' names are there before MANIFEST's. */
static enum err publish(struct checkpoint *c)
{
	struct gdbm_store *g = c->g;
	struct manifest disk = { 0 };
	enum err err = file_sync(g->dir, "data directory");

	c->fresh.version = g->manifest.version + 1;
	if (err)
		return err;
	atomic_store(&g->shared->in_doubt, true);
	err = manifest_write(g->dir, &c->fresh);
	if (!err)
		err = read_existing(g, &disk);
	if (!err)
		go_by(g, disk);
	return err;
}

static enum err fresh_begin(struct checkpoint *c)
{
	const struct manifest *now = &c->g->manifest;

	c->fresh = (struct manifest){ .version = now->version,
				      .revision = now->revision,
				      .first_segment = now->first_segment,
				      .next_table = now->next_table };
	memcpy(c->fresh.store_id, now->store_id, sizeof(now->store_id));
	return ERR_OK;
}

/* Add tables [begin, ...) of the current MANIFEST as they are. */
static enum err keep_tables(struct checkpoint *c, size_t begin, size_t end)
{
	enum err err = ERR_OK;

	for (size_t i = begin; !err && i < end; i++) {
		struct manifest_table table = c->g->manifest.tables[i];

		if (c->fresh.table_count == 0)
			table.from = (struct view){ 0 };
		err = manifest_add(&c->fresh, &table);
	}
	return err;
}

static struct view upper_of(const struct manifest *manifest, size_t i)
{
	if (i + 1 < manifest->table_count)
		return manifest->tables[i + 1].from;
	return (struct view){ 0 };
}

static bool range_changed(const struct checkpoint *c, struct view upper)
{
	uint64_t number;
	const struct memtable_entry *next = merge_peek(&c->merge, &number);

	return next &&
	       (!upper.data || view_compare(memtable_key(next), upper) < 0);
}

/* Whether there is room for so many of the largest tables. */
static bool has_room(const struct checkpoint *c, unsigned tables)
{
	struct file_room room;
	uint64_t largest = atomic_load(&c->g->shared->rewrite_bytes);

	return file_room(c->g->dir, "data directory", &room) ||
	       room.bytes >= tables * largest;
}

/*
 * A replaced table takes its room until the last process has closed it, or
 * read on.  Nothing that is not in MANIFEST is being made now.
 */
static void wait_for_room(struct checkpoint *c)
{
	int64_t until_ms = clock_monotonic_ms() + LET_GO_MS;

	while (!c->waited && !has_room(c, 1)) {
		c->waited = clock_monotonic_ms() > until_ms;
		clock_sleep_ms(TURN_MS);
		sweep_run(c->g);
	}
}

/*
 * Rebuild or keep the tables from *index on, until enough have been rebuilt
 * for a MANIFEST; *index is where to go on.
 */
static enum err some_ranges(struct checkpoint *c, size_t *index)
{
	const struct manifest *now = &c->g->manifest;
	size_t rebuilt = 0;
	enum err err = ERR_OK;

	for (; !err && *index < now->table_count && rebuilt < c->between &&
	       (rebuilt == 0 || has_room(c, 2));
	     ++*index) {
		struct view upper = upper_of(now, *index);

		if (!range_changed(c, upper)) {
			err = keep_tables(c, *index, *index + 1);
			continue;
		}
		err = rebuild_range(c->g, &c->merge, &now->tables[*index],
				    upper, c->anew, &c->fresh);
		rebuilt++;
	}
	c->rebuilt += rebuilt;
	return err;
}

/*
 * The last MANIFEST of a checkpoint lets go of the segments.  The revision
 * they end with stands in the head of the one after them.
 */
static enum err finish(struct checkpoint *c)
{
	struct segment *next = shared_segment(c->g->shared, c->last + 1);

	c->fresh.first_segment = c->last + 1;
	c->fresh.revision = next->head.first_revision - 1;
	return publish(c);
}

static enum err all_ranges(struct checkpoint *c)
{
	size_t index = 0;
	enum err err;

	if (c->g->manifest.table_count == 0) {
		c->rebuilt++;
		return rebuild_range(c->g, &c->merge, NULL, (struct view){ 0 },
				     c->anew, &c->fresh);
	}
	for (;;) {
		size_t table_count = c->g->manifest.table_count;
		size_t done;

		wait_for_room(c);
		err = some_ranges(c, &index);
		if (err || index == table_count)
			return err;
		done = c->fresh.table_count;
		err = keep_tables(c, index, table_count);
		if (!err)
			err = publish(c);
		if (err)
			return err;
		sweep_run(c->g);
		/* The same tables, as the MANIFEST in between has them. */
		manifest_release(&c->fresh);
		fresh_begin(c);
		err = keep_tables(c, 0, done);
		if (err)
			return err;
		index = done;
	}
}

static void log_checkpoint(const struct checkpoint *c, int64_t duration_us)
{
	const struct manifest *now = &c->g->manifest;
	char values[4][24];

	snprintf(values[0], 24, "%" PRIu64, now->revision);
	snprintf(values[1], 24, "%zu", now->table_count);
	snprintf(values[2], 24, "%zu", c->rebuilt);
	snprintf(values[3], 24, "%" PRId64, duration_us / 1000);
	log_event(LOG_INFO, "checkpoint", "revision", values[0], "tables",
		  values[1], "rebuilt", values[2], "duration_ms", values[3],
		  NULL);
}

static enum err merge_segments(struct gdbm_store *g, uint64_t last,
			       size_t between, bool anew)
{
	struct checkpoint *c = calloc(1, sizeof(*c));
	int64_t begun_us = clock_monotonic_us();
	int64_t took_us;
	enum err err;

	if (!c)
		return ERR_NO_MEMORY;
	c->g = g;
	c->last = last;
	c->between = between;
	c->anew = anew;
	merge_init(&c->merge, g->shared, g->manifest.first_segment, last,
		   UINT64_MAX, (struct view){ 0 }, false);
	fresh_begin(c);
	err = all_ranges(c);
	if (!err)
		err = finish(c);
	atomic_store(&g->shared->full, err == ERR_FULL);
	if (!err) {
		took_us = clock_monotonic_us() - begun_us;
		shared_count(&g->shared->counters.checkpoints, 1);
		shared_count(&g->shared->counters.checkpoint_us,
			     (uint64_t)took_us);
		log_checkpoint(c, took_us);
	}
	manifest_release(&c->fresh);
	free(c);
	return err;
}

/* Go by what is on disk, and take away what that does not name. */
static bool clear_away(struct gdbm_store *g)
{
	return checkpoint_resume(g) == ERR_OK && sweep_run(g);
}

/* Again with less room, as long as that is what it lacks. */
static enum err merge_with_little_room(struct gdbm_store *g, uint64_t last)
{
	bool anew = atomic_load(&g->shared->full) || reserve_is_short(g);
	enum err err = merge_segments(g, last, TABLES_BETWEEN_MANIFESTS, anew);

	if (err == ERR_FULL && clear_away(g) && retain_give_up(g))
		err = merge_segments(g, last, TABLES_BETWEEN_MANIFESTS, anew);
	if (err == ERR_FULL && clear_away(g)) {
		rotate_give_up_reserve(g);
		err = merge_segments(g, last, 1, true);
	}
	return err;
}

static enum err merge_all(struct gdbm_store *g)
{
	uint64_t last;
	enum err err = atomic_load(&g->shared->stopped) ? ERR_STOPPED
							: checkpoint_resume(g);

	/* Sealed segments are durable: rotate.c synced them. */
	last = atomic_load(&g->shared->segment) - 1;
	if (!err && last >= g->manifest.first_segment)
		err = merge_with_little_room(g, last);
	sweep_run(g);
	return err;
}

enum err checkpoint_run(struct gdbm_store *g)
{
	int lock_fd = -1;
	enum err err = checkpointer_take(g->dir, &lock_fd);

	if (err)
		return err;
	atomic_store(&g->shared->merging, true);
	err = merge_all(g);
	atomic_store(&g->shared->merging, false);
	if (!err)
		rotate_refit_reserve(g);
	file_close(&lock_fd, LOCK_FILE_NAME);
	if (err) {
		shared_count(&g->shared->counters.checkpoint_failures, 1);
		log_event(LOG_ERROR, "checkpoint-failed", "reason",
			  err_string(err), NULL);
	}
	return err;
}
