/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine "memory": what store.h promises, on the items of items.h. */
#include "store/memory.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/items.h"

struct memory_store {
	struct store store; /* first, as store.h asks */
	int64_t (*wall_ms)(void);
	struct items live;
	uint64_t revision;
};

static struct memory_store *memory_of(struct store *store)
{
	return (struct memory_store *)store;
}

/* One operation; *changed becomes true unless there was nothing to delete. */
static enum err change_apply(struct change *change, struct store_op *op,
			     uint64_t revision, int64_t now_ms, bool *changed)
{
	struct record record;
	enum err err = items_get(&change->items, op->key, now_ms, &record);
	size_t place = items_seek(&change->items, op->key);

	if (err && err != ERR_NOT_FOUND)
		return err;
	op->existed = err == ERR_OK;
	if (op->verb == STORE_DELETE) {
		if (op->existed) {
			change_drop(change, place);
			*changed = true;
		}
		return ERR_OK;
	}

	struct item *item =
		item_new(op->key, &(struct record){
					  .revision = revision,
					  .modified_ms = now_ms,
					  .expires_ms = op->expires_ms,
					  .type = op->type,
					  .value = op->value,
				  });

	if (!item)
		return ERR_NO_MEMORY;
	if (items_has(&change->items, place, op->key))
		change_drop(change, place);
	change_add(change, place, item);
	*changed = true;
	return ERR_OK;
}

/* Tests every condition, also after one that does not hold. */
static enum err test_conditions(const struct items *live,
				struct store_batch *batch, int64_t now_ms)
{
	enum err result = ERR_OK;

	for (size_t i = 0; i < batch->condition_count; i++) {
		struct store_condition *condition = &batch->conditions[i];
		struct record record;
		enum err err = items_get(live, condition->key, now_ms, &record);

		if (err && err != ERR_NOT_FOUND)
			return err;
		condition->current = err ? 0 : record.revision;
		condition->holds = store_condition_holds(condition);
		if (!condition->holds)
			result = ERR_CONDITION;
	}
	return result;
}

static enum err memory_open(const struct store_conf *conf, struct store **out)
{
	struct memory_store *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return ERR_NO_MEMORY;
	memory->wall_ms = conf->wall_ms ? conf->wall_ms : clock_wall_ms;
	*out = &memory->store;
	return ERR_OK;
}

static enum err memory_close(struct store *store)
{
	struct memory_store *memory = memory_of(store);

	for (size_t i = 0; i < memory->live.count; i++)
		free(memory->live.items[i]);
	free(memory->live.items);
	free(memory);
	return ERR_OK;
}

static enum err memory_attach(struct store *store, unsigned slot)
{
	(void)store;
	(void)slot;
	return ERR_OK;
}

static void memory_reap(struct store *store, unsigned slot)
{
	(void)store;
	(void)slot;
}

static void memory_idle(struct store *store)
{
	(void)store;
}

static enum err memory_get(struct store *store, struct view key,
			   struct buf *hold, struct record *record,
			   uint64_t *revision)
{
	struct memory_store *memory = memory_of(store);
	size_t place = items_seek(&memory->live, key);

	buf_clear(hold);
	if (revision)
		*revision = memory->revision;

	enum err err = items_get(&memory->live, key, memory->wall_ms(), record);

	if (err)
		return err;
	buf_add_view(hold, item_bytes(memory->live.items[place]));
	return hold->err ? hold->err
			 : record_decode(key, buf_view(hold), record);
}

static enum err memory_list(struct store *store,
			    const struct store_range *range,
			    bool (*each)(void *arg, struct view key,
					 const struct record *record),
			    void *arg, uint64_t *revision)
{
	struct memory_store *memory = memory_of(store);
	const struct items *live = &memory->live;
	int64_t now_ms = memory->wall_ms();
	bool skip = range->after.data &&
		    view_compare(range->after, range->prefix) >= 0;
	struct view start = skip ? range->after : range->prefix;
	size_t place = items_seek(live, start);

	if (revision)
		*revision = memory->revision;
	if (skip && items_has(live, place, start))
		place++;
	for (; place < live->count; place++) {
		struct view key = item_key(live->items[place]);
		struct record record;

		if (!view_starts_with(key, range->prefix))
			break;

		enum err err = item_decode(live->items[place], &record);

		if (err)
			return err;
		if (record_expired(&record, now_ms))
			continue;
		if (!range->values)
			record.value.data = NULL;
		if (!each(arg, key, &record))
			break;
	}
	return ERR_OK;
}

static enum err memory_commit(struct store *store, struct store_batch *batch,
			      uint64_t *ticket)
{
	struct memory_store *memory = memory_of(store);
	int64_t now_ms = memory->wall_ms();
	struct change change;
	bool changed = false;
	enum err err = test_conditions(&memory->live, batch, now_ms);

	*ticket = memory->revision;
	if (err)
		return err;
	err = change_begin(&change, &memory->live, batch->op_count);
	for (size_t i = 0; i < batch->op_count && !err; i++)
		err = change_apply(&change, &batch->ops[i],
				   memory->revision + 1, now_ms, &changed);
	change_end(&change, &memory->live, !err);
	if (err || !changed)
		return err;
	memory->revision++;
	*ticket = memory->revision;
	batch->revision = memory->revision;
	batch->modified_ms = now_ms;
	return ERR_OK;
}

static enum err memory_sync(struct store *store, uint64_t ticket)
{
	(void)store;
	(void)ticket;
	return ERR_OK;
}

/* Drops what has expired, as one change; waits only if there was nothing. */
static enum err memory_housekeep(struct store *store, long timeout_ms)
{
	struct memory_store *memory = memory_of(store);
	int64_t now_ms = memory->wall_ms();
	struct change change;
	struct record record;
	enum err err = change_begin(&change, &memory->live, 0);

	for (size_t i = change.items.count; i-- > 0 && !err;) {
		err = item_decode(change.items.items[i], &record);
		if (!err && record_expired(&record, now_ms))
			change_drop(&change, i);
	}

	bool changed = !err && change.dropped_count > 0;

	change_end(&change, &memory->live, !err);
	if (changed)
		memory->revision++;
	else if (!err)
		clock_sleep_ms(timeout_ms);
	return err;
}

static void memory_stats(struct store *store, struct store_stats *stats)
{
	struct memory_store *memory = memory_of(store);

	*stats = (struct store_stats){
		.revision = memory->revision,
		.keys = memory->live.count,
		.writable = true,
	};
}

static enum err memory_check(const struct store_conf *conf,
			     void (*report)(void *arg, const char *file,
					    const char *sentence),
			     void *arg)
{
	(void)conf;
	(void)report;
	(void)arg;
	return ERR_OK;
}

const struct store_engine store_memory_engine = {
	.name = "memory",
	.open = memory_open,
	.close = memory_close,
	.attach = memory_attach,
	.reap = memory_reap,
	.idle = memory_idle,
	.get = memory_get,
	.list = memory_list,
	.commit = memory_commit,
	.sync = memory_sync,
	.housekeep = memory_housekeep,
	.stats = memory_stats,
	.check = memory_check,
};
