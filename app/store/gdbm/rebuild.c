/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From an old table and the journal's changes to new tables.
 *
 * The range is walked once, in key order, into a plan (plan.h).  When that
 * outgrows a table, two thirds of it are written out and the rest begins the
 * next one, so that memory is bounded by one table whatever the range holds.
 */
#include "store/gdbm/rebuild.h"

#include <stdlib.h>

#include "base/throttle.h"
#include "store/gdbm/plan.h"

#define BLOATED 3 /* file bytes for each live byte */

/* Smaller records are read once and held, larger ones when they are due. */
#define HELD_SIZE 256

struct rebuild {
	struct gdbm_store *g;
	struct merge *merge;
	const struct manifest_table *old;
	struct view upper;
	bool anew;
	struct manifest *fresh;
	struct table *table; /* the old one; NULL without */
	size_t position;
	size_t count;
	bool reused_id;
	struct plan plan;
	struct buf hold;
};

/*
 * Readers shall not wait for the processor; but when the next segment is full
 * before this one is merged, writers will have to wait for its room.  A process
 * that has the store for itself has nobody to give way to.
 */
static void give_way(const struct gdbm_store *g)
{
	const struct shared *shared = g->shared;
	uint64_t sealed =
		atomic_load(&shared->segment) - atomic_load(&shared->oldest);

	throttle_set(sealed <= 1 && g->slot != STORE_SLOTS_MAX &&
		     !atomic_load(&shared->full));
	throttle_point();
}

static enum err read_journal(struct rebuild *r, uint64_t number,
			     uint32_t position, uint32_t record_size,
			     struct view key, bool value, struct record *record)
{
	const struct segment_file *file;
	enum err err = engine_segment_file(r->g, number, &file);

	if (err)
		return err;
	return journal_read_record(file->fd, file->name, position, key,
				   record_size, value, &r->hold, record);
}

/* The encoded record, after read_journal() with its value. */
static struct view bytes_read(const struct rebuild *r, struct view key)
{
	size_t front = JOURNAL_OP_HEAD_SIZE + key.size;

	return (struct view){ r->hold.data + front, r->hold.size - front };
}

static enum err plan_change(struct rebuild *r,
			    const struct memtable_entry *entry, uint64_t number)
{
	struct view key = memtable_key(entry);
	struct plan_entry planned = { .source = GONE };
	bool hold = entry->record_size <= HELD_SIZE;
	struct view held = { 0 };
	enum err err;

	if (entry->verb != STORE_PUT)
		return plan_add(&r->plan, planned, key, held, held);
	planned.source = FROM_JOURNAL;
	planned.number = number;
	planned.position = entry->position;
	planned.record_size = entry->record_size;
	err = read_journal(r, number, entry->position, entry->record_size, key,
			   hold, &planned.record);
	if (err)
		return err;
	if (hold)
		held = bytes_read(r, key);
	return plan_add(&r->plan, planned, key, planned.record.type, held);
}

/* The old table's next key, or none: *key has data NULL then. */
static enum err peek_table(struct rebuild *r, struct view *key,
			   struct record *record)
{
	*key = (struct view){ 0 };
	if (!r->table || r->position == r->count)
		return ERR_OK;
	return table_entry(r->table, r->position, &r->hold, key, record);
}

static const struct memtable_entry *peek_change(struct rebuild *r,
						uint64_t *number)
{
	const struct memtable_entry *entry = merge_peek(r->merge, number);

	if (entry && r->upper.data &&
	    view_compare(memtable_key(entry), r->upper) >= 0)
		return NULL;
	return entry;
}

/* Plan the next key of the range; *more is false at its end. */
static enum err plan_next(struct rebuild *r, bool *more)
{
	struct plan_entry planned = { .source = FROM_TABLE };
	const struct memtable_entry *entry;
	struct view key;
	uint64_t number;
	int order;
	enum err err = peek_table(r, &key, &planned.record);

	give_way(r->g);
	if (err)
		return err;
	entry = peek_change(r, &number);
	*more = entry || key.data;
	if (!*more)
		return ERR_OK;
	order = !entry      ? -1
		: !key.data ? 1
			    : view_compare(key, memtable_key(entry));
	if (order < 0) {
		r->position++;
		return plan_add(&r->plan, planned, key, planned.record.type,
				(struct view){ 0 });
	}
	if (order == 0)
		r->position++;
	err = plan_change(r, entry, number);
	merge_advance(r->merge);
	return err;
}

/* The encoded record, from the old table or from the journal. */
static enum err fetch(struct rebuild *r, const struct plan_entry *entry,
		      struct view *bytes)
{
	struct view key = plan_key(&r->plan, entry);
	struct record record;
	enum err err;

	*bytes = plan_held(&r->plan, entry);
	if (bytes->size > 0)
		return ERR_OK;
	if (entry->source == FROM_TABLE) {
		buf_clear(&r->hold);
		err = table_get(r->table, key, &r->hold);
		if (!err)
			err = record_decode(key, buf_view(&r->hold), &record);
		*bytes = buf_view(&r->hold);
	} else {
		err = read_journal(r, entry->number, entry->position,
				   entry->record_size, key, true, &record);
		*bytes = err ? *bytes : bytes_read(r, key);
	}
	return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

static enum err build_entry(struct rebuild *r, struct table_build *build,
			    const struct plan_entry *entry, bool copied)
{
	struct view key = plan_key(&r->plan, entry);
	struct record record = entry->record;
	struct view bytes;
	enum err err;

	give_way(r->g);
	if (entry->source == GONE)
		return copied ? table_build_remove(build, key) : ERR_OK;
	if (!copied || entry->source == FROM_JOURNAL) {
		err = fetch(r, entry, &bytes);
		if (!err)
			err = table_build_put(build, key, bytes);
		if (err)
			return err;
	}
	record.type.data = (const char *)key.data + key.size;
	return table_build_key(build, key, &record);
}

/* The first table of a range goes on under the old one's id. */
static struct table_id next_id(struct rebuild *r)
{
	struct table_id id = { 0, 1 };

	if (r->old && !r->reused_id) {
		r->reused_id = true;
		id = r->old->id;
		id.generation++;
		return id;
	}
	id.id = r->fresh->next_table++;
	return id;
}

/* Ranges leave no gap: what comes first begins before every key. */
static struct view range_from(struct rebuild *r, const struct plan_entry *first)
{
	if (r->fresh->table_count == 0)
		return (struct view){ 0 };
	if (r->old && !r->reused_id)
		return r->old->from;
	return plan_key(&r->plan, first);
}

/* Write entries [begin, end) of the plan as one table. */
static enum err write_table(struct rebuild *r, size_t begin, size_t end,
			    bool copy)
{
	const struct plan_entry *entries = r->plan.entries;
	struct manifest_table made = { 0 };
	struct table_build *build = NULL;
	enum err err;

	for (size_t i = begin; i < end; i++) {
		if (entries[i].source == GONE)
			continue;
		made.keys++;
		made.live_bytes += plan_bytes(&entries[i]);
	}
	if (made.keys == 0)
		return ERR_OK;
	err = table_build_begin(copy ? r->table : NULL, &build);
	for (size_t i = begin; !err && i < end; i++)
		err = build_entry(r, build, &entries[i], copy);
	if (err)
		goto out;
	made.from = range_from(r, &entries[begin]);
	made.id = next_id(r);
	err = table_build_finish(build, r->g->dir, made.id, &made.file_bytes);
	if (err)
		goto out;
	build = NULL;
	err = manifest_add(r->fresh, &made);
out:
	if (build)
		table_build_abort(build);
	return err;
}

/* A copy still has what is to go while the rest is put in. */
static enum err crowded(struct rebuild *r, size_t begin, size_t end, bool copy,
			bool *answer)
{
	uint32_t *hashes = malloc((end - begin) * sizeof(*hashes));
	size_t count = 0;

	if (!hashes)
		return ERR_NO_MEMORY;
	for (size_t i = begin; i < end; i++) {
		const struct plan_entry *entry = &r->plan.entries[i];

		if (copy || entry->source != GONE)
			hashes[count++] = table_hash(plan_key(&r->plan, entry));
	}
	*answer = table_crowded(hashes, count);
	free(hashes);
	return ERR_OK;
}

/* Write entries [begin, end), in halves as long as they crowd GDBM's hash. */
static enum err write_entries(struct rebuild *r, size_t begin, size_t end,
			      bool copy)
{
	size_t middle = begin + (end - begin) / 2;
	bool answer = false;
	enum err err;

	if (begin == end)
		return ERR_OK;
	err = crowded(r, begin, end, copy, &answer);
	if (err)
		return err;
	if (!answer)
		return write_table(r, begin, end, copy);
	if (copy)
		return write_entries(r, begin, end, false);
	err = write_entries(r, begin, middle, false);
	return err ? err : write_entries(r, middle, end, false);
}

static bool outgrown(const struct rebuild *r)
{
	return r->plan.live_keys > r->g->conf.table_max_keys ||
	       (r->plan.live_bytes > r->g->conf.table_max_bytes &&
		r->plan.live_keys > 1);
}

static enum err walk_range(struct rebuild *r)
{
	bool whole = true; /* so far, the range fits one table */
	bool more = true;
	enum err err = ERR_OK;

	while (!err && more) {
		err = plan_next(r, &more);
		while (!err && outgrown(r)) {
			size_t count = plan_two_thirds(&r->plan);

			whole = false;
			err = write_entries(r, 0, count, false);
			plan_drop(&r->plan, count);
		}
	}
	if (err)
		return err;
	whole = whole && r->old && !r->anew &&
		r->old->file_bytes <= r->plan.live_bytes * BLOATED;
	return write_entries(r, 0, r->plan.count, whole);
}

static enum err open_old(struct rebuild *r)
{
	enum err err;

	if (!r->old)
		return ERR_OK;
	err = tables_get(&r->g->tables, r->g->dir, r->old->id, &r->table);
	if (!err)
		err = table_count(r->table, &r->count);
	return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

enum err rebuild_range(struct gdbm_store *g, struct merge *merge,
		       const struct manifest_table *old, struct view upper,
		       bool anew, struct manifest *fresh)
{
	struct rebuild r = { .g = g,
			     .merge = merge,
			     .old = old,
			     .upper = upper,
			     .anew = anew,
			     .fresh = fresh };
	enum err err = open_old(&r);

	if (!err)
		err = walk_range(&r);
	throttle_set(false);
	plan_release(&r.plan);
	buf_release(&r.hold);
	return err;
}
