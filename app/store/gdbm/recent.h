/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Records that this process has read of late, in memory.  Their bytes are in
 * the page cache anyway, but one in the journal takes a pread(2), and one in a
 * table four system calls within GDBM, lseek(2) and read(2) for its bucket and
 * for itself: each of 100 gets in a transaction costs 1.9 us in the journal,
 * 3.2 in a table, and 1.0 here (app/docs/bench.md).
 *
 * What is durable never changes where it is, neither a table nor a frame of
 * the journal, so what is kept stays true and nothing has to be told of a
 * write: who looks for a key finds in the memtables where its newest record is.
 *
 * They are in a ring: each goes behind the one before it, over the oldest.
 * Where one is stands in a place, of which a set of RECENT_WAYS belongs to a
 * key by its hash; in a full set the oldest place is given to the next one.
 */
#ifndef STORE_GDBM_RECENT_H
#define STORE_GDBM_RECENT_H

#include "base/buf.h"

#define RECENT_WAYS       4
#define RECENT_SET_BYTES  256  /* of the ring for each set */
#define RECENT_RECORD_MAX 4096 /* bytes of key and record; no more is kept */

/* What a record was read from, beside its key; no two may be the same. */
struct recent_from {
	uint64_t file;
	uint64_t state; /* which of the file's, or where in it */
};

struct recent_place {
	uint64_t end; /* in all bytes ever kept, behind the entry; 0: none */
	uint32_t hash;
	uint32_t size; /* of the entry */
};

struct recent {
	size_t sets; /* 0: nothing is ever kept */
	char *ring;  /* NULL until something is */
	struct recent_place *places;
	uint64_t end; /* of all bytes ever kept, with gaps at the ring's end */
	size_t at;    /* where in the ring that is */
};

/*
 * An empty one, which takes `bytes` of memory, places included, with the first
 * record; where there is no memory then, it keeps nothing.
 */
void recent_init(struct recent *recent, size_t bytes);
void recent_release(struct recent *recent);

/*
 * True when the record of that key is kept as read from there; its bytes are
 * appended to `out`, whose failure stays in it.
 */
bool recent_get(const struct recent *recent, struct recent_from from,
		struct view key, struct buf *out);

/*
 * A key with that CRC-32C will be looked for soon: have on its way from memory
 * what is looked at first and, once that is there, the record.
 */
void recent_expect(const struct recent *recent, uint32_t hash);
void recent_expect_record(const struct recent *recent, uint32_t hash);

/* Keep a record that recent_get() did not have, unless it is too large. */
void recent_keep(struct recent *recent, struct recent_from from,
		 struct view key, struct view record_bytes);

#endif
