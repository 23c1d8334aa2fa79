/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which segments stay when the store itself needs them no more, as history
 * for store_changes(): those from shared->history up to where the live ones
 * begin.  MANIFEST does not name them: history is whatever run of segments
 * stands before its first one without a gap, each beginning at no later a
 * revision than the next.  So it needs no care to be there after a restart,
 * and a person may remove its oldest files.
 *
 * A segment was allocated in full; what it does not use is given back when it
 * becomes history.  Small ones come in numbers when a store writes little and
 * checkpoints when idle, so their number is limited as well.
 *
 * `history` only rises.  It is raised before files go; who meets a missing
 * file looks at it again.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/engine.h"

#define SEGMENTS_MOST 4096
#define BLOCK_SIZE    4096 /* what the smallest file takes, about */

static void raise_to(_Atomic uint64_t *value, uint64_t least)
{
	uint64_t now = atomic_load(value);

	while (now < least && !atomic_compare_exchange_weak(value, &now, least))
		;
}

/* The head of a segment; a missing one is ERR_NOT_FOUND. */
static enum err head_of(struct gdbm_store *g, uint64_t number,
			struct journal_head *head)
{
	char name[JOURNAL_NAME_SIZE];
	int fd;
	enum err err = journal_open(g->dir, number, O_RDONLY, head, &fd);

	journal_name(number, name);
	if (!err)
		file_close(&fd, name);
	return err;
}

/* What a segment takes on disk; 0 when it is not there. */
static uint64_t size_of(const struct gdbm_store *g, uint64_t number)
{
	char name[JOURNAL_NAME_SIZE];
	struct stat status;

	journal_name(number, name);
	if (fstatat(g->dir, name, &status, 0))
		return 0;
	return ((uint64_t)status.st_size + BLOCK_SIZE - 1) / BLOCK_SIZE *
	       BLOCK_SIZE;
}

enum err retain_from(struct gdbm_store *g, uint64_t number)
{
	struct journal_head head;
	enum err err = head_of(g, number, &head);

	if (err)
		return err;
	raise_to(&g->shared->history, number);
	raise_to(&g->shared->history_since, head.first_revision - 1);
	return ERR_OK;
}

/* Walk back from the live segments; a gap, or what doesn't fit, ends it. */
enum err retain_begin(struct gdbm_store *g)
{
	uint64_t first = g->manifest.first_segment;
	struct journal_head next;
	struct journal_head head;
	enum err err = head_of(g, first, &next);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
	for (; first > 1; first--) {
		err = head_of(g, first - 1, &head);
		if (err || head.first_revision > next.first_revision)
			break;
		next = head;
	}
	atomic_store(&g->shared->history, first);
	atomic_store(&g->shared->history_since, next.first_revision - 1);
	retain_trim(g);
	return ERR_OK;
}

void retain_sealed(struct gdbm_store *g, uint64_t number)
{
	const struct segment *segment = shared_segment(g->shared, number);
	uint64_t end = atomic_load(&segment->tail) + JOURNAL_FRAME_HEAD_SIZE;
	struct journal_head head;
	char name[JOURNAL_NAME_SIZE];
	int fd;

	if (journal_open(g->dir, number, O_RDWR, &head, &fd))
		return;
	journal_name(number, name);
	if (end < head.capacity)
		file_truncate(fd, name, (int64_t)end);
	file_close(&fd, name);
}

void retain_trim(struct gdbm_store *g)
{
	uint64_t begin = atomic_load(&g->shared->history);
	uint64_t first = atomic_load(&g->shared->oldest);
	uint64_t bytes = 0;
	uint64_t n;

	for (n = first; n > begin && first - n < SEGMENTS_MOST; n--) {
		uint64_t size = size_of(g, n - 1);

		if (size == 0 || size > g->conf.history_bytes - bytes)
			break;
		bytes += size;
	}
	if (n > begin && retain_from(g, n))
		return;
	atomic_store(&g->shared->history_bytes, bytes);
}

bool retain_give_up(struct gdbm_store *g)
{
	uint64_t begin = atomic_load(&g->shared->history);
	uint64_t first = atomic_load(&g->shared->oldest);
	char name[JOURNAL_NAME_SIZE];

	if (begin >= first || retain_from(g, first))
		return false;
	for (uint64_t n = begin; n < first; n++) {
		journal_name(n, name);
		file_remove(g->dir, name);
	}
	atomic_store(&g->shared->history_bytes, 0);
	log_event(LOG_WARN, "history-dropped", "reason", err_string(ERR_FULL),
		  NULL);
	return true;
}
