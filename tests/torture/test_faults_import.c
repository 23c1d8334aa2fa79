/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * POST /v1/import, call by call (strike.h), onto a store on disk.  An import
 * that fits one commit happens or does not.  A larger one is many commits,
 * made in the order of the lines: wherever it ends, all keys up to some place
 * are as it wants them, all behind are as they were; each place is the end of
 * a commit, the same one whatever struck.  What the answer says of that is
 * true (an internal error says nothing), and importing again completes it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/client.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "harness.h"
#include "torture/kept.h"
#include "torture/strike.h"

#define KEYS        1200
#define LINES       (KEYS / 2) /* more than a batch of a large import has */
#define VALUE_MAX   600
#define COMMITS_MAX 16
#define PIECE       32768 /* of the body, as it is received */

/* What is struck. */
struct import {
	const char *name;
	unsigned step; /* between the calls that are struck in make check */
	const char *target;
	bool replace;
	bool one_commit;
	size_t value_size;
};

static struct shared {
	const struct import *import;
	uint64_t before; /* the store's revision */

	bool answered; /* with what follows */
	int status;
	bool untouched; /* "nothing was changed" */
	bool tells_how_many;
	unsigned records_in; /* "... records are in" */
} * shared;

/* The folder that each begins with. */
static struct kept kept;

/* Where each commit of an import ends, as all tries have to see it. */
static unsigned ends[COMMITS_MAX];

static struct store_conf conf(void)
{
	return (struct store_conf){
		.engine = "gdbm",
		.data_dir = harness_path("data"),
		.value_max_bytes = 4096,
		.lock_timeout_ms = 2000,
		.journal_segment_bytes = 131072,
		.journal_max_bytes = 1 << 20,
		.memtable_bytes = 256 << 10,
		.table_max_keys = 400,
		.table_max_bytes = 1 << 20,
		.checkpoint_idle_ms = 60000,
		.expiry_interval_ms = 60000,
		.history_bytes = 65536,
	};
}

/* The state of a key: what it was, what the lines make of it. */
enum state { ABSENT, OLD, NEW, OTHER };

static enum state was(unsigned i)
{
	return i % 3 == 1 ? ABSENT : OLD;
}

static enum state becomes(unsigned i)
{
	if (i % 2 == 0)
		return NEW;
	return shared->import->replace ? ABSENT : was(i);
}

static struct view key_of(unsigned i, char out[16])
{
	snprintf(out, 16, "key/%04u", i);
	return view_of(out);
}

static struct view value_of(unsigned i, enum state state,
			    char out[VALUE_MAX + 1])
{
	snprintf(out, VALUE_MAX + 1, "%s %04u%0*u",
		 state == NEW ? "new" : "old", i,
		 state == NEW ? (int)shared->import->value_size - 8 : 1, 0u);
	return view_of(out);
}

static void begin(void)
{
	kept_write(&kept, harness_path("data"), kept.count, (struct view){ 0 });
	*shared = (struct shared){ .import = shared->import,
				   .before = shared->before };
}

static uint64_t revision_of(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.revision;
}

/* What every import finds, in tables. */
static void prepare(void)
{
	static char keys[KEYS][16];
	static char values[KEYS][VALUE_MAX + 1];
	struct store_op ops[KEYS] = { 0 };
	struct store_batch batch = { .ops = ops };
	struct store_conf c = conf();
	struct store *store;
	uint64_t ticket;

	for (unsigned i = 0; i < KEYS; i++) {
		struct store_op *op = &ops[batch.op_count];

		if (was(i) == ABSENT)
			continue;
		op->verb = STORE_PUT;
		op->key = key_of(i, keys[i]);
		op->value = value_of(i, OLD, values[i]);
		batch.op_count++;
	}
	CU_ASSERT_EQUAL_FATAL(store_open(&c, &store), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(store_commit(store, &batch, &ticket), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(store_sync(store, ticket), ERR_OK);
	shared->before = revision_of(store);
	CU_ASSERT_EQUAL_FATAL(store_close(store), ERR_OK);
	kept_read(&kept, harness_path("data"));
}

static void make_lines(struct buf *out)
{
	char value[VALUE_MAX + 1];
	char key[16];

	buf_add_string(out, "{\"librapi\":1}\n");
	for (unsigned i = 0; i < KEYS; i += 2) {
		key_of(i, key);
		value_of(i, NEW, value);
		buf_addf(out, "{\"key\":\"%s\",\"value\":\"%s\"}\n", key,
			 value);
	}
	buf_addf(out, "{\"count\":%d,\"crc32c\":\"%08" PRIx32 "\"}\n", LINES,
		 crc32c(0, out->data, out->size));
}

/* A client of this store. */
static void client_of(struct client *client, struct store *store)
{
	client_open(client);
	store_close(client->api.store);
	client->api.store = store;
	client->conf.data_dir = harness_path("data");
	client->piece = PIECE;
}

static void note_answer(struct client *client, int status)
{
	struct view body = client_body(client);
	const char *text = body.data;
	const char *place = memmem(text, body.size, "; ", 2);

	shared->status = status;
	shared->untouched = client_body_has(client, "nothing was changed");
	shared->tells_how_many =
		place && client_body_has(client, " records are in");
	if (shared->tells_how_many)
		shared->records_in = (unsigned)strtoul(place + 2, NULL, 10);
	shared->answered = true;
}

static void live(void)
{
	struct store_conf c = conf();
	struct buf lines = BUF_EMPTY;
	struct client client;
	struct store *store;
	bool struck;
	int status;

	make_lines(&lines);
	if (store_open(&c, &store))
		_exit(1);
	client_of(&client, store);
	strike_arm();
	status = client_send_bytes(&client, "POST", shared->import->target,
				   buf_view(&lines), NULL);
	struck = strike_disarm();
	note_answer(&client, status);
	if (!struck && (status != 200 ||
			client_body_has(&client, "\"atomic\":true") !=
				shared->import->one_commit ||
			(revision_of(store) == shared->before + 1) !=
				shared->import->one_commit))
		_exit(1);
	_exit(0);
}

struct look {
	enum state states[KEYS];
	bool strange; /* a key that nobody put in */
};

static bool look_at(void *arg, struct view key, const struct record *record)
{
	struct look *look = arg;
	char value[VALUE_MAX + 1];
	char name[16] = "";
	char again[16];
	unsigned i = 0;

	if (key.size < sizeof(name))
		memcpy(name, key.data, key.size);
	if (sscanf(name, "key/%u", &i) != 1 || i >= KEYS ||
	    !view_equal(key, key_of(i, again))) {
		look->strange = true;
		return false;
	}
	look->states[i] = OTHER;
	for (enum state state = OLD; state <= NEW; state++) {
		if (view_equal(record->value, value_of(i, state, value)))
			look->states[i] = state;
	}
	return true;
}

/* The last key that is not as it was, and one; 0 when all are. */
static unsigned end_of(enum state (*is)(const struct look *, unsigned),
		       const struct look *look)
{
	unsigned end = KEYS;

	while (end > 0 && is(look, end - 1) == was(end - 1))
		end--;
	return end;
}

static enum state is_now(const struct look *look, unsigned i)
{
	return look->states[i];
}

static enum state is_at_last(const struct look *look, unsigned i)
{
	(void)look;
	return becomes(i);
}

/* Up to one place as the lines want it, behind it as it was. */
static const char *see(struct store *store, unsigned *end)
{
	struct store_range range = { .values = true };
	struct look look = { 0 };

	if (store_list(store, &range, look_at, &look, NULL))
		return "can't be listed";
	if (look.strange)
		return "has a key that nobody put in";
	*end = end_of(is_now, &look);
	for (unsigned i = 0; i < *end; i++) {
		if (look.states[i] != becomes(i))
			return "has a part of the import with a hole in it";
	}
	return NULL;
}

/* The ends of commits, of which `count` are in. */
static const char *wrong_end(unsigned end, uint64_t count)
{
	bool whole = end == end_of(is_at_last, NULL);

	if (count >= COMMITS_MAX || (shared->import->one_commit && count > 1))
		return "has too many revisions";
	if ((count == 0) != (end == 0))
		return "has a revision that does not fit its content";
	if (ends[count] == 0)
		ends[count] = end;
	if (ends[count] != end)
		return "has a commit in part";
	return shared->import->one_commit && end > 0 && !whole
		       ? "has the import in part"
		       : NULL;
}

static const char *wrong_answer(unsigned end)
{
	unsigned records = (end + 1) / 2;

	if (!shared->answered)
		return NULL;
	if (shared->status == 200)
		return end == end_of(is_at_last, NULL)
			       ? NULL
			       : "lacks what was acknowledged";
	if (shared->untouched)
		return end == 0 ? NULL : "was changed by a refused import";
	if (shared->tells_how_many && records != shared->records_in)
		return "has more or less than was told";
	return NULL;
}

static const char *wrong_at_first(struct store *store)
{
	unsigned end = 0;
	const char *wrong = see(store, &end);

	if (!wrong)
		wrong = wrong_end(end, revision_of(store) - shared->before);
	return wrong ? wrong : wrong_answer(end);
}

/* Once more, untouched: all of it is in. */
static const char *wrong_repeated(struct client *client)
{
	struct buf lines = BUF_EMPTY;
	const char *wrong;
	unsigned end = 0;
	int status;

	make_lines(&lines);
	status = client_send_bytes(client, "POST", shared->import->target,
				   buf_view(&lines), NULL);
	buf_release(&lines);
	if (status != 200)
		return "can't be imported to again";
	wrong = see(client->api.store, &end);
	if (!wrong && end != end_of(is_at_last, NULL))
		return "is not completed by the same import";
	return wrong;
}

static void count_finding(void *arg, const char *file, const char *sentence)
{
	printf("# %s: %s\n", file, sentence);
	++*(unsigned *)arg;
}

static const char *wrong(void)
{
	struct store_conf c = conf();
	unsigned findings = 0;
	struct client client;
	struct store *store;
	const char *why;

	if (store_open(&c, &store))
		return "does not open";
	client_of(&client, store);
	why = wrong_at_first(store);
	if (!why)
		why = wrong_repeated(&client);
	client_close(&client);
	if (why)
		return why;
	if (access(harness_path("data/spool.tmp"), F_OK) == 0)
		return "has a file that was left over";
	if (store_check(&c, count_finding, &findings) || findings)
		return "is not sound";
	return NULL;
}

static void walk(const struct import *import)
{
	shared->import = import;
	memset(ends, 0, sizeof(ends));
	prepare();
	strike_walk(&(struct strike_phase){ .name = import->name,
					    .step = import->step,
					    .begin = begin,
					    .live = live,
					    .wrong = wrong });
	kept_release(&kept);
}

static void an_import_of_one_commit_is_whole_or_absent(void)
{
	walk(&(struct import){ "import", 5, "/v1/import", false, true, 12 });
}

static void one_that_replaces_is_whole_or_absent(void)
{
	walk(&(struct import){ "import that replaces", 97,
			       "/v1/import?mode=replace", true, true, 12 });
}

static void one_of_many_commits_ends_at_one_of_them(void)
{
	walk(&(struct import){ "import in many commits", 197,
			       "/v1/import?mode=replace", true, false,
			       VALUE_MAX });
	CU_ASSERT(ends[2] > ends[1]);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(an_import_of_one_commit_is_whole_or_absent),
	HARNESS_TEST(one_that_replaces_is_whole_or_absent),
	HARNESS_TEST(one_of_many_commits_ends_at_one_of_them),
};

int main(void)
{
	if (!strike_share())
		return 1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	log_setup(LOG_ERROR, "");
	return harness_run("torture/faults_import", tests,
			   HARNESS_COUNT(tests));
}
