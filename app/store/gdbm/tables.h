/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tables that this process has open: the most recently used, since a
 * store can have more tables than a process may have files.
 */
#ifndef STORE_GDBM_TABLES_H
#define STORE_GDBM_TABLES_H

#include "store/gdbm/manifest.h"
#include "store/gdbm/table.h"

#define TABLES_OPEN_MAX 64

struct tables_place {
	struct table_id id; /* id.id 0: empty */
	struct table *table;
	uint64_t used; /* by the clock below */
};

struct tables {
	struct tables_place places[TABLES_OPEN_MAX];
	uint64_t clock;
};

/* The table, opened when it is not; tables_* keeps it.  As table_open(). */
enum err tables_get(struct tables *tables, int dir, struct table_id id,
		    struct table **out);

/* Close those that the manifest does not name. */
void tables_retain(struct tables *tables, const struct manifest *manifest);
void tables_close_all(struct tables *tables);

#endif
