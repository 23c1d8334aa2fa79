/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which commits a store was given, under which revision: what it has to hold
 * after a power cut.  It lies in memory that writers share with whoever
 * compares, outside of what the cut takes.
 *
 * All that a commit does follows from the few numbers of its entry.  Each
 * operation has a number of its own that nothing else has, and the value and
 * expiry of a put are made of it.  The store's clock is the count of numbers
 * given, so what has expired does not depend on when one looks.
 *
 * A revision without an entry is the housekeeper's, who lets keys expire.
 */
#ifndef TESTS_TORTURE_LEDGER_H
#define TESTS_TORTURE_LEDGER_H

#include <stdatomic.h>
#include <stdint.h>

#include "store/store.h"
#include "torture/dice.h"

#define LEDGER_KEYS_MAX 4096

enum ledger_kind { LEDGER_PUTS, LEDGER_MIXED, LEDGER_DELETES, LEDGER_PREFIX };

struct ledger_entry {
	_Atomic uint64_t number; /* of the first operation; 0 not ours */
	uint32_t from;           /* index of the first key */
	uint16_t count;
	uint16_t kind;
};

struct ledger {
	unsigned keys;
	_Atomic uint64_t numbers; /* given so far */
	_Atomic uint64_t acked;   /* revision that is known to be on disk */
	_Atomic uint64_t last;    /* the greatest with an entry */
	struct ledger_entry entries[]; /* of each revision */
};

/*
 * One with `keys` keys, shared with the children of this process and, when fd
 * is not -1, with all who map that file.  NULL when there is no memory.
 */
struct ledger *ledger_new(int fd, unsigned keys);

/* The ledger behind a file. */
struct ledger *ledger_open(int fd);

/* No longer mapped here. */
void ledger_free(struct ledger *ledger);

/*
 * The wall_ms of this process's stores: this ledger's clock, and since
 * ledger_stop_clock() the time of that call.
 */
int64_t ledger_clock_ms(void);
void ledger_start_clock(struct ledger *ledger);
void ledger_stop_clock(void);

/*
 * One commit, by the dice, of puts, deletes or both, and its entry.  With
 * ERR_OK *revision is its revision, 0 when it changed nothing.  *ticket is
 * raised to what has to be synced for this commit and those before it.
 */
enum err ledger_commit(struct ledger *ledger, struct store *store,
		       struct dice *dice, uint64_t *revision, uint64_t *ticket);

/* This revision is known to be on disk. */
void ledger_ack(struct ledger *ledger, uint64_t revision);

/* What was written after this revision has been lost. */
void ledger_rewind(struct ledger *ledger, uint64_t revision);

/*
 * Does the store hold what the entries up to its revision come to, and tell
 * of each of its revisions once and in order?  NULL, or what is wrong.  The
 * clock must stand still.
 */
const char *ledger_compare(struct ledger *ledger, struct store *store);

/*
 * Open the store; its revision is to be from `least` to `most`, its content
 * the ledger's.  Close it, and the same again after a clean stop; in between
 * it has to pass its check.  NULL, or what is wrong.
 */
const char *ledger_verify(struct ledger *ledger, const struct store_conf *conf,
			  uint64_t least, uint64_t most);

#endif
