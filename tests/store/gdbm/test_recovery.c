/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening what a crash, a power cut or a damaged disk left: all that was
 * synced is there, a torn tail is cut off for good, and damage is refused.
 *
 * A crash is a child that ends without closing its store.  What a power cut
 * leaves of the journal is made by hand, byte by byte.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "fault.h"
#include "harness.h"
#include "store/cases.h"
#include "store/gdbm/engine.h"
#include "store/gdbm/small.h"

static void settings(struct store_conf *conf)
{
	small_limits(conf);
	conf->table_max_keys = 8;
	conf->checkpoint_idle_ms = 0;
	conf->history_bytes = 0;
}

static const struct contract_engine engine = { .name = "gdbm",
					       .persists = true,
					       .settings = settings };

/* Run `work` on the store in a child that crashes afterwards. */
static void crash_after(void (*work)(struct store *store))
{
	const char *dir = harness_tmpdir(); /* the child's too */
	pid_t pid = fork();
	int status = 0;

	CU_ASSERT_FATAL(dir && pid >= 0);
	if (pid == 0) {
		work(contract_open());
		_exit(0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL_FATAL(status, 0);
}

static void put_unsynced(struct store *store, const char *key)
{
	struct store_op op = op_put(view_of(key), view_of("value"));
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t ticket;

	if (store_commit(store, &batch, &ticket))
		_exit(1);
}

static void put_a_b_c(struct store *store)
{
	contract_put(store, "a", "value");
	contract_put(store, "b", "value");
	contract_put(store, "c", "value");
}

static void put_a_b_c_unsynced(struct store *store)
{
	put_unsynced(store, "a");
	put_unsynced(store, "b");
	put_unsynced(store, "c");
}

static void put_many(struct store *store)
{
	char key[32];

	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "key %d", i % 100);
		contract_put(store, key, "value");
	}
}

static const char *file_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", harness_path("data"), name);
	return path;
}

static void change_bytes(const char *name, off_t at, const void *bytes,
			 size_t size)
{
	int fd = open(file_of(name), O_RDWR);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pwrite(fd, bytes, size, at), (ssize_t)size);
	close(fd);
}

static void flip_byte(const char *name, off_t at)
{
	int fd = open(file_of(name), O_RDWR);
	char byte;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, at), 1);
	close(fd);
	byte ^= 0x20;
	change_bytes(name, at, &byte, 1);
}

/* Where frame i of a segment begins; frames of a, b and c are alike. */
static off_t frame_at(int i)
{
	size_t record = RECORD_HEAD_SIZE + strlen("text/plain") + 5;
	uint64_t frame = journal_frame_size(journal_op_size(1, record));

	return (off_t)(JOURNAL_HEAD_SIZE + (uint64_t)i * frame);
}

static enum err try_open(void)
{
	struct store_conf conf = contract_conf();
	struct store *store = NULL;
	enum err err = store_open(&conf, &store);

	if (!err)
		contract_close(store);
	return err;
}

static void what_was_synced_survives_a_crash(void)
{
	struct store *store;
	char key[32];

	crash_after(put_many);
	crash_after(put_a_b_c);
	store = contract_open();
	CU_ASSERT_EQUAL(contract_revision(store), 303);
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		CU_ASSERT_STRING_EQUAL(contract_value(store, key), "value");
	}
	CU_ASSERT_STRING_EQUAL(contract_value(store, "c"), "value");
	contract_close(store);
}

/* The last frame of three, cut at every place that a sector might. */
static void a_torn_tail_is_cut_off_for_good(void)
{
	char zeros[512] = { 0 };
	char command[1200];

	for (off_t at = frame_at(2); at < frame_at(3); at += 9) {
		struct store *store;

		snprintf(command, sizeof(command), "rm -rf '%s'",
			 harness_path("data"));
		CU_ASSERT_EQUAL(system(command), 0);
		crash_after(put_a_b_c_unsynced);
		change_bytes("journal-00000001.log", at, zeros,
			     (size_t)(frame_at(3) - at));
		store = contract_open();
		CU_ASSERT_EQUAL(contract_revision(store), 2);
		CU_ASSERT_STRING_EQUAL(contract_value(store, "b"), "value");
		CU_ASSERT(contract_absent(store, "c"));
		CU_ASSERT_EQUAL(contract_put(store, "d", "later"), 3);
		contract_close(store);
		store = contract_open();
		CU_ASSERT(contract_absent(store, "c"));
		CU_ASSERT_STRING_EQUAL(contract_value(store, "d"), "later");
		contract_close(store);
	}
}

static void put_d_synced(struct store *store)
{
	contract_put(store, "d", "later");
}

/* Sectors reach the disk in any order: b is lost, c is not. */
static void what_follows_a_lost_frame_never_comes_back(void)
{
	char zeros[64] = { 0 };
	struct store *store;

	crash_after(put_a_b_c_unsynced);
	change_bytes("journal-00000001.log", frame_at(1), zeros, sizeof(zeros));
	crash_after(put_d_synced);
	store = contract_open();
	CU_ASSERT_EQUAL(contract_revision(store), 2);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "value");
	CU_ASSERT(contract_absent(store, "b"));
	CU_ASSERT(contract_absent(store, "c"));
	CU_ASSERT_STRING_EQUAL(contract_value(store, "d"), "later");
	contract_close(store);
}

static void recover(struct store *store)
{
	(void)store;
}

/* Segment 2, to begin at `revision`; with a frame of it, or without. */
static void put_second_segment(uint64_t revision, bool with_frame)
{
	struct journal_frame frame = { .kind = JOURNAL_COMMIT,
				       .op_count = 1,
				       .revision = revision,
				       .position = JOURNAL_HEAD_SIZE };
	int dir = open(harness_path("data"), O_RDONLY | O_DIRECTORY);
	struct buf bytes = BUF_EMPTY;
	struct journal_head head;
	int fd = -1;

	CU_ASSERT_EQUAL_FATAL(
		journal_create(dir, 2, revision, 65536, &head, &fd), ERR_OK);
	journal_build_begin(&bytes);
	journal_build_op(&bytes, STORE_DELETE, view_of("a"), NULL);
	journal_build_end(&bytes, &head, &frame);
	if (with_frame)
		CU_ASSERT_EQUAL(
			pwrite(fd, bytes.data, bytes.size, JOURNAL_HEAD_SIZE),
			(ssize_t)bytes.size);
	buf_release(&bytes);
	close(fd);
	close(dir);
}

/*
 * A segment was made for revision 6 when a power cut took 4 and 5 away, and
 * the next one came when recovery had sealed what was left, no more.
 */
static void an_empty_segment_for_what_was_lost_is_replaced(void)
{
	struct store *store;

	crash_after(put_a_b_c);
	crash_after(recover);
	put_second_segment(6, false);
	CU_ASSERT_EQUAL_FATAL(try_open(), ERR_OK);
	crash_after(put_d_synced);
	store = contract_open();
	CU_ASSERT_EQUAL(contract_revision(store), 4);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "c"), "value");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "d"), "later");
	contract_close(store);
}

static void a_segment_whose_forerunners_are_missing_is_refused(void)
{
	crash_after(put_a_b_c);
	crash_after(recover);
	put_second_segment(6, true);
	CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
}

static void damage_to_what_was_on_disk_is_refused(void)
{
	crash_after(put_a_b_c);
	for (off_t at = frame_at(0); at < frame_at(1); at += 11) {
		flip_byte("journal-00000001.log", at);
		CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
		flip_byte("journal-00000001.log", at);
	}
	CU_ASSERT_EQUAL(try_open(), ERR_OK);
}

static void put_a_b_c_and_d_in_the_next_segment(struct store *store)
{
	put_a_b_c(store);
	if (rotate_run((struct gdbm_store *)store))
		_exit(1);
	put_d_synced(store);
}

/* A segment is synced before the next one has a frame, be it a single one. */
static void what_is_lost_before_another_segment_is_refused(void)
{
	crash_after(put_a_b_c_and_d_in_the_next_segment);
	for (int i = 0; i < 4; i++) {
		flip_byte("journal-00000001.log", frame_at(i) + 8);
		CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
		flip_byte("journal-00000001.log", frame_at(i) + 8);
	}
	CU_ASSERT_EQUAL(try_open(), ERR_OK);
}

static void a_segment_of_another_length_is_refused(void)
{
	crash_after(put_a_b_c);
	CU_ASSERT_EQUAL(truncate(file_of("journal-00000001.log"), 65535), 0);
	CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
	CU_ASSERT_EQUAL(truncate(file_of("journal-00000001.log"), 65537), 0);
	CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
	CU_ASSERT_EQUAL(truncate(file_of("journal-00000001.log"), 65536), 0);
	CU_ASSERT_EQUAL(try_open(), ERR_OK);
}

static void open_and_die_at_a_sync(unsigned n)
{
	struct store_conf conf = contract_conf();
	struct store *store;
	const char *dir = harness_tmpdir(); /* the child's too */
	pid_t pid = fork();
	int status = 0;

	CU_ASSERT_FATAL(dir && pid >= 0);
	if (pid == 0) {
		fault_arm(FAULT_SYNC, n, FAULT_KILL);
		store_open(&conf, &store);
		_exit(0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFSIGNALED(status));
}

/*
 * Killed, started, killed in that start, and then the plug is pulled: what
 * was never synced may be lost, and nothing may claim that it was on disk.
 */
static void a_recovery_says_that_it_synced_only_when_it_has(void)
{
	char zeros[64] = { 0 };
	struct store *store;

	crash_after(put_a_b_c_unsynced);
	open_and_die_at_a_sync(1);
	change_bytes("journal-00000001.log", frame_at(1), zeros, sizeof(zeros));
	store = contract_open();
	CU_ASSERT_EQUAL(contract_revision(store), 1);
	contract_close(store);
}

/* Call `each` with the names of the data folder that begin so. */
static int count_files(const char *prefix, char first[256])
{
	DIR *dir = opendir(harness_path("data"));
	struct dirent *entry;
	int count = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)))
			continue;
		if (count++ == 0)
			snprintf(first, 256, "%s", entry->d_name);
	}
	closedir(dir);
	return count;
}

static void checkpointed_store(void)
{
	struct store *store = contract_open();

	put_many(store);
	contract_close(store);
}

static void a_missing_table_is_refused(void)
{
	char name[256];
	char gone[512];

	checkpointed_store();
	CU_ASSERT_FATAL(count_files("table-", name) > 2);
	strcpy(strrchr(name, '.'), ".gdbm");
	snprintf(gone, sizeof(gone), "%s", file_of(name));
	CU_ASSERT_EQUAL(rename(gone, harness_path("kept")), 0);
	CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
	CU_ASSERT_EQUAL(rename(harness_path("kept"), gone), 0);
	CU_ASSERT_EQUAL(try_open(), ERR_OK);
}

static void a_table_that_was_cut_is_refused(void)
{
	char name[256];
	struct stat status;

	checkpointed_store();
	count_files("table-", name);
	strcpy(strrchr(name, '.'), ".gdbm");
	CU_ASSERT_EQUAL(stat(file_of(name), &status), 0);
	CU_ASSERT_EQUAL(truncate(file_of(name), status.st_size - 1), 0);
	CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
}

static void a_missing_keys_file_is_made_anew(void)
{
	struct store *store;
	char name[256];

	checkpointed_store();
	count_files("table-", name);
	strcpy(strrchr(name, '.'), ".keys");
	CU_ASSERT_EQUAL(unlink(file_of(name)), 0);
	store = contract_open();
	CU_ASSERT_EQUAL(access(file_of(name), F_OK), 0);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "key 0"), "value");
	contract_close(store);
}

static void a_store_without_its_manifest_is_refused(void)
{
	checkpointed_store();
	CU_ASSERT_EQUAL(unlink(file_of("MANIFEST")), 0);
	CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
}

static void a_first_segment_with_commits_but_no_manifest_is_refused(void)
{
	crash_after(put_a_b_c);
	CU_ASSERT_EQUAL(unlink(file_of("MANIFEST")), 0);
	CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
}

static void a_store_that_was_not_finished_is_made_again(void)
{
	struct store *store = contract_open();

	contract_close(store);
	CU_ASSERT_EQUAL(unlink(file_of("MANIFEST")), 0);
	store = contract_open();
	CU_ASSERT_EQUAL(contract_put(store, "a", "value"), 1);
	contract_close(store);
}

static void a_missing_segment_is_refused(void)
{
	char name[256];

	crash_after(put_many);
	CU_ASSERT_FATAL(count_files("journal-", name) > 0);
	CU_ASSERT_EQUAL(unlink(file_of("journal-00000001.log")), 0);
	CU_ASSERT_EQUAL(try_open(), ERR_DAMAGED);
}

static void another_format_version_is_refused(void)
{
	static const uint32_t two = 2;

	crash_after(put_a_b_c);
	change_bytes("journal-00000001.log", 16, &two, sizeof(two));
	CU_ASSERT_EQUAL(try_open(), ERR_FORMAT);
}

static void a_manifest_of_another_kind_is_refused(void)
{
	FILE *file;

	checkpointed_store();
	file = fopen(file_of("MANIFEST"), "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("MANIFEST-000004\n", file);
	fclose(file);
	CU_ASSERT_EQUAL(try_open(), ERR_FORMAT);
}

static void a_second_owner_is_refused(void)
{
	struct store *store = contract_open();
	pid_t pid = fork();
	int status = 0;

	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		/* The child's copy of the lock is the parent's lock. */
		_exit(execl("/bin/true", "true", NULL));
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(try_open(), ERR_OWNED);
	contract_close(store);
	CU_ASSERT_EQUAL(try_open(), ERR_OK);
}

static size_t memtable_bytes;

static void room_for_more(struct store_conf *conf)
{
	settings(conf);
	conf->journal_segment_bytes = 1 << 20;
	conf->journal_max_bytes = 4 << 20;
	conf->memtable_bytes = memtable_bytes;
}

static void put_thousands(struct store *store)
{
	for (int i = 0; i < 4000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		put_unsynced(store, key);
	}
	contract_put(store, "last", "value");
}

static void a_journal_is_replayed_whatever_the_settings_are_now(void)
{
	static const struct contract_engine large = {
		.name = "gdbm", .persists = true, .settings = room_for_more
	};
	struct store *store;

	contract_use(&large);
	memtable_bytes = 1 << 20;
	crash_after(put_thousands);
	memtable_bytes = 65536;
	store = contract_open();
	CU_ASSERT_EQUAL(contract_revision(store), 4001);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "3999"), "value");
	CU_ASSERT_STRING_EQUAL(contract_value(store, "last"), "value");
	contract_close(store);
	contract_use(&engine);
}

/* One put with the n-th call failing: then it is there or it is not. */
static void put_with_fault(enum fault fault, unsigned n, int errnum,
			   bool *failed, bool *acknowledged)
{
	struct store *store = contract_open();
	struct store_op op = op_put(view_of("new"), view_of("value"));
	struct store_batch batch = { .ops = &op, .op_count = 1 };
	uint64_t ticket = 0;
	enum err err;

	fault_arm(fault, n, errnum);
	err = store_commit(store, &batch, &ticket);
	if (!err)
		err = store_sync(store, ticket);
	*failed = fault_disarm();
	*acknowledged = err == ERR_OK;
	CU_ASSERT(err == ERR_OK || *failed);
	CU_ASSERT_STRING_EQUAL(contract_value(store, "a"), "value");
	store_close(store);
}

static void a_put_is_whole_or_absent_whichever_call_fails(void)
{
	static const int errnums[] = { EIO, ENOSPC, ENOMEM, EDQUOT };
	bool failed = true;

	for (size_t e = 0; e < HARNESS_COUNT(errnums); e++) {
		unsigned n = 1;

		for (failed = true; failed; n++) {
			char command[1200];
			bool acknowledged;
			struct store *store;

			snprintf(command, sizeof(command), "rm -rf '%s'",
				 harness_path("data"));
			CU_ASSERT_EQUAL(system(command), 0);
			crash_after(put_a_b_c);
			put_with_fault(errnums[e] == ENOMEM ? FAULT_MEMORY
							    : FAULT_WRITE,
				       n, errnums[e], &failed, &acknowledged);
			store = contract_open();
			CU_ASSERT_STRING_EQUAL(contract_value(store, "c"),
					       "value");
			if (acknowledged)
				CU_ASSERT_STRING_EQUAL(
					contract_value(store, "new"), "value");
			CU_ASSERT_EQUAL(contract_revision(store),
					contract_absent(store, "new") ? 3 : 4);
			contract_close(store);
		}
		CU_ASSERT(errnums[e] == ENOMEM || n > 2);
	}
}

/* A checkpoint, which also splits, with the n-th call failing. */
static void a_checkpoint_loses_nothing_whichever_call_fails(void)
{
	static const enum fault faults[] = { FAULT_WRITE, FAULT_READ,
					     FAULT_MEMORY };

	for (size_t f = 0; f < HARNESS_COUNT(faults); f++) {
		struct store *store = contract_open();
		bool failed = true;
		unsigned n;

		put_many(store);
		for (n = 1; failed && n < 5000; n++) {
			char key[32];

			snprintf(key, sizeof(key), "key %u", n * 37 % 100);
			contract_put(store, key, "value");
			fault_arm(faults[f], n, EIO);
			store_housekeep(store, 0);
			failed = fault_disarm();
			CU_ASSERT_STRING_EQUAL(contract_value(store, key),
					       "value");
			if (failed)
				clock_sleep_ms(1);
		}
		CU_ASSERT(n < 5000);
		for (int i = 0; i < 100; i++) {
			char key[32];

			snprintf(key, sizeof(key), "key %d", i);
			CU_ASSERT_STRING_EQUAL(contract_value(store, key),
					       "value");
		}
		store_close(store);
		CU_ASSERT_EQUAL(try_open(), ERR_OK);
	}
}

static unsigned failing_call;

static void checkpoint_with_a_fault(struct store *store)
{
	struct gdbm_store *g = (struct gdbm_store *)store;

	for (int i = 0; i < 3; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%u", i + failing_call);
		contract_put(store, key, "value");
	}
	if (rotate_run(g))
		_exit(1);
	fault_arm(FAULT_WRITE, failing_call, EIO);
	checkpoint_run(g);
	_exit(fault_disarm() ? 0 : 2);
}

/* ... and then a crash, whatever the checkpoint had come to. */
static void a_failed_checkpoint_and_a_crash_lose_nothing(void)
{
	const char *dir = harness_tmpdir(); /* the child's too */
	int status = 0;

	for (failing_call = 1; status == 0 && failing_call < 200;
	     failing_call++) {
		struct store *store;
		pid_t pid = fork();

		CU_ASSERT_FATAL(dir && pid >= 0);
		if (pid == 0)
			checkpoint_with_a_fault(contract_open());
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		store = contract_open();
		for (unsigned i = 0; i < 3 + failing_call - 1; i++) {
			char key[16];

			snprintf(key, sizeof(key), "%u", i + 1);
			CU_ASSERT_STRING_EQUAL(contract_value(store, key),
					       "value");
		}
		contract_close(store);
	}
	CU_ASSERT(failing_call > 10 && WEXITSTATUS(status) == 2);
}

/* Opening after a crash with the n-th call failing, then without. */
static void an_interrupted_recovery_can_be_done_again(void)
{
	uint64_t expected = 300;
	bool failed = true;
	unsigned n;

	crash_after(put_many);
	for (n = 1; failed && n < 5000; n++) {
		struct store_conf conf = contract_conf();
		struct store *store = NULL;
		enum err err;

		fault_arm(FAULT_WRITE, n, EIO);
		err = store_open(&conf, &store);
		failed = fault_disarm();
		CU_ASSERT(failed || err == ERR_OK);
		if (err)
			continue;
		CU_ASSERT_EQUAL(contract_revision(store), expected);
		CU_ASSERT_STRING_EQUAL(contract_value(store, "key 99"),
				       "value");
		contract_close(store);
		if (failed) {
			crash_after(put_a_b_c);
			expected += 3;
		}
	}
	CU_ASSERT(n > 5 && n < 5000);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_was_synced_survives_a_crash),
	HARNESS_TEST(a_torn_tail_is_cut_off_for_good),
	HARNESS_TEST(what_follows_a_lost_frame_never_comes_back),
	HARNESS_TEST(an_empty_segment_for_what_was_lost_is_replaced),
	HARNESS_TEST(a_segment_whose_forerunners_are_missing_is_refused),
	HARNESS_TEST(damage_to_what_was_on_disk_is_refused),
	HARNESS_TEST(what_is_lost_before_another_segment_is_refused),
	HARNESS_TEST(a_segment_of_another_length_is_refused),
	HARNESS_TEST(a_recovery_says_that_it_synced_only_when_it_has),
	HARNESS_TEST(a_missing_table_is_refused),
	HARNESS_TEST(a_table_that_was_cut_is_refused),
	HARNESS_TEST(a_missing_keys_file_is_made_anew),
	HARNESS_TEST(a_store_without_its_manifest_is_refused),
	HARNESS_TEST(a_first_segment_with_commits_but_no_manifest_is_refused),
	HARNESS_TEST(a_store_that_was_not_finished_is_made_again),
	HARNESS_TEST(a_missing_segment_is_refused),
	HARNESS_TEST(another_format_version_is_refused),
	HARNESS_TEST(a_manifest_of_another_kind_is_refused),
	HARNESS_TEST(a_second_owner_is_refused),
	HARNESS_TEST(a_journal_is_replayed_whatever_the_settings_are_now),
	HARNESS_TEST(a_put_is_whole_or_absent_whichever_call_fails),
	HARNESS_TEST(a_checkpoint_loses_nothing_whichever_call_fails),
	HARNESS_TEST(a_failed_checkpoint_and_a_crash_lose_nothing),
	HARNESS_TEST(an_interrupted_recovery_can_be_done_again),
};

int main(void)
{
	contract_use(&engine);
	return harness_run("store/gdbm/recovery", tests, HARNESS_COUNT(tests));
}
