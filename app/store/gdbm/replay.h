/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading the journal from its first needed segment to its end, and telling a
 * torn tail from damage.  Changes nothing; recovery builds the memtables from
 * it, and `librapi check` only looks.
 */
#ifndef STORE_GDBM_REPLAY_H
#define STORE_GDBM_REPLAY_H

#include "store/gdbm/journal.h"

struct replay {
	/* in */
	int dir;
	uint64_t first;    /* segment */
	uint64_t revision; /* that the tables hold; out: the newest read */
	/* Before a segment's frames; or NULL. */
	enum err (*segment)(void *arg, const struct journal_head *head);
	enum err (*frame)(void *arg, const struct journal_head *head,
			  const struct journal_frame *frame, struct view body);
	void *arg;

	/* out */
	uint64_t last;   /* segment that has the newest frame, or `first` */
	uint64_t end;    /* where its frames end */
	uint64_t frames; /* read in all */

	/* out, after ERR_DAMAGED: which file, and what about it */
	char file[JOURNAL_NAME_SIZE];
	struct buf sentence;
};

/*
 * ERR_DAMAGED with the sentence; ERR_FORMAT, ERR_IO, logged; and whatever a
 * callback returns.
 */
enum err replay_run(struct replay *replay);
void replay_release(struct replay *replay);

/* The greatest number of a segment file in the folder, 0 without any. */
enum err replay_greatest(int dir, uint64_t *number);

#endif
