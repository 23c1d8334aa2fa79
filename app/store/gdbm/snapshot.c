/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store as it is now, for somebody who takes long: a store of its own that
 * shares nothing with the others but files which never change.
 *
 * Under one pin, which lasts only as long as this takes: the tables and the
 * segments in question get a second name in a folder snapshot-SLOT.N, so that
 * they stay when the store lets go of them; the index of what waits for a
 * checkpoint is copied, entry by entry, into memory of the snapshot's own; and
 * a MANIFEST in memory names the tables.  From then on list.c and read.c work
 * on it as on any store that nobody writes to.
 *
 * A folder whose process was killed is removed by whoever reaps it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/engine.h"

#define NAME_SIZE   48
#define NAME_FORMAT "snapshot-%u.%" PRIu64
#define ARENA_LEAST (64 * 1024)
#define ARENA_MOST  (UINT32_MAX + (size_t)1) /* links have 32 bits */

struct snapshot {
	struct gdbm_store g; /* first: it is one */
	int parent;          /* fd of the data directory */
	char name[NAME_SIZE];
	struct buf prefix; /* of all keys that are in it */
};

static enum err make_folder(struct snapshot *s)
{
	enum err err = file_remove_folder(s->parent, s->name);

	if (err)
		return err;
	if (mkdirat(s->parent, s->name, 0750))
		return log_errno("make-folder-failed", s->name, errno);
	return file_open(s->parent, s->name, O_RDONLY | O_DIRECTORY, 0,
			 &s->g.dir);
}

/* Whether table i of the MANIFEST may have keys with the prefix. */
static bool table_wanted(const struct manifest *manifest, size_t i,
			 struct view prefix)
{
	struct view from = manifest->tables[i].from;
	bool last = i + 1 == manifest->table_count;

	if (!last && view_compare(manifest->tables[i + 1].from, prefix) <= 0)
		return false;
	return i == 0 || view_compare(from, prefix) <= 0 ||
	       view_starts_with(from, prefix);
}

static enum err link_table(struct snapshot *s, struct table_id id)
{
	char name[TABLE_NAME_SIZE];
	enum err err;

	table_name(id, name);
	err = file_link(s->parent, name, s->g.dir);
	if (err)
		return err;
	table_keys_name(id, name);
	return file_link(s->parent, name, s->g.dir);
}

/* The first table's range begins before every key. */
static enum err take_tables(struct snapshot *s, const struct manifest *now,
			    struct view prefix)
{
	struct manifest *manifest = &s->g.manifest;
	enum err err = ERR_OK;

	*manifest = (struct manifest){ .version = now->version,
				       .revision = now->revision,
				       .first_segment = now->first_segment,
				       .next_table = now->next_table };
	for (size_t i = 0; !err && i < now->table_count; i++) {
		struct manifest_table table = now->tables[i];

		if (!table_wanted(now, i, prefix))
			continue;
		if (manifest->table_count == 0)
			table.from = (struct view){ 0 };
		err = manifest_add(manifest, &table);
		if (!err)
			err = link_table(s, table.id);
	}
	return err;
}

/* Keys may be on more levels here than there, so twice the room. */
static size_t arena_size(struct gdbm_store *from)
{
	size_t size = ARENA_LEAST;

	for (uint64_t n = from->manifest.first_segment; n <= from->last_segment;
	     n++) {
		uint64_t used =
			atomic_load(&shared_memtable(from->shared, n)->used);

		if (used * 2 > size)
			size = used * 2;
	}
	return size < ARENA_MOST ? size : ARENA_MOST;
}

/* What one segment shows at the revision; its file, when that is anything. */
static enum err take_segment(struct snapshot *s, struct gdbm_store *from,
			     uint64_t number, struct view prefix,
			     uint64_t revision)
{
	const struct memtable *source = shared_memtable(from->shared, number);
	struct memtable *copy = shared_memtable(s->g.shared, number);
	const struct memtable_entry *entry =
		memtable_seek(source, prefix, false);
	char name[JOURNAL_NAME_SIZE];
	enum err err = ERR_OK;

	shared_segment_init(s->g.shared,
			    &shared_segment(from->shared, number)->head);
	for (; !err && entry; entry = memtable_next(source, entry)) {
		const struct memtable_entry *shown =
			memtable_not_newer(source, entry, revision);

		if (!view_starts_with(memtable_key(entry), prefix))
			break;
		if (shown)
			err = memtable_add(copy, memtable_key(shown), shown);
	}
	if (err || atomic_load(&copy->entries) == 0)
		return err;
	journal_name(number, name);
	return file_link(s->parent, name, s->g.dir);
}

static enum err take_segments(struct snapshot *s, struct gdbm_store *from,
			      struct view prefix, uint64_t revision)
{
	uint64_t first = from->manifest.first_segment;
	struct shared *shared;
	enum err err =
		shared_new(from->shared->ring, arena_size(from), &s->g.shared);

	if (err)
		return err;
	shared = s->g.shared;
	atomic_store(&shared->version, s->g.manifest.version);
	atomic_store(&shared->oldest, first);
	atomic_store(&shared->segment, from->last_segment);
	atomic_store(&shared->revision, revision);
	atomic_store(&shared->durable, revision);
	for (uint64_t n = first; !err && n <= from->last_segment; n++)
		err = take_segment(s, from, n, prefix, revision);
	return err;
}

static enum err snapshot_close(struct store *store)
{
	struct snapshot *s = (struct snapshot *)store;
	char name[NAME_SIZE];
	int parent = s->parent;

	memcpy(name, s->name, sizeof(name));
	buf_release(&s->prefix);
	engine_free(&s->g);
	return file_remove_folder(parent, name);
}

/* Its tables have other keys too. */
static enum err snapshot_get(struct store *store, struct view key,
			     struct buf *hold, struct record *record,
			     uint64_t *revision)
{
	struct snapshot *s = (struct snapshot *)store;
	enum err err = read_get(store, key, hold, record, revision);

	if (!err && !view_starts_with(key, buf_view(&s->prefix)))
		err = ERR_NOT_FOUND;
	return err;
}

static enum err snapshot_list(struct store *store,
			      const struct store_range *range,
			      bool (*each)(void *arg, struct view key,
					   const struct record *record),
			      void *arg, uint64_t *revision)
{
	struct snapshot *s = (struct snapshot *)store;
	struct view prefix = buf_view(&s->prefix);
	struct store_range narrow = *range;

	if (view_starts_with(prefix, range->prefix))
		narrow.prefix = prefix;
	if (view_starts_with(narrow.prefix, prefix))
		return list_run(store, &narrow, each, arg, revision);
	if (revision)
		*revision = atomic_load(&s->g.shared->durable);
	return ERR_OK;
}

static const struct store_engine snapshot_engine = {
	.name = "gdbm",
	.close = snapshot_close,
	.get = snapshot_get,
	.list = snapshot_list,
};

enum err snapshot_run(struct store *store, struct view prefix,
		      struct store **snapshot, uint64_t *revision)
{
	struct gdbm_store *from = (struct gdbm_store *)store;
	struct snapshot *s = calloc(1, sizeof(*s));
	uint64_t at = 0;
	enum err err;

	if (!s)
		return ERR_NO_MEMORY;
	s->parent = from->dir;
	snprintf(s->name, NAME_SIZE, NAME_FORMAT, from->slot,
		 ++from->snapshots);
	s->g.store.engine = &snapshot_engine;
	s->g.conf = from->conf;
	s->g.frozen_ms = engine_wall_ms(from);
	s->g.slot = STORE_SLOTS_MAX;
	s->g.dir = -1;
	s->g.owner_fd = -1;
	s->g.changes.fd = -1;
	s->g.changes.wake_fd = -1;
	buf_add_view(&s->prefix, prefix);
	err = s->prefix.err;
	if (!err)
		err = make_folder(s);
	if (!err)
		err = read_begin(from, &at);
	if (err)
		goto out;
	err = take_tables(s, &from->manifest, prefix);
	if (!err)
		err = take_segments(s, from, prefix, at);
	read_end(from);
out:
	if (err) {
		snapshot_close(&s->g.store);
		return err;
	}
	*snapshot = &s->g.store;
	*revision = at;
	return ERR_OK;
}

struct sweeping {
	struct gdbm_store *g;
	unsigned slot;
	bool all;
};

static enum err remove_left(void *arg, const char *name)
{
	const struct sweeping *sweeping = arg;
	char exact[NAME_SIZE];
	unsigned slot;
	uint64_t number;

	if (sscanf(name, "snapshot-%u.%" SCNu64, &slot, &number) != 2)
		return ERR_OK;
	snprintf(exact, sizeof(exact), NAME_FORMAT, slot, number);
	if (!strcmp(exact, name) && (sweeping->all || slot == sweeping->slot))
		file_remove_folder(sweeping->g->dir, name);
	return ERR_OK;
}

void snapshot_sweep(struct gdbm_store *g, unsigned slot)
{
	file_each(g->dir, remove_left,
		  &(struct sweeping){ .g = g, .slot = slot });
}

void snapshot_sweep_all(struct gdbm_store *g)
{
	file_each(g->dir, remove_left,
		  &(struct sweeping){ .g = g, .all = true });
}
