/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The store: keys in bytewise order, a record for each, and one 64-bit
 * revision that every commit raises by one.  This is the whole of what the
 * floors above know about storage; `store.c` holds the table of engines and
 * the checks that are the same for all of them.
 *
 * Calling sequence
 *
 *   supervisor:  store_open          recovers, owns the data
 *                store_reap(slot)    a child that had this slot has died
 *                store_close         after all children have gone
 *   its children, each with a slot of its own, after fork:
 *                store_attach(slot), then any of the calls below
 *   housekeeper: store_housekeep     in a loop
 *
 * A process that opens a store for itself alone (tests, `librapi dump`) may
 * call everything without store_attach.
 *
 * Durability has two steps, so that a worker can make many commits durable by
 * one sync: store_commit() applies the change and returns a ticket, and
 * store_sync(ticket) waits until it is on disk.  Between the two, other
 * commits see the change (they build on it) but no reader does.  Whoever
 * answers a client must sync first, also when the answer is a failed
 * condition: it may rest on a change that is not yet durable.
 *
 * Promises, for every engine (tests/store/contract.c):
 *  - operations are linearizable; a commit is wholly there or wholly absent;
 *  - revisions have no gap and no repeat, across restarts too;
 *  - no read shows what a crash could still take away;
 *  - an expired key is absent at once;
 *  - what a watcher is told of is durable, in order, and told once;
 *  - what store_get() has said at *revision is true while the key's mark is
 *    not newer, but for its expiry.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/marks.h"
#include "store/record.h"

#define STORE_KEY_MAX   1024
#define STORE_SLOTS_MAX 256 /* processes attached at one time */

struct store; /* one open store; an engine begins its own struct with it */

struct store_conf {
	const char *engine;   /* "gdbm" or "memory" */
	const char *data_dir; /* the gdbm engine's folder */
	uint64_t value_max_bytes;
	uint64_t lock_timeout_ms;
	uint64_t journal_segment_bytes;
	uint64_t journal_max_bytes;
	uint64_t memtable_bytes;
	uint64_t table_max_keys;
	uint64_t table_max_bytes;
	uint64_t read_cache_bytes; /* of each process */
	uint64_t checkpoint_idle_ms;
	uint64_t expiry_interval_ms;
	uint64_t history_bytes;
	int64_t (*wall_ms)(void); /* NULL: the system's clock */
	bool existing; /* make none where the folder holds no store */

	/* Raised for each key that changes, before a reader can see it; all
	 * zero at the open; NULL: nobody wants to know. */
	struct marks *marks;
};

/*
 * Open, and recover what the last owner left behind.  ERR_OWNED when another
 * process has it (its pid is logged), ERR_NOT_FOUND when it has to be there
 * and is not (nothing was made then), ERR_ACCESS, ERR_FORMAT, ERR_DAMAGED,
 * ERR_FULL, ERR_IO, ERR_NO_MEMORY, ERR_SETTING for an unknown engine: each is
 * logged with the file and what to do, and nothing has been changed that an
 * older state could need.
 */
enum err store_open(const struct store_conf *conf, struct store **out);

/*
 * Close in the process that opened it: a clean stop, after which all is in
 * the tables.  The store is gone whatever the result; a failure means only
 * that the next open has something to recover.
 */
enum err store_close(struct store *store);

/* In a child, once, before any other call: slot < STORE_SLOTS_MAX. */
enum err store_attach(struct store *store, unsigned slot);

/* In the parent, once the process with that slot is known to be dead. */
void store_reap(struct store *store, unsigned slot);

/*
 * In a child, about once a second, whatever else it does: let go of files that
 * have been replaced, so that their room on disk comes back.
 */
void store_idle(struct store *store);

/*
 * The newest durable record of a key.  `hold` keeps the bytes that the views
 * in *record point into; it is cleared first.
 *
 * ERR_NOT_FOUND, ERR_KEY and ERR_KEY_TOO_LONG, ERR_IO, ERR_DAMAGED,
 * ERR_NO_MEMORY.  *revision (may be NULL) is the store's revision that the
 * answer belongs to, set also with ERR_NOT_FOUND.
 */
enum err store_get(struct store *store, struct view key, struct buf *hold,
		   struct record *record, uint64_t *revision);

struct store_range {
	struct view prefix; /* only keys that begin with it; may be empty */
	struct view after;  /* only keys greater than it; data NULL: all */
	bool values;        /* false: record.value has its size, data NULL */
};

/*
 * Call `each` for every live key of the range in bytewise order, all at one
 * durable revision, until it returns false.  Views are good for one call.
 * The cost depends on the keys visited, not on those in the store.
 */
enum err store_list(struct store *store, const struct store_range *range,
		    bool (*each)(void *arg, struct view key,
				 const struct record *record),
		    void *arg, uint64_t *revision);

/* What must be true of a key for a commit; an expired key is absent. */
enum store_test {
	STORE_EXISTS,
	STORE_ABSENT,
	STORE_REVISION_IN,     /* exists, with one of the revisions */
	STORE_REVISION_NOT_IN, /* absent, or with none of the revisions */
};

struct store_condition {
	struct view key;
	enum store_test test;
	const uint64_t *revisions;
	size_t revision_count;

	uint64_t current; /* out: the key's revision, 0 when absent */
	bool holds;       /* out */
};

/*
 * STORE_EXPIRE is the housekeeper's: a delete of a key that has expired.
 * STORE_GET changes nothing.  (The first three are also on disk.)
 */
enum store_verb { STORE_PUT, STORE_DELETE, STORE_EXPIRE, STORE_GET };

/*
 * `decide`, when not NULL, is called inside the write lock with the live
 * record that the operation finds, NULL when the key is absent.  It sees what
 * earlier operations of the batch did: such a record has revision 0, since the
 * commit has none yet.  Its views are good for this call.
 *
 * It may change verb, value, type and expires_ms; what they then point at has
 * to live until store_commit() returns.  An error that it returns fails the
 * whole batch: store_commit() returns that error and nothing was changed.
 *
 * It is called after all conditions held, in the order of the operations, and
 * maybe more than once, when an engine has to try again: each try begins with
 * the first operation, and the operations are as the caller gave them.  In a
 * batch that only reads it is called once, and must leave the verb alone.
 * Others wait meanwhile: it must neither block nor call the store.
 */
struct store_op {
	enum store_verb verb;
	struct view key;
	struct view value;  /* STORE_PUT */
	struct view type;   /* STORE_PUT; up to RECORD_TYPE_MAX bytes */
	int64_t expires_ms; /* STORE_PUT; wall clock, 0 never */

	enum err (*decide)(void *arg, struct store_op *op,
			   const struct record *found);
	void *decide_arg;

	/* A put whose `existed` nobody wants to know (it means nothing then)
	 * and that has no `decide`: an engine needs not look for the key. */
	bool blind;

	bool existed; /* out: the key was live just before */
};

/*
 * Conditions and operations that happen together or not at all, under one
 * revision.  Keys may repeat: operations apply in order, and each sees those
 * before it.  Everything pointed at is the caller's.
 *
 * A batch whose operations are all STORE_GET, or that has only conditions, only
 * reads: it takes no lock, waits for nobody, and sees all of its keys at one
 * durable revision.
 */
struct store_batch {
	struct store_condition *conditions;
	size_t condition_count;
	struct store_op *ops;
	size_t op_count;

	uint64_t revision;   /* out: of this commit, 0 when nothing changed */
	int64_t modified_ms; /* out: the time it was stamped with */
	/* out, also with ERR_CONDITION: its keys were seen as they are at this
	 * revision, which is durable once the ticket is synced */
	uint64_t read_revision;
};

/*
 * Test and apply.  A delete of an absent key changes nothing; a batch that
 * changes nothing takes no revision.
 *
 * *ticket is always set, also with ERR_CONDITION: sync it before answering.
 *
 * ERR_CONDITION (every condition's `current` and `holds` are set), ERR_KEY,
 * ERR_KEY_TOO_LONG, ERR_VALUE_TOO_LARGE, ERR_BATCH_TOO_LARGE (all of it has to
 * fit one segment of the journal and its index), ERR_BUSY, ERR_FULL,
 * ERR_STOPPED, ERR_IO, ERR_DAMAGED, ERR_NO_MEMORY, and what a `decide`
 * returned: nothing was changed.
 */
enum err store_commit(struct store *store, struct store_batch *batch,
		      uint64_t *ticket);

/*
 * Delete every live key that begins with the prefix (an empty one: all) in one
 * atomic revision.  *deleted is how many; without any, nothing changes and
 * *revision is 0.  *ticket as with store_commit().
 *
 * Other writers wait while the keys are collected, a few microseconds a key.
 * ERR_BATCH_TOO_LARGE, after nothing was changed, when the deletes don't fit
 * one segment of the journal and its index: with default settings some 250,000
 * keys of 100 bytes.  Otherwise as store_commit().
 */
enum err store_delete_prefix(struct store *store, struct view prefix,
			     uint64_t *deleted, uint64_t *revision,
			     uint64_t *ticket);

/*
 * Wait until everything up to the ticket is on disk.  ERR_STOPPED or ERR_IO
 * when it can't be known to be: the store then takes no writes until it is
 * opened again, and the answer to the client must say failure.  ERR_BUSY when
 * whoever syncs did not come back within the lock timeout, ERR_NO_MEMORY when
 * this process could not open the journal: the fate of the write is unknown.
 *
 * The only call that another thread may make while the process uses the store,
 * one at a time.
 */
enum err store_sync(struct store *store, uint64_t ticket);

/*
 * What was changed, from the journal: the segments that wait for a checkpoint
 * and, behind them, up to history_bytes of those that had theirs.  It is there
 * after a restart; when the disk is full it is what is given up first.
 */
struct store_change {
	uint64_t revision;
	int64_t time_ms;      /* of the commit */
	enum store_verb verb; /* STORE_PUT, STORE_DELETE, STORE_EXPIRE */
	struct view key;
	struct record record; /* of a STORE_PUT, with the value */
	bool last;            /* of its revision */
};

/*
 * Call `each` for every change of a revision > since, in the order of
 * revisions, only durable ones, until it returns false.  A commit changes a
 * key once; a key that was put by two commits appears twice.  Views are good
 * for one call.
 *
 * *next is where to go on: the newest revision of which all changes were
 * visited.  `each` may stop anywhere, but only whole revisions count: when it
 * returns false for a change that is not the `last` of its revision, that
 * revision comes again, from its first change, with since = *next.
 *
 * Going on where one of the last few calls of this process stopped costs only
 * what is new; another `since` costs a look through one segment.  So many
 * readers can be served by one tail and, for those behind, by calls that stop
 * after a while.
 *
 * ERR_GONE when changes after `since` are no longer kept, or `since` is newer
 * than the store (which was restored from a backup): *oldest, always set, is
 * the least `since` that can be had; list, and begin anew from the revision
 * of the listing.  ERR_IO, ERR_DAMAGED, ERR_NO_MEMORY.  Sets *next to `since`
 * when it fails before the first change.
 */
enum err store_changes(struct store *store, uint64_t since,
		       bool (*each)(void *arg,
				    const struct store_change *change),
		       void *arg, uint64_t *next, uint64_t *oldest);

/*
 * A descriptor for poll(2) and epoll(7), always the same one, the store's.
 * Call this before every wait with the revision that you have seen all changes
 * of: the descriptor is not readable then, and becomes so once there is a
 * newer one (at once, if there is by now).  So it costs one wake a sync, and
 * only while somebody waits.
 *
 * For one process at a time: two would take each other's wakes away.  A wake
 * is lost when the process that owes it is killed at that very moment, so look
 * once in a while (a heartbeat will do) all the same.
 */
int store_changes_fd(struct store *store, uint64_t since);

/*
 * The store as it is now, frozen: a store of its own for store_list(),
 * store_get() and, at the end, store_close(); nothing else may be called.
 * Only keys that begin with `prefix` are in it.  *revision is the durable one
 * that it shows for as long as it is open, while others write on; a key that
 * expires later stays.
 *
 * It holds nobody back.  What it costs (gdbm): at the beginning one pass over
 * the keys that wait for a checkpoint, whose index is copied (some 60 bytes
 * and the key, each); until it is closed the disk space of the files it shows,
 * which are kept by hard links in a folder snapshot-SLOT.N of the data
 * directory.  What a killed process leaves of it is removed by store_reap()
 * and by the next start.  ERR_FULL, ERR_IO, ERR_NO_MEMORY.
 */
enum err store_snapshot(struct store *store, struct view prefix,
			struct store **snapshot, uint64_t *revision);

/*
 * One turn of the housekeeper: waits up to timeout_ms for work to fall due
 * and does it (checkpoint, expiry).  A failure is logged, and the next turn
 * tries again.
 */
enum err store_housekeep(struct store *store, long timeout_ms);

/*
 * Upper bounds of the buckets that syncs are counted in, in microseconds; the
 * last one has none (UINT64_MAX).
 */
#define STORE_SYNC_BUCKETS 14
extern const uint64_t store_sync_bounds_us[STORE_SYNC_BUCKETS];

/*
 * Commits that one sync made durable are counted in buckets, too: up to 1, 2,
 * 4 and so on; the last one has no bound.
 */
#define STORE_BATCH_BUCKETS 12

/* Counters rise from 0 when the store is opened. */
struct store_stats {
	uint64_t revision; /* newest durable */
	uint64_t keys;     /* in the tables, of the last checkpoint */
	uint64_t tables;
	uint64_t table_bytes;
	uint64_t journal_bytes;  /* written since the last checkpoint */
	uint64_t memtable_bytes; /* memory that the index of the journal uses */
	uint64_t history_bytes;  /* of journal kept for store_changes() alone */
	uint64_t oldest;         /* the least `since` for store_changes() */
	uint64_t commits;        /* counter: that took a revision */
	uint64_t expired;        /* counter: keys */
	uint64_t cache_hits;     /* counter: reads of a record from memory */
	uint64_t cache_misses;   /* counter: those of a file */
	uint64_t syncs;          /* counter: that made commits durable */
	uint64_t sync_us;        /* counter: time that they took */
	uint64_t sync_counts[STORE_SYNC_BUCKETS]; /* counter: each bucket */
	uint64_t batched; /* counter: commits that syncs made durable */
	uint64_t batch_counts[STORE_BATCH_BUCKETS]; /* counter: syncs */
	uint64_t checkpoints;                       /* counter */
	uint64_t checkpoint_us;                     /* counter */
	uint64_t checkpoint_failures;               /* counter */
	bool writable; /* false: store_commit says ERR_STOPPED */
	bool full;     /* the last allocation met ERR_FULL */
};

/* From memory, at once; never fails. */
void store_stats(struct store *store, struct store_stats *stats);

/* The name of the store's engine, as in the settings. */
const char *store_engine_name(const struct store *store);

/*
 * Verify everything of a closed store: each file, checksum and invariant.
 * Calls `report` for each finding with the file and a sentence.  ERR_OK when
 * all is well, ERR_DAMAGED when there were findings, else as store_open().
 * Changes nothing of it.
 */
enum err store_check(const struct store_conf *conf,
		     void (*report)(void *arg, const char *file,
				    const char *sentence),
		     void *arg);

/* For engines: whether the condition is true of its `current` revision. */
bool store_condition_holds(const struct store_condition *condition);

/* For engines: whether all operations are STORE_GET. */
bool store_only_reads(const struct store_batch *batch);

/*
 * For engines: ask the operation's `decide`, when it has one, and see that
 * what it made of the operation keeps the limits.
 */
enum err store_decide(const struct store *store, struct store_op *op,
		      const struct record *found);

/* For engines: the bucket of a sync of that duration, of so many commits. */
size_t store_sync_bucket(uint64_t duration_us);
size_t store_batch_bucket(uint64_t commits);

/*
 * An engine: a const table of functions, each as the store_ function of the
 * same name; store.c has checked keys, sizes and engine names before.
 */
struct store_engine {
	const char *name;
	enum err (*open)(const struct store_conf *conf, struct store **out);
	enum err (*close)(struct store *store);
	enum err (*attach)(struct store *store, unsigned slot);
	void (*reap)(struct store *store, unsigned slot);
	void (*idle)(struct store *store);
	enum err (*get)(struct store *store, struct view key, struct buf *hold,
			struct record *record, uint64_t *revision);
	enum err (*list)(struct store *store, const struct store_range *range,
			 bool (*each)(void *arg, struct view key,
				      const struct record *record),
			 void *arg, uint64_t *revision);
	enum err (*commit)(struct store *store, struct store_batch *batch,
			   uint64_t *ticket);
	enum err (*delete_prefix)(struct store *store, struct view prefix,
				  uint64_t *deleted, uint64_t *revision,
				  uint64_t *ticket);
	enum err (*sync)(struct store *store, uint64_t ticket);
	enum err (*changes)(struct store *store, uint64_t since,
			    bool (*each)(void *arg,
					 const struct store_change *change),
			    void *arg, uint64_t *next, uint64_t *oldest);
	int (*changes_fd)(struct store *store, uint64_t since);
	enum err (*snapshot)(struct store *store, struct view prefix,
			     struct store **snapshot, uint64_t *revision);
	enum err (*housekeep)(struct store *store, long timeout_ms);
	void (*stats)(struct store *store, struct store_stats *stats);
	enum err (*check)(const struct store_conf *conf,
			  void (*report)(void *arg, const char *file,
					 const char *sentence),
			  void *arg);
};

struct store {
	const struct store_engine *engine;
	uint64_t value_max_bytes;
};

#endif
