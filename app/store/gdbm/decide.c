/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a commit decides: whether its conditions hold, what each operation
 * finds, and what of it is to be written.  Whoever writes holds the stripes of
 * all keys meanwhile (commit.c).
 */
#include <assert.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "store/gdbm/engine.h"

/* Operations; memory takes as long as a few of them (app/docs/bench.md). */
#define AHEAD 4

struct decision {
	struct gdbm_store *g;
	struct store_batch *batch;
	uint64_t at; /* nothing newer counts */
	int64_t now_ms;
	uint64_t seen; /* newest revision that it rests on */
};

/* `record`, when wanted, is set if there is a put; it may have expired. */
static enum err look(struct decision *d, struct view key, struct newest *newest,
		     struct record *record)
{
	enum err err = read_newest(d->g, key, d->at, newest, record);

	if (!err && newest->revision > d->seen)
		d->seen = newest->revision;
	return err;
}

static bool is_live(const struct decision *d, const struct newest *newest)
{
	return newest->put &&
	       (newest->expires_ms == 0 || newest->expires_ms > d->now_ms);
}

static enum err test_conditions(struct decision *d)
{
	bool all = true;

	for (size_t i = 0; i < d->batch->condition_count; i++) {
		struct store_condition *condition = &d->batch->conditions[i];
		struct newest newest;
		enum err err = look(d, condition->key, &newest, NULL);

		if (err)
			return err;
		condition->current = is_live(d, &newest) ? newest.revision : 0;
		condition->holds = store_condition_holds(condition);
		all = all && condition->holds;
	}
	return all ? ERR_OK : ERR_CONDITION;
}

/* What an earlier operation of the batch put. */
static struct record record_of(const struct decision *d,
			       const struct store_op *op)
{
	return (struct record){ .modified_ms = d->now_ms,
				.expires_ms = op->expires_ms,
				.type = op->type,
				.value = op->value };
}

/* It puts what it puts, whatever is there. */
static bool is_blind(const struct store_op *op)
{
	return op->blind && op->verb == STORE_PUT && !op->decide;
}

/*
 * The state of its key before operation i, in g->staged[i], and the record
 * that its `decide` finds.  *dead: a put is there that has expired.
 */
static enum err find(struct decision *d, size_t i, struct record *record,
		     bool *dead)
{
	const struct store_op *op = &d->batch->ops[i];
	struct staged *staged = &d->g->staged[i];
	const struct staged *before;
	struct newest newest;
	enum err err;

	*dead = false;
	staged->live = false;
	staged->content = 0;
	staged->writer = 0;
	if (staged->earlier) {
		before = &d->g->staged[staged->earlier - 1];
		staged->live = before->live;
		staged->content = before->content;
		staged->writer = before->writer;
		if (staged->live && staged->content)
			*record = record_of(
				d, &d->batch->ops[staged->content - 1]);
		if (!op->decide || !staged->live || staged->content)
			return ERR_OK;
	}
	if (is_blind(op))
		return ERR_OK;
	err = look(d, op->key, &newest, op->decide ? record : NULL);
	if (err || staged->earlier)
		return err;
	staged->live = is_live(d, &newest);
	*dead = newest.put && !staged->live;
	return ERR_OK;
}

/* An operation that writes takes the place of an earlier one on its key. */
static void take_over(struct gdbm_store *g, size_t i)
{
	struct staged *staged = &g->staged[i];

	if (staged->writer)
		g->staged[staged->writer - 1].write = false;
	staged->writer = (uint32_t)i + 1;
	staged->write = true;
}

static enum err stage(struct decision *d, size_t i)
{
	struct store_op *op = &d->batch->ops[i];
	struct staged *staged = &d->g->staged[i];
	struct record record;
	bool dead;
	enum err err = find(d, i, &record, &dead);

	if (err)
		return err;
	op->existed = staged->live;
	staged->write = false;
	err = store_decide(&d->g->store, op, staged->live ? &record : NULL);
	if (err)
		return err;
	if (op->verb == STORE_PUT) {
		staged->live = true;
		staged->content = (uint32_t)i + 1;
		take_over(d->g, i);
	} else if (op->verb == STORE_DELETE && staged->live) {
		staged->live = false;
		take_over(d->g, i);
	} else if (op->verb == STORE_EXPIRE && dead) {
		take_over(d->g, i);
	}
	return ERR_OK;
}

/* A hook of an earlier try may have changed the operations. */
static void restore(struct decision *d)
{
	for (size_t i = 0; i < d->batch->op_count; i++)
		d->batch->ops[i] = d->g->staged[i].given;
}

/* What later operations look at is on its way from memory meanwhile. */
static void look_ahead(struct decision *d, size_t i)
{
	const struct staged *staged = &d->g->staged[i];
	size_t left = d->batch->op_count - i;

	if (left > 2 * AHEAD)
		read_expect(d->g, staged[2 * AHEAD].hash);
	if (left > AHEAD)
		read_expect_record(d->g, staged[AHEAD].hash);
}

static enum err stage_all(struct decision *d, bool *any)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < d->batch->op_count && !err; i++) {
		look_ahead(d, i);
		err = stage(d, i);
	}
	for (size_t i = 0; i < d->batch->op_count && !err; i++)
		*any = *any || d->g->staged[i].write;
	return err;
}

enum err decide_run(struct gdbm_store *g, struct store_batch *batch, bool reads,
		    uint64_t *seen, bool *any)
{
	struct decision d = { .g = g,
			      .batch = batch,
			      .at = UINT64_MAX,
			      .now_ms = batch->modified_ms };
	uint64_t durable = 0;
	enum err err = read_begin(g, &durable);

	*any = false;
	*seen = 0;
	if (err)
		return err;
	if (reads)
		d.at = durable;
	restore(&d);
	err = test_conditions(&d);
	if (!err)
		err = stage_all(&d, any);
	read_end(g);
	assert(!reads || !*any);
	*seen = d.seen;
	batch->read_revision = d.seen > durable ? d.seen : durable;
	return err;
}

uint32_t decide_hash(struct view key)
{
	return crc32c(0, key.data, key.size);
}

static enum err reserve(struct gdbm_store *g, size_t count)
{
	struct staged *more;

	if (count <= g->staged_capacity)
		return ERR_OK;
	more = realloc(g->staged, count * sizeof(*more));
	if (!more)
		return ERR_NO_MEMORY;
	g->staged = more;
	g->staged_capacity = count;
	return ERR_OK;
}

/* A table of the hashes, in the array itself, with as many buckets as keys. */
static void link_same_keys(struct gdbm_store *g,
			   const struct store_batch *batch)
{
	for (uint32_t i = 0; i < batch->op_count; i++) {
		struct staged *staged = &g->staged[i];
		struct staged *head =
			&g->staged[staged->hash % batch->op_count];
		uint32_t j = head->bucket;

		while (j &&
		       !view_equal(batch->ops[j - 1].key, batch->ops[i].key))
			j = g->staged[j - 1].chain;
		staged->earlier = j;
		staged->chain = head->bucket;
		head->bucket = i + 1;
	}
}

enum err decide_begin(struct gdbm_store *g, const struct store_batch *batch)
{
	enum err err;

	if (batch->op_count > JOURNAL_OPS_MAX)
		return ERR_BATCH_TOO_LARGE;
	err = reserve(g, batch->op_count);
	if (err)
		return err;
	for (size_t i = 0; i < batch->op_count; i++)
		g->staged[i] = (struct staged){
			.given = batch->ops[i],
			.hash = decide_hash(batch->ops[i].key),
		};
	link_same_keys(g, batch);
	return ERR_OK;
}
