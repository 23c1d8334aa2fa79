/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A listing in which keys that have a delimiter after the prefix are rolled
 * up: all that begin with "app/sub/" are one entry, "app/sub/", as a folder
 * is in the one above it.  Without a delimiter it is store_list().
 */
#ifndef API_ROLLUP_H
#define API_ROLLUP_H

#include "store/store.h"

/*
 * Entries are keys and rolled-up prefixes, each under its own name, in
 * bytewise order; `after` leaves out those whose name is not greater.  So
 * the name of the last entry of one page is the `after` of the next,
 * whichever of the two it is.
 */
struct rollup_range {
	struct view prefix;
	struct view delimiter; /* size 0: nothing is rolled up */
	struct view after;     /* data NULL: all */
	bool values;           /* as in struct store_range */
};

struct rollup_sink {
	/* An entry; record NULL: a prefix.  As in store_list(). */
	bool (*each)(void *arg, struct view name, const struct record *record);

	/* Forget all entries so far: the listing begins again. */
	void (*again)(void *arg);
	void *arg;
};

/*
 * Pass the entries to the sink until it returns false, all at one durable
 * revision.  What it costs depends on the entries, not on the keys that are
 * rolled up in them, unless others write so fast that no revision stays for
 * as long as the listing takes: then each of these keys is visited once.
 *
 * Errors as store_list(); what the sink has seen is then of no use.
 */
enum err rollup_list(struct store *store, const struct rollup_range *range,
		     const struct rollup_sink *sink, uint64_t *revision);

#endif
