/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many changes put into a store some hundred to a commit, many commits made
 * durable by one sync: what loading is made of, from whatever source.
 */
#ifndef API_BULK_H
#define API_BULK_H

#include "store/store.h"

struct bulk_op {
	enum store_verb verb;
	size_t key_size;
	size_t type_size;
	size_t value_size;
	int64_t expires_ms;
};

struct bulk {
	struct store *store;
	bool alone; /* nobody else does the store's housekeeping */

	/* A commit is made at so many changes, or so many bytes of them. */
	size_t ops_max;
	size_t bytes_max;

	struct buf bytes; /* keys, types and values of what waits */
	struct bulk_op *ops;
	size_t op_count;
	size_t op_room;

	size_t unsynced_bytes; /* committed since the last sync */
	uint64_t ticket;       /* of the last commit */

	/* out */
	uint64_t puts;     /* committed */
	uint64_t deletes;  /* of keys that were there */
	uint64_t commits;  /* that changed something */
	uint64_t revision; /* of the last of them */
};

/* Some hundred changes and 4 MiB to a commit. */
void bulk_init(struct bulk *bulk, struct store *store, bool alone);
void bulk_release(struct bulk *bulk); /* what waits is forgotten */

/*
 * Add a change, and commit when that is enough.  The views are copied.
 *
 * Any error of store_commit() and store_sync(), and ERR_NO_MEMORY; what has
 * been committed before stays, and is durable as far as that can be had.
 * ERR_BUSY only after half a minute of asking again.  A batch that is too
 * large for the store is halved.
 */
enum err bulk_put(struct bulk *bulk, struct view key, struct view type,
		  struct view value, int64_t expires_ms);
enum err bulk_delete(struct bulk *bulk, struct view key);

/* Commit what waits, and make all of it durable. */
enum err bulk_flush(struct bulk *bulk);

#endif
