/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Expired keys are absent for readers at once; here they become `expire`
 * commits, so that watchers learn of it and the room comes back.
 *
 * A look is cheap when nothing is due: each live segment knows the least
 * expiry that was written to it, and for each table this process remembers
 * the least that its last scan met.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/merge.h"

#define KEYS_A_COMMIT 32
#define COMMITS_LEAST 64 /* in a turn, while there is any room */

/* Of one table: the least expiry in it that has not been dealt with. */
struct expiry_memo {
	struct table_id id;
	int64_t next_ms;
	int64_t done_ms; /* what expired by then has been dealt with; 0 none */
};

/* Keys on their way to a commit. */
struct expiry {
	struct gdbm_store *g;
	int64_t now_ms;
	bool stopped;   /* for want of room */
	size_t commits; /* that had something to expire */
	size_t count;
	struct buf keys[KEYS_A_COMMIT];
};

/*
 * Room is what the checkpoints of this very process make.  When one is due,
 * some keys have their turn still, or they would never, as long as writers are
 * as fast as checkpoints; but to wait for room here would be for ever.
 */
static bool lacks_room(const struct expiry *e)
{
	const struct shared *shared = e->g->shared;

	return shared_is_filled(shared) ||
	       (shared_is_filling(shared) && e->commits >= COMMITS_LEAST);
}

static enum err flush(struct expiry *e)
{
	struct store_op ops[KEYS_A_COMMIT];
	struct store_batch batch = { .ops = ops, .op_count = e->count };
	uint64_t ticket = 0;
	enum err err;

	if (e->count == 0)
		return ERR_OK;
	e->stopped = lacks_room(e);
	if (e->stopped)
		return ERR_BUSY;
	for (size_t i = 0; i < e->count; i++)
		ops[i] = (struct store_op){ .verb = STORE_EXPIRE,
					    .key = buf_view(&e->keys[i]) };
	e->count = 0;
	err = commit_apply(&e->g->store, &batch, &ticket);
	e->commits += batch.revision != 0;
	for (size_t i = 0; !err && i < batch.op_count; i++)
		shared_count(&e->g->shared->counters.expired,
			     e->g->staged[i].write);
	return err ? err : sync_ticket(&e->g->store, ticket);
}

static enum err add(struct expiry *e, struct view key)
{
	struct buf *copy = &e->keys[e->count];

	buf_clear(copy);
	buf_add_view(copy, key);
	if (copy->err)
		return copy->err;
	e->count++;
	return e->count == KEYS_A_COMMIT ? flush(e) : ERR_OK;
}

/*
 * One segment's keys.  Its `soonest` is emptied before the scan, so that what
 * is written meanwhile is not overlooked, and filled again by it.
 */
static enum err scan_segment(struct expiry *e, uint64_t number)
{
	struct shared *shared = e->g->shared;
	struct segment *segment = shared_segment(shared, number);
	const struct memtable *memtable = shared_memtable(shared, number);
	const struct memtable_entry *entry;
	enum err err = ERR_OK;

	if (atomic_load(&segment->soonest) > e->now_ms)
		return ERR_OK;
	atomic_store(&segment->soonest, INT64_MAX);
	for (entry = memtable_seek(memtable, (struct view){ 0 }, false);
	     entry && !err; entry = memtable_next(memtable, entry)) {
		if (entry->expires_ms == 0)
			continue;
		if (entry->expires_ms > e->now_ms)
			shared_note_expiry(segment, entry->expires_ms);
		else
			err = add(e, memtable_key(entry));
	}
	if (!err)
		err = flush(e);
	if (err)
		shared_note_expiry(segment, e->now_ms);
	return err;
}

static enum err scan_entries(struct expiry *e, struct table *table,
			     int64_t done_ms, int64_t *next_ms)
{
	struct buf hold = BUF_EMPTY;
	struct record record;
	struct view key;
	size_t count = 0;
	enum err err = table_count(table, &count);

	for (size_t i = 0; !err && i < count; i++) {
		err = table_entry(table, i, &hold, &key, &record);
		if (err || record.expires_ms == 0 ||
		    (done_ms && record.expires_ms <= done_ms))
			continue;
		if (record_expired(&record, e->now_ms))
			err = add(e, key);
		else if (record.expires_ms < *next_ms)
			*next_ms = record.expires_ms;
	}
	buf_release(&hold);
	return err ? err : flush(e);
}

static enum err scan_table(struct expiry *e, struct expiry_memo *memo)
{
	int64_t next_ms = INT64_MAX;
	struct table *table;
	enum err err;

	if (memo->next_ms > e->now_ms)
		return ERR_OK;
	err = table_open(e->g->dir, memo->id, &table);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
	err = scan_entries(e, table, memo->done_ms, &next_ms);
	table_close(table);
	if (err)
		return err;
	memo->next_ms = next_ms;
	memo->done_ms = e->now_ms;
	return ERR_OK;
}

/* What is known of the table; a new one is to be scanned. */
static struct expiry_memo known(const struct housekeeping *h,
				struct table_id id)
{
	for (size_t i = 0; i < h->memo_count; i++) {
		if (h->memos[i].id.id == id.id &&
		    h->memos[i].id.generation == id.generation)
			return h->memos[i];
	}
	return (struct expiry_memo){ .id = id };
}

/* One memo for each table that there is now. */
static enum err refresh_memos(struct gdbm_store *g)
{
	struct housekeeping *h = &g->housekeeping;
	size_t count = g->manifest.table_count;
	struct expiry_memo *memos = calloc(count + 1, sizeof(*memos));

	if (!memos)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		memos[i] = known(h, g->manifest.tables[i].id);
	free(h->memos);
	h->memos = memos;
	h->memo_count = count;
	return ERR_OK;
}

static enum err scan_tables(struct expiry *e)
{
	struct housekeeping *h = &e->g->housekeeping;
	enum err damaged = ERR_OK;
	enum err err = refresh_memos(e->g);

	for (size_t i = 0; !err && i < h->memo_count; i++) {
		err = scan_table(e, &h->memos[i]);
		if (err == ERR_DAMAGED) {
			damaged = err;
			err = ERR_OK;
		}
	}
	return err ? err : damaged;
}

static enum err scan_all(struct expiry *e)
{
	struct shared *shared = e->g->shared;
	uint64_t last = atomic_load(&shared->segment);
	enum err err = ERR_OK;

	for (uint64_t n = atomic_load(&shared->oldest); !err && n <= last; n++)
		err = scan_segment(e, n);
	return err ? err : scan_tables(e);
}

void expiry_resume(struct gdbm_store *g)
{
	struct shared *shared = g->shared;
	struct housekeeping *h = &g->housekeeping;
	uint64_t last = atomic_load(&shared->segment);

	for (uint64_t n = atomic_load(&shared->oldest); n <= last; n++)
		shared_note_expiry(shared_segment(shared, n), 1);
	for (size_t i = 0; i < h->memo_count; i++)
		h->memos[i] = (struct expiry_memo){ .id = h->memos[i].id };
}

/*
 * The tables of g->manifest stay, since only this process replaces them; and
 * a commit's own look may refresh it to nothing else.
 */
enum err expiry_run(struct gdbm_store *g)
{
	struct expiry e = { .g = g, .now_ms = engine_wall_ms(g) };
	uint64_t revision;
	enum err err = read_begin(g, &revision);

	if (err)
		return err;
	read_end(g);
	err = scan_all(&e);
	for (size_t i = 0; i < KEYS_A_COMMIT; i++)
		buf_release(&e.keys[i]);
	/* The clock was set back: a commit found alive what had expired. */
	if (engine_wall_ms(g) < e.now_ms)
		expiry_resume(g);
	if (e.stopped)
		return ERR_OK;
	if (err)
		log_event(LOG_WARN, "expiry-failed", "reason", err_string(err),
			  NULL);
	return err;
}

void expiry_release(struct gdbm_store *g)
{
	free(g->housekeeping.memos);
	g->housekeeping.memos = NULL;
	g->housekeeping.memo_count = 0;
}
