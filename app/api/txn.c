/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * POST /v1/txn: conditions and operations that happen together, or not at
 * all.  What depends on a value is decided inside the store's lock: it calls
 * back for each `get`, `add` and `touch` with what it found.
 *
 * What a get finds is written as JSON at once, into txn->found, since the
 * record is gone after the call; only its revision is left open, which may be
 * that of this very commit.
 */
#include "api/txn.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/handlers.h"

#define TYPE_TEXT "text/plain; charset=utf-8"

static void add_literal(struct buf *out, const char *text)
{
	buf_add_view(out, view_of(text));
}

/* Deciding */

/* The store may begin anew: then all that was found is found again. */
static void begin(struct txn_op *op)
{
	struct txn *txn = op->txn;

	if (op != txn->decider)
		return;
	buf_clear(&txn->found);
	arena_release(&txn->kept);
	txn->found_bytes = 0;
	txn->kept_bytes = 0;
}

/* Everything of a result but the revision, which ends it. */
static void add_found(struct buf *out, const struct record *record)
{
	buf_add_char(out, '{');
	json_add_bytes(out, "value", record->value);
	if (record->type.size) {
		add_literal(out, ",\"type\":");
		json_add_string(out, record->type);
	}
	if (record->expires_ms)
		json_add_time(out, "expires", record->expires_ms);
	add_literal(out, ",\"rev\":");
}

static enum err decide_get(void *arg, struct store_op *op,
			   const struct record *record)
{
	struct txn_op *get = arg;
	struct txn *txn = get->txn;
	uint64_t max = txn->call->api->conf->txn_max_bytes;

	(void)op;
	begin(get);
	get->absent = !record;
	get->begin = txn->found.size;
	get->end = get->begin;
	if (!record)
		return ERR_OK;
	txn->found_bytes += record->value.size;
	if (txn->found_bytes > max)
		return txn_too_large(txn, max, "bytes of values to be read");
	add_found(&txn->found, record);
	get->end = txn->found.size;
	get->revision = record->revision;
	return txn->found.err;
}

static enum err no_number(struct txn_op *add, const char *what)
{
	char pointer[32];

	snprintf(pointer, sizeof(pointer), "#/do/%zu/add",
		 (size_t)(add - add->txn->ops));
	return fault_at(add->txn->call, ERR_NOT_NUMBER, "pointer",
			view_of(pointer), "%s", what);
}

static enum err decide_add(void *arg, struct store_op *op,
			   const struct record *record)
{
	struct txn_op *add = arg;
	int64_t number = 0;

	begin(add);
	if (record && !view_to_int64(record->value, &number))
		return no_number(add,
				 "the value is no decimal number of 64 bits");
	if (__builtin_add_overflow(number, add->by, &number))
		return no_number(add, "the sum does not fit 64 bits");
	snprintf(add->number, sizeof(add->number), "%" PRId64, number);
	op->value = view_of(add->number);
	op->type = VIEW_LITERAL(TYPE_TEXT);
	if (!record)
		return ERR_OK;
	if (add->keep)
		op->expires_ms = record->expires_ms;
	return arena_copy(&add->txn->kept, record->type, &op->type);
}

/*
 * The value is written again.  How large it is the request doesn't tell, which
 * may name it many times: a value has its room, and all of them together that
 * of a transaction.
 */
static enum err count_kept(struct txn *txn, uint64_t size)
{
	uint64_t max = txn->call->api->conf->txn_max_bytes;

	txn->kept_bytes += size;
	if (txn->kept_bytes <= max || txn->kept_bytes == size)
		return ERR_OK;
	return txn_too_large(txn, max, "bytes of values to be touched");
}

static enum err decide_touch(void *arg, struct store_op *op,
			     const struct record *record)
{
	struct txn_op *touch = arg;
	struct txn *txn = touch->txn;
	enum err err;

	begin(touch);
	touch->absent = !record;
	if (!record) {
		op->verb = STORE_GET;
		return ERR_OK;
	}
	err = count_kept(txn, record->value.size);
	if (!err)
		err = arena_copy(&txn->kept, record->type, &op->type);
	if (!err)
		err = arena_copy(&txn->kept, record->value, &op->value);
	return err;
}

static void set_deciders(struct txn *txn)
{
	static enum err (*const deciders[TXN_VERB_COUNT])(
		void *arg, struct store_op *op, const struct record *found) = {
		[TXN_ADD] = decide_add,
		[TXN_TOUCH] = decide_touch,
		[TXN_GET] = decide_get,
	};

	for (size_t i = txn->batch.op_count; i-- > 0;) {
		struct store_op *op = &txn->batch.ops[i];

		op->decide = deciders[txn->ops[i].verb];
		op->decide_arg = &txn->ops[i];
		if (op->decide)
			txn->decider = &txn->ops[i];
	}
}

/* Answers */

static void add_revision(struct buf *out, uint64_t revision)
{
	add_literal(out, "{\"rev\":");
	buf_add_uint64(out, revision);
	buf_add_char(out, '}');
}

static void add_get(struct buf *out, const struct txn_op *get,
		    uint64_t revision)
{
	buf_add(out, get->txn->found.data + get->begin, get->end - get->begin);
	buf_add_uint64(out, get->revision ? get->revision : revision);
	buf_add_char(out, '}');
}

static void add_result(struct buf *out, const struct txn *txn, size_t i,
		       uint64_t revision)
{
	const struct txn_op *op = &txn->ops[i];
	bool existed = txn->batch.ops[i].existed;

	if (op->absent || (op->verb == TXN_DELETE && !existed)) {
		add_literal(out, "null");
	} else if (op->verb == TXN_GET) {
		add_get(out, op, revision);
	} else if (op->verb == TXN_ADD) {
		add_literal(out, "{\"value\":\"");
		add_literal(out, op->number);
		add_literal(out, "\",\"rev\":");
		buf_add_uint64(out, revision);
		buf_add_char(out, '}');
	} else {
		add_revision(out, revision);
	}
}

static void answer(struct txn *txn)
{
	const struct store_batch *batch = &txn->batch;
	struct response *response = txn->call->response;
	struct buf *out = &response->text;
	uint64_t revision =
		batch->revision ? batch->revision : batch->read_revision;

	add_literal(out, "{\"rev\":");
	buf_add_uint64(out, revision);
	add_literal(out, ",\"results\":[");
	for (size_t i = 0; i < batch->op_count; i++) {
		if (i)
			buf_add_char(out, ',');
		add_result(out, txn, i, revision);
	}
	buf_add_string(out, "]}\n");
	response->status = 200;
	response_field(response, "Content-Type",
		       VIEW_LITERAL("application/json"));
}

/* Each condition that is false, for people and for programs. */
static enum err conditions_failed(struct txn *txn)
{
	struct call *call = txn->call;
	struct buf *out = &call->fault.members;
	bool first = true;
	char pointer[32];

	json_add_name(out, "failed");
	buf_add_char(out, '[');
	for (size_t i = 0; i < txn->batch.condition_count; i++) {
		const struct store_condition *c = &txn->batch.conditions[i];

		if (c->holds)
			continue;
		snprintf(pointer, sizeof(pointer), "#/if/%zu", i);
		if (c->current)
			fault_at(call, ERR_CONDITION, "pointer",
				 view_of(pointer),
				 "false: the key's revision is %" PRIu64,
				 c->current);
		else
			fault_at(call, ERR_CONDITION, "pointer",
				 view_of(pointer), "false: the key is absent");
		buf_add_string(out, first ? "{" : ",{");
		first = false;
		json_add_bytes(out, "key", c->key);
		json_add_uint64(out, "rev", c->current);
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
	return ERR_CONDITION;
}

static enum err run(struct txn *txn)
{
	struct call *call = txn->call;
	enum err err = txn_read(txn);

	if (!err)
		err = txn_check_conditions(txn);
	if (err)
		return err;
	set_deciders(txn);
	err = store_commit(call->api->store, &txn->batch,
			   &call->response->ticket);
	if (err == ERR_CONDITION)
		return conditions_failed(txn);
	if (!err)
		answer(txn);
	return err;
}

enum err txn_post(struct call *call)
{
	struct txn txn = { .call = call };
	enum err err = run(&txn);

	json_tree_release(&txn.tree);
	arena_release(&txn.arena);
	arena_release(&txn.kept);
	buf_release(&txn.found);
	return err;
}
