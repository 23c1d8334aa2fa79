/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The data of the first librapi, put into a store: a file of BoltDB whose
 * bucket "librapi" has keys as they are and strings in gob for values.
 */
#ifndef IMPORT_BOLT_H
#define IMPORT_BOLT_H

#include "store/store.h"

/*
 * Read all of the file and see that the store can take it: ERR_FORMAT,
 * ERR_DAMAGED and so on, logged as `import-refused` with a sentence.  *count
 * is how many pairs there are.
 */
enum err import_bolt_check(const char *path, uint64_t value_max_bytes,
			   uint64_t *count);

/*
 * Put it into a store that we have for ourselves, over what is there, as the
 * new librapi keeps such strings: text/plain, without expiry.  An error is
 * logged as `import-stopped` and leaves what was put before; importing again
 * is safe.
 */
enum err import_bolt_run(const char *path, struct store *store,
			 uint64_t *count);

#endif
