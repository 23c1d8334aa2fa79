/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Damage of every kind to every kind of file that a store is made of.
 *
 * A child makes a store that has lived (history, tables of two generations, a
 * sealed segment, one being written; deletes, expiries) and ends without
 * closing it.  From then on the same files are damaged in one place, and
 * another child opens the store, reads everything, writes, checkpoints and
 * reads again.  It may be refused, with the name of the damaged file and the
 * bytes in the log, or a key may be refused so; nothing else than what was
 * committed may ever be told, nobody crashes and nobody hangs.
 *
 * What may be lost without a word is computed from the frames of the journal
 * (frames.h), and exactly that has to be lost.
 *
 * make check takes places at random, LIBRAPI_TORTURE=1 every seventh byte from
 * a random start; LIBRAPI_SEED repeats a run.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "harness.h"
#include "store/gdbm/engine.h"
#include "torture/dice.h"
#include "torture/frames.h"
#include "torture/seen.h"

#define RUN_MAX 600 /* bytes damaged at one place */
#define TRIES   12  /* of each kind for each file in make check */
#define STRIDE  7   /* ... and between them in the long form */
#define HANG_S  30

/* What the reading child tells. */
struct verdict {
	enum err opened;
	enum err checked;
	uint64_t revision;
	unsigned findings;
	unsigned named; /* ... that name the file and bytes */
	struct seen seen;
	bool ended;
};

static struct verdict *verdict;
static struct kept kept;
static struct frames frames;
static size_t damaged; /* which of its files */
static struct dice dice;

/* Runs in a child whose log `log_fd` takes. */
static int in_child(void (*work)(void), int log_fd)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (log_fd >= 0)
			dup2(log_fd, STDERR_FILENO);
		alarm(HANG_S);
		work();
		_exit(0);
	}
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	return status;
}

static void note(void *arg, const char *file, const char *sentence)
{
	(void)arg;
	verdict->findings++;
	verdict->named += !strcmp(file, kept.files[damaged].name) &&
			  strstr(sentence, "byte") != NULL;
}

/*
 * Afterwards each range is written to, and merged as far as that goes: what
 * was damaged must not come out of that as sound.
 */
static void live(void)
{
	struct store_conf c = lived_conf();
	struct lived mine = *lived; /* what is written here is nobody else's */
	struct store_stats stats;
	struct store *store;

	lived = &mine;
	verdict->checked = store_check(&c, note, NULL);
	verdict->opened = store_open(&c, &store);
	if (verdict->opened)
		goto out;
	store_stats(store, &stats);
	verdict->revision = stats.revision;
	seen_changes(&verdict->seen, store, stats.revision);
	seen_read(&verdict->seen, store, stats.revision);
	lived->revision = stats.revision;
	for (unsigned i = 0; i < LIVED_KEYS; i += 8) {
		enum err err = lived_commit(store, i, 1, 1, 500 + i);

		seen_wrong_if(&verdict->seen, __LINE__,
			      err && err != ERR_DAMAGED);
	}
	if (!rotate_run((struct gdbm_store *)store))
		checkpoint_run((struct gdbm_store *)store);
	seen_read(&verdict->seen, store, lived->revision);
	store_close(store);
out:
	verdict->ended = true;
}

struct attempt {
	enum damage damage;
	size_t at;
	size_t end; /* of the bytes that differ */
};

static bool is(const char *name, const char *part)
{
	return strstr(name, part) != NULL;
}

/* The log says which file, and which of its bytes or lines. */
static bool log_names(const struct buf *log)
{
	const char *name = kept.files[damaged].name;
	char *line = log->size ? strstr(log->data, name) : NULL;

	return line && (strstr(line, "byte") || strstr(line, "line"));
}

static bool is_refused(void)
{
	return verdict->opened == ERR_DAMAGED || verdict->opened == ERR_FORMAT;
}

static bool is_untouched(void)
{
	return !verdict->opened && !verdict->seen.denied &&
	       verdict->revision == lived->revision;
}

static const char *judge_segment(const struct attempt *attempt,
				 const struct buf *log)
{
	const char *name = kept.files[damaged].name;
	uint64_t left =
		frames_left(&frames, damaged, attempt->at, attempt->end);
	bool resized = attempt->damage == DAMAGE_CUT ||
		       attempt->damage == DAMAGE_INSERT ||
		       attempt->damage == DAMAGE_APPEND;

	if (!frames_is_live(&frames, name)) {
		if (!is_untouched())
			return "history is needed";
		return verdict->checked && !verdict->named
			       ? "the check does not say where"
			       : NULL;
	}
	if (resized || attempt->at < JOURNAL_HEAD_SIZE || !left) {
		if (!is_refused() || !verdict->checked)
			return "is not refused";
		return log_names(log) ? NULL : "the log does not say where";
	}
	if (verdict->opened || verdict->seen.denied)
		return "is refused";
	return verdict->revision == left ? NULL : "has lost another part";
}

static const char *judge_table(const struct buf *log)
{
	if (!verdict->checked)
		return "the check finds nothing";
	if (is_refused())
		return log_names(log) ? NULL : "the log does not say where";
	if (verdict->opened || verdict->revision != lived->revision)
		return "does not open as it should";
	return verdict->named || (verdict->findings && log_names(log))
		       ? NULL
		       : "the check does not say where";
}

static const char *what_is_wrong(int status, const struct attempt *attempt,
				 const struct buf *log)
{
	const char *name = kept.files[damaged].name;

	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? "hangs" : "crashes";
	if (status || !verdict->ended)
		return "ends early";
	if (verdict->seen.unlike)
		return err_string(verdict->seen.unlike);
	if (verdict->seen.wrong)
		return "tells what was never committed";
	if (is(name, "LOCK"))
		return is_untouched() && !verdict->checked ? NULL : "is needed";
	if (is(name, "journal-"))
		return judge_segment(attempt, log);
	if (is(name, "table-"))
		return judge_table(log);
	return is_refused() && verdict->checked && log_names(log)
		       ? NULL
		       : "is not refused with file and place";
}

/* Where what was damaged begins and ends to differ. */
static void find_ends(struct attempt *attempt, struct view old,
		      const struct buf *bytes)
{
	const char *was = old.data;
	size_t least = old.size < bytes->size ? old.size : bytes->size;

	attempt->at = 0;
	while (attempt->at < least &&
	       was[attempt->at] == bytes->data[attempt->at])
		attempt->at++;
	attempt->end = old.size;
	if (old.size != bytes->size)
		return;
	while (was[attempt->end - 1] == bytes->data[attempt->end - 1])
		attempt->end--;
}

static void run_damaged(struct attempt *attempt, const struct buf *bytes,
			int log_fd)
{
	struct buf log = BUF_EMPTY;
	const char *wrong;
	int status;

	find_ends(attempt, buf_view(&kept.files[damaged].bytes), bytes);
	kept_write(&kept, harness_path("data"), damaged, buf_view(bytes));
	CU_ASSERT_EQUAL_FATAL(ftruncate(log_fd, 0), 0);
	lseek(log_fd, 0, SEEK_SET);
	*verdict = (struct verdict){ 0 };
	status = in_child(live, log_fd);
	kept_slurp(log_fd, &log);
	buf_add_char(&log, '\0');
	wrong = what_is_wrong(status, attempt, &log);
	CU_ASSERT_PTR_NULL(wrong);
	if (wrong)
		printf("# %s, bytes %zu to %zu, %s: %s; status %d, opened %d, "
		       "checked %d, revision %u, wrong %u in line %d, denied "
		       "%u\n# %s\n",
		       kept.files[damaged].name, attempt->at, attempt->end,
		       damage_names[attempt->damage], wrong, status,
		       verdict->opened, verdict->checked,
		       (unsigned)verdict->revision, verdict->seen.wrong,
		       verdict->seen.line, verdict->seen.denied, log.data);
	buf_release(&log);
}

/* Most of a segment is zeros that were never written. */
static size_t used_bytes(const struct buf *bytes)
{
	size_t used = bytes->size;

	while (used > 1 && bytes->data[used - 1] == 0)
		used--;
	return used + RUN_MAX < bytes->size ? used + RUN_MAX : bytes->size;
}

static unsigned try_file(size_t file, enum damage damage, int log_fd)
{
	const struct buf *original = &kept.files[file].bytes;
	bool all = getenv("LIBRAPI_TORTURE") != NULL;
	size_t used = used_bytes(original);
	struct buf bytes = BUF_EMPTY;
	size_t places = all ? (used + STRIDE - 1) / STRIDE : TRIES;
	unsigned tried = 0;

	damaged = file;
	for (size_t n = 0; n < places; n++) {
		struct attempt attempt = { .damage = damage };
		size_t at = all ? n * STRIDE + dice_roll(&dice, STRIDE)
				: dice_roll(&dice, used);
		size_t size = 1;

		if (at >= used) /* the last step may be a short one */
			at = used - 1;
		if (damage != DAMAGE_FLIP || dice_roll(&dice, 2))
			size += dice_roll(&dice, RUN_MAX);
		if (damage_do(damage, buf_view(original), at, size, &bytes)) {
			run_damaged(&attempt, &bytes, log_fd);
			tried++;
		}
	}
	buf_release(&bytes);
	return tried;
}

/* Damage of each kind to each file whose name begins so. */
static void damage_files(const char *prefix, const char *suffix)
{
	int log_fd = memfd_create("log", MFD_CLOEXEC);
	unsigned tried = 0;
	unsigned files = 0;

	CU_ASSERT_FATAL(log_fd >= 0);
	for (size_t i = 0; i < kept.count; i++) {
		const char *name = kept.files[i].name;

		if (strncmp(name, prefix, strlen(prefix)) || !is(name, suffix))
			continue;
		files++;
		for (int damage = 0; damage < DAMAGES; damage++)
			tried += try_file(i, (enum damage)damage, log_fd);
	}
	printf("# %s*%s: %u damages to %u files\n", prefix, suffix, tried,
	       files);
	CU_ASSERT(files > 0 && tried > files);
	close(log_fd);
}

/* The store as it is when nothing is damaged. */
static void make_store(void)
{
	struct manifest manifest = { 0 };
	struct view none = { 0 };
	int dir;

	memset(lived, 0, sizeof(*lived));
	CU_ASSERT_EQUAL_FATAL(mkdir(harness_path("data"), 0750), 0);
	CU_ASSERT_EQUAL_FATAL(in_child(lived_make, -1), 0);
	kept_release(&kept);
	kept_read(&kept, harness_path("data"));
	dir = open(harness_path("data"), O_RDONLY | O_DIRECTORY);
	CU_ASSERT_EQUAL_FATAL(manifest_read(dir, &manifest), ERR_OK);
	close(dir);
	CU_ASSERT(manifest.table_count >= 3);
	frames_note(&frames, &kept, manifest.first_segment);
	manifest_release(&manifest);
	CU_ASSERT_EQUAL_FATAL(frames.count, 17);
	kept_write(&kept, harness_path("data"), kept.count, none);
	damaged = 0;
	*verdict = (struct verdict){ 0 };
	CU_ASSERT_EQUAL_FATAL(in_child(live, -1), 0);
	CU_ASSERT(verdict->ended && !verdict->checked && !verdict->seen.wrong);
	CU_ASSERT(is_untouched());
}

static void a_damaged_manifest_is_refused(void)
{
	make_store();
	damage_files("MANIFEST", "");
}

static void damage_to_the_journal_is_refused_or_a_torn_tail(void)
{
	make_store();
	damage_files("journal-", ".log");
}

static void damage_to_a_table_denies_keys_and_alters_none(void)
{
	make_store();
	damage_files("table-", ".gdbm");
}

static void damage_to_sorted_keys_denies_listings_and_alters_none(void)
{
	make_store();
	damage_files("table-", ".keys");
}

static void damage_to_the_lock_file_is_nothing(void)
{
	make_store();
	damage_files("LOCK", "");
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_damaged_manifest_is_refused),
	HARNESS_TEST(damage_to_the_journal_is_refused_or_a_torn_tail),
	HARNESS_TEST(damage_to_a_table_denies_keys_and_alters_none),
	HARNESS_TEST(damage_to_sorted_keys_denies_listings_and_alters_none),
	HARNESS_TEST(damage_to_the_lock_file_is_nothing),
};

int main(void)
{
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!lived_share() || verdict == MAP_FAILED)
		return EXIT_FAILURE;
	log_setup(LOG_ERROR, "");
	dice.state = dice_seed();
	printf("# seed %ju\n", (uintmax_t)dice.state);
	return harness_run("torture/damage", tests, HARNESS_COUNT(tests));
}
