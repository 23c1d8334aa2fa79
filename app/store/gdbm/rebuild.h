/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One range of keys: what the old table has and what the journal changed,
 * merged in order and written as new tables.
 */
#ifndef STORE_GDBM_REBUILD_H
#define STORE_GDBM_REBUILD_H

#include "store/gdbm/engine.h"
#include "store/gdbm/merge.h"

/*
 * Rebuild the range that `old` has (NULL: an empty store), up to but without
 * `upper` (data NULL: to the end), with all of `merge` that falls into it;
 * merge is past the range then.  New tables are appended to `fresh`, whose
 * next_table moves on.  What was written before a failure is left for
 * sweep_run().
 *
 * A range that fits one table becomes a copy of the old file with the changes
 * applied.  It is split past table_max_keys or table_max_bytes, and where
 * table_crowded() says so; and written from nothing when the old file is more
 * than three times what lives in it, or `anew` says so, since GDBM files never
 * shrink.
 *
 * A record that has expired stays.  Its `expire` (expiry.c), which watchers are
 * told, finds nothing to expire once it is gone.
 */
enum err rebuild_range(struct gdbm_store *g, struct merge *merge,
		       const struct manifest_table *old, struct view upper,
		       bool anew, struct manifest *fresh);

#endif
