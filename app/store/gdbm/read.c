/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading, without any lock: pin the MANIFEST's version (shared.h), look
 * through the memtables from the newest segment to the oldest, then into the
 * one table whose range holds the key.  The record itself may be in memory.
 */
#include "base/log.h"
#include "store/gdbm/engine.h"

static uint64_t pin(struct gdbm_store *g)
{
	struct shared *shared = g->shared;
	uint64_t version;

	do {
		version = atomic_load(&shared->version);
		atomic_store(&shared->slots[g->slot], version);
	} while (atomic_load(&shared->version) != version);
	return version;
}

static enum err manifest_refresh(struct gdbm_store *g)
{
	struct manifest fresh = { 0 };
	enum err err = manifest_read(g->dir, &fresh);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
	manifest_release(&g->manifest);
	g->manifest = fresh;
	engine_close_unneeded(g);
	return ERR_OK;
}

enum err read_begin(struct gdbm_store *g, uint64_t *revision)
{
	uint64_t version = pin(g);

	if (g->manifest.version < version) {
		enum err err = manifest_refresh(g);

		if (err) {
			read_end(g);
			return err;
		}
	}
	/* In this order: what is durable is in the segments up to the one
	 * that is loaded after it. */
	*revision = atomic_load(&g->shared->durable);
	g->last_segment = atomic_load(&g->shared->segment);
	return ERR_OK;
}

void read_end(struct gdbm_store *g)
{
	atomic_store(&g->shared->slots[g->slot], 0);
}

enum err read_entry(struct gdbm_store *g, uint64_t number,
		    const struct memtable_entry *entry, bool value,
		    struct buf *hold, struct record *record)
{
	const struct segment_file *file;
	enum err err = engine_segment_file(g, number, &file);

	if (err)
		return err;
	return journal_read_record(file->fd, file->name, entry->position,
				   memtable_key(entry), entry->record_size,
				   value, hold, record);
}

enum err read_table_damaged(struct table_id id)
{
	char name[TABLE_NAME_SIZE];

	table_name(id, name);
	log_event(LOG_ERROR, "table-damaged", "file", name, "detail",
		  "run `librapi check`, and restore from a backup", NULL);
	return ERR_DAMAGED;
}

enum err read_open_table(struct gdbm_store *g, struct table_id id,
			 struct table **table)
{
	enum err err = tables_get(&g->tables, g->dir, id, table);

	return err == ERR_NOT_FOUND ? read_table_damaged(id) : err;
}

enum err read_table(struct gdbm_store *g, struct table_id id, struct view key,
		    struct buf *hold, struct record *record)
{
	struct table *table;
	enum err err = read_open_table(g, id, &table);

	if (err)
		return err;
	buf_clear(hold);
	err = table_get(table, key, hold);
	if (!err)
		err = record_decode(key, buf_view(hold), record);
	if (err != ERR_DAMAGED)
		return err;
	table_tell_damage(table);
	return read_table_damaged(id);
}

static struct recent_from from_table(struct table_id id)
{
	return (struct recent_from){ id.id << 1, id.generation };
}

static struct recent_from from_journal(uint64_t number, uint64_t position)
{
	return (struct recent_from){ number << 1 | 1, position };
}

/* From memory; false when it was not read of late, and has to be now. */
static bool take_recent(struct gdbm_store *g, struct recent_from from,
			struct view key, struct buf *hold,
			struct record *record)
{
	struct shared_counters *counters = &g->shared->counters;
	bool taken;

	buf_clear(hold);
	taken = recent_get(&g->recent, from, key, hold) &&
		!record_decode(key, buf_view(hold), record);
	shared_count(taken ? &counters->cache_hits : &counters->cache_misses,
		     1);
	return taken;
}

/* As read_table(), and as read_entry() of an entry that is durable. */
static enum err recent_table(struct gdbm_store *g, struct table_id id,
			     struct view key, struct buf *hold,
			     struct record *record)
{
	struct recent_from from = from_table(id);
	enum err err;

	if (take_recent(g, from, key, hold, record))
		return ERR_OK;
	err = read_table(g, id, key, hold, record);
	if (!err)
		recent_keep(&g->recent, from, key, buf_view(hold));
	return err;
}

static enum err recent_entry(struct gdbm_store *g, uint64_t number,
			     const struct memtable_entry *entry,
			     struct buf *hold, struct record *record)
{
	struct recent_from from = from_journal(number, entry->position);
	struct view key = memtable_key(entry);
	size_t size = entry->record_size;
	enum err err;

	if (take_recent(g, from, key, hold, record))
		return ERR_OK;
	err = read_entry(g, number, entry, true, hold, record);
	if (!err)
		recent_keep(
			&g->recent, from, key,
			(struct view){ hold->data + hold->size - size, size });
	return err;
}

/* The newest entry in the memtables that is not newer than `revision`. */
static const struct memtable_entry *find_entry(struct gdbm_store *g,
					       struct view key,
					       uint64_t revision,
					       uint64_t *number)
{
	for (uint64_t n = g->last_segment; n >= g->manifest.first_segment;
	     n--) {
		const struct memtable_entry *entry = memtable_find(
			shared_memtable(g->shared, n), key, revision);

		if (entry) {
			*number = n;
			return entry;
		}
	}
	return NULL;
}

void read_expect(struct gdbm_store *g, uint32_t hash)
{
	for (uint64_t n = g->last_segment; n >= g->manifest.first_segment; n--)
		memtable_expect(shared_memtable(g->shared, n), hash);
	recent_expect(&g->recent, hash);
}

void read_expect_record(struct gdbm_store *g, uint32_t hash)
{
	for (uint64_t n = g->last_segment; n >= g->manifest.first_segment; n--)
		memtable_expect_entry(shared_memtable(g->shared, n), hash);
	recent_expect_record(&g->recent, hash);
}

enum err read_newest(struct gdbm_store *g, struct view key, uint64_t revision,
		     struct newest *newest, struct record *record)
{
	const struct manifest_table *table;
	const struct memtable_entry *entry;
	struct record of_table;
	uint64_t number;
	enum err err;

	*newest = (struct newest){ 0 };
	entry = find_entry(g, key, revision, &number);
	if (entry) {
		newest->revision = entry->revision;
		newest->put = entry->verb == STORE_PUT;
		newest->expires_ms = entry->expires_ms;
		if (!record || !newest->put)
			return ERR_OK;
		if (revision == UINT64_MAX)
			return read_entry(g, number, entry, true, &g->current,
					  record);
		return recent_entry(g, number, entry, &g->current, record);
	}
	table = manifest_find(&g->manifest, key);
	if (!table)
		return ERR_OK;
	if (!record)
		record = &of_table;
	err = recent_table(g, table->id, key, &g->current, record);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	newest->revision = record->revision;
	newest->put = true;
	newest->expires_ms = record->expires_ms;
	return ERR_OK;
}

static enum err read_at(struct gdbm_store *g, struct view key,
			uint64_t revision, struct buf *hold,
			struct record *record)
{
	const struct manifest_table *table;
	const struct memtable_entry *entry;
	uint64_t number;

	entry = find_entry(g, key, revision, &number);
	if (entry && entry->verb != STORE_PUT)
		return ERR_NOT_FOUND;
	if (entry)
		return recent_entry(g, number, entry, hold, record);
	table = manifest_find(&g->manifest, key);
	if (!table)
		return ERR_NOT_FOUND;
	return recent_table(g, table->id, key, hold, record);
}

enum err read_get(struct store *store, struct view key, struct buf *hold,
		  struct record *record, uint64_t *revision)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t at = 0;
	enum err err = read_begin(g, &at);

	if (revision)
		*revision = at;
	if (err)
		return err;
	err = read_at(g, key, at, hold, record);
	read_end(g);
	if (!err && record_expired(record, engine_wall_ms(g)))
		err = ERR_NOT_FOUND;
	return err;
}
