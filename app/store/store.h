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
 *  - an expired key is absent at once.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
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
	uint64_t checkpoint_idle_ms;
	uint64_t expiry_interval_ms;
	int64_t (*wall_ms)(void); /* NULL: the system's clock */
};

/*
 * Open, and recover what the last owner left behind.  ERR_OWNED when another
 * process has it (its pid is logged), ERR_ACCESS, ERR_FORMAT, ERR_DAMAGED,
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
 * In a child that has had nothing to do for a while: let go of files that
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

/* STORE_EXPIRE is the housekeeper's: a delete of a key that has expired. */
enum store_verb { STORE_PUT, STORE_DELETE, STORE_EXPIRE };

struct store_op {
	enum store_verb verb;
	struct view key;
	struct view value;  /* STORE_PUT */
	struct view type;   /* STORE_PUT; up to RECORD_TYPE_MAX bytes */
	int64_t expires_ms; /* STORE_PUT; wall clock, 0 never */

	bool existed; /* out: the key was live just before */
};

/*
 * Conditions and operations that happen together or not at all, under one
 * revision.  Keys may repeat: operations apply in order, and each sees those
 * before it.  Everything pointed at is the caller's.
 */
struct store_batch {
	struct store_condition *conditions;
	size_t condition_count;
	struct store_op *ops;
	size_t op_count;

	uint64_t revision;   /* out: of this commit, 0 when nothing changed */
	int64_t modified_ms; /* out: the time it was stamped with */
};

/*
 * Test and apply.  A delete of an absent key changes nothing; a batch that
 * changes nothing takes no revision.
 *
 * *ticket is always set, also with ERR_CONDITION: sync it before answering.
 *
 * ERR_CONDITION (every condition's `current` and `holds` are set), ERR_KEY,
 * ERR_KEY_TOO_LONG, ERR_VALUE_TOO_LARGE, ERR_BUSY, ERR_FULL, ERR_STOPPED,
 * ERR_IO, ERR_DAMAGED, ERR_NO_MEMORY: nothing was changed.
 */
enum err store_commit(struct store *store, struct store_batch *batch,
		      uint64_t *ticket);

/*
 * Wait until everything up to the ticket is on disk.  ERR_STOPPED or ERR_IO
 * when it can't be known to be: the store then takes no writes until it is
 * opened again, and the answer to the client must say failure.  ERR_BUSY when
 * whoever syncs did not come back within the lock timeout: the fate of the
 * write is unknown.
 */
enum err store_sync(struct store *store, uint64_t ticket);

/*
 * One turn of the housekeeper: waits up to timeout_ms for work to fall due
 * and does it (checkpoint, expiry).  A failure is logged, and the next turn
 * tries again.
 */
enum err store_housekeep(struct store *store, long timeout_ms);

struct store_stats {
	uint64_t revision; /* newest durable */
	uint64_t keys;     /* in the tables, of the last checkpoint */
	uint64_t tables;
	uint64_t table_bytes;
	uint64_t journal_bytes; /* written since the last checkpoint */
	uint64_t checkpoints;   /* since the store was opened */
	bool writable;          /* false: store_commit says ERR_STOPPED */
	bool full;              /* the last allocation met ERR_FULL */
};

/* From memory, at once; never fails. */
void store_stats(struct store *store, struct store_stats *stats);

/* The name of the store's engine, as in the settings. */
const char *store_engine_name(const struct store *store);

/*
 * Verify everything of a closed store: each file, checksum and invariant.
 * Calls `report` for each finding with the file and a sentence.  ERR_OK when
 * all is well, ERR_DAMAGED when there were findings, else as store_open().
 * Changes nothing.
 */
enum err store_check(const struct store_conf *conf,
		     void (*report)(void *arg, const char *file,
				    const char *sentence),
		     void *arg);

/* For engines: whether the condition is true of its `current` revision. */
bool store_condition_holds(const struct store_condition *condition);

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
	enum err (*sync)(struct store *store, uint64_t ticket);
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
