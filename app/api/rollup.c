/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Once a prefix has been passed on, the keys under it are of no interest.  A
 * few are passed over; when there are more, the listing stops and another
 * one begins behind the last key that the prefix could have: the prefix,
 * filled up with bytes 255.  Each of these listings has a revision of its
 * own.  Where two differ, all begins again, and after some such attempts
 * everything is visited in one listing, whatever it costs.
 */
#include "api/rollup.h"

#include <limits.h>
#include <string.h>

#define ATTEMPTS_MAX 3

/*
 * Keys passed over before a new listing begins, which costs as much as about
 * these visits; one that reads the value is dearer.  (Measured on tables:
 * 13 us for the listing, 0.09 us for a visit, 4 us with a value.)
 */
#define PATIENCE        128
#define PATIENCE_VALUES 4

struct walk {
	struct store *store;
	const struct rollup_range *range;
	const struct rollup_sink *sink;

	/* The prefix that was rolled up last, and 255 up to the longest key. */
	char last_under[STORE_KEY_MAX];
	size_t rolled_size; /* of that prefix; 0: none yet */

	char from[STORE_KEY_MAX]; /* the `after` of the listing that runs */

	unsigned patience;
	unsigned passed; /* keys under that prefix, in this listing */
	bool jump;       /* stopped, to go on behind it */
};

/* Bytes of the prefix that a key is rolled up in, 0 when it is not. */
static size_t rolled_size(const struct rollup_range *range, struct view key)
{
	const char *p = key.data;
	const char *at;

	if (!range->delimiter.size || !view_starts_with(key, range->prefix))
		return 0;
	at = memmem(p + range->prefix.size, key.size - range->prefix.size,
		    range->delimiter.data, range->delimiter.size);
	return at ? (size_t)(at - p) + range->delimiter.size : 0;
}

static struct view rolled(const struct walk *walk)
{
	return (struct view){ walk->last_under, walk->rolled_size };
}

static void roll_up(struct walk *walk, struct view key, size_t size)
{
	memset(walk->last_under, 0xff, sizeof(walk->last_under));
	memcpy(walk->last_under, key.data, size);
	walk->rolled_size = size;
	walk->passed = 0;
}

static bool pass_over(struct walk *walk)
{
	walk->jump = walk->passed >= walk->patience;
	walk->passed++;
	return !walk->jump;
}

static bool visit(void *arg, struct view key, const struct record *record)
{
	struct walk *walk = arg;
	const struct rollup_sink *sink = walk->sink;
	size_t size;

	if (walk->rolled_size && view_starts_with(key, rolled(walk)))
		return pass_over(walk);
	size = rolled_size(walk->range, key);
	if (!size)
		return sink->each(sink->arg, key, record);
	roll_up(walk, key, size);
	return sink->each(sink->arg, rolled(walk), NULL);
}

/* Behind the last key under the prefix that was rolled up last. */
static struct view behind(struct walk *walk)
{
	memcpy(walk->from, walk->last_under, sizeof(walk->from));
	return (struct view){ walk->from, sizeof(walk->from) };
}

/* Where the first listing begins: `after` may lie within a prefix. */
static struct view start(struct walk *walk)
{
	struct view after = walk->range->after;
	size_t size = after.data ? rolled_size(walk->range, after) : 0;

	walk->rolled_size = 0;
	if (!size)
		return after;
	roll_up(walk, after, size);
	return behind(walk);
}

/* *torn: the listings were not of one revision. */
static enum err walk_through(struct walk *walk, uint64_t *revision, bool *torn)
{
	struct store_range range = {
		.prefix = walk->range->prefix,
		.after = start(walk),
		.values = walk->range->values,
	};
	bool first = true;

	*torn = false;
	do {
		uint64_t at = 0;
		enum err err;

		walk->jump = false;
		walk->passed = 0;
		err = store_list(walk->store, &range, visit, walk, &at);
		if (err)
			return err;
		*torn = !first && at != *revision;
		*revision = at;
		if (walk->jump)
			range.after = behind(walk);
		first = false;
	} while (walk->jump && !*torn);
	return ERR_OK;
}

enum err rollup_list(struct store *store, const struct rollup_range *range,
		     const struct rollup_sink *sink, uint64_t *revision)
{
	struct walk walk = {
		.store = store,
		.range = range,
		.sink = sink,
		.patience = range->values ? PATIENCE_VALUES : PATIENCE,
	};
	bool torn;

	for (int i = 0; i < ATTEMPTS_MAX; i++) {
		enum err err = walk_through(&walk, revision, &torn);

		if (err || !torn)
			return err;
		sink->again(sink->arg);
	}
	walk.patience = UINT_MAX;
	return walk_through(&walk, revision, &torn);
}
