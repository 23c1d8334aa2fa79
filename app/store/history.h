/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What has been changed, in memory: a list of changes in the order of
 * revisions, of which the oldest are dropped, whole revisions, when there is
 * more than is to be kept.
 *
 * The changes of a commit are staged one by one and then kept or dropped
 * together, so that a commit that fails leaves no trace.
 */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include "store/store.h"

struct history_entry;

struct history_list {
	struct history_entry *first;
	struct history_entry *last;
};

struct history {
	struct history_list kept;
	struct history_list staged;
	struct history_entry *seen; /* of `kept`, where a look ended; or NULL */
	uint64_t bytes;             /* of `kept` */
	uint64_t max_bytes;
	uint64_t oldest; /* the least `since` that can be had */
};

/*
 * Add a change to those of a commit to be; `record` is NULL unless it is a
 * put.  With `again`, one that is staged for the key gives way to it: a commit
 * changes a key once.  ERR_NO_MEMORY.
 */
enum err history_stage(struct history *history, enum store_verb verb,
		       struct view key, const struct record *record,
		       bool again);

/* The staged changes happened, all under that revision. */
void history_keep(struct history *history, uint64_t revision, int64_t time_ms);

/* They did not. */
void history_drop(struct history *history);

/* As store_changes(), for a store whose newest revision is `revision`. */
enum err
history_look(struct history *history, uint64_t revision, uint64_t since,
	     bool (*each)(void *arg, const struct store_change *change),
	     void *arg, uint64_t *next, uint64_t *oldest);

void history_release(struct history *history);

#endif
