/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The life of a store, for those who damage it; see lived.h. */
#include "torture/lived.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "store/gdbm/engine.h"

#define BEGIN_MS   INT64_C(1700000000000)
#define END_MS     (BEGIN_MS + 100000)
#define EXPIRES_MS (BEGIN_MS + 50000)

struct lived *lived;

bool lived_share(void)
{
	lived = mmap(NULL, sizeof(*lived), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return lived != MAP_FAILED;
}

static int64_t wall_ms(void)
{
	return lived->now_ms;
}

struct store_conf lived_conf(void)
{
	return (struct store_conf){
		.engine = "gdbm",
		.data_dir = harness_path("data"),
		.value_max_bytes = 1024,
		.lock_timeout_ms = 2000,
		.journal_segment_bytes = 16384,
		.journal_max_bytes = 131072,
		.memtable_bytes = 65536,
		.table_max_keys = 16,
		.table_max_bytes = 1 << 20,
		.checkpoint_idle_ms = 60000,
		.expiry_interval_ms = 600000,
		.history_bytes = 1 << 20,
		.wall_ms = wall_ms,
	};
}

struct view lived_key(unsigned i, char out[32])
{
	snprintf(out, 32, "folder/%u/key-%02u", i % 4, i);
	return view_of(out);
}

struct view lived_value(unsigned number, char out[LIVED_VALUE_MAX])
{
	size_t size = 12 + number * 37 % (LIVED_VALUE_MAX - 12);

	memset(out, 'a' + (int)(number % 26), size);
	snprintf(out, 12, "%010u ", number);
	return (struct view){ out, size };
}

static int64_t expiry_of(unsigned number)
{
	return number % 10 == 9 ? EXPIRES_MS : 0;
}

bool lived_is(unsigned number)
{
	return number && (!expiry_of(number) || lived->now_ms < EXPIRES_MS);
}

enum err lived_commit(struct store *store, unsigned from, unsigned count,
		      unsigned step, unsigned number)
{
	static char keys[LIVED_KEYS][32];
	static char values[LIVED_KEYS][LIVED_VALUE_MAX];
	struct store_op ops[LIVED_KEYS] = { 0 };
	struct store_batch batch = { .ops = ops, .op_count = count };
	struct state *state = &lived->states[lived->revision + 1];
	uint64_t ticket = 0;
	enum err err;

	*state = lived->states[lived->revision];
	for (unsigned i = 0; i < count; i++) {
		unsigned at = (from + i * step) % LIVED_KEYS;

		ops[i].key = lived_key(at, keys[i]);
		ops[i].verb = number ? STORE_PUT : STORE_DELETE;
		ops[i].type = view_of("text/plain");
		if (number) {
			ops[i].value = lived_value(number + i, values[i]);
			ops[i].expires_ms = expiry_of(number + i);
		}
		state->numbers[at] = number ? number + i : 0;
	}
	err = store_commit(store, &batch, &ticket);
	if (!err)
		err = store_sync(store, ticket);
	if (!err)
		lived->revision = batch.revision;
	return err;
}

static void commit(struct store *store, unsigned from, unsigned count,
		   unsigned step, unsigned number)
{
	uint64_t expected = lived->revision + 1;

	if (lived_commit(store, from, count, step, number) ||
	    lived->revision != expected)
		_exit(1);
}

static void checkpoint(struct store *store)
{
	if (rotate_run((struct gdbm_store *)store) ||
	    checkpoint_run((struct gdbm_store *)store))
		_exit(1);
}

static bool note_expiry(void *arg, const struct store_change *change)
{
	struct state *state = &lived->states[change->revision];
	char key[32];

	(void)arg;
	if (change->revision > lived->revision)
		*state = lived->states[lived->revision];
	lived->revision = change->revision;
	for (unsigned i = 0; i < LIVED_KEYS; i++) {
		if (view_equal(change->key, lived_key(i, key)))
			state->numbers[i] = 0;
	}
	return true;
}

/* Time passes, and the housekeeper takes away what expired. */
static void expire(struct store *store)
{
	uint64_t before = lived->revision;
	uint64_t next;
	uint64_t oldest;

	lived->now_ms = END_MS;
	if (expiry_run((struct gdbm_store *)store) ||
	    store_changes(store, before, note_expiry, NULL, &next, &oldest) ||
	    lived->revision == before)
		_exit(1);
}

void lived_make(void)
{
	struct store_conf c = lived_conf();
	struct store *store;

	lived->now_ms = BEGIN_MS;
	if (store_open(&c, &store))
		_exit(1);
	commit(store, 0, LIVED_KEYS, 1, 1);
	checkpoint(store);
	commit(store, 3, 5, 7, 101);
	commit(store, 5, 3, 11, 0);
	expire(store);
	checkpoint(store);
	for (unsigned i = 0; i < 8; i++)
		commit(store, i * 5, 1 + i % 3, 13,
		       i % 4 == 3 ? 0 : 200 + i * 10);
	if (rotate_run((struct gdbm_store *)store))
		_exit(1);
	for (unsigned i = 0; i < 8; i++)
		commit(store, i * 3, 1 + i % 3, 17,
		       i % 4 == 2 ? 0 : 300 + i * 10);
	_exit(0);
}
