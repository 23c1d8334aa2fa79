/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What surrounds a store: a disk whose use has to stay bounded, a machine
 * without room in /dev/shm, GDBM's own tool in between.
 *
 * LIBRAPI_TORTURE=1 makes the long forms of them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "harness.h"
#include "store/gdbm/engine.h"
#include "torture/others.h"

#define SHORT_UPDATES 4000
#define LONG_UPDATES  1000000
#define LIVE_KEYS     50
#define DISK_MOST     (3 << 20)

static bool is_long(void)
{
	return getenv("LIBRAPI_TORTURE") != NULL;
}

static uint64_t disk_use(void)
{
	DIR *dir = opendir(harness_path("data"));
	struct dirent *entry;
	uint64_t bytes = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir))) {
		struct stat status;

		if (!fstatat(dirfd(dir), entry->d_name, &status, 0))
			bytes += (uint64_t)status.st_blocks * 512;
	}
	closedir(dir);
	return bytes;
}

/* GDBM's files grow without limit under such a load, unless made anew. */
static void updates_of_varying_size_take_a_bounded_disk(void)
{
	static char value[8000];
	struct store *store = contract_open();
	unsigned long updates = is_long() ? LONG_UPDATES : SHORT_UPDATES;
	uint64_t most = 0;
	uint64_t ticket = 0;
	unsigned random = 1;

	for (unsigned long i = 0; i < updates; i++) {
		struct store_op op = op_put(view_of(""), view_of(""));
		struct store_batch batch = { .ops = &op, .op_count = 1 };
		char key[16];

		random = random * 1103515245 + 12345;
		snprintf(key, sizeof(key), "key %u", (random >> 8) % LIVE_KEYS);
		op.key = view_of(key);
		op.value = (struct view){ value, random >> 12 & 4095 };
		if (store_commit(store, &batch, &ticket))
			CU_FAIL("a commit fails");
		if (i % 256 == 0)
			CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
		if (i % 256 == 0 && disk_use() > most)
			most = disk_use();
	}
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	printf("# %lu updates, at most %llu KiB on disk\n", updates,
	       (unsigned long long)most / 1024);
	CU_ASSERT(most < DISK_MOST);
	others_close(store);
}

/* Neither shared memory nor tables being built have to do with it. */
static void use_without_shm(void)
{
	struct store *store;
	char page[4096] = { 0 };
	int fd;

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/dev/shm", "tmpfs", 0, "size=16k"))
		_exit(77);
	fd = open("/dev/shm/filler", O_WRONLY | O_CREAT, 0600);
	while (write(fd, page, sizeof(page)) > 0)
		;
	if (errno != ENOSPC)
		_exit(1);
	store = contract_open();
	others_prepare(store);
	if (checkpoint_run((struct gdbm_store *)store) ||
	    strcmp(contract_value(store, "before"), "value"))
		_exit(1);
	_exit(store_close(store) ? 1 : 0);
}

static void a_full_dev_shm_is_nothing_to_us(void)
{
	char *folder = strdup(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	int status = 0;
	pid_t pid;

	setenv("TMPDIR", "/tmp", 1);
	CU_ASSERT_PTR_NOT_NULL(harness_tmpdir()); /* the child's too */
	setenv("TMPDIR", folder, 1);
	free(folder);
	fflush(stdout);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		use_without_shm();
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("# SKIP: no root, so /dev/shm can't be filled here\n");
	else
		CU_ASSERT_EQUAL(status, 0);
}

static void write_and_merge(struct store *store)
{
	for (;;) {
		others_prepare(store);
		if (checkpoint_run((struct gdbm_store *)store))
			_exit(1);
		clock_sleep_ms(20); /* or no table is there for long enough */
	}
}

/* How often it read a whole table; one that was replaced meanwhile is none. */
static unsigned read_by_gdbmtool(unsigned turns)
{
	char command[1400];
	unsigned read = 0;

	snprintf(command, sizeof(command),
		 "for t in '%s'/*.gdbm; do [ -e $t ] || exit 2; "
		 "gdbmtool -r $t count >'%s' 2>&1 || "
		 "{ [ -e $t ] && exit 1 || exit 2; }; "
		 "grep -q '[1-9]' '%s' || exit 1; done",
		 harness_path("data"), harness_path("told"),
		 harness_path("told"));
	for (unsigned i = 0; i < turns || (!read && i < 1000); i++) {
		int status = system(command);

		CU_ASSERT(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2);
		read += status == 0;
	}
	return read;
}

static void gdbmtool_reads_during_load(void)
{
	struct store *store = contract_open();
	unsigned read;
	pid_t pid;

	if (system("command -v gdbmtool >/dev/null")) {
		printf("# SKIP: gdbmtool is not installed\n");
		contract_close(store);
		return;
	}
	others_prepare(store);
	CU_ASSERT_EQUAL(checkpoint_run((struct gdbm_store *)store), ERR_OK);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		store_attach(store, 1);
		write_and_merge(store);
	}
	read = read_by_gdbmtool(is_long() ? 300 : 20);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	store_reap(store, 1);
	printf("# gdbmtool has read all tables %u times\n", read);
	CU_ASSERT(read > 0);
	others_go_on(store, "number");
	others_close(store);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(updates_of_varying_size_take_a_bounded_disk),
	HARNESS_TEST(a_full_dev_shm_is_nothing_to_us),
	HARNESS_TEST(gdbmtool_reads_during_load),
};

int main(void)
{
	/* In memory, when there is room: nothing here needs a disk. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	contract_use(&others_engine);
	log_setup(LOG_ERROR, "");
	return harness_run("torture/nasty", tests, HARNESS_COUNT(tests));
}
