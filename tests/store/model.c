/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random operations against a model: a sorted array of a few hundred possible
 * keys, each with what the store should hold for it.  After every step the
 * store's answer has to be the model's.
 *
 * The seed is printed; CONTRACT_SEED in the environment sets it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "store/cases.h"

#define KEYS           300
#define STEPS          4000
#define OPS_MAX        8
#define CONDITIONS_MAX 3
#define VALUE_MAX      3000

struct entry {
	char key[STORE_KEY_MAX];
	size_t key_size;
	bool present; /* put and not deleted; may have expired */
	uint64_t revision;
	int64_t modified_ms;
	int64_t expires_ms;
	uint32_t value_seed;
	size_t value_size;
	size_t type_size;
};

struct model {
	struct entry entries[KEYS]; /* in the order of their keys */
	uint64_t revision;
	uint64_t random;
	struct store *store;
};

static char value_bytes[OPS_MAX][VALUE_MAX];

static uint32_t draw(struct model *m, uint32_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (uint32_t)(m->random >> 20) % below;
}

static struct view entry_key(const struct entry *entry)
{
	return (struct view){ entry->key, entry->key_size };
}

static bool is_live(const struct entry *entry)
{
	return entry->present &&
	       (entry->expires_ms == 0 || entry->expires_ms > contract_now_ms);
}

static void value_fill(char *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)((seed + i) * 2654435761u >> 23);
}

static bool same_value(const struct entry *entry, struct view value)
{
	char expected[VALUE_MAX];

	value_fill(expected, entry->value_size, entry->value_seed);
	return view_equal(value, (struct view){ expected, entry->value_size });
}

static bool same_record(const struct entry *entry, const struct record *record)
{
	return record->revision == entry->revision &&
	       record->modified_ms == entry->modified_ms &&
	       record->expires_ms == entry->expires_ms &&
	       record->type.size == entry->type_size &&
	       record->value.size == entry->value_size;
}

static int compare_entries(const void *a, const void *b)
{
	return view_compare(entry_key(a), entry_key(b));
}

/* Few different bytes, so that keys share prefixes; a few are long. */
static void make_keys(struct model *m)
{
	static const char alphabet[] = { 'a', 'b', '/', '\0', '\xff' };

	for (size_t i = 0; i < KEYS; i++) {
		struct entry *entry = &m->entries[i];

		do {
			entry->key_size =
				1 + draw(m, i % 50 ? 7 : STORE_KEY_MAX);
			for (size_t j = 0; j < entry->key_size; j++)
				entry->key[j] = alphabet[draw(m, 5)];
			qsort(m->entries, i, sizeof(*entry), compare_entries);
		} while (bsearch(entry, m->entries, i, sizeof(*entry),
				 compare_entries));
	}
	qsort(m->entries, KEYS, sizeof(m->entries[0]), compare_entries);
}

static bool check_get(struct model *m)
{
	const struct entry *entry = &m->entries[draw(m, KEYS)];
	struct buf hold = BUF_EMPTY;
	struct record record;
	uint64_t revision = UINT64_MAX;
	enum err err = store_get(m->store, entry_key(entry), &hold, &record,
				 &revision);
	bool same = revision == m->revision &&
		    err == (is_live(entry) ? ERR_OK : ERR_NOT_FOUND);

	if (same && !err)
		same = same_record(entry, &record) &&
		       same_value(entry, record.value);
	buf_release(&hold);
	return same;
}

struct walk {
	const struct model *model;
	const struct store_range *range;
	size_t next;  /* the entry to look at */
	size_t limit; /* keys until the listing stops */
	bool same;
};

static bool in_range(const struct walk *walk, const struct entry *entry)
{
	struct view key = entry_key(entry);

	return is_live(entry) && view_starts_with(key, walk->range->prefix) &&
	       (!walk->range->after.data ||
		view_compare(key, walk->range->after) > 0);
}

/* The next entry that a listing has to show, or NULL. */
static const struct entry *walk_next(struct walk *walk)
{
	while (walk->next < KEYS) {
		const struct entry *entry = &walk->model->entries[walk->next++];

		if (in_range(walk, entry))
			return entry;
	}
	return NULL;
}

static bool check_listed(void *arg, struct view key,
			 const struct record *record)
{
	struct walk *walk = arg;
	const struct entry *entry = walk_next(walk);

	if (!entry || !view_equal(entry_key(entry), key) ||
	    !same_record(entry, record) ||
	    (walk->range->values && !same_value(entry, record->value)) ||
	    (!walk->range->values && record->value.data))
		walk->same = false;
	return walk->same && --walk->limit > 0;
}

static bool check_list(struct model *m)
{
	const struct entry *prefix = &m->entries[draw(m, KEYS)];
	const struct entry *after = &m->entries[draw(m, KEYS)];
	size_t prefix_size = draw(m, 3);
	struct store_range range = { .values = draw(m, 2) };
	struct walk walk = { .model = m,
			     .range = &range,
			     .limit = draw(m, 2) ? KEYS : 1 + draw(m, 20),
			     .same = true };
	uint64_t revision = UINT64_MAX;

	if (prefix_size > prefix->key_size)
		prefix_size = prefix->key_size;
	range.prefix = (struct view){ prefix->key, prefix_size };
	if (draw(m, 2))
		range.after = entry_key(after);

	enum err err =
		store_list(m->store, &range, check_listed, &walk, &revision);

	return err == ERR_OK && walk.same && revision == m->revision &&
	       (walk.limit == 0 || !walk_next(&walk));
}

static void draw_condition(struct model *m, struct store_condition *condition,
			   uint64_t revisions[2])
{
	const struct entry *entry = &m->entries[draw(m, KEYS)];

	revisions[0] = draw(m, 2) ? entry->revision : draw(m, 50);
	revisions[1] = draw(m, 50);
	*condition = (struct store_condition){
		.key = entry_key(entry),
		.test = (enum store_test)draw(m, 4),
		.revisions = revisions,
		.revision_count = draw(m, 3),
	};
}

static const struct entry *find_entry(const struct model *m, struct view key)
{
	struct entry wanted = { .key_size = key.size };

	memcpy(wanted.key, key.data, key.size);
	return bsearch(&wanted, m->entries, KEYS, sizeof(wanted),
		       compare_entries);
}

static bool should_hold(const struct model *m,
			const struct store_condition *condition)
{
	const struct entry *entry = find_entry(m, condition->key);
	bool in = false;

	for (size_t i = 0; i < condition->revision_count; i++)
		in = in || condition->revisions[i] == entry->revision;
	switch (condition->test) {
	case STORE_EXISTS:
		return is_live(entry);
	case STORE_ABSENT:
		return !is_live(entry);
	case STORE_REVISION_IN:
		return is_live(entry) && in;
	case STORE_REVISION_NOT_IN:
		return !is_live(entry) || !in;
	}
	return false;
}

/* Draws an operation for the store and has the model do it as well. */
static void draw_op(struct model *m, struct store_op *op, size_t slot,
		    bool *existed, bool *changed)
{
	static const char type[] = "application/octet-stream";
	struct entry *entry = &m->entries[draw(m, KEYS)];

	*existed = is_live(entry);
	*op = (struct store_op){ .verb = STORE_DELETE,
				 .key = entry_key(entry) };
	if (draw(m, 4) == 0) {
		if (*existed) {
			*changed = true;
			entry->present = false;
			entry->revision = 0;
		}
		return;
	}
	*changed = true;
	entry->present = true;
	entry->revision = m->revision + 1;
	entry->modified_ms = contract_now_ms;
	entry->expires_ms = draw(m, 5) ? 0 : contract_now_ms + 1 + draw(m, 500);
	entry->value_seed = (uint32_t)m->random;
	entry->value_size = draw(m, draw(m, 10) ? 50 : VALUE_MAX);
	entry->type_size = draw(m, sizeof(type));
	value_fill(value_bytes[slot], entry->value_size, entry->value_seed);
	op->verb = STORE_PUT;
	op->value = (struct view){ value_bytes[slot], entry->value_size };
	op->type = (struct view){ type, entry->type_size };
	op->expires_ms = entry->expires_ms;
	op->blind = draw(m, 2);
}

static bool check_commit(struct model *m)
{
	struct store_condition conditions[CONDITIONS_MAX];
	uint64_t revisions[CONDITIONS_MAX][2];
	struct store_op ops[OPS_MAX];
	bool existed[OPS_MAX];
	bool hold = true;
	bool changed = false;
	struct store_batch batch = {
		.conditions = conditions,
		.condition_count = draw(m, 3) ? 0 : draw(m, CONDITIONS_MAX + 1),
		.ops = ops,
		.op_count = draw(m, 3) ? 1 : draw(m, OPS_MAX + 1),
	};

	for (size_t i = 0; i < batch.condition_count; i++) {
		draw_condition(m, &conditions[i], revisions[i]);
		hold = hold && should_hold(m, &conditions[i]);
	}

	/* The model must not move when a condition is false. */
	static struct model before;

	before = *m;
	for (size_t i = 0; i < batch.op_count; i++)
		draw_op(m, &ops[i], i, &existed[i], &changed);

	enum err err = contract_commit(m->store, &batch);

	if (!hold) {
		uint64_t random = m->random;

		*m = before;
		m->random = random;
		return err == ERR_CONDITION && batch.revision == 0;
	}
	if (changed)
		m->revision++;
	for (size_t i = 0; i < batch.op_count; i++)
		if (!ops[i].blind && ops[i].existed != existed[i])
			return false;
	return err == ERR_OK && batch.revision == (changed ? m->revision : 0) &&
	       contract_revision(m->store) == m->revision;
}

/*
 * Housekeeping and reopening may turn expired keys into commits; how many is
 * the engine's choice, but without any the revision stands still.
 */
static bool take_over_revision(struct model *m)
{
	uint64_t revision = contract_revision(m->store);
	uint64_t expired = 0;

	for (size_t i = 0; i < KEYS; i++)
		if (m->entries[i].present && !is_live(&m->entries[i]))
			expired++;

	bool plausible =
		revision >= m->revision && revision <= m->revision + expired;

	if (revision > m->revision)
		for (size_t i = 0; i < KEYS; i++)
			m->entries[i].present = is_live(&m->entries[i]);
	m->revision = revision;
	return plausible;
}

static bool check_housekeeping(struct model *m)
{
	return store_housekeep(m->store, 1) == ERR_OK && take_over_revision(m);
}

static bool check_reopen(struct model *m)
{
	if (!contract_engine()->persists)
		return true;
	if (store_close(m->store))
		return false;
	m->store = contract_open();
	return take_over_revision(m);
}

static bool step(struct model *m)
{
	uint32_t choice = draw(m, 1000);

	if (choice < 450)
		return check_get(m);
	if (choice < 900)
		return check_commit(m);
	if (choice < 940)
		return check_list(m);
	if (choice < 975) {
		contract_now_ms += draw(m, 100);
		return true;
	}
	return choice < 997 ? check_housekeeping(m) : check_reopen(m);
}

static uint64_t choose_seed(void)
{
	const char *text = getenv("CONTRACT_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 10) : random_uint64();

	seed = seed ? seed : 1; /* xorshift stands still at 0 */
	printf("# CONTRACT_SEED=%" PRIu64 "\n", seed);
	return seed;
}

void random_operations_agree_with_a_model(void)
{
	static struct model model;
	struct model *m = &model;
	int i;

	*m = (struct model){ .random = choose_seed() };
	make_keys(m);
	m->store = contract_open();
	for (i = 0; i < STEPS; i++)
		if (!step(m))
			break;
	CU_ASSERT_EQUAL(i, STEPS);
	if (i < STEPS)
		printf("# step %d differs\n", i);
	CU_ASSERT_EQUAL(store_close(m->store), ERR_OK);
}
