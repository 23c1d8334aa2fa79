/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Letting go, once no reader goes by an older MANIFEST: tables that it does
 * not name, memtables of segments that it does not need, and those of the
 * segments that are not kept as history either (retain.c).
 *
 * The folder is synced first: whoever put that MANIFEST in place may have been
 * killed before it did so, and a power cut must not bring back an older one
 * whose files are gone.
 */
#include "base/file.h"
#include "store/gdbm/engine.h"

static bool table_needed(const struct manifest *manifest, struct table_id id)
{
	for (size_t i = 0; i < manifest->table_count; i++) {
		if (manifest->tables[i].id.id == id.id)
			return manifest->tables[i].id.generation ==
			       id.generation;
	}
	return false;
}

static bool is_needed(const struct gdbm_store *g, const char *name)
{
	struct table_id id;
	uint64_t number;

	if (table_name_parse(name, &id))
		return table_needed(&g->manifest, id);
	if (journal_name_parse(name, &number))
		return number >= atomic_load(&g->shared->history);
	return true;
}

static enum err remove_unneeded(void *arg, const char *name)
{
	struct gdbm_store *g = arg;

	if (!is_needed(g, name))
		file_remove(g->dir, name);
	return ERR_OK;
}

static void drop_memtables(struct gdbm_store *g)
{
	struct shared *shared = g->shared;
	uint64_t n = atomic_load(&shared->oldest);

	for (; n < g->manifest.first_segment; n++) {
		retain_sealed(g, n);
		shared_segment_drop(shared, n);
		atomic_store(&shared->oldest, n + 1);
	}
}

/*
 * Only a process that goes by the newest MANIFEST may remove anything; one
 * that replaced it, and could not sync that or read it back, does not.
 */
bool sweep_run(struct gdbm_store *g)
{
	if (atomic_load(&g->shared->in_doubt))
		return false;
	if (g->manifest.version != atomic_load(&g->shared->version))
		return false;
	if (!shared_unpinned_before(g->shared, g->manifest.version))
		return false;
	if (file_sync(g->dir, "data directory"))
		return false;
	drop_memtables(g);
	retain_trim(g);
	file_each(g->dir, remove_unneeded, g);
	return true;
}
