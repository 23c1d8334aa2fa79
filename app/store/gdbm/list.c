/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A listing: the memtables, merged, and the tables' sorted keys, side by side
 * in key order and at one revision.  What it costs depends on the keys that
 * are visited.
 */
#include <stdlib.h>

#include "store/gdbm/engine.h"
#include "store/gdbm/merge.h"

/* Where a listing stands: in the memtables, and in the tables. */
struct listing {
	struct gdbm_store *g;
	const struct store_range *range;
	bool bare;
	struct merge *merge;
	size_t table_index;
	struct table *table; /* NULL: past the last table */
	size_t position;
	size_t count;
	struct view table_key; /* of the entry at position, in table_hold */
	struct record table_record;
	struct buf table_hold;
	struct buf value_hold;
};

/* While a MANIFEST that names the table is pinned, its keys can't be gone. */
static enum err keys_result(const struct listing *l, enum err err)
{
	if (err != ERR_NOT_FOUND)
		return err;
	return read_table_damaged(l->g->manifest.tables[l->table_index].id);
}

/* Read the entry at the position, going on to the next table at the end. */
static enum err table_load(struct listing *l)
{
	const struct manifest *manifest = &l->g->manifest;
	enum err err;

	while (l->table && l->position >= l->count) {
		l->table = NULL;
		l->table_index++;
		if (l->table_index == manifest->table_count)
			return ERR_OK;
		err = read_open_table(l->g, manifest->tables[l->table_index].id,
				      &l->table);
		if (err)
			return err;
		l->position = 0;
		err = table_count(l->table, &l->count);
		if (err)
			return keys_result(l, err);
	}
	if (!l->table)
		return ERR_OK;
	return table_entry(l->table, l->position, &l->table_hold, &l->table_key,
			   &l->table_record);
}

static enum err table_advance(struct listing *l)
{
	l->position++;
	return table_load(l);
}

/* From the first key >= from, or > from with `past`. */
static enum err table_start(struct listing *l, struct view from, bool past)
{
	const struct manifest *manifest = &l->g->manifest;
	const struct manifest_table *first = manifest_find(manifest, from);
	enum err err;

	if (!first)
		return ERR_OK;
	l->table_index = (size_t)(first - manifest->tables);
	err = read_open_table(l->g, first->id, &l->table);
	if (!err)
		err = keys_result(l, table_count(l->table, &l->count));
	if (!err)
		err = keys_result(
			l, table_seek(l->table, from, past, &l->position));
	return err ? err : table_load(l);
}

/* The next key's record, from wherever it is newest, without taking it. */
struct candidate {
	struct view key;
	const struct memtable_entry *entry; /* NULL: of a table */
	uint64_t number;
	bool in_table;
};

static bool next_candidate(const struct listing *l, struct candidate *next)
{
	int order;

	next->entry = merge_peek(l->merge, &next->number);
	next->in_table = l->table != NULL;
	if (!next->entry && !next->in_table)
		return false;
	if (next->entry && next->in_table) {
		order = view_compare(memtable_key(next->entry), l->table_key);
		next->in_table = order >= 0;
		if (order > 0)
			next->entry = NULL;
	}
	next->key = next->entry ? memtable_key(next->entry) : l->table_key;
	return true;
}

static enum err candidate_read(struct listing *l, const struct candidate *next,
			       struct record *record)
{
	if (next->entry && l->bare) {
		*record = (struct record){
			.revision = next->entry->revision,
			.expires_ms = next->entry->expires_ms,
		};
		return ERR_OK;
	}
	if (next->entry)
		return read_entry(l->g, next->number, next->entry,
				  l->range->values, &l->value_hold, record);
	*record = l->table_record;
	if (!l->range->values)
		return ERR_OK;
	return read_table(l->g, l->g->manifest.tables[l->table_index].id,
			  next->key, &l->value_hold, record);
}

static enum err candidate_take(struct listing *l, const struct candidate *next)
{
	if (next->entry)
		merge_advance(l->merge);
	return next->in_table ? table_advance(l) : ERR_OK;
}

static enum err walk(struct listing *l,
		     bool (*each)(void *arg, struct view key,
				  const struct record *record),
		     void *arg)
{
	int64_t now_ms = engine_wall_ms(l->g);
	struct candidate next;
	struct record record;
	enum err err = ERR_OK;

	while (!err && next_candidate(l, &next)) {
		bool put = !next.entry || next.entry->verb == STORE_PUT;

		if (!view_starts_with(next.key, l->range->prefix))
			break;
		if (put) {
			err = candidate_read(l, &next, &record);
			if (err)
				break;
			if (!record_expired(&record, now_ms) &&
			    !each(arg, next.key, &record))
				break;
		}
		err = candidate_take(l, &next);
	}
	return err;
}

enum err list_walk(struct gdbm_store *g, const struct store_range *range,
		   uint64_t revision, bool bare,
		   bool (*each)(void *arg, struct view key,
				const struct record *record),
		   void *arg)
{
	struct listing l = { .g = g, .range = range, .bare = bare };
	bool past = range->after.data &&
		    view_compare(range->after, range->prefix) >= 0;
	struct view from = past ? range->after : range->prefix;
	enum err err;

	l.merge = malloc(sizeof(*l.merge));
	if (!l.merge)
		return ERR_NO_MEMORY;
	merge_init(l.merge, g->shared, g->manifest.first_segment,
		   g->last_segment, revision, from, past);
	err = table_start(&l, from, past);
	if (!err)
		err = walk(&l, each, arg);
	buf_release(&l.table_hold);
	buf_release(&l.value_hold);
	free(l.merge);
	return err;
}

enum err list_run(struct store *store, const struct store_range *range,
		  bool (*each)(void *arg, struct view key,
			       const struct record *record),
		  void *arg, uint64_t *revision)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t at = 0;
	enum err err = read_begin(g, &at);

	if (revision)
		*revision = at;
	if (err)
		return err;
	err = list_walk(g, range, at, false, each, arg);
	read_end(g);
	return err;
}
