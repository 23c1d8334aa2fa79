/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Open tables, the least recently used closed first; see tables.h. */
#include "store/gdbm/tables.h"

static bool same(struct table_id a, struct table_id b)
{
	return a.id == b.id && a.generation == b.generation;
}

static void close_place(struct tables_place *place)
{
	if (place->table)
		table_close(place->table);
	*place = (struct tables_place){ 0 };
}

/* An empty place, or else the one that was used longest ago. */
static struct tables_place *oldest_place(struct tables *tables)
{
	struct tables_place *oldest = &tables->places[0];

	for (int i = 1; i < TABLES_OPEN_MAX; i++) {
		if (tables->places[i].used < oldest->used)
			oldest = &tables->places[i];
	}
	return oldest;
}

enum err tables_get(struct tables *tables, int dir, struct table_id id,
		    struct table **out)
{
	struct tables_place *place;
	enum err err;

	for (int i = 0; i < TABLES_OPEN_MAX; i++) {
		place = &tables->places[i];
		if (place->table && same(place->id, id)) {
			place->used = ++tables->clock;
			*out = place->table;
			return ERR_OK;
		}
	}
	place = oldest_place(tables);
	close_place(place);
	err = table_open(dir, id, &place->table);
	if (err) {
		*place = (struct tables_place){ 0 };
		return err;
	}
	place->id = id;
	place->used = ++tables->clock;
	*out = place->table;
	return ERR_OK;
}

static bool named(const struct manifest *manifest, struct table_id id)
{
	for (size_t i = 0; i < manifest->table_count; i++) {
		if (same(manifest->tables[i].id, id))
			return true;
	}
	return false;
}

void tables_retain(struct tables *tables, const struct manifest *manifest)
{
	for (int i = 0; i < TABLES_OPEN_MAX; i++) {
		struct tables_place *place = &tables->places[i];

		if (place->table && !named(manifest, place->id))
			close_place(place);
	}
}

void tables_close_all(struct tables *tables)
{
	for (int i = 0; i < TABLES_OPEN_MAX; i++)
		close_place(&tables->places[i]);
}
