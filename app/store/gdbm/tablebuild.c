/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Building tables: GDBM works on a file in memory, and only what is whole is
 * copied out, under a name that no manifest has yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/gdbmfile.h"
#include "store/gdbm/keys.h"
#include "store/gdbm/table.h"

#define FILE_MODE   0640
#define MEMORY_NAME "table in memory"

struct table_build {
	int memory; /* memfd_create(2) */
	struct gdbmfile *records;
	struct keys_builder keys;
	int dir; /* where finish began to make the files, else -1 */
	struct table_id id;
};

enum err table_build_begin(struct table *base, struct table_build **out)
{
	struct table_build *build = calloc(1, sizeof(*build));
	enum err err = ERR_OK;

	if (!build)
		return ERR_NO_MEMORY;
	build->dir = -1;
	build->memory = memfd_create("librapi-table", MFD_CLOEXEC);
	if (build->memory < 0)
		err = log_errno("memfd-failed", MEMORY_NAME, errno);
	if (!err && base)
		err = table_copy(base, build->memory);
	if (!err)
		err = gdbmfile_edit(build->memory, MEMORY_NAME,
				    &build->records);
	if (err)
		table_build_abort(build);
	else
		*out = build;
	return err;
}

enum err table_build_put(struct table_build *build, struct view key,
			 struct view record_bytes)
{
	return gdbmfile_put(build->records, key, record_bytes);
}

enum err table_build_remove(struct table_build *build, struct view key)
{
	return gdbmfile_remove(build->records, key);
}

enum err table_build_key(struct table_build *build, struct view key,
			 const struct record *record)
{
	keys_builder_add(&build->keys, key, record);
	return build->keys.file.err;
}

/* End GDBM's work; what it holds and the sorted keys must agree in number. */
static enum err build_close(struct table_build *build)
{
	uint64_t count;
	enum err err = gdbmfile_flush(build->records);

	if (!err)
		err = gdbmfile_count(build->records, &count);
	if (err)
		return err;
	if (count != build->keys.count) {
		log_eventf(LOG_ERROR, "table-inconsistent",
			   "%" PRIu64 " records for %" PRIu64 " sorted keys",
			   count, build->keys.count);
		return ERR_DAMAGED;
	}
	err = gdbmfile_close(build->records);
	build->records = NULL;
	return err;
}

/* A new file, whole and synced: a copy of `from`, or else the bytes. */
static enum err file_make(int dir, const char *name, int from,
			  struct view bytes)
{
	int fd;
	enum err err = file_remove(dir, name);

	if (err)
		return err;
	err = file_open(dir, name, O_RDWR | O_CREAT | O_EXCL, FILE_MODE, &fd);
	if (err)
		return err;
	if (from >= 0)
		err = file_copy(from, fd, name);
	else
		err = file_write_at(fd, name, bytes.data, bytes.size, 0);
	if (!err)
		err = file_sync(fd, name);

	enum err close_err = file_close(&fd, name);

	return err ? err : close_err;
}

enum err table_build_finish(struct table_build *build, int dir,
			    struct table_id id, uint64_t *file_bytes)
{
	char name[TABLE_NAME_SIZE];
	struct sums sums = SUMS_EMPTY;
	enum err err = build_close(build);

	if (err)
		return err;
	err = sums_take(build->memory, MEMORY_NAME, &sums);
	if (!err)
		err = keys_builder_finish(&build->keys, id, &sums);
	buf_release(&sums.blocks);
	if (err)
		return err;

	/* A crashed checkpoint may have left files of these names. */
	build->dir = dir;
	build->id = id;
	table_name(id, name);
	err = file_make(dir, name, build->memory, (struct view){ 0 });
	if (err)
		return err;
	table_keys_name(id, name);
	err = file_make(dir, name, -1, buf_view(&build->keys.file));
	if (err)
		return err;

	build->dir = -1;
	*file_bytes = sums.bytes;
	table_build_abort(build);
	return ERR_OK;
}

void table_build_abort(struct table_build *build)
{
	char name[TABLE_NAME_SIZE];

	if (!build)
		return;
	if (build->dir >= 0) {
		table_name(build->id, name);
		file_remove(build->dir, name);
		table_keys_name(build->id, name);
		file_remove(build->dir, name);
	}
	if (build->records)
		gdbmfile_close(build->records);
	file_close(&build->memory, MEMORY_NAME);
	keys_builder_release(&build->keys);
	free(build);
}
