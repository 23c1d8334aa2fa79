/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine on GDBM (engine.h has the map): open and close, a child's
 * attachment, this process's descriptors, and the table of functions.
 */
#include "store/gdbm/engine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/foreign.h"

/* An owner that was killed needs a moment until its children are gone too. */
#define OWNER_TIMEOUT_MS 3000

int64_t engine_wall_ms(const struct gdbm_store *g)
{
	if (g->frozen_ms)
		return g->frozen_ms;
	return g->conf.wall_ms ? g->conf.wall_ms() : clock_wall_ms();
}

struct timespec engine_lock_deadline(const struct gdbm_store *g)
{
	return clock_deadline((long)g->conf.lock_timeout_ms);
}

enum err engine_open_segment(const struct gdbm_store *g,
			     struct segment_file *file, uint64_t number)
{
	struct journal_head head;
	enum err err;

	if (file->number == number)
		return ERR_OK;
	engine_close_segment(file);
	err = journal_open(g->dir, number, O_RDWR, &head, &file->fd);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
	file->number = number;
	journal_name(number, file->name);
	return ERR_OK;
}

void engine_close_segment(struct segment_file *file)
{
	if (file->number)
		file_close(&file->fd, "journal");
	file->number = 0;
}

enum err engine_segment_file(struct gdbm_store *g, uint64_t number,
			     const struct segment_file **file)
{
	struct segment_file *own = &g->files[number % SHARED_RING_MAX];

	*file = own;
	return engine_open_segment(g, own, number);
}

void engine_close_files(struct gdbm_store *g)
{
	for (size_t i = 0; i < SHARED_RING_MAX; i++)
		engine_close_segment(&g->files[i]);
	sync_close_before(g, UINT64_MAX);
	tables_close_all(&g->tables);
}

void engine_close_unneeded(struct gdbm_store *g)
{
	uint64_t first = g->manifest.first_segment;

	for (size_t i = 0; i < SHARED_RING_MAX; i++) {
		if (g->files[i].number < first)
			engine_close_segment(&g->files[i]);
	}
	sync_close_before(g, first);
	tables_retain(&g->tables, &g->manifest);
}

void engine_note_tables(struct gdbm_store *g)
{
	uint64_t keys = 0;
	uint64_t bytes = 0;

	for (size_t i = 0; i < g->manifest.table_count; i++) {
		keys += g->manifest.tables[i].keys;
		bytes += g->manifest.tables[i].file_bytes;
	}
	atomic_store(&g->shared->keys, keys);
	atomic_store(&g->shared->table_bytes, bytes);
	atomic_store(&g->shared->tables, g->manifest.table_count);
	atomic_store(&g->shared->rewrite_bytes,
		     reserve_rewrite_bytes(&g->manifest));
}

void engine_free(struct gdbm_store *g)
{
	engine_close_files(g);
	expiry_release(g);
	manifest_release(&g->manifest);
	shared_free(g->shared);
	changes_release(g);
	buf_release(&g->frame);
	buf_release(&g->current);
	recent_release(&g->recent);
	free(g->staged);
	file_close(&g->owner_fd, LOCK_FILE_NAME);
	file_close(&g->dir, "data directory");
	free(g->data_dir);
	pthread_mutex_destroy(&g->sync_file.mutex);
	free(g);
}

static enum err engine_new(const struct store_conf *conf,
			   struct gdbm_store **out)
{
	struct gdbm_store *g = calloc(1, sizeof(*g));

	*out = g;
	if (!g)
		return ERR_NO_MEMORY;
	g->conf = *conf;
	recent_init(&g->recent, conf->read_cache_bytes);
	g->slot = STORE_SLOTS_MAX;
	g->dir = -1;
	g->owner_fd = -1;
	g->changes.wake_fd = -1;
	g->changes.fd = -1;
	g->sync_file.mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	g->data_dir = strdup(conf->data_dir);
	return g->data_dir ? ERR_OK : ERR_NO_MEMORY;
}

/* Without a store in it, when that has to be there, it is left as it is. */
static enum err open_existing(struct gdbm_store *g)
{
	enum err err = file_open_existing(AT_FDCWD, g->data_dir,
					  O_RDONLY | O_DIRECTORY, &g->dir);

	if (!err)
		err = recovery_find(g);
	if (err == ERR_NOT_FOUND)
		log_eventf(LOG_ERROR, "store-refused", "%s holds no store",
			   g->data_dir);
	return err;
}

static enum err open_folder(struct gdbm_store *g)
{
	enum err err;

	if (g->conf.existing)
		return open_existing(g);
	err = file_make_folder(g->data_dir, 0750);
	if (err)
		return err;
	return file_open(AT_FDCWD, g->data_dir, O_RDONLY | O_DIRECTORY, 0,
			 &g->dir);
}

static enum err engine_open(const struct store_conf *conf, struct store **out)
{
	struct gdbm_store *g;
	enum err err = engine_new(conf, &g);

	*out = NULL;
	if (!err)
		err = open_folder(g);
	if (!err)
		err = owner_take(g->dir, OWNER_TIMEOUT_MS, &g->owner_fd);
	if (!err)
		err = wake_open(&g->changes.wake_fd);
	if (!err)
		err = recovery_run(g);
	if (!err) {
		engine_close_files(g); /* a child must not share them */
		*out = &g->store;
	} else if (g) {
		if (err == ERR_ACCESS)
			foreign_tell(g->data_dir);
		engine_free(g);
	}
	return err;
}

/*
 * Seal and merge.  *again: there was no room to seal the last segment, which
 * the merging of the others may have made.
 */
static enum err into_tables(struct gdbm_store *g, bool *again)
{
	enum err err = rotate_run(g);

	*again = err == ERR_BUSY || err == ERR_FULL;
	if (!err || *again)
		err = checkpoint_run(g);
	return err;
}

static enum err all_into_tables(struct gdbm_store *g)
{
	bool again;
	enum err err = into_tables(g, &again);

	if (!err && again)
		err = into_tables(g, &again);
	return err;
}

static enum err engine_close(struct store *store)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	enum err err = ERR_OK;

	if (!atomic_load(&g->shared->stopped))
		err = all_into_tables(g);
	engine_free(g);
	return err;
}

static enum err engine_attach(struct store *store, unsigned slot)
{
	struct gdbm_store *g = (struct gdbm_store *)store;

	engine_close_files(g);
	g->slot = slot;
	atomic_store(&g->shared->slots[slot], 0);
	return ERR_OK;
}

static void engine_reap(struct store *store, unsigned slot)
{
	struct gdbm_store *g = (struct gdbm_store *)store;

	atomic_store(&g->shared->slots[slot], 0);
	snapshot_sweep(g, slot);
}

static void engine_idle(struct store *store)
{
	struct gdbm_store *g = (struct gdbm_store *)store;
	uint64_t revision;

	changes_idle(g);
	if (g->manifest.version < atomic_load(&g->shared->version) &&
	    !read_begin(g, &revision))
		read_end(g);
}

static void engine_stats(struct store *store, struct store_stats *stats)
{
	struct shared *shared = ((struct gdbm_store *)store)->shared;
	struct shared_counters *counters = &shared->counters;

	*stats = (struct store_stats){
		.revision = atomic_load(&shared->durable),
		.keys = atomic_load(&shared->keys),
		.tables = atomic_load(&shared->tables),
		.table_bytes = atomic_load(&shared->table_bytes),
		.journal_bytes = shared_journal_bytes(shared, 0),
		.memtable_bytes = shared_memtable_bytes(shared),
		.history_bytes = atomic_load(&shared->history_bytes),
		.oldest = atomic_load(&shared->history_since),
		.commits = atomic_load(&counters->commits),
		.expired = atomic_load(&counters->expired),
		.cache_hits = atomic_load(&counters->cache_hits),
		.cache_misses = atomic_load(&counters->cache_misses),
		.syncs = atomic_load(&counters->syncs),
		.sync_us = atomic_load(&counters->sync_us),
		.batched = atomic_load(&counters->batched),
		.checkpoints = atomic_load(&counters->checkpoints),
		.checkpoint_us = atomic_load(&counters->checkpoint_us),
		.checkpoint_failures =
			atomic_load(&counters->checkpoint_failures),
		.writable = !atomic_load(&shared->stopped),
		.full = atomic_load(&shared->full),
	};
	for (size_t i = 0; i < STORE_SYNC_BUCKETS; i++)
		stats->sync_counts[i] = atomic_load(&counters->sync_counts[i]);
	for (size_t i = 0; i < STORE_BATCH_BUCKETS; i++)
		stats->batch_counts[i] =
			atomic_load(&counters->batch_counts[i]);
}

const struct store_engine store_gdbm_engine = {
	.name = "gdbm",
	.open = engine_open,
	.close = engine_close,
	.attach = engine_attach,
	.reap = engine_reap,
	.idle = engine_idle,
	.get = read_get,
	.list = list_run,
	.commit = commit_apply,
	.delete_prefix = commit_delete_prefix,
	.sync = sync_ticket,
	.changes = changes_run,
	.changes_fd = changes_fd,
	.snapshot = snapshot_run,
	.housekeep = housekeep_run,
	.stats = engine_stats,
	.check = verify_run,
};
