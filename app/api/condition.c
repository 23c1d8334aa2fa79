/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since.
 *
 * The store tests revisions, not dates.  So If-Unmodified-Since on a write is
 * tested on the record that a read finds, and the write is then bound to that
 * record's revision: what happens in between makes the condition false.
 */
#include "api/condition.h"

#include <inttypes.h>

#include "base/clock.h"
#include "http/date.h"
#include "http/etag.h"

/* If-Match or If-Unmodified-Since, If-None-Match, and "must exist". */
#define TESTS_MAX 3

struct conditions {
	struct etag_set match;
	struct etag_set none_match;
	uint64_t unmodified; /* the revision that If-Unmodified-Since saw */

	struct store_condition tests[TESTS_MAX];
	const char *names[TESTS_MAX]; /* of the header each stands for */
	size_t count;
};

static enum err parse_set(struct call *call, struct view field,
			  const char *name, struct etag_set *set)
{
	enum err err;

	if (!field.data)
		return ERR_OK;
	err = etag_set_parse(field, set);
	if (err == ERR_INVALID)
		fault_at(call, err, "header", view_of(name),
			 "takes * or a list of entity tags such as \"17\", "
			 "with their quotes");
	return err;
}

static enum err conditions_parse(struct call *call, struct conditions *c)
{
	const struct request *request = call->request;
	enum err err =
		parse_set(call, request->if_match, "If-Match", &c->match);
	enum err also = parse_set(call, request->if_none_match, "If-None-Match",
				  &c->none_match);

	return err ? err : also;
}

static void conditions_release(struct conditions *c)
{
	etag_set_release(&c->match);
	etag_set_release(&c->none_match);
}

/* A date that can't be read is no condition (RFC 9110 13.1.3, 13.1.4). */
static bool parse_date(struct view field, int64_t *seconds)
{
	return field.data &&
	       !date_parse(field, clock_wall_ms() / 1000, seconds);
}

static bool modified_after(const struct record *record, int64_t seconds)
{
	return record->modified_ms / 1000 > seconds;
}

static enum err condition_false(struct call *call, const char *name)
{
	if (call->current)
		return fault_at(call, ERR_CONDITION, "header", view_of(name),
				"false: the key's revision is %" PRIu64,
				call->current);
	return fault_at(call, ERR_CONDITION, "header", view_of(name),
			"false: the key is absent");
}

static enum err evaluate(struct call *call, const struct conditions *c,
			 const struct record *record, bool *not_modified)
{
	const struct request *request = call->request;
	int64_t date;

	call->current = record->revision;
	if (request->if_match.data) {
		if (!etag_set_has(&c->match, record->revision))
			return condition_false(call, "If-Match");
	} else if (parse_date(request->if_unmodified_since, &date)) {
		if (modified_after(record, date))
			return condition_false(call, "If-Unmodified-Since");
	}
	if (request->if_none_match.data)
		*not_modified = etag_set_has(&c->none_match, record->revision);
	else if (parse_date(request->if_modified_since, &date))
		*not_modified = !modified_after(record, date);
	return ERR_OK;
}

static void add_test(struct conditions *c, const char *name, struct view key,
		     enum store_test test)
{
	c->names[c->count] = name;
	c->tests[c->count] = (struct store_condition){
		.key = key,
		.test = test,
	};
	c->count++;
}

/* "*" is `any`, a list is one of its revisions. */
static void add_set(struct conditions *c, const char *name, struct view key,
		    const struct etag_set *set, enum store_test any,
		    enum store_test listed)
{
	add_test(c, name, key, set->any ? any : listed);
	c->tests[c->count - 1].revisions = set->revisions;
	c->tests[c->count - 1].revision_count = set->count;
}

static enum err add_unmodified(struct call *call, struct conditions *c,
			       struct view key, int64_t date)
{
	static const char name[] = "If-Unmodified-Since";
	struct record record;
	enum err err = store_get(call->api->store, key, &call->response->hold,
				 &record, NULL);

	if (err == ERR_NOT_FOUND) {
		add_test(c, name, key, STORE_ABSENT);
		return ERR_OK;
	}
	if (err)
		return err;
	if (modified_after(&record, date)) {
		call->current = record.revision;
		return condition_false(call, name);
	}
	c->unmodified = record.revision;
	add_test(c, name, key, STORE_REVISION_IN);
	c->tests[c->count - 1].revisions = &c->unmodified;
	c->tests[c->count - 1].revision_count = 1;
	return ERR_OK;
}

static enum err add_tests(struct call *call, struct conditions *c,
			  struct view key)
{
	const struct request *request = call->request;
	enum err err = ERR_OK;
	int64_t date;

	if (request->if_match.data)
		add_set(c, "If-Match", key, &c->match, STORE_EXISTS,
			STORE_REVISION_IN);
	else if (parse_date(request->if_unmodified_since, &date))
		err = add_unmodified(call, c, key, date);
	if (request->if_none_match.data)
		add_set(c, "If-None-Match", key, &c->none_match, STORE_ABSENT,
			STORE_REVISION_NOT_IN);
	return err;
}

/* 404 where there is nothing and had to be something, else 412. */
static enum err tests_failed(struct call *call, const struct conditions *c,
			     bool must_exist)
{
	call->current = c->tests[0].current;
	if (must_exist && !call->current)
		return ERR_NOT_FOUND;
	for (size_t i = 0; i < c->count; i++)
		if (!c->tests[i].holds)
			condition_false(call, c->names[i]);
	return ERR_CONDITION;
}

static bool conditions_required(const struct call *call)
{
	return call->api->conf->require_conditions &&
	       !call->request->if_match.data &&
	       !call->request->if_none_match.data;
}

enum err condition_read(struct call *call, const struct record *record,
			bool *not_modified)
{
	struct conditions c = { .count = 0 };
	enum err err = conditions_parse(call, &c);

	*not_modified = false;
	if (!err)
		err = evaluate(call, &c, record, not_modified);
	conditions_release(&c);
	return err;
}

enum err condition_impossible(struct call *call, const char *instead)
{
	if (!call->api->conf->require_conditions)
		return ERR_OK;
	return fault(call, ERR_CONDITION_MISSING,
		     "a write needs a condition here, and this can have none; "
		     "%s",
		     instead);
}

enum err condition_commit(struct call *call, struct store_op *op,
			  bool must_exist, uint64_t *revision)
{
	struct conditions c = { .count = 0 };
	struct store_batch batch = { .ops = op, .op_count = 1 };
	enum err err;

	if (conditions_required(call))
		return ERR_CONDITION_MISSING;
	err = conditions_parse(call, &c);
	if (!err)
		err = add_tests(call, &c, op->key);
	if (err)
		goto out;
	if (must_exist)
		add_test(&c, NULL, op->key, STORE_EXISTS);
	batch.conditions = c.tests;
	batch.condition_count = c.count;
	err = store_commit(call->api->store, &batch, &call->response->ticket);
	*revision = batch.revision;
	if (err == ERR_CONDITION)
		err = tests_failed(call, &c, must_exist);
out:
	conditions_release(&c);
	return err;
}
