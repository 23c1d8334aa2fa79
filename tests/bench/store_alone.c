/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store without HTTP, its writers and readers as processes.
 *
 *   store_alone load DIR WRITERS READERS SECONDS KEYS SIZE
 *       fill KEYS keys, then let them work, each operation by itself: a writer
 *       commits and syncs, a reader gets.  Prints "WRITES READS", per second.
 *   store_alone crash DIR BYTES SIZE
 *       fill that much of a journal, one key a commit, make it durable, and
 *       die of SIGKILL.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/store.h"

#define PROCESSES_MAX 128
#define FILL_BATCH    100

/* What the processes tell their parent. */
struct board {
	_Atomic bool stop;
	_Atomic bool failed;
	_Atomic uint64_t done[PROCESSES_MAX];
};

struct load {
	struct store *store;
	struct board *board;
	unsigned long keys;
	char *value;
	size_t size;
};

static void fail(struct load *load, const char *what, enum err err)
{
	fprintf(stderr, "store_alone: %s: %s\n", what, err_string(err));
	atomic_store(&load->board->failed, true);
}

static struct store_conf settings(const char *data_dir)
{
	return (struct store_conf){
		.engine = "gdbm",
		.data_dir = data_dir,
		.value_max_bytes = 8 << 20,
		.lock_timeout_ms = 5000,
		.journal_segment_bytes = 64 << 20,
		.journal_max_bytes = 512 << 20,
		.memtable_bytes = 48 << 20,
		.table_max_keys = 60000,
		.table_max_bytes = 16 << 20,
		.checkpoint_idle_ms = 5000,
		.expiry_interval_ms = 1000,
	};
}

/* The keys first, first + 1, ... in one commit, not yet durable. */
static enum err commit(struct load *load, unsigned long first, size_t count,
		       uint64_t *ticket)
{
	char names[FILL_BATCH][24];
	struct store_op ops[FILL_BATCH];
	struct store_batch batch = { .ops = ops, .op_count = count };

	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "key%09lu", first + i);
		ops[i] = (struct store_op){
			.verb = STORE_PUT,
			.key = view_of(names[i]),
			.value = { load->value, load->size },
		};
	}
	return store_commit(load->store, &batch, ticket);
}

static enum err put(struct load *load, unsigned long first, size_t count)
{
	uint64_t ticket = 0;
	enum err err = commit(load, first, count, &ticket);

	return err ? err : store_sync(load->store, ticket);
}

static enum err fill(struct load *load)
{
	enum err err = ERR_OK;

	for (unsigned long at = 0; !err && at < load->keys; at += FILL_BATCH)
		err = put(load, at, FILL_BATCH);
	return err;
}

static enum err read_one(struct load *load, unsigned long number)
{
	struct buf hold = BUF_EMPTY;
	struct record record;
	char name[24];
	enum err err;

	snprintf(name, sizeof(name), "key%09lu", number);
	err = store_get(load->store, view_of(name), &hold, &record, NULL);
	buf_release(&hold);
	return err;
}

static void work(struct load *load, unsigned slot, bool writes)
{
	unsigned seed = slot;

	while (!atomic_load(&load->board->stop)) {
		unsigned long key = (unsigned long)rand_r(&seed) % load->keys;
		enum err err = writes ? put(load, key, 1) : read_one(load, key);

		if (err) {
			fail(load, writes ? "write" : "read", err);
			return;
		}
		atomic_fetch_add(&load->board->done[slot], 1);
	}
}

static void start(struct load *load, unsigned slot, unsigned writers,
		  unsigned readers)
{
	if (fork() > 0)
		return;
	if (store_attach(load->store, slot))
		fail(load, "attach", ERR_SYSTEM);
	else if (slot < writers + readers)
		work(load, slot, slot < writers);
	else
		while (!atomic_load(&load->board->stop))
			store_housekeep(load->store, 100);
	_exit(0);
}

static double rate(const struct load *load, unsigned from, unsigned to,
		   int64_t us)
{
	uint64_t sum = 0;

	for (unsigned i = from; i < to; i++)
		sum += atomic_load(&load->board->done[i]);
	return (double)sum * 1e6 / (double)us;
}

static void measure(struct load *load, unsigned writers, unsigned readers,
		    long seconds)
{
	unsigned all = writers + readers;
	int64_t begun_us;
	int64_t us;

	for (unsigned i = 0; i <= all; i++)
		start(load, i, writers, readers);
	begun_us = clock_monotonic_us();
	clock_sleep_ms(seconds * 1000);
	us = clock_monotonic_us() - begun_us;
	printf("%.0f %.0f\n", rate(load, 0, writers, us),
	       rate(load, writers, all, us));
	atomic_store(&load->board->stop, true);
	while (wait(NULL) > 0)
		;
}

static enum err crash(struct load *load, uint64_t bytes)
{
	struct store_stats stats = { 0 };
	uint64_t ticket = 0;
	enum err err = ERR_OK;

	for (unsigned long at = 0; !err && stats.journal_bytes < bytes; at++) {
		err = commit(load, at, 1, &ticket);
		store_stats(load->store, &stats);
	}
	if (!err)
		err = store_sync(load->store, ticket);
	if (!err)
		raise(SIGKILL);
	return err;
}

static enum err run(struct load *load, char **argv)
{
	enum err err;

	if (!strcmp(argv[1], "crash"))
		return crash(load, strtoull(argv[3], NULL, 10));
	err = fill(load);
	if (!err)
		measure(load, (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]),
			atol(argv[5]));
	return err;
}

int main(int argc, char **argv)
{
	bool loads = argc == 8 && !strcmp(argv[1], "load") &&
		     atoi(argv[3]) + atoi(argv[4]) < PROCESSES_MAX;
	struct load load = { 0 };
	struct store_conf conf;
	enum err err;

	if (!loads && (argc != 5 || strcmp(argv[1], "crash"))) {
		fprintf(stderr, "usage: see the head of store_alone.c\n");
		return EXIT_FAILURE;
	}
	log_setup(LOG_WARN, "bench");
	load.keys = loads ? strtoul(argv[6], NULL, 10) : 1;
	load.size = strtoul(argv[argc - 1], NULL, 10);
	load.value = calloc(1, load.size + 1);
	load.board = mmap(NULL, sizeof(*load.board), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!load.value || load.board == MAP_FAILED)
		return EXIT_FAILURE;
	conf = settings(argv[2]);
	err = store_open(&conf, &load.store);
	if (!err) {
		err = run(&load, argv);
		store_close(load.store);
	}
	if (err)
		fail(&load, argv[1], err);
	free(load.value);
	return atomic_load(&load.board->failed) ? EXIT_FAILURE : EXIT_SUCCESS;
}
