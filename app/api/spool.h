/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Records that wait until all of them are known to be good: added in their
 * order, then read once from the first.  Few of them are kept in memory,
 * many in a file without a name.
 */
#ifndef API_SPOOL_H
#define API_SPOOL_H

#include "base/buf.h"

struct spool_record {
	struct view key;  /* up to STORE_KEY_MAX bytes */
	struct view type; /* up to RECORD_TYPE_MAX */
	struct view value;
	int64_t expires_ms;
};

struct spool {
	const char *folder; /* for the file */
	int fd;             /* -1: there is none, `bytes` has everything */
	int64_t written;    /* bytes of the file */
	int64_t read;       /* ... that have been in `bytes` again */
	struct buf bytes;   /* not written yet; or read, and not taken yet */
	size_t at;          /* what is before it has been taken */
	uint64_t taken;     /* records */
};

/* `folder` stays the caller's. */
void spool_init(struct spool *spool, const char *folder);
void spool_release(struct spool *spool);

/*
 * Add a copy of the record.  ERR_FULL, ERR_IO, ERR_SYSTEM (logged) of the
 * file, and ERR_NO_MEMORY; then nothing more is to be done with it.
 */
enum err spool_add(struct spool *spool, const struct spool_record *record);

/* All have been added, and shall be read.  Errors as above. */
enum err spool_rewind(struct spool *spool);

/*
 * The next record, good until the next call; *end when there is none.  Errors
 * as above.
 */
enum err spool_next(struct spool *spool, struct spool_record *record,
		    bool *end);

#endif
