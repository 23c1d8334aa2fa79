/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of engines, and the checks that are the same for all of them. */
#include "store/store.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "store/gdbm/engine.h"
#include "store/memory.h"

static const struct store_engine *const engines[] = {
	&store_gdbm_engine,
	&store_memory_engine,
};

static const struct store_engine *engine_find(const char *name)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (strcmp(engines[i]->name, name) == 0)
			return engines[i];
	log_event(LOG_ERROR, "engine-unknown", "engine", name, "do",
		  "set engine to gdbm or memory", NULL);
	return NULL;
}

static enum err check_key(struct view key)
{
	if (key.size == 0)
		return ERR_KEY;
	return key.size > STORE_KEY_MAX ? ERR_KEY_TOO_LONG : ERR_OK;
}

static enum err check_op(const struct store *store, const struct store_op *op)
{
	enum err err = check_key(op->key);

	if (err || op->verb != STORE_PUT)
		return err;
	if (op->value.size > store->value_max_bytes)
		return ERR_VALUE_TOO_LARGE;
	return op->type.size > RECORD_TYPE_MAX ? ERR_INVALID : ERR_OK;
}

static enum err check_batch(const struct store *store,
			    const struct store_batch *batch)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < batch->condition_count && !err; i++)
		err = check_key(batch->conditions[i].key);
	for (size_t i = 0; i < batch->op_count && !err; i++)
		err = check_op(store, &batch->ops[i]);
	return err;
}

const uint64_t store_sync_bounds_us[STORE_SYNC_BUCKETS] = {
	100,   250,   500,    1000,   2500,    5000,    10000,
	25000, 50000, 100000, 250000, 1000000, 5000000, UINT64_MAX,
};

size_t store_sync_bucket(uint64_t duration_us)
{
	size_t i = 0;

	while (duration_us > store_sync_bounds_us[i])
		i++;
	return i;
}

size_t store_batch_bucket(uint64_t commits)
{
	size_t i = 0;

	while (i + 1 < STORE_BATCH_BUCKETS && commits > UINT64_C(1) << i)
		i++;
	return i;
}

bool store_only_reads(const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->op_count; i++)
		if (batch->ops[i].verb != STORE_GET)
			return false;
	return true;
}

enum err store_decide(const struct store *store, struct store_op *op,
		      const struct record *found)
{
	enum err err;

	if (!op->decide)
		return ERR_OK;
	err = op->decide(op->decide_arg, op, found);
	return err ? err : check_op(store, op);
}

bool store_condition_holds(const struct store_condition *condition)
{
	bool listed = false;

	for (size_t i = 0; i < condition->revision_count; i++)
		listed =
			listed || condition->revisions[i] == condition->current;
	switch (condition->test) {
	case STORE_EXISTS:
		return condition->current != 0;
	case STORE_ABSENT:
		return condition->current == 0;
	case STORE_REVISION_IN:
		return condition->current != 0 && listed;
	case STORE_REVISION_NOT_IN:
		return condition->current == 0 || !listed;
	}
	return false;
}

enum err store_open(const struct store_conf *conf, struct store **out)
{
	const struct store_engine *engine = engine_find(conf->engine);

	if (!engine)
		return ERR_SETTING;

	enum err err = engine->open(conf, out);

	if (err)
		return err;
	(*out)->engine = engine;
	(*out)->value_max_bytes = conf->value_max_bytes;
	return ERR_OK;
}

enum err store_close(struct store *store)
{
	return store->engine->close(store);
}

enum err store_attach(struct store *store, unsigned slot)
{
	assert(slot < STORE_SLOTS_MAX);
	return store->engine->attach(store, slot);
}

void store_reap(struct store *store, unsigned slot)
{
	assert(slot < STORE_SLOTS_MAX);
	store->engine->reap(store, slot);
}

void store_idle(struct store *store)
{
	store->engine->idle(store);
}

enum err store_get(struct store *store, struct view key, struct buf *hold,
		   struct record *record, uint64_t *revision)
{
	enum err err = check_key(key);

	return err ? err
		   : store->engine->get(store, key, hold, record, revision);
}

enum err store_list(struct store *store, const struct store_range *range,
		    bool (*each)(void *arg, struct view key,
				 const struct record *record),
		    void *arg, uint64_t *revision)
{
	return store->engine->list(store, range, each, arg, revision);
}

enum err store_commit(struct store *store, struct store_batch *batch,
		      uint64_t *ticket)
{
	enum err err = check_batch(store, batch);

	batch->revision = 0;
	batch->modified_ms = 0;
	batch->read_revision = 0;
	*ticket = 0;
	return err ? err : store->engine->commit(store, batch, ticket);
}

enum err store_delete_prefix(struct store *store, struct view prefix,
			     uint64_t *deleted, uint64_t *revision,
			     uint64_t *ticket)
{
	*deleted = 0;
	*revision = 0;
	*ticket = 0;
	return store->engine->delete_prefix(store, prefix, deleted, revision,
					    ticket);
}

enum err store_sync(struct store *store, uint64_t ticket)
{
	return store->engine->sync(store, ticket);
}

enum err store_changes(struct store *store, uint64_t since,
		       bool (*each)(void *arg,
				    const struct store_change *change),
		       void *arg, uint64_t *next, uint64_t *oldest)
{
	*next = since;
	*oldest = 0;
	return store->engine->changes(store, since, each, arg, next, oldest);
}

int store_changes_fd(struct store *store, uint64_t since)
{
	return store->engine->changes_fd(store, since);
}

enum err store_snapshot(struct store *store, struct view prefix,
			struct store **snapshot, uint64_t *revision)
{
	enum err err;

	*snapshot = NULL;
	*revision = 0;
	err = store->engine->snapshot(store, prefix, snapshot, revision);
	if (!err)
		(*snapshot)->value_max_bytes = store->value_max_bytes;
	return err;
}

enum err store_housekeep(struct store *store, long timeout_ms)
{
	return store->engine->housekeep(store, timeout_ms);
}

void store_stats(struct store *store, struct store_stats *stats)
{
	store->engine->stats(store, stats);
}

const char *store_engine_name(const struct store *store)
{
	return store->engine->name;
}

enum err store_check(const struct store_conf *conf,
		     void (*report)(void *arg, const char *file,
				    const char *sentence),
		     void *arg)
{
	const struct store_engine *engine = engine_find(conf->engine);

	return engine ? engine->check(conf, report, arg) : ERR_SETTING;
}
