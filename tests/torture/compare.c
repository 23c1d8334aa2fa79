/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A store held against its ledger, in three ways: by a listing, key by key,
 * and by the changes that its journal still tells of.
 */
#include <stdarg.h>

#include "base/clock.h"
#include "torture/operation.h"

#define ENTRY_WAIT_MS 10000

static char sentence[300];

static const char *__attribute__((format(printf, 1, 2)))
wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	return sentence;
}

/* What the store has to hold. */

struct state {
	uint64_t numbers[LEDGER_KEYS_MAX]; /* 0: absent */
	uint64_t revisions[LEDGER_KEYS_MAX];
};

static void apply(struct state *state, const struct ledger *ledger,
		  uint64_t revision)
{
	const struct ledger_entry *entry = &ledger->entries[revision];
	uint64_t number = atomic_load(&entry->number);

	if (number == 0)
		return;
	if (entry->kind == LEDGER_PREFIX) {
		for (unsigned k = 0; k < ledger->keys; k += PREFIX_EVERY)
			state->numbers[k] = 0;
		return;
	}
	for (unsigned i = 0; i < entry->count; i++) {
		unsigned k = (entry->from + i) % ledger->keys;

		state->numbers[k] = deletes(entry->kind, i) ? 0 : number + i;
		state->revisions[k] = revision;
	}
}

static struct state *state_at(const struct ledger *ledger, uint64_t revision)
{
	struct state *state = calloc(1, sizeof(*state));
	int64_t now_ms = ledger_clock_ms();

	if (!state)
		abort();
	for (uint64_t r = 1; r <= revision; r++)
		apply(state, ledger, r);
	for (unsigned k = 0; k < ledger->keys; k++) {
		int64_t expires_ms = expiry_of(ledger, state->numbers[k]);

		if (expires_ms && expires_ms <= now_ms)
			state->numbers[k] = 0;
	}
	return state;
}

static const char *look_at(const struct ledger *ledger,
			   const struct state *state, unsigned k,
			   const struct record *record)
{
	char value[VALUE_MAX];
	uint64_t number = state->numbers[k];

	if (!number)
		return wrong("key %u is there, and should not be", k);
	if (!view_equal(record->value, value_of(number, value)))
		return wrong("key %u has %.*s, not number %" PRIu64, k,
			     VALUE_MIN - 1, (const char *)record->value.data,
			     number);
	if (record->revision != state->revisions[k])
		return wrong("key %u says revision %" PRIu64 ", not %" PRIu64,
			     k, record->revision, state->revisions[k]);
	if (record->expires_ms != expiry_of(ledger, number) ||
	    !view_equal_string(record->type, "text/plain"))
		return wrong("key %u has another expiry or type", k);
	return NULL;
}

struct listing {
	const struct ledger *ledger;
	const struct state *state;
	unsigned seen;
	const char *wrong;
};

static bool see(void *arg, struct view key, const struct record *record)
{
	struct listing *l = arg;
	unsigned k;

	l->seen++;
	if (!key_parse(key, &k) || k >= l->ledger->keys)
		l->wrong = wrong("a key that nobody put");
	else
		l->wrong = look_at(l->ledger, l->state, k, record);
	return !l->wrong;
}

static const char *compare_listing(const struct ledger *ledger,
				   const struct state *state,
				   struct store *store)
{
	struct listing l = { .ledger = ledger, .state = state };
	struct store_range all = { .values = true };
	unsigned due = 0;
	uint64_t revision;
	enum err err = store_list(store, &all, see, &l, &revision);

	for (unsigned k = 0; k < ledger->keys; k++)
		due += state->numbers[k] != 0;
	if (!l.wrong && err)
		return wrong("listing: %s", err_string(err));
	if (!l.wrong && l.seen != due)
		return wrong("%u keys are listed, not %u", l.seen, due);
	return l.wrong;
}

/* Each key by itself: another way through tables and memtables. */
static const char *compare_gets(const struct ledger *ledger,
				const struct state *state, struct store *store)
{
	struct buf hold = BUF_EMPTY;
	const char *found = NULL;

	for (unsigned k = 0; !found && k < ledger->keys; k++) {
		struct record record;
		char key[KEY_SIZE];
		enum err err =
			store_get(store, key_of(k, key), &hold, &record, NULL);

		if (!err)
			found = look_at(ledger, state, k, &record);
		else if (err != ERR_NOT_FOUND || state->numbers[k])
			found = wrong("key %u: %s", k, err_string(err));
	}
	buf_release(&hold);
	return found;
}

/* The changes that the journal still has. */

struct telling {
	struct ledger *ledger;
	uint64_t revision; /* the last that was begun */
	unsigned puts;     /* in it */
	bool ended;
	const char *wrong;
};

/* Its writer may still be between the commit and the entry. */
static uint64_t number_soon(struct ledger_entry *entry)
{
	int64_t give_up_ms = clock_monotonic_ms() + ENTRY_WAIT_MS;
	uint64_t number = atomic_load(&entry->number);

	while (number == 0 && clock_monotonic_ms() < give_up_ms) {
		clock_sleep_ms(1);
		number = atomic_load(&entry->number);
	}
	return number;
}

static const char *hear_change(struct telling *t,
			       const struct store_change *change)
{
	struct ledger *ledger = t->ledger;
	struct ledger_entry *entry = &ledger->entries[change->revision];
	char value[VALUE_MAX];
	uint64_t number;
	unsigned k;
	unsigned i;

	if (!key_parse(change->key, &k) || k >= ledger->keys)
		return wrong("a change of a key that nobody put");
	if (change->verb == STORE_EXPIRE)
		return atomic_load(&entry->number) == 0
			       ? NULL
			       : wrong("expired within another commit");
	number = number_soon(entry);
	if (number == 0)
		return wrong("nobody made this commit");
	if (entry->kind == LEDGER_PREFIX)
		return change->verb == STORE_DELETE && k % PREFIX_EVERY == 0
			       ? NULL
			       : wrong("more than the prefix is deleted");
	i = (k + ledger->keys - entry->from) % ledger->keys;
	if (i >= entry->count ||
	    (change->verb == STORE_DELETE) != deletes(entry->kind, i))
		return wrong("key %u was not a part of this commit", k);
	if (change->verb == STORE_PUT &&
	    !view_equal(change->record.value, value_of(number + i, value)))
		return wrong("key %u has another value", k);
	return NULL;
}

static const char *hear_end(const struct telling *t)
{
	const struct ledger_entry *entry = &t->ledger->entries[t->revision];
	unsigned due = 0;

	if (atomic_load(&entry->number) == 0)
		return NULL;
	for (unsigned i = 0; i < entry->count; i++)
		due += !deletes(entry->kind, i);
	if (t->puts != due)
		return wrong("%u of %u puts of a commit", t->puts, due);
	return NULL;
}

static bool hear(void *arg, const struct store_change *change)
{
	struct telling *t = arg;

	if (change->revision != t->revision + t->ended)
		t->wrong =
			wrong("it comes after revision %" PRIu64, t->revision);
	if (t->ended)
		t->puts = 0;
	t->revision = change->revision;
	t->puts += change->verb == STORE_PUT;
	t->ended = change->last;
	if (!t->wrong)
		t->wrong = hear_change(t, change);
	if (!t->wrong && change->last)
		t->wrong = hear_end(t);
	return !t->wrong;
}

static const char *compare_changes(struct ledger *ledger, struct store *store,
				   uint64_t revision)
{
	struct telling t = { .ledger = ledger, .ended = true };
	struct store_stats stats;
	char said[sizeof(sentence)];
	uint64_t oldest;
	uint64_t next;
	enum err err;

	store_stats(store, &stats);
	t.revision = stats.oldest;
	err = store_changes(store, stats.oldest, hear, &t, &next, &oldest);
	if (t.wrong) {
		snprintf(said, sizeof(said), "%s", t.wrong);
		return wrong("change %" PRIu64 ": %s", t.revision, said);
	}
	if (err)
		return wrong("changes: %s", err_string(err));
	if (next != revision || t.revision != revision)
		return wrong("changes end with %" PRIu64 ", not %" PRIu64, next,
			     revision);
	return NULL;
}

const char *ledger_compare(struct ledger *ledger, struct store *store)
{
	struct store_stats stats;
	struct state *state;
	const char *found;

	store_stats(store, &stats);
	found = compare_changes(ledger, store, stats.revision);
	state = state_at(ledger, stats.revision);
	if (!found)
		found = compare_listing(ledger, state, store);
	if (!found)
		found = compare_gets(ledger, state, store);
	free(state);
	return found;
}

static void note_finding(void *arg, const char *file, const char *found)
{
	const char **first = arg;

	if (!*first)
		*first = wrong("check: %s: %s", file, found);
}

static const char *look_once(struct ledger *ledger,
			     const struct store_conf *conf, uint64_t least,
			     uint64_t most)
{
	struct store_stats stats;
	struct store *store;
	const char *found = NULL;
	enum err err = store_open(conf, &store);

	if (err)
		return wrong("does not open: %s", err_string(err));
	store_stats(store, &stats);
	if (stats.revision < least || stats.revision > most)
		found = wrong("is at revision %" PRIu64 ", not between %" PRIu64
			      " and %" PRIu64,
			      stats.revision, least, most);
	if (!found)
		found = ledger_compare(ledger, store);
	err = store_close(store);
	if (!found && err)
		found = wrong("does not close: %s", err_string(err));
	if (!found)
		store_check(conf, note_finding, &found);
	return found;
}

const char *ledger_verify(struct ledger *ledger, const struct store_conf *conf,
			  uint64_t least, uint64_t most)
{
	const char *found = look_once(ledger, conf, least, most);

	return found ? found : look_once(ledger, conf, least, most);
}
