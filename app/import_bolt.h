/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The data of the first librapi, put into a store: a file of BoltDB whose
 * bucket "librapi" has keys as they are and strings in gob for values.
 */
#ifndef IMPORT_BOLT_H
#define IMPORT_BOLT_H

#include "bolt/bolt.h"
#include "store/store.h"

/*
 * Open the file, read all of it and see that the store can take it:
 * ERR_FORMAT, ERR_DAMAGED and so on, logged as `import-refused` with a
 * sentence, and *out is NULL.  It stays open, for bolt_close(): who reads it
 * once more may be another user by then.  `path` has to live as long.
 */
enum err import_bolt_open(const char *path, uint64_t value_max_bytes,
			  struct bolt **out);

/*
 * Put it into a store that we have for ourselves, over what is there, as the
 * new librapi keeps such strings: text/plain, without expiry.  An error is
 * logged as `import-stopped` and leaves what was put before; importing again
 * is safe.  *count is how many pairs there are.
 */
enum err import_bolt_run(struct bolt *bolt, struct store *store,
			 uint64_t *count);

#endif
