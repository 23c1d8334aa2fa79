/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changes wait as sizes, their bytes behind one another in one buffer, so
 * that what is held is bounded by bytes_max and one record more.
 */
#include "api/bulk.h"

#include <stdlib.h>

#include "base/clock.h"

#define OPS_MAX      512
#define BYTES_MAX    (4u << 20)
#define SYNC_BYTES   (1u << 20)
#define BUSY_TURNS   300 /* of asking again, before it gives up */
#define BUSY_WAIT_MS 100

void bulk_init(struct bulk *bulk, struct store *store, bool alone)
{
	*bulk = (struct bulk){
		.store = store,
		.alone = alone,
		.ops_max = OPS_MAX,
		.bytes_max = BYTES_MAX,
	};
}

void bulk_release(struct bulk *bulk)
{
	buf_release(&bulk->bytes);
	free(bulk->ops);
	bulk->ops = NULL;
	bulk->op_count = 0;
	bulk->op_room = 0;
}

/* Let a checkpoint make room: our own, or the housekeeper's. */
static void wait_for_room(const struct bulk *bulk)
{
	if (bulk->alone)
		store_housekeep(bulk->store, BUSY_WAIT_MS);
	else
		clock_sleep_ms(BUSY_WAIT_MS);
}

static enum err commit_once(struct bulk *bulk, struct store_batch *batch)
{
	uint64_t ticket;
	enum err err = store_commit(bulk->store, batch, &ticket);

	for (int turn = 0; err == ERR_BUSY && turn < BUSY_TURNS; turn++) {
		wait_for_room(bulk);
		err = store_commit(bulk->store, batch, &ticket);
	}
	if (!err)
		bulk->ticket = ticket;
	return err;
}

static enum err sync_all(struct bulk *bulk)
{
	enum err err = store_sync(bulk->store, bulk->ticket);

	for (int turn = 0; err == ERR_BUSY && turn < BUSY_TURNS; turn++) {
		clock_sleep_ms(BUSY_WAIT_MS);
		err = store_sync(bulk->store, bulk->ticket);
	}
	bulk->unsynced_bytes = 0;
	return err;
}

static void count(struct bulk *bulk, const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->op_count; i++) {
		if (batch->ops[i].verb == STORE_PUT)
			bulk->puts++;
		else if (batch->ops[i].existed)
			bulk->deletes++;
	}
	if (!batch->revision)
		return;
	bulk->commits++;
	bulk->revision = batch->revision;
}

/* All of them at once, or one half after the other. */
static enum err commit(struct bulk *bulk, struct store_op *ops, size_t op_count)
{
	struct store_batch batch = { .ops = ops, .op_count = op_count };
	enum err err = commit_once(bulk, &batch);

	if (err == ERR_BATCH_TOO_LARGE && op_count > 1) {
		err = commit(bulk, ops, op_count / 2);
		return err ? err
			   : commit(bulk, ops + op_count / 2,
				    op_count - op_count / 2);
	}
	if (!err)
		count(bulk, &batch);
	return err;
}

static enum err commit_waiting(struct bulk *bulk)
{
	const char *bytes = bulk->bytes.data;
	struct store_op *ops;
	enum err err;

	if (!bulk->op_count)
		return ERR_OK;
	ops = calloc(bulk->op_count, sizeof(*ops));
	if (!ops)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < bulk->op_count; i++) {
		const struct bulk_op *op = &bulk->ops[i];

		ops[i].verb = op->verb;
		ops[i].key = (struct view){ bytes, op->key_size };
		bytes += op->key_size;
		ops[i].type = (struct view){ bytes, op->type_size };
		bytes += op->type_size;
		ops[i].value = (struct view){ bytes, op->value_size };
		bytes += op->value_size;
		ops[i].expires_ms = op->expires_ms;
		ops[i].blind = true;
	}
	err = commit(bulk, ops, bulk->op_count);
	free(ops);
	bulk->op_count = 0;
	bulk->unsynced_bytes += bulk->bytes.size;
	buf_clear(&bulk->bytes);
	if (err)
		sync_all(bulk); /* what is in is told to the user */
	else if (bulk->unsynced_bytes >= SYNC_BYTES)
		err = sync_all(bulk);
	if (!err && bulk->alone)
		store_housekeep(bulk->store, 0);
	return err;
}

enum err bulk_flush(struct bulk *bulk)
{
	enum err err = commit_waiting(bulk);

	return err ? err : sync_all(bulk);
}

static enum err make_room(struct bulk *bulk)
{
	size_t room = bulk->op_room ? bulk->op_room * 2 : 64;
	struct bulk_op *ops;

	if (bulk->op_count < bulk->op_room)
		return ERR_OK;
	ops = realloc(bulk->ops, room * sizeof(*ops));
	if (!ops)
		return ERR_NO_MEMORY;
	bulk->ops = ops;
	bulk->op_room = room;
	return ERR_OK;
}

static enum err added(struct bulk *bulk)
{
	if (bulk->bytes.err)
		return bulk->bytes.err;
	bulk->op_count++;
	if (bulk->op_count < bulk->ops_max &&
	    bulk->bytes.size < bulk->bytes_max)
		return ERR_OK;
	return commit_waiting(bulk);
}

enum err bulk_put(struct bulk *bulk, struct view key, struct view type,
		  struct view value, int64_t expires_ms)
{
	enum err err = make_room(bulk);

	if (err)
		return err;
	bulk->ops[bulk->op_count] = (struct bulk_op){
		.verb = STORE_PUT,
		.key_size = key.size,
		.type_size = type.size,
		.value_size = value.size,
		.expires_ms = expires_ms,
	};
	buf_add_view(&bulk->bytes, key);
	buf_add_view(&bulk->bytes, type);
	buf_add_view(&bulk->bytes, value);
	return added(bulk);
}

enum err bulk_delete(struct bulk *bulk, struct view key)
{
	enum err err = make_room(bulk);

	if (err)
		return err;
	bulk->ops[bulk->op_count] = (struct bulk_op){
		.verb = STORE_DELETE,
		.key_size = key.size,
	};
	buf_add_view(&bulk->bytes, key);
	return added(bulk);
}
