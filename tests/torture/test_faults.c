/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every call that the store makes fails once, or is the last one: for each
 * phase of a store's life (start, recovery, commits, checkpoint, close) and
 * each kind of fault, a child lives through it with call number n failing, for
 * n = 1, 2, 3, ... until the phase passes untouched.  Calls that GDBM makes
 * count too (tests/fault.h).
 *
 * The child keeps a model in memory that it shares with us: what was
 * acknowledged, and the commit that it is about to make.  It ends without
 * closing.  Afterwards the store has to open, to hold exactly the model (of
 * the commit in flight all or nothing), and to pass its own check.
 *
 * In make check n goes in steps, from a random start.  LIBRAPI_TORTURE=1 tries
 * every n; LIBRAPI_SEED=N repeats a run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "fault.h"
#include "harness.h"
#include "store/store.h"

#define KEYS      48
#define VALUE_MAX 1000
#define STEP      23 /* between two n in make check */
#define LAST      50 /* calls of a checkpoint that are tried each one */
#define N_MOST    20000

enum phase { START, RECOVERY, COMMITS, CHECKPOINT, CLOSE, PHASES };

static const char *const phase_names[PHASES] = { "start", "recovery", "commits",
						 "checkpoint", "close" };

static const struct kind {
	const char *name;
	enum fault fault;
	int errnum;
} kinds[] = {
	{ "EIO", FAULT_CALL, EIO },
	{ "ENOSPC", FAULT_CALL, ENOSPC },
	{ "EDQUOT", FAULT_CALL, EDQUOT },
	{ "EINTR", FAULT_CALL, EINTR },
	{ "short", FAULT_CALL, FAULT_SHORT },
	{ "kill", FAULT_CALL, FAULT_KILL },
	{ "ENOMEM", FAULT_MEMORY, ENOMEM },
};

/* Of each key the number that its value is made of, 0 when absent. */
struct model {
	unsigned settled[KEYS];
	unsigned next[KEYS]; /* what the commit in flight makes of it */
	bool in_flight;
	uint64_t revision; /* the last one that was acknowledged */
	bool struck;
	unsigned surprises; /* things that the child saw and must not have */
};

static struct model *model;

static struct store_conf conf(void)
{
	return (struct store_conf){
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
	};
}

/* Every third key begins with "p/". */
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
 * From here to ack(), what the model's `next` says may become true.  An error
 * of store_commit() means that nothing changed; after one of store_sync()
 * nobody knows.
 */
static void begin(void)
{
	memcpy(model->next, model->settled, sizeof(model->next));
}

static void ack(struct store *store, enum err err, uint64_t revision,
		uint64_t ticket)
{
	if (err) {
		model->in_flight = false;
		return;
	}
	if (store_sync(store, ticket))
		return;
	memcpy(model->settled, model->next, sizeof(model->settled));
	if (revision) { /* else there was nothing to delete */
		model->surprises += revision != model->revision + 1;
		model->revision = revision;
	}
	model->in_flight = false;
}

/* Keys [from, from + count) in one commit; number 0 deletes. */
static void commit(struct store *store, unsigned from, unsigned count,
		   unsigned number)
{
	static char keys[KEYS][32];
	static char values[KEYS][VALUE_MAX];
	struct store_op ops[KEYS] = { 0 };
	struct store_batch batch = { .ops = ops, .op_count = count };
	uint64_t ticket = 0;
	enum err err;

	if (model->in_flight)
		return;
	begin();
	for (unsigned i = 0; i < count; i++) {
		ops[i].key = key_of(from + i, keys[i]);
		ops[i].verb = number ? STORE_PUT : STORE_DELETE;
		ops[i].type = view_of("text/plain");
		if (number)
			ops[i].value = value_of(number + i, values[i]);
		model->next[from + i] = number ? number + i : 0;
	}
	model->in_flight = true;
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

/* One key is put, another deleted, by what the callbacks make of them. */
static void transact(struct store *store, unsigned i, unsigned number)
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

	if (model->in_flight || !model->settled[i + 1])
		return;
	begin();
	model->next[i] = number;
	model->next[i + 1] = 0;
	for (unsigned k = 0; k < 2; k++) {
		ops[k].key = key_of(i + k, keys[k]);
		ops[k].verb = STORE_PUT;
		ops[k].type = view_of("text/plain");
		ops[k].decide = decide;
		ops[k].decide_arg = &values[k];
	}
	exists.key = ops[1].key;
	model->in_flight = true;
	err = store_commit(store, &batch, &ticket);
	ack(store, err, batch.revision, ticket);
}

static void delete_prefix(struct store *store)
{
	uint64_t deleted = 0;
	uint64_t revision = 0;
	uint64_t ticket = 0;
	enum err err;

	if (model->in_flight)
		return;
	begin();
	for (unsigned i = 0; i < KEYS; i += 3)
		model->next[i] = 0;
	model->in_flight = true;
	err = store_delete_prefix(store, view_of("p/"), &deleted, &revision,
				  &ticket);
	ack(store, err, revision, ticket);
}

static void commits(struct store *store)
{
	commit(store, 1, 1, 100);
	commit(store, 2, 1, 0);
	commit(store, 10, 12, 200);
	delete_prefix(store);
	transact(store, 13, 250);
	commit(store, 3, 1, 300);
	commit(store, 20, 5, 0);
}

/* What the phases find: tables, and a journal that a crash left. */
static void prepare(void)
{
	struct store_conf c = conf();
	struct store *store;

	if (store_open(&c, &store))
		_exit(1);
	commit(store, 0, KEYS, 1);
	if (store_housekeep(store, 0))
		_exit(1);
	commit(store, 5, 20, 60);
	commit(store, 30, 1, 0);
	_exit(model->in_flight || model->revision != 3);
}

static void arm(bool here, const struct kind *kind, unsigned n)
{
	if (here)
		fault_arm(kind->fault, n, kind->errnum);
}

static void disarm(bool here)
{
	if (here)
		model->struck = fault_disarm();
}

static void live(enum phase phase, const struct kind *kind, unsigned n)
{
	struct store_conf c = conf();
	bool opens = phase == START || phase == RECOVERY;
	struct store *store;
	enum err err;

	arm(opens, kind, n);
	err = store_open(&c, &store);
	disarm(opens);
	if (err)
		_exit(0);
	arm(phase == COMMITS, kind, n);
	commits(store);
	disarm(phase == COMMITS);
	arm(phase == CHECKPOINT, kind, n);
	store_housekeep(store, 0);
	disarm(phase == CHECKPOINT);
	commit(store, 40, 3, 400);
	arm(phase == CLOSE, kind, n);
	if (phase == CLOSE)
		store_close(store);
	disarm(phase == CLOSE);
	_exit(0);
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

static bool is_as_the_model(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	if (stats.revision == model->revision)
		return holds(store, model->settled);
	return model->in_flight && stats.revision == model->revision + 1 &&
	       holds(store, model->next);
}

static void count_finding(void *arg, const char *file, const char *sentence)
{
	printf("# %s: %s\n", file, sentence);
	++*(unsigned *)arg;
}

/* Once after the crash, once more after a clean stop. */
static const char *what_is_wrong(void)
{
	struct store_conf c = conf();
	unsigned findings = 0;
	struct store *store;

	for (int i = 0; i < 2; i++) {
		bool right;

		if (store_open(&c, &store))
			return "does not open";
		right = is_as_the_model(store);
		if (store_close(store))
			return "does not close";
		if (!right)
			return "holds something else";
		if (store_check(&c, count_finding, &findings) || findings)
			return "is not sound";
	}
	return model->surprises ? "skipped or repeated a revision" : NULL;
}

static int in_child(enum phase phase, const struct kind *kind, unsigned n)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!kind)
			prepare();
		live(phase, kind, n);
	}
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	return status;
}

/* Whether the fault struck. */
static bool try(enum phase phase, const struct kind *kind, unsigned n)
{
	char command[600];
	const char *wrong;
	int status;

	snprintf(command, sizeof(command), "rm -rf '%s'", harness_path("data"));
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
	memset(model, 0, sizeof(*model));
	if (phase != START)
		CU_ASSERT_EQUAL_FATAL(in_child(phase, NULL, 0), 0);
	status = in_child(phase, kind, n);
	if (WIFSIGNALED(status) && kind->errnum == FAULT_KILL &&
	    WTERMSIG(status) == SIGKILL)
		model->struck = true;
	else
		CU_ASSERT_EQUAL(status, 0);
	wrong = what_is_wrong();
	if (wrong || (status && kind->errnum != FAULT_KILL))
		printf("# %s, %s, call %u: status %d, the store %s\n",
		       phase_names[phase], kind->name, n, status,
		       wrong ? wrong : "is well");
	CU_ASSERT_PTR_NULL(wrong);
	return model->struck;
}

static unsigned seed(void)
{
	const char *given = getenv("LIBRAPI_SEED");

	return given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
}

static void walk(enum phase phase)
{
	unsigned step = getenv("LIBRAPI_TORTURE") ? 1 : STEP;
	unsigned tried = 0;

	for (size_t i = 0; i < HARNESS_COUNT(kinds); i++) {
		unsigned n = 1 + (seed() + (unsigned)i * 5) % step;

		if (!fault_available(kinds[i].fault))
			continue;
		for (; n < N_MOST && try(phase, &kinds[i], n); n += step)
			tried++;
		CU_ASSERT(n < N_MOST);
	}
	printf("# %s: %u faults, seed %u\n", phase_names[phase], tried, seed());
	CU_ASSERT(tried > 0);
}

/* In memory, when there is room: nothing here needs a disk. */
static void share_model(void)
{
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	model = mmap(NULL, sizeof(*model), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	log_setup(LOG_ERROR, "");
}

static void a_start_survives_every_fault(void)
{
	walk(START);
}

static void a_recovery_survives_every_fault(void)
{
	walk(RECOVERY);
}

static void commits_survive_every_fault(void)
{
	walk(COMMITS);
}

static void a_checkpoint_survives_every_fault(void)
{
	walk(CHECKPOINT);
}

static void a_close_survives_every_fault(void)
{
	walk(CLOSE);
}

/* Around the change from one MANIFEST to the next, in make check too. */
static void the_end_of_a_checkpoint_survives_every_fault(void)
{
	static const size_t which[] = { 0, HARNESS_COUNT(kinds) - 1 };

	for (size_t i = 0; i < HARNESS_COUNT(which); i++) {
		const struct kind *kind = &kinds[which[i]];
		unsigned n = 1;

		if (!fault_available(kind->fault))
			continue;
		while (n < N_MOST && try(CHECKPOINT, kind, n))
			n += STEP;
		for (unsigned end = n; n > 1 && n + LAST > end; n--)
			try(CHECKPOINT, kind, n);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_start_survives_every_fault),
	HARNESS_TEST(a_recovery_survives_every_fault),
	HARNESS_TEST(commits_survive_every_fault),
	HARNESS_TEST(a_checkpoint_survives_every_fault),
	HARNESS_TEST(the_end_of_a_checkpoint_survives_every_fault),
	HARNESS_TEST(a_close_survives_every_fault),
};

int main(void)
{
	share_model();
	return harness_run("torture/faults", tests, HARNESS_COUNT(tests));
}
