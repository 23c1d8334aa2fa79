/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which segments stay as history, what they take, and when they go. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "harness.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"

static uint64_t history_bytes;
static uint64_t segment_bytes = 65536;

static void small_limits(struct store_conf *conf)
{
	conf->value_max_bytes = segment_bytes / 2;
	conf->journal_segment_bytes = segment_bytes;
	conf->journal_max_bytes = 4 * segment_bytes;
	conf->memtable_bytes = 65536;
	conf->table_max_keys = 16;
	conf->history_bytes = history_bytes;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = small_limits };

static const char *segment_path(unsigned number)
{
	static char path[64];

	snprintf(path, sizeof(path), "data/journal-%08u.log", number);
	return harness_path(path);
}

static void checkpoint(struct store *store)
{
	CU_ASSERT_EQUAL(rotate_run((struct gdbm_store *)store), ERR_OK);
	CU_ASSERT_EQUAL(checkpoint_run((struct gdbm_store *)store), ERR_OK);
}

/* One put and one segment for each revision up to this. */
static struct store *store_of_segments(unsigned count)
{
	struct store *store = contract_open();

	for (unsigned i = 0; i < count; i++) {
		contract_put(store, "key", "value");
		checkpoint(store);
	}
	return store;
}

static size_t count_segments(void)
{
	DIR *dir = opendir(harness_path("data"));
	struct dirent *entry;
	size_t count = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir)))
		count += !strncmp(entry->d_name, "journal-", 8);
	closedir(dir);
	return count;
}

static bool pass_by(void *arg, const struct store_change *change)
{
	(void)arg;
	return change->revision > 0;
}

static enum err changes_since(struct store *store, uint64_t since,
			      uint64_t *oldest)
{
	uint64_t next;

	return store_changes(store, since, pass_by, NULL, &next, oldest);
}

static uint64_t oldest_since(struct store *store)
{
	uint64_t oldest = 99;
	enum err err = changes_since(store, 0, &oldest);

	CU_ASSERT_EQUAL(err, oldest == 0 ? ERR_OK : ERR_GONE);
	CU_ASSERT_EQUAL(changes_since(store, oldest, &oldest), ERR_OK);
	return oldest;
}

static uint64_t history_of(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.history_bytes;
}

static void a_segment_of_history_takes_only_what_it_uses(void)
{
	struct store *store;
	struct stat status;

	history_bytes = 1 << 20;
	store = store_of_segments(3);
	for (unsigned i = 1; i <= 3; i++) {
		CU_ASSERT_EQUAL(stat(segment_path(i), &status), 0);
		CU_ASSERT(status.st_size < 512);
	}
	CU_ASSERT_EQUAL(history_of(store), 3 * 4096);
	CU_ASSERT_EQUAL(oldest_since(store), 0);
	contract_close(store);
}

static void the_oldest_goes_when_there_is_too_much(void)
{
	struct store *store;

	history_bytes = 3 * 4096;
	store = store_of_segments(5);
	CU_ASSERT_EQUAL(count_segments(), 3 + 1);
	CU_ASSERT_EQUAL(oldest_since(store), 2);
	contract_close(store);
	/* Less is kept by another setting, and it goes at once. */
	history_bytes = 4096;
	store = contract_open();
	CU_ASSERT_EQUAL(count_segments(), 1 + 1);
	CU_ASSERT_EQUAL(oldest_since(store), 4);
	CU_ASSERT_EQUAL(history_of(store), 4096);
	contract_close(store);
	history_bytes = 0;
	store = contract_open();
	CU_ASSERT_EQUAL(count_segments(), 1);
	CU_ASSERT_EQUAL(oldest_since(store), 5);
	contract_put(store, "key", "value");
	CU_ASSERT_EQUAL(oldest_since(store), 5);
	checkpoint(store);
	CU_ASSERT_EQUAL(oldest_since(store), 6);
	contract_close(store);
}

static void a_gap_ends_history(void)
{
	struct store *store;

	history_bytes = 1 << 20;
	contract_close(store_of_segments(6));
	CU_ASSERT_EQUAL(unlink(segment_path(3)), 0);
	store = contract_open();
	CU_ASSERT_EQUAL(oldest_since(store), 3);
	CU_ASSERT_EQUAL(access(segment_path(2), F_OK), -1);
	contract_close(store);
}

static size_t findings;

static void note_finding(void *arg, const char *file, const char *sentence)
{
	(void)arg;
	CU_ASSERT_PTR_NOT_NULL(strstr(file, "journal-00000003"));
	CU_ASSERT_PTR_NOT_NULL(strstr(sentence, "damaged"));
	findings++;
}

static void flip(unsigned number, off_t position)
{
	int fd = open(segment_path(number), O_RDWR);
	unsigned char byte;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, position), 1);
	byte ^= 0x40;
	CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, position), 1);
	close(fd);
}

/* Damage to what the store needs no more costs only watchers something. */
static void damaged_history_is_told_and_given_up(void)
{
	static const off_t positions[] = { 9, 30, JOURNAL_HEAD_SIZE + 20,
					   JOURNAL_HEAD_SIZE + 60,
					   JOURNAL_HEAD_SIZE + 130 };

	history_bytes = 1 << 20;
	contract_close(store_of_segments(5));
	for (size_t i = 0; i < HARNESS_COUNT(positions); i++) {
		struct store_conf conf = contract_conf();
		struct store *store;
		uint64_t oldest;

		CU_ASSERT_EQUAL(store_check(&conf, note_finding, NULL), ERR_OK);
		flip(3, positions[i]);
		findings = 0;
		CU_ASSERT_EQUAL(store_check(&conf, note_finding, NULL),
				ERR_DAMAGED);
		CU_ASSERT_EQUAL(findings, 1);
		if (i + 1 < HARNESS_COUNT(positions)) {
			flip(3, positions[i]);
			continue;
		}
		store = contract_open();
		CU_ASSERT_EQUAL(changes_since(store, 0, &oldest), ERR_GONE);
		CU_ASSERT_EQUAL(oldest, 3);
		CU_ASSERT_EQUAL(changes_since(store, 3, &oldest), ERR_OK);
		CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
		contract_close(store);
	}
}

/* The first call that needs room fails: history goes, and it is done again. */
static void history_goes_first_when_the_disk_is_full(void)
{
	struct store_stats stats;
	struct store *store;
	struct gdbm_store *g;

	history_bytes = 1 << 20;
	store = store_of_segments(4);
	g = (struct gdbm_store *)store;
	contract_put(store, "key", "new");
	fault_arm(FAULT_WRITE, 1, ENOSPC);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	CU_ASSERT_TRUE(fault_disarm());
	CU_ASSERT_EQUAL(oldest_since(store), 4);
	CU_ASSERT_EQUAL(history_of(store), 0);
	CU_ASSERT_EQUAL(count_segments(), 2);
	/* There is none any more, so now it is full. */
	contract_put(store, "key", "newer");
	fault_arm(FAULT_WRITE, 1, ENOSPC);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	CU_ASSERT_TRUE(fault_disarm());
	store_stats(store, &stats);
	CU_ASSERT_TRUE(stats.full);
	checkpoint(store);
	store_stats(store, &stats);
	CU_ASSERT_FALSE(stats.full);
	CU_ASSERT_EQUAL(oldest_since(store), 4);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "newer");
	contract_close(store);
}

/* Whichever call of a checkpoint meets a full disk, it succeeds without. */
static void a_checkpoint_gives_history_up_for_room(void)
{
	struct store *store;
	struct gdbm_store *g;
	bool failed = true;

	history_bytes = 1 << 20;
	store = store_of_segments(2);
	g = (struct gdbm_store *)store;
	for (unsigned n = 3; failed && n < 100; n++) {
		contract_put(store, "key", "value");
		checkpoint(store);
		CU_ASSERT(history_of(store) > 0);
		contract_put(store, "key", "value");
		CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
		fault_arm(FAULT_WRITE, n, ENOSPC);
		CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
		failed = fault_disarm();
	}
	CU_ASSERT_FALSE(failed);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
	contract_close(store);
}

/*
 * What was written is sealed all the same, by a small segment; and that one
 * is left as soon as something needs more, also when it is still empty.
 */
static void a_small_segment_is_in_nobody_s_way(void)
{
	static char value[100000];
	struct store_op op =
		op_put(view_of("large"), (struct view){ value, sizeof(value) });
	struct store_conf conf;
	struct store *store;
	struct gdbm_store *g;
	struct stat status;
	uint64_t revision;
	uint64_t oldest;

	history_bytes = 1 << 20;
	segment_bytes = 256 << 10;
	store = contract_open();
	g = (struct gdbm_store *)store;
	contract_put(store, "key", "value");
	fault_arm(FAULT_WRITE, 1, ENOSPC);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
	CU_ASSERT_TRUE(fault_disarm());
	CU_ASSERT_EQUAL(stat(segment_path(2), &status), 0);
	CU_ASSERT(status.st_size < 256 << 10);
	/* Not a second one after it. */
	fault_arm(FAULT_WRITE, 1, ENOSPC);
	CU_ASSERT_EQUAL(rotate_run(g), ERR_FULL);
	CU_ASSERT_TRUE(fault_disarm());
	CU_ASSERT_EQUAL(count_segments(), 2);
	CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
	CU_ASSERT_EQUAL(revision, 2);
	CU_ASSERT_EQUAL(count_segments(), 3);
	CU_ASSERT_EQUAL(changes_since(store, 0, &oldest), ERR_OK);
	/* As if killed, and then stopped as it should be. */
	atomic_store(&g->shared->stopped, true);
	for (int i = 0; i < 3; i++) {
		contract_close(store);
		conf = contract_conf();
		CU_ASSERT_EQUAL(store_check(&conf, note_finding, NULL), ERR_OK);
		store = contract_open();
		CU_ASSERT_STRING_EQUAL(contract_value(store, "key"), "value");
		CU_ASSERT_EQUAL(contract_revision(store), 2);
		CU_ASSERT_EQUAL(oldest_since(store), 0);
	}
	contract_close(store);
	segment_bytes = 65536;
}

/* Without history, and with many tables, it goes table by table. */
static void a_checkpoint_does_with_room_for_one_table(void)
{
	struct store_conf conf;
	struct store *store;
	struct gdbm_store *g;
	bool failed = true;
	unsigned n;

	history_bytes = 0;
	store = contract_open();
	g = (struct gdbm_store *)store;
	for (n = 1; failed && n < 1000; n++) {
		struct store_stats stats;

		for (int i = 0; i < 200; i++) {
			char key[16];

			snprintf(key, sizeof(key), "key %03d", i);
			if ((unsigned)i % 40 == n % 40)
				contract_delete(store, key);
			else if (n == 1 || i % 40 == 0)
				contract_put(store, key, "value");
		}
		CU_ASSERT_EQUAL(rotate_run(g), ERR_OK);
		fault_arm(FAULT_WRITE, n == 1 ? 1000 : n * 3, ENOSPC);
		CU_ASSERT_EQUAL(checkpoint_run(g), ERR_OK);
		failed = fault_disarm() || n == 1;
		store_stats(store, &stats);
		CU_ASSERT_EQUAL(stats.journal_bytes, 0);
		CU_ASSERT_EQUAL(count_segments(), 1);
	}
	CU_ASSERT(n > 10 && n < 1000);
	contract_close(store);
	conf = contract_conf();
	CU_ASSERT_EQUAL(store_check(&conf, note_finding, NULL), ERR_OK);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_segment_of_history_takes_only_what_it_uses),
	HARNESS_TEST(the_oldest_goes_when_there_is_too_much),
	HARNESS_TEST(a_gap_ends_history),
	HARNESS_TEST(damaged_history_is_told_and_given_up),
	HARNESS_TEST(history_goes_first_when_the_disk_is_full),
	HARNESS_TEST(a_checkpoint_gives_history_up_for_room),
	HARNESS_TEST(a_small_segment_is_in_nobody_s_way),
	HARNESS_TEST(a_checkpoint_does_with_room_for_one_table),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/retain", tests, HARNESS_COUNT(tests));
}
