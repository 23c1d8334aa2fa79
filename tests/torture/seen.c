/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a store tells, and whether it is right; see seen.h. */
#include "torture/seen.h"

#include <stdio.h>
#include <string.h>

void seen_wrong_if(struct seen *seen, int line, bool is)
{
	if (is && seen->wrong++ == 0)
		seen->line = line;
}

/* What was told of a key: right, refused, or wrong. */
static void judge(struct seen *seen, enum err err, const struct record *record,
		  unsigned number)
{
	char value[LIVED_VALUE_MAX];

	if (err == ERR_DAMAGED)
		seen->denied++;
	else if (err == ERR_NOT_FOUND)
		seen_wrong_if(seen, __LINE__, lived_is(number));
	else if (err)
		seen->unlike = err;
	if (!err)
		seen_wrong_if(seen, __LINE__,
			      !lived_is(number) ||
				      !view_equal(record->value,
						  lived_value(number, value)));
}

static void get_all(struct seen *seen, struct store *store,
		    const struct state *state)
{
	for (unsigned i = 0; i < LIVED_KEYS; i++) {
		struct buf hold = BUF_EMPTY;
		struct record record = { 0 };
		char key[32];
		enum err err = store_get(store, lived_key(i, key), &hold,
					 &record, NULL);

		judge(seen, err, &record, state->numbers[i]);
		buf_release(&hold);
	}
}

struct listing {
	struct seen *told;
	const struct state *state;
	struct state visits;
	size_t count;
	bool values;
};

static bool list_one(void *arg, struct view key, const struct record *record)
{
	struct listing *l = arg;

	for (unsigned i = 0; i < LIVED_KEYS; i++) {
		char text[32];
		char value[LIVED_VALUE_MAX];

		if (!view_equal(key, lived_key(i, text)))
			continue;
		l->visits.numbers[i]++;
		l->count++;
		if (l->values)
			judge(l->told, ERR_OK, record, l->state->numbers[i]);
		else
			seen_wrong_if(
				l->told, __LINE__,
				!lived_is(l->state->numbers[i]) ||
					record->value.size !=
						lived_value(
							l->state->numbers[i],
							value)
							.size);
		return true;
	}
	seen_wrong_if(l->told, __LINE__, true);
	return true;
}

static void list_all(struct seen *seen, struct store *store,
		     const struct state *state, bool values)
{
	struct listing l = { .told = seen, .state = state, .values = values };
	struct store_range range = { .values = values };
	enum err err = store_list(store, &range, list_one, &l, NULL);

	if (err) {
		seen->denied++;
		seen_wrong_if(seen, __LINE__, err != ERR_DAMAGED);
	}
	for (unsigned i = 0; i < LIVED_KEYS; i++)
		seen_wrong_if(
			seen, __LINE__,
			l.visits.numbers[i] > 1 ||
				(!err && lived_is(state->numbers[i]) !=
						 (l.visits.numbers[i] == 1)));
}

/* A state that follows the changes. */
struct replica {
	struct seen *told;
	struct state now;
};

static bool change_one(void *arg, const struct store_change *change)
{
	struct replica *replica = arg;
	struct state *now = &replica->now;
	const struct state *then = &lived->states[change->revision];

	for (unsigned i = 0; i < LIVED_KEYS; i++) {
		char text[32];
		char value[LIVED_VALUE_MAX];
		unsigned number = then->numbers[i];

		if (!view_equal(change->key, lived_key(i, text)))
			continue;
		if ((change->verb == STORE_PUT) != (number != 0) ||
		    (number && !view_equal(change->record.value,
					   lived_value(number, value))))
			seen_wrong_if(replica->told, __LINE__, true);
		now->numbers[i] = number;
	}
	if (change->last && memcmp(now, then, sizeof(*now)))
		seen_wrong_if(replica->told, __LINE__, true);
	return true;
}

static bool pass_by(void *arg, const struct store_change *change)
{
	(void)arg;
	return change->revision > 0;
}

void seen_changes(struct seen *seen, struct store *store, uint64_t revision)
{
	uint64_t oldest = 0;
	uint64_t next = 0;
	enum err err = ERR_GONE;

	/* Damage ends history where it is met; what is left is told. */
	for (int turn = 0; err && turn < 6; turn++) {
		err = store_changes(store, oldest, pass_by, NULL, &next,
				    &oldest);
		seen_wrong_if(seen, __LINE__,
			      err && err != ERR_GONE && err != ERR_DAMAGED);
	}
	if (!err) {
		struct replica replica = { seen, lived->states[oldest] };

		err = store_changes(store, oldest, change_one, &replica, &next,
				    &oldest);
	}
	seen_wrong_if(seen, __LINE__, err || next != revision);
}

void seen_read(struct seen *seen, struct store *store, uint64_t revision)
{
	const struct state *state = &lived->states[revision];

	get_all(seen, store, state);
	list_all(seen, store, state, false);
	list_all(seen, store, state, true);
}
