/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading tables: the GDBM file is asked for records, the keys file for order.
 */
#include "store/gdbm/table.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/blocks.h"
#include "store/gdbm/gdbmfile.h"
#include "store/gdbm/keys.h"

struct table {
	int dir;
	struct table_id id;
	char name[TABLE_NAME_SIZE];
	struct gdbmfile *records;
	enum err failed;   /* of the last table_get(); GDBM is done then */
	bool seen;         /* see blocks_absent() */
	bool told;         /* which bytes are damaged */
	struct keys *keys; /* NULL until its first use */
};

void table_name(struct table_id id, char out[TABLE_NAME_SIZE])
{
	snprintf(out, TABLE_NAME_SIZE, "table-%06" PRIu64 ".%" PRIu64 ".gdbm",
		 id.id, id.generation);
}

void table_keys_name(struct table_id id, char out[TABLE_NAME_SIZE])
{
	snprintf(out, TABLE_NAME_SIZE, "table-%06" PRIu64 ".%" PRIu64 ".keys",
		 id.id, id.generation);
}

bool table_name_parse(const char *name, struct table_id *id)
{
	struct table_id parsed;
	struct view rest = view_of(name);
	struct view prefix = VIEW_LITERAL("table-");
	char spelled[TABLE_NAME_SIZE];

	if (!view_starts_with(rest, prefix))
		return false;
	rest.data = (const char *)rest.data + prefix.size;
	rest.size -= prefix.size;

	struct view number = view_cut(rest, '.', &rest);
	struct view generation = view_cut(rest, '.', &rest);

	if (!view_to_uint64(number, UINT64_MAX, &parsed.id) ||
	    !view_to_uint64(generation, UINT64_MAX, &parsed.generation))
		return false;
	table_name(parsed, spelled);
	if (strcmp(spelled, name) != 0) {
		table_keys_name(parsed, spelled);
		if (strcmp(spelled, name) != 0)
			return false;
	}
	*id = parsed;
	return true;
}

static enum err open_records(int dir, const char *name,
			     struct gdbmfile **records)
{
	int fd;
	enum err err = file_open_existing(dir, name, O_RDONLY, &fd);

	return err ? err : gdbmfile_open(fd, name, records);
}

enum err table_open(int dir, struct table_id id, struct table **out)
{
	struct table *table = calloc(1, sizeof(*table));
	enum err err;

	if (!table)
		return ERR_NO_MEMORY;
	table->dir = dir;
	table->id = id;
	table_name(id, table->name);
	err = open_records(dir, table->name, &table->records);
	if (err)
		free(table);
	else
		*out = table;
	return err;
}

void table_close(struct table *table)
{
	if (!table)
		return;
	if (table->keys)
		keys_close(table->keys);
	free(table->keys);
	gdbmfile_close(table->records);
	free(table);
}

/*
 * A handle that met a failure stays refused, though the disk may be well
 * again: so it is replaced.  A file that is gone by now keeps its failure,
 * since "not found" would be said of the key.
 */
static enum err table_revive(struct table *table)
{
	struct gdbmfile *records;
	enum err err = open_records(table->dir, table->name, &records);

	if (err)
		return err == ERR_NOT_FOUND ? table->failed : err;
	gdbmfile_close(table->records);
	table->records = records;
	table->failed = ERR_OK;
	table->seen = false;
	return ERR_OK;
}

enum err table_keys(struct table *table, struct keys **keys)
{
	if (!table->keys) {
		struct keys *opened = malloc(sizeof(*opened));
		enum err err;

		if (!opened)
			return ERR_NO_MEMORY;
		err = keys_open(table->dir, table->id, opened);
		if (err) {
			free(opened);
			return err;
		}
		table->keys = opened;
	}
	*keys = table->keys;
	return ERR_OK;
}

/* GDBM has not found the key: is it absent, or hidden?  See blocks_absent(). */
static enum err see_absent(struct table *table, struct view key)
{
	struct keys *keys;
	enum err err = table_keys(table, &keys);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
	return blocks_absent(table->records, keys, key, &table->seen);
}

/*
 * *stale: the file has the key, but the handle has something else in memory.
 * One that was replaced for that has to find it.
 */
static enum err look_up(struct table *table, struct view key, struct buf *out,
			bool *stale)
{
	enum err err = gdbmfile_get(table->records, key, out);

	*stale = false;
	if (err != ERR_NOT_FOUND)
		return err;
	err = see_absent(table, key);
	*stale = err == ERR_OK;
	return *stale ? ERR_DAMAGED : err;
}

enum err table_get(struct table *table, struct view key, struct buf *out)
{
	enum err err = ERR_OK;
	bool stale = false;

	if (table->failed)
		err = table_revive(table);
	if (!err)
		err = look_up(table, key, out, &stale);
	if (stale) {
		table->failed = err;
		err = table_revive(table);
		if (!err)
			err = look_up(table, key, out, &stale);
	}
	if (err && err != ERR_NOT_FOUND)
		table->failed = err;
	return err;
}

enum err table_count(struct table *table, size_t *count)
{
	struct keys *keys;
	enum err err = table_keys(table, &keys);

	if (!err)
		*count = (size_t)keys->count;
	return err;
}

enum err table_seek(struct table *table, struct view key, bool past,
		    size_t *position)
{
	struct keys *keys;
	uint64_t found;
	enum err err = table_keys(table, &keys);

	if (err)
		return err;
	err = keys_seek(keys, key, past, &found);
	if (!err)
		*position = (size_t)found;
	return err;
}

enum err table_entry(struct table *table, size_t position, struct buf *hold,
		     struct view *key, struct record *record)
{
	struct keys *keys;
	enum err err = table_keys(table, &keys);

	if (err)
		return err;
	err = keys_entry(keys, position, key, record);
	if (err)
		return err;
	buf_clear(hold);
	buf_reserve(hold, key->size + record->type.size);
	buf_add_view(hold, *key);
	buf_add_view(hold, record->type);
	if (hold->err)
		return hold->err;
	key->data = hold->data;
	record->type.data = hold->data + key->size;
	return ERR_OK;
}

enum err table_scan(struct table *table, uint64_t limit,
		    enum err (*each)(void *arg, struct view key,
				     struct view record_bytes),
		    void *arg)
{
	return gdbmfile_scan(table->records, limit, each, arg);
}

enum err table_verify_space(struct table *table)
{
	return gdbmfile_verify_space(table->records);
}

enum err table_checksum(struct table *table, struct sums *sums)
{
	return sums_take(gdbmfile_fd(table->records), table->name, sums);
}

enum err table_check_bytes(struct table *table,
			   void (*each)(void *arg, uint64_t from, uint64_t end),
			   void *arg)
{
	struct keys *keys;
	enum err err = table_keys(table, &keys);

	if (err)
		return err;
	return blocks_check(gdbmfile_fd(table->records), table->name, keys,
			    each, arg);
}

static void log_bytes(void *arg, uint64_t from, uint64_t end)
{
	const struct table *table = arg;

	blocks_log(table->name, from, end);
}

void table_tell_damage(struct table *table)
{
	if (!table->told)
		table_check_bytes(table, log_bytes, table);
	table->told = true;
}

enum err table_copy(struct table *table, int to)
{
	struct sums sums = SUMS_EMPTY;
	struct keys *keys;
	bool sound;
	enum err err = table_keys(table, &keys);

	if (err)
		return err;
	err = file_copy(gdbmfile_fd(table->records), to, table->name);
	if (!err)
		err = sums_take(to, table->name, &sums);
	if (err)
		return err;
	sound = sums.bytes == keys->gdbm_bytes && sums.crc == keys->gdbm_crc;
	buf_release(&sums.blocks);
	if (sound)
		return ERR_OK;
	log_event(LOG_ERROR, "table-damaged", "file", table->name, "error",
		  "the file is not the one that its keys file was made for",
		  NULL);
	table_tell_damage(table);
	return ERR_DAMAGED;
}
