/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The manifest in memory, to text, and on disk; manifest.h has the format. */
#include "store/gdbm/manifest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/log.h"

#define FILE_MODE 0640
#define FILE_MAX  ((size_t)256 << 20)

/* The copy of one table's bound, in a list that manifest.owned begins. */
struct bound {
	struct bound *next;
	char bytes[];
};

void manifest_release(struct manifest *manifest)
{
	struct bound *bound = manifest->owned;

	while (bound) {
		struct bound *next = bound->next;

		free(bound);
		bound = next;
	}
	free(manifest->tables);
	*manifest = (struct manifest){ 0 };
}

/* The array has room for the next power of two. */
static enum err make_room(struct manifest *manifest)
{
	size_t count = manifest->table_count;
	size_t room = count ? 2 * count : 1;

	if ((count & (count - 1)) != 0)
		return ERR_OK;

	void *tables =
		realloc(manifest->tables, room * sizeof(*manifest->tables));

	if (!tables)
		return ERR_NO_MEMORY;
	manifest->tables = tables;
	return ERR_OK;
}

enum err manifest_add(struct manifest *manifest,
		      const struct manifest_table *table)
{
	size_t count = manifest->table_count;

	assert(count == 0 ||
	       view_compare(manifest->tables[count - 1].from, table->from) < 0);

	struct bound *bound = malloc(sizeof(*bound) + table->from.size);

	if (!bound)
		return ERR_NO_MEMORY;
	if (make_room(manifest)) {
		free(bound);
		return ERR_NO_MEMORY;
	}
	if (table->from.size > 0)
		memcpy(bound->bytes, table->from.data, table->from.size);
	bound->next = manifest->owned;
	manifest->owned = bound;
	manifest->tables[count] = *table;
	manifest->tables[count].from.data = bound->bytes;
	manifest->table_count++;
	return ERR_OK;
}

const struct manifest_table *manifest_find(const struct manifest *manifest,
					   struct view key)
{
	size_t low = 0;
	size_t high = manifest->table_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (view_compare(manifest->tables[middle].from, key) <= 0)
			low = middle;
		else
			high = middle;
	}
	return high > 0 ? &manifest->tables[low] : NULL;
}

static void format_table(const struct manifest_table *table, struct buf *out)
{
	buf_addf(out, "table %" PRIu64 ".%" PRIu64, table->id.id,
		 table->id.generation);
	buf_addf(out, " keys %" PRIu64 " live %" PRIu64 " file %" PRIu64,
		 table->keys, table->live_bytes, table->file_bytes);
	buf_add_string(out, " from ");
	if (table->from.size == 0)
		buf_add_char(out, '-');
	else
		base64_encode(table->from, out);
	buf_add_char(out, '\n');
}

void manifest_format(const struct manifest *manifest, struct buf *out)
{
	size_t start = out->size;

	buf_addf(out, MANIFEST_TITLE " %d\nstore ", MANIFEST_FORMAT);
	for (size_t i = 0; i < sizeof(manifest->store_id); i++)
		buf_addf(out, "%02x", manifest->store_id[i]);
	buf_addf(out, "\nversion %" PRIu64 "\nrevision %" PRIu64,
		 manifest->version, manifest->revision);
	buf_addf(out, "\nsegment %" PRIu64 "\nnext-table %" PRIu64 "\n",
		 manifest->first_segment, manifest->next_table);
	for (size_t i = 0; i < manifest->table_count; i++)
		format_table(&manifest->tables[i], out);
	if (!out->err)
		buf_addf(out, "crc32c %08" PRIx32 "\n",
			 crc32c(0, out->data + start, out->size - start));
}

enum err manifest_exists(int dir)
{
	struct stat status;

	if (!fstatat(dir, MANIFEST_NAME, &status, 0))
		return ERR_OK;
	if (errno == ENOENT)
		return ERR_NOT_FOUND;
	return log_errno("stat-failed", MANIFEST_NAME, errno);
}

enum err manifest_read(int dir, struct manifest *out)
{
	struct buf text = BUF_EMPTY;
	struct buf message = BUF_EMPTY;
	int fd;
	enum err err = file_open_existing(dir, MANIFEST_NAME, O_RDONLY, &fd);

	if (err)
		return err;
	err = file_read_all(fd, MANIFEST_NAME, FILE_MAX, &text);
	file_close(&fd, MANIFEST_NAME);
	if (!err) {
		err = manifest_parse(buf_view(&text), out, &message);
		if (err == ERR_FORMAT || err == ERR_DAMAGED)
			log_event(LOG_ERROR, "manifest-refused", "file",
				  MANIFEST_NAME, "error", buf_string(&message),
				  "do",
				  "restore the data directory from a backup; "
				  "nothing was changed",
				  NULL);
	}
	buf_release(&message);
	buf_release(&text);
	return err;
}

enum err manifest_write(int dir, const struct manifest *manifest)
{
	struct buf text = BUF_EMPTY;

	manifest_format(manifest, &text);

	enum err err = text.err;

	if (!err)
		err = file_replace(dir, MANIFEST_NAME, buf_view(&text),
				   FILE_MODE);
	buf_release(&text);
	return err;
}
