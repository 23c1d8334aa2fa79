/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine "memory": what store.h promises, on the items of items.h. */
#include "store/memory.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/history.h"
#include "store/items.h"
#include "store/wake.h"

struct memory_store {
	struct store store; /* first, as store.h asks */
	int64_t (*wall_ms)(void);
	int64_t frozen_ms; /* of a snapshot: its time; otherwise 0 */
	struct items live;
	struct history history;
	struct wake wake;
	int wake_fd;
	struct marks *marks;
	uint64_t revision;
	uint64_t commits;
	uint64_t expired;
};

static struct memory_store *memory_of(struct store *store)
{
	return (struct memory_store *)store;
}

static int64_t now_of(const struct memory_store *memory)
{
	return memory->frozen_ms ? memory->frozen_ms : memory->wall_ms();
}

/* A commit on its way. */
struct attempt {
	struct memory_store *memory;
	struct change change;
	uint64_t revision; /* that it will have */
	int64_t now_ms;
};

/* The live record that the next operation finds; NULL when there is none. */
static enum err find(const struct attempt *attempt, struct view key,
		     struct record *record, const struct record **found)
{
	enum err err =
		items_get(&attempt->change.items, key, attempt->now_ms, record);

	*found = err ? NULL : record;
	if (!err && record->revision == attempt->revision)
		record->revision = 0;
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* What the commit does to a key, should it happen. */
static enum err stage(struct attempt *attempt, enum store_verb verb,
		      struct view key, const struct record *record, bool again)
{
	marks_raise(attempt->memory->marks, key, attempt->revision);
	return history_stage(&attempt->memory->history, verb, key, record,
			     again);
}

static enum err put(struct attempt *attempt, const struct store_op *op)
{
	struct change *change = &attempt->change;
	size_t place = items_seek(&change->items, op->key);
	const struct record record = { .revision = attempt->revision,
				       .modified_ms = attempt->now_ms,
				       .expires_ms = op->expires_ms,
				       .type = op->type,
				       .value = op->value };
	struct item *item = item_new(op->key, &record);

	if (!item)
		return ERR_NO_MEMORY;
	if (items_has(&change->items, place, op->key))
		change_drop(change, place);
	change_add(change, place, item);
	return stage(attempt, STORE_PUT, op->key, &record, true);
}

static enum err apply(struct attempt *attempt, struct store_op *op)
{
	struct change *change = &attempt->change;
	struct record record;
	const struct record *found;
	enum err err = find(attempt, op->key, &record, &found);

	if (err)
		return err;
	op->existed = found != NULL;
	err = store_decide(&attempt->memory->store, op, found);
	if (err)
		return err;
	if (op->verb == STORE_PUT)
		return put(attempt, op);
	if (op->verb != STORE_DELETE || !op->existed)
		return ERR_OK;
	change_drop(change, items_seek(&change->items, op->key));
	return stage(attempt, STORE_DELETE, op->key, NULL, true);
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
	memory->history.max_bytes = conf->history_bytes;
	memory->marks = conf->marks;
	*out = &memory->store;
	if (wake_open(&memory->wake_fd)) {
		free(memory);
		*out = NULL;
		return ERR_SYSTEM;
	}
	return ERR_OK;
}

static enum err memory_close(struct store *store)
{
	struct memory_store *memory = memory_of(store);

	items_release(&memory->live);
	history_release(&memory->history);
	file_close(&memory->wake_fd, "eventfd");
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

	enum err err = items_get(&memory->live, key, now_of(memory), record);

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
	int64_t now_ms = now_of(memory);
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

/* The end of a commit: it happened, unless err, if it changed anything. */
static bool conclude(struct attempt *attempt, enum err err)
{
	struct memory_store *memory = attempt->memory;
	bool changed = !err && memory->history.staged.first;

	change_end(&attempt->change, &memory->live, !err);
	if (!changed) {
		history_drop(&memory->history);
		return false;
	}
	memory->revision = attempt->revision;
	memory->commits++;
	history_keep(&memory->history, attempt->revision, attempt->now_ms);
	wake_ring(&memory->wake, memory->wake_fd);
	return true;
}

static struct attempt attempt_of(struct memory_store *memory)
{
	return (struct attempt){ .memory = memory,
				 .revision = memory->revision + 1,
				 .now_ms = now_of(memory) };
}

static enum err memory_commit(struct store *store, struct store_batch *batch,
			      uint64_t *ticket)
{
	struct memory_store *memory = memory_of(store);
	struct attempt attempt = attempt_of(memory);
	enum err err = test_conditions(&memory->live, batch, attempt.now_ms);

	*ticket = memory->revision;
	batch->read_revision = memory->revision;
	if (err)
		return err;
	err = change_begin(&attempt.change, &memory->live, batch->op_count);
	for (size_t i = 0; i < batch->op_count && !err; i++)
		err = apply(&attempt, &batch->ops[i]);
	if (conclude(&attempt, err)) {
		batch->revision = memory->revision;
		batch->modified_ms = attempt.now_ms;
	}
	*ticket = memory->revision;
	return err;
}

static enum err memory_delete_prefix(struct store *store, struct view prefix,
				     uint64_t *deleted, uint64_t *revision,
				     uint64_t *ticket)
{
	struct memory_store *memory = memory_of(store);
	struct attempt attempt = attempt_of(memory);
	struct items *items = &attempt.change.items;
	enum err err = change_begin(&attempt.change, &memory->live, 0);
	size_t place = items_seek(&memory->live, prefix);

	while (!err && place < items->count &&
	       view_starts_with(item_key(items->items[place]), prefix)) {
		struct record record;

		err = item_decode(items->items[place], &record);
		if (!err && record_expired(&record, attempt.now_ms)) {
			place++;
			continue;
		}
		if (!err)
			err = stage(&attempt, STORE_DELETE,
				    item_key(items->items[place]), NULL, false);
		if (!err)
			change_drop(&attempt.change, place);
	}
	*deleted = err ? 0 : attempt.change.dropped_count;
	if (conclude(&attempt, err))
		*revision = memory->revision;
	*ticket = memory->revision;
	return err;
}

static enum err memory_sync(struct store *store, uint64_t ticket)
{
	(void)store;
	(void)ticket;
	return ERR_OK;
}

static enum err memory_changes(struct store *store, uint64_t since,
			       bool (*each)(void *arg,
					    const struct store_change *change),
			       void *arg, uint64_t *next, uint64_t *oldest)
{
	struct memory_store *memory = memory_of(store);

	return history_look(&memory->history, memory->revision, since, each,
			    arg, next, oldest);
}

static int memory_changes_fd(struct store *store, uint64_t since)
{
	struct memory_store *memory = memory_of(store);

	wake_arm(&memory->wake, memory->wake_fd);
	if (memory->revision > since)
		wake_ring(&memory->wake, memory->wake_fd);
	return memory->wake_fd;
}

static enum err memory_snapshot(struct store *store, struct view prefix,
				struct store **snapshot, uint64_t *revision)
{
	struct memory_store *memory = memory_of(store);
	struct memory_store *copy = calloc(1, sizeof(*copy));
	enum err err;

	if (!copy)
		return ERR_NO_MEMORY;
	copy->store.engine = &store_memory_engine;
	copy->frozen_ms = memory->wall_ms();
	copy->revision = memory->revision;
	copy->wake_fd = -1;
	err = items_copy(&memory->live, prefix, &copy->live);
	if (err) {
		memory_close(&copy->store);
		return err;
	}
	*snapshot = &copy->store;
	*revision = copy->revision;
	return ERR_OK;
}

/* Drops what has expired, as one change; waits only if there was nothing. */
static enum err memory_housekeep(struct store *store, long timeout_ms)
{
	struct memory_store *memory = memory_of(store);
	struct attempt attempt = attempt_of(memory);
	struct items *items = &attempt.change.items;
	struct record record;
	enum err err = change_begin(&attempt.change, &memory->live, 0);

	for (size_t i = items->count; i-- > 0 && !err;) {
		err = item_decode(items->items[i], &record);
		if (err || !record_expired(&record, attempt.now_ms))
			continue;
		err = stage(&attempt, STORE_EXPIRE, item_key(items->items[i]),
			    NULL, false);
		if (!err)
			change_drop(&attempt.change, i);
	}
	if (!err)
		memory->expired += attempt.change.dropped_count;
	if (!conclude(&attempt, err) && !err)
		clock_sleep_ms(timeout_ms);
	return err;
}

static void memory_stats(struct store *store, struct store_stats *stats)
{
	struct memory_store *memory = memory_of(store);

	*stats = (struct store_stats){
		.revision = memory->revision,
		.keys = memory->live.count,
		.history_bytes = memory->history.bytes,
		.oldest = memory->history.oldest,
		.commits = memory->commits,
		.expired = memory->expired,
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
	.delete_prefix = memory_delete_prefix,
	.sync = memory_sync,
	.changes = memory_changes,
	.changes_fd = memory_changes_fd,
	.snapshot = memory_snapshot,
	.housekeep = memory_housekeep,
	.stats = memory_stats,
	.check = memory_check,
};
