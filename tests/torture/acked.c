/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commits, and what of them a store has to hold; see acked.h. */
#include "torture/acked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define KEYS      ACKED_KEYS
#define VALUE_MAX 1000

struct acked *acked;

bool acked_share(void)
{
	acked = mmap(NULL, sizeof(*acked), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return acked != MAP_FAILED;
}

void acked_begin(void)
{
	char command[600];

	snprintf(command, sizeof(command), "rm -rf '%s'", harness_path("data"));
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	*acked = (struct acked){ .conf = {
					 .engine = "gdbm",
					 .data_dir = harness_path("data"),
					 .value_max_bytes = 4096,
					 .lock_timeout_ms = 2000,
					 .journal_segment_bytes = 65536,
					 .journal_max_bytes = 262144,
					 .memtable_bytes = 65536,
					 .table_max_keys = 8,
					 .table_max_bytes = 1 << 20,
					 .checkpoint_idle_ms = 0,
					 .expiry_interval_ms = 1000,
					 .history_bytes = 65536,
				 } };
}

struct store *acked_open(void)
{
	struct store *store;

	if (store_open(&acked->conf, &store))
		_exit(1);
	return store;
}

static struct view key_of(unsigned i, char out[32])
{
	snprintf(out, 32, "%skey-%02u", i % 3 ? "" : "p/", i);
	return view_of(out);
}

static struct view value_of(unsigned number, char out[VALUE_MAX])
{
	size_t size = 12 + number * 37 % (VALUE_MAX - 12);

	memset(out, 'a' + (int)(number % 26), size);
	snprintf(out, 12, "%010u ", number);
	return (struct view){ out, size };
}

/*
 * From here to ack(), what `next` says may become true.  An error
 * of store_commit() means that nothing changed; after one of store_sync()
 * nobody knows.
 */
static void begin(void)
{
	memcpy(acked->next, acked->settled, sizeof(acked->next));
}

static void ack(struct store *store, enum err err, uint64_t revision,
		uint64_t ticket)
{
	if (err) {
		acked->in_flight = false;
		return;
	}
	if (store_sync(store, ticket))
		return;
	memcpy(acked->settled, acked->next, sizeof(acked->settled));
	if (revision) { /* else there was nothing to delete */
		acked->surprises += revision != acked->revision + 1;
		acked->revision = revision;
	}
	acked->in_flight = false;
}

void acked_commit(struct store *store, unsigned from, unsigned count,
		  unsigned number)
{
	static char keys[KEYS][32];
	static char values[KEYS][VALUE_MAX];
	struct store_op ops[KEYS] = { 0 };
	struct store_batch batch = { .ops = ops, .op_count = count };
	uint64_t ticket = 0;
	enum err err;

	if (acked->in_flight)
		return;
	begin();
	for (unsigned i = 0; i < count; i++) {
		ops[i].key = key_of(from + i, keys[i]);
		ops[i].verb = number ? STORE_PUT : STORE_DELETE;
		ops[i].type = view_of("text/plain");
		if (number)
			ops[i].value = value_of(number + i, values[i]);
		acked->next[from + i] = number ? number + i : 0;
	}
	acked->in_flight = true;
	err = store_commit(store, &batch, &ticket);
	ack(store, err, batch.revision, ticket);
}

/* What a transaction's "add" does: the value is made in the lock. */
static enum err decide(void *arg, struct store_op *op,
		       const struct record *found)
{
	(void)found;
	op->value = *(struct view *)arg;
	op->verb = op->value.size ? STORE_PUT : STORE_DELETE;
	return ERR_OK;
}

void acked_transact(struct store *store, unsigned i, unsigned number)
{
	char value[VALUE_MAX];
	char keys[2][32];
	struct view values[2] = { value_of(number, value), { "", 0 } };
	struct store_op ops[2] = { 0 };
	struct store_condition exists = { .test = STORE_EXISTS };
	struct store_batch batch = { .ops = ops,
				     .op_count = 2,
				     .conditions = &exists,
				     .condition_count = 1 };
	uint64_t ticket = 0;
	enum err err;

	if (acked->in_flight || !acked->settled[i + 1])
		return;
	begin();
	acked->next[i] = number;
	acked->next[i + 1] = 0;
	for (unsigned k = 0; k < 2; k++) {
		ops[k].key = key_of(i + k, keys[k]);
		ops[k].verb = STORE_PUT;
		ops[k].type = view_of("text/plain");
		ops[k].decide = decide;
		ops[k].decide_arg = &values[k];
	}
	exists.key = ops[1].key;
	acked->in_flight = true;
	err = store_commit(store, &batch, &ticket);
	ack(store, err, batch.revision, ticket);
}

void acked_delete_prefix(struct store *store)
{
	uint64_t deleted = 0;
	uint64_t revision = 0;
	uint64_t ticket = 0;
	enum err err;

	if (acked->in_flight)
		return;
	begin();
	for (unsigned i = 0; i < KEYS; i += 3)
		acked->next[i] = 0;
	acked->in_flight = true;
	err = store_delete_prefix(store, view_of("p/"), &deleted, &revision,
				  &ticket);
	ack(store, err, revision, ticket);
}

static bool value_is(struct store *store, unsigned i, unsigned number)
{
	struct buf hold = BUF_EMPTY;
	struct record record;
	char value[VALUE_MAX];
	char key[32];
	uint64_t revision;
	enum err err =
		store_get(store, key_of(i, key), &hold, &record, &revision);
	bool is = number ? !err && view_equal(record.value,
					      value_of(number, value))
			 : err == ERR_NOT_FOUND;

	buf_release(&hold);
	return is;
}

static bool holds(struct store *store, const unsigned numbers[KEYS])
{
	for (unsigned i = 0; i < KEYS; i++) {
		if (!value_is(store, i, numbers[i]))
			return false;
	}
	return true;
}

static bool is_as_acked(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	if (stats.revision == acked->revision)
		return holds(store, acked->settled);
	return acked->in_flight && stats.revision == acked->revision + 1 &&
	       holds(store, acked->next);
}

static void count_finding(void *arg, const char *file, const char *sentence)
{
	printf("# %s: %s\n", file, sentence);
	++*(unsigned *)arg;
}

/* What is kept of the past, revision by revision up to the newest. */
static bool note_revision(void *arg, const struct store_change *change)
{
	uint64_t *last = arg;

	if (change->revision != *last && change->revision != *last + 1)
		return false;
	*last = change->revision;
	return true;
}

static bool tells_each_revision(struct store *store)
{
	struct store_stats stats;
	uint64_t oldest;
	uint64_t last;
	uint64_t next;

	store_stats(store, &stats);
	last = stats.oldest;
	return !store_changes(store, stats.oldest, note_revision, &last, &next,
			      &oldest) &&
	       next == stats.revision && last == stats.revision;
}

static const char *wrong_now(struct store *store)
{
	if (!is_as_acked(store))
		return "holds something else";
	if (!tells_each_revision(store))
		return "skips or repeats what was changed";
	return NULL;
}

const char *acked_wrong(void)
{
	unsigned findings = 0;
	struct store *store;

	for (int i = 0; i < 2; i++) {
		const char *wrong;

		if (store_open(&acked->conf, &store))
			return "does not open";
		wrong = wrong_now(store);
		if (store_close(store))
			return "does not close";
		if (wrong)
			return wrong;
		if (store_check(&acked->conf, count_finding, &findings) ||
		    findings)
			return "is not sound";
	}
	return acked->surprises ? "skipped or repeated a revision" : NULL;
}
