/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine on GDBM: what one process knows of an open store, and the parts
 * that the engine's files have of each other.  Start reading at engine.c.
 *
 *   engine.c      the table of functions; open, close, attach
 *   recovery.c    from the files to a running store
 *   commit.c      a write: locks, and trying again
 *   decide.c      ... its conditions and operations
 *   append.c      ... its frame at the journal's end
 *   rotate.c      ... the next segment
 *   reserve.c     ... and the room that a checkpoint will need for it
 *   sync.c        ... and the sync that makes it durable
 *   read.c        a read
 *   list.c        a listing
 *   housekeep.c   when a checkpoint is made
 *   checkpoint.c  from journal segments to tables
 *   rebuild.c     one range of keys: old table and changes to new tables
 *   sweep.c       letting go of what nobody reads any more
 *   retain.c      sealed segments that stay, as history
 *   changes.c     reading it: what was changed since
 *   snapshot.c    the store as it is now, frozen
 *   expiry.c      expired keys to `expire` commits
 *   verify.c      `librapi check`
 *
 * below them: shared.h (shared memory and the protocol of readers),
 * journal.h, memtable.h, merge.h (many memtables as one), plan.h (a
 * table to be), manifest.h, table.h, tables.h (open tables), recent.h (records
 * in memory), lock.h, foreign.h (files of another user).
 */
#ifndef STORE_GDBM_ENGINE_H
#define STORE_GDBM_ENGINE_H

#include <pthread.h>

#include "store/gdbm/journal.h"
#include "store/gdbm/manifest.h"
#include "store/gdbm/recent.h"
#include "store/gdbm/shared.h"
#include "store/gdbm/tables.h"
#include "store/store.h"

struct segment_file {
	uint64_t number; /* 0: none open */
	int fd;
	char name[JOURNAL_NAME_SIZE];
};

/*
 * The segment that is synced.  store_sync() may be another thread's, so what
 * it uses is its own, and this lock is for it and who closes the file.
 */
struct sync_file {
	pthread_mutex_t mutex;
	struct segment_file segment;
};

/* Of the housekeeper alone; see housekeep.c and expiry.c. */
struct housekeeping {
	uint64_t seen_revision; /* at the last look, and since when */
	int64_t seen_ms;
	bool resumed;      /* by the MANIFEST on disk */
	int64_t retry_ms;  /* monotonic; after a failed checkpoint */
	int64_t expiry_ms; /* monotonic; next look for expired keys */
	int64_t room_ms;   /* monotonic; next look for room on the disk */
	struct expiry_memo *memos;
	size_t memo_count;
};

/* Where some call of store_changes() stopped; see changes.c. */
struct changes_place {
	uint64_t since;    /* revision before the frame there */
	uint64_t number;   /* of the segment; 0: an empty place */
	uint64_t position; /* of the frame */
	uint64_t used;     /* by the clock below */
};

#define CHANGES_PLACES 16
#define CHANGES_MARKS  2048

struct changes {
	int wake_fd; /* inherited by all processes */
	int fd;      /* of the segment that is open here; -1 none */
	char name[JOURNAL_NAME_SIZE];
	struct journal_reader reader;
	struct journal_frame held; /* the last one that was shown in part */
	struct view held_body;     /* in the reader; data NULL: there is none */
	struct changes_place places[CHANGES_PLACES];
	struct changes_place marks[CHANGES_MARKS];
	uint64_t clock;
};

struct gdbm_store {
	struct store store; /* first: a struct store * is one of these */
	struct store_conf conf;
	char *data_dir;
	int dir;      /* fd of the data directory */
	int owner_fd; /* byte 0 of LOCK */
	struct shared *shared;
	unsigned slot;

	struct manifest manifest; /* as this process has read it last */
	struct tables tables;
	struct recent recent; /* records of these and the journal */
	struct segment_file files[SHARED_RING_MAX];
	struct sync_file sync_file;
	int64_t frozen_ms;     /* of a snapshot: its time; otherwise 0 */
	uint64_t snapshots;    /* made by this process */
	uint64_t last_segment; /* of the look that read_begin() began */
	struct buf frame;      /* a frame being built */
	struct buf current;    /* a record of a table that a commit looks at */
	struct staged *staged; /* what a commit knows of its operations */
	size_t staged_capacity;
	struct changes changes;
	struct housekeeping housekeeping;
};

/* The engine's row in the table of store.c. */
extern const struct store_engine store_gdbm_engine;

/* engine.c: CLOCK_REALTIME, or what the tests put in its place. */
int64_t engine_wall_ms(const struct gdbm_store *g);
struct timespec engine_lock_deadline(const struct gdbm_store *g);

/*
 * engine.c: a live segment as this process has it open; good until it is let
 * go of.
 */
enum err engine_segment_file(struct gdbm_store *g, uint64_t number,
			     const struct segment_file **file);

/* engine.c: have `file` be that of the segment; and of none. */
enum err engine_open_segment(const struct gdbm_store *g,
			     struct segment_file *file, uint64_t number);
void engine_close_segment(struct segment_file *file);

void engine_close_files(struct gdbm_store *g);

/* engine.c: let go of everything, without a word to the data. */
void engine_free(struct gdbm_store *g);

/* engine.c: close what g->manifest does not need. */
void engine_close_unneeded(struct gdbm_store *g);

/* engine.c: tell the statistics what g->manifest says of the tables. */
void engine_note_tables(struct gdbm_store *g);

/*
 * read.c: begin and end a look at the store; between them everything that
 * g->manifest names stays.  *revision is the newest durable one.
 */
enum err read_begin(struct gdbm_store *g, uint64_t *revision);
void read_end(struct gdbm_store *g);

/*
 * read.c: what the newest entry of the key is that is not newer than the
 * revision (UINT64_MAX: durable or not); between read_begin and read_end.  All
 * zero when the key was never there.  *record, where one is wanted, is set for
 * a put; its views are in g->current.
 */
struct newest {
	uint64_t revision;  /* of the entry, also when it is a removal */
	bool put;           /* false: absent */
	int64_t expires_ms; /* of a put; it may have passed */
};

enum err read_newest(struct gdbm_store *g, struct view key, uint64_t revision,
		     struct newest *newest, struct record *record);

/*
 * That will be called for a key with this CRC-32C soon: as recent_expect() and
 * recent_expect_record(), in all places where it looks.
 */
void read_expect(struct gdbm_store *g, uint32_t hash);
void read_expect_record(struct gdbm_store *g, uint32_t hash);

enum err read_get(struct store *store, struct view key, struct buf *hold,
		  struct record *record, uint64_t *revision);
/* read.c: the record of a put in segment `number`; `value` as in journal.h. */
enum err read_entry(struct gdbm_store *g, uint64_t number,
		    const struct memtable_entry *entry, bool value,
		    struct buf *hold, struct record *record);

/* read.c: the record of a key in a table; ERR_DAMAGED is logged. */
enum err read_table(struct gdbm_store *g, struct table_id id, struct view key,
		    struct buf *hold, struct record *record);
enum err read_open_table(struct gdbm_store *g, struct table_id id,
			 struct table **table);
enum err read_table_damaged(struct table_id id);

/* list.c */
enum err list_run(struct store *store, const struct store_range *range,
		  bool (*each)(void *arg, struct view key,
			       const struct record *record),
		  void *arg, uint64_t *revision);

/*
 * list.c: the same between read_begin and read_end, of what is not newer than
 * the revision (UINT64_MAX: durable or not).  `bare`: of the record only
 * revision and expires_ms are set, which reads nothing from the journal.
 */
enum err list_walk(struct gdbm_store *g, const struct store_range *range,
		   uint64_t revision, bool bare,
		   bool (*each)(void *arg, struct view key,
				const struct record *record),
		   void *arg);

/* commit.c */
enum err commit_apply(struct store *store, struct store_batch *batch,
		      uint64_t *ticket);
enum err commit_delete_prefix(struct store *store, struct view prefix,
			      uint64_t *deleted, uint64_t *revision,
			      uint64_t *ticket);

/*
 * decide.c: what is known of an operation.  Places of operations are counted
 * from 1 here, 0 is none.
 */
struct staged {
	struct store_op given; /* as the caller gave it */
	uint32_t hash;         /* of the key */
	uint32_t bucket;       /* last operation whose hash falls here */
	uint32_t chain;        /* the one before this in its bucket */
	uint32_t earlier;      /* the last one before this on its key */
	uint32_t content;      /* the put that the key has its value from */
	uint32_t writer;       /* the one that writes the key */
	bool live;             /* the key, after it */
	bool write; /* false: changes nothing, or a later one writes it */
};

/*
 * decide.c: make g->staged for the operations, with the keys' hashes: which
 * of them have the same key, and how they were given.  ERR_NO_MEMORY.
 */
enum err decide_begin(struct gdbm_store *g, const struct store_batch *batch);
uint32_t decide_hash(struct view key);

/*
 * decide.c: test the conditions, ask the operations' `decide`, and set what
 * each changes.  Without `reads` the caller holds the stripes, and the newest
 * records count, durable or not; with it, those at the newest durable
 * revision.  *seen is the newest revision that it rests on; *any whether
 * anything changes.  Sets batch->read_revision.
 */
enum err decide_run(struct gdbm_store *g, struct store_batch *batch, bool reads,
		    uint64_t *seen, bool *any);

/*
 * append.c: write the staged operations as one frame, under the next revision
 * and stamped with batch->modified_ms; sets batch->revision.  ERR_BUSY also
 * when all places of the ring are taken.
 */
enum err append_frame(struct gdbm_store *g, struct store_batch *batch,
		      const struct timespec *deadline);

/*
 * append.c: the same of `count` deletes, of keys of `key_bytes` in all, that
 * the caller has built in g->frame (journal_build_begin, journal_build_op).
 */
enum err append_deletes(struct gdbm_store *g, uint32_t count, size_t key_bytes,
			const struct timespec *deadline, uint64_t *revision);

/*
 * ahead.c: where puts end in a segment of that capacity.  The sixteenth that
 * follows is for commits without a put.
 */
uint64_t ahead_limit(uint64_t capacity);

/* ahead.c: what a segment must have at least for a put's frame to fit. */
uint64_t ahead_capacity(uint64_t frame_size);

/*
 * ahead.c: see that the place of the frame, and some after it, has been
 * written; the caller holds the journal lock and has not yet written the
 * frame.  Nothing to do for most frames.  ERR_FULL, ERR_IO: nothing changed.
 */
enum err ahead_write(struct segment *segment, int fd, const char *name,
		     const struct journal_frame *frame);

/*
 * append.c: take the journal lock, and complete what a dead holder of it
 * began.  ERR_STOPPED when a sync failed.
 */
enum err append_take(struct gdbm_store *g, const struct timespec *deadline);

/* append.c: only complete what a dead holder of the journal lock began. */
enum err append_repair(struct gdbm_store *g, const struct timespec *deadline);

/* append.c: add a frame's operations to the segment's memtable. */
enum err append_index(struct shared *shared, uint64_t number,
		      const struct journal_frame *frame, struct view body);

/*
 * rotate.c: under the journal lock, go on in a new segment, of `least` bytes,
 * and in a `small` one when no put is waiting for it and there is no room for
 * another.  An empty one stays, unless it is smaller than it should be.
 * ERR_BUSY and ERR_FULL also when all places of the ring are taken.
 */
enum err rotate_locked(struct gdbm_store *g, uint64_t least, bool small);

/*
 * rotate.c: seal the segment being written and go on in a new one, a small
 * one when there is no room for another; nothing to do when it is empty.
 * ERR_BUSY, ERR_FULL, ERR_STOPPED, ERR_IO.
 */
enum err rotate_run(struct gdbm_store *g);

/*
 * reserve.c, all but the last two under the journal lock, or in recovery.
 *
 * reserve_hold    hold what a checkpoint needs for the live segments and for
 *                 number `number` of that capacity, or else as much as before
 * reserve_refit   the same for the live ones alone; history gives its room.
 *                 After a failure nothing is held
 * reserve_have    see that it is held, for a put: ERR_FULL when it can't be,
 *                 or when a checkpoint has it
 * reserve_give_up
 * reserve_rewrite_bytes  what is taken besides what is new: the largest table
 *                 once more, and MANIFEST
 * reserve_is_short  whether the disk has no room for two more segments
 */
enum err reserve_hold(struct gdbm_store *g, uint64_t number, uint64_t capacity);
enum err reserve_refit(struct gdbm_store *g);
enum err reserve_have(struct gdbm_store *g);
void reserve_give_up(struct gdbm_store *g);
uint64_t reserve_rewrite_bytes(const struct manifest *manifest);
bool reserve_is_short(struct gdbm_store *g);

/* rotate.c: the checkpoint needs the reserve; and it has ended. */
void rotate_give_up_reserve(struct gdbm_store *g);
void rotate_refit_reserve(struct gdbm_store *g);

/* sync.c */
enum err sync_ticket(struct store *store, uint64_t ticket);

/*
 * sync.c: make segment `number` durable as far as it is written; the caller
 * holds the sync lock, and passes on what lock_take() said of its last holder.
 * A failure stops the store; ERR_NO_MEMORY may not, when no sync was tried.
 */
enum err sync_segment(struct gdbm_store *g, uint64_t number, bool holder_died);

/*
 * sync.c: close what was synced last, if it is a segment before this one and
 * not being synced now; the sync closes it then.
 */
void sync_close_before(struct gdbm_store *g, uint64_t number);

/* sync.c: give the sync lock back, and wake whoever waits for that. */
void sync_release(struct shared *shared);

/* sync.c: everything up to the revision is on disk now. */
void sync_publish(struct gdbm_store *g, uint64_t revision);

/* retain.c: at the start, find out which segments are history. */
enum err retain_begin(struct gdbm_store *g);

/* retain.c: a segment becomes history: what it does not use goes back. */
void retain_sealed(struct gdbm_store *g, uint64_t number);

/* retain.c: let the oldest segments go that are more than is to be kept. */
void retain_trim(struct gdbm_store *g);

/* retain.c: history begins with segment `number` at the earliest. */
enum err retain_from(struct gdbm_store *g, uint64_t number);

/* retain.c: there is no room: remove all of it; false: there was none. */
bool retain_give_up(struct gdbm_store *g);

/* changes.c */
enum err changes_run(struct store *store, uint64_t since,
		     bool (*each)(void *arg, const struct store_change *change),
		     void *arg, uint64_t *next, uint64_t *oldest);
int changes_fd(struct store *store, uint64_t since);
/* changes.c: let go of a segment that is no longer kept, and of memory. */
void changes_idle(struct gdbm_store *g);
void changes_release(struct gdbm_store *g);

/* snapshot.c */
enum err snapshot_run(struct store *store, struct view prefix,
		      struct store **snapshot, uint64_t *revision);

/* snapshot.c: remove the folders that a process, or any, has left behind. */
void snapshot_sweep(struct gdbm_store *g, unsigned slot);
void snapshot_sweep_all(struct gdbm_store *g);

/*
 * recovery.c: ERR_NOT_FOUND, not logged, when the folder g->dir holds no store;
 * ERR_DAMAGED when it holds what is left of one.
 */
enum err recovery_find(struct gdbm_store *g);

/* recovery.c: fill g->manifest and g->shared from the data directory. */
enum err recovery_run(struct gdbm_store *g);

/* checkpoint.c: merge all sealed segments into the tables. */
enum err checkpoint_run(struct gdbm_store *g);

/*
 * checkpoint.c: go by the MANIFEST on disk, and announce it: a housekeeper
 * that was killed between its rename and its announcement may have left it so.
 * One that is in doubt is put in place once more before.
 */
enum err checkpoint_resume(struct gdbm_store *g);

/* housekeep.c */
enum err housekeep_run(struct store *store, long timeout_ms);

/* sweep.c: remove files and memory that no reader can need; false: later. */
bool sweep_run(struct gdbm_store *g);

/*
 * expiry.c: commit an `expire` for every key that has expired.  It stops when a
 * checkpoint is due for want of room, and its next look finds the others.
 * expiry_resume(): another process may have been killed within it.
 */
void expiry_resume(struct gdbm_store *g);
enum err expiry_run(struct gdbm_store *g);
void expiry_release(struct gdbm_store *g);

/* verify.c */
enum err verify_run(const struct store_conf *conf,
		    void (*report)(void *arg, const char *file,
				   const char *sentence),
		    void *arg);

#endif
