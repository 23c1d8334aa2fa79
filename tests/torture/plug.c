/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What power_cuts.py drives: a store on a real file system, its writers, and
 * the look at what a cut has left.  The ledger is a file on another disk.
 *
 *   plug write DIR LEDGER SEED     writers and a housekeeper, until a signal
 *   plug cut LEDGER IMAGE COPY     what is acknowledged now, printed; and the
 *                                  image as it is a moment later, FICLONE
 *   plug verify DIR LEDGER LEAST   0 if the store recovers to revision LEAST
 *                                  or a later one, as the ledger has it
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "torture/ledger.h"

#define KEYS      3000
#define WRITERS   3
#define ROUND_MAX 8 /* commits that one sync makes durable */

static struct store_conf conf(const char *data_dir)
{
	return (struct store_conf){
		.engine = "gdbm",
		.data_dir = data_dir,
		.value_max_bytes = 65536,
		.lock_timeout_ms = 5000,
		.journal_segment_bytes = 1 << 20,
		.journal_max_bytes = 8 << 20,
		.memtable_bytes = 1 << 20,
		.table_max_keys = 300,
		.table_max_bytes = 1 << 20,
		.checkpoint_idle_ms = 100,
		.expiry_interval_ms = 50,
		.history_bytes = 4 << 20,
		.wall_ms = ledger_clock_ms,
	};
}

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "plug: %s: %s\n", what, why);
	return 1;
}

static struct ledger *ledger_at(const char *path, bool make)
{
	int flags = make ? O_RDWR | O_CREAT | O_TRUNC : O_RDWR;
	int fd = open(path, flags, 0600);
	struct ledger *ledger = NULL;

	if (fd >= 0)
		ledger = make ? ledger_new(fd, KEYS) : ledger_open(fd);
	if (!ledger) {
		perror(path);
		exit(1);
	}
	close(fd);
	ledger_start_clock(ledger);
	return ledger;
}

/* A journal that is full makes writers wait, and then turns them away. */
static enum err write_round(struct ledger *ledger, struct store *store,
			    struct dice *dice)
{
	uint64_t commits = 1 + dice_roll(dice, ROUND_MAX);
	uint64_t newest = 0;
	uint64_t ticket = 0;
	uint64_t revision;
	enum err err = ERR_OK;

	for (uint64_t i = 0; !err && i < commits; i++) {
		err = ledger_commit(ledger, store, dice, &revision, &ticket);
		if (revision)
			newest = revision;
	}
	if (err && err != ERR_BUSY)
		return err;
	err = store_sync(store, ticket);
	if (!err)
		ledger_ack(ledger, newest);
	return err == ERR_BUSY ? ERR_OK : err;
}

static void work(struct ledger *ledger, struct store *store, unsigned slot,
		 uint64_t seed)
{
	struct dice dice = { seed * WRITERS + slot };
	enum err err = store_attach(store, slot);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!err && slot > 0)
		err = write_round(ledger, store, &dice);
	while (!err)
		err = store_housekeep(store, 1000);
	_exit(fail(slot ? "writer" : "housekeeper", err_string(err)));
}

static int run_writers(const char *data_dir, const char *path, uint64_t seed)
{
	struct ledger *ledger = ledger_at(path, true);
	struct store_conf c = conf(data_dir);
	struct store *store;
	enum err err = store_open(&c, &store);
	int status;

	if (err)
		return fail(data_dir, err_string(err));
	for (unsigned slot = 0; slot <= WRITERS; slot++) {
		pid_t pid = fork();

		if (pid < 0)
			return fail("fork", "failed");
		if (pid == 0)
			work(ledger, store, slot, seed);
	}
	wait(&status); /* a child that ends has met a failure */
	return 1;
}

static int cut(const char *path, const char *image, const char *copy)
{
	struct ledger *ledger = ledger_at(path, false);
	int from = open(image, O_RDONLY);
	int to = open(copy, O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint64_t acked = atomic_load(&ledger->acked);

	if (from < 0 || to < 0 || ioctl(to, FICLONE, from)) {
		perror("FICLONE");
		return 1;
	}
	printf("%" PRIu64 "\n", acked);
	return 0;
}

static int verify(const char *data_dir, const char *path, uint64_t least)
{
	struct ledger *ledger = ledger_at(path, false);
	struct store_conf c = conf(data_dir);
	const char *wrong;

	ledger_stop_clock();
	wrong = ledger_verify(ledger, &c, least, UINT64_MAX);
	return wrong ? fail(data_dir, wrong) : 0;
}

int main(int argc, char **argv)
{
	log_setup(LOG_ERROR, "");
	if (argc == 5 && strcmp(argv[1], "write") == 0)
		return run_writers(argv[2], argv[3],
				   strtoull(argv[4], NULL, 10));
	if (argc == 5 && strcmp(argv[1], "cut") == 0)
		return cut(argv[2], argv[3], argv[4]);
	if (argc == 5 && strcmp(argv[1], "verify") == 0)
		return verify(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	fputs("usage: plug write|cut|verify ...; see the head of plug.c\n",
	      stderr);
	return 2;
}
