/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing a store as JSON lines; lines.h has the format. */
#include <errno.h>
#include <inttypes.h>

#include "api/lines.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "http/json.h"

struct dump {
	FILE *out;
	struct buf line;
	uint32_t crc;
	uint64_t count;
	enum err err;
};

/* Ends the line, writes it and counts it into the checksum. */
static void write_line(struct dump *dump)
{
	struct buf *line = &dump->line;

	buf_add_string(line, "}\n");
	if (line->err) {
		dump->err = line->err;
		return;
	}
	dump->crc = crc32c(dump->crc, line->data, line->size);
	if (fwrite(line->data, 1, line->size, dump->out) != line->size)
		dump->err = log_errno("dump-failed", "output", errno);
}

static void begin_line(struct dump *dump)
{
	buf_clear(&dump->line);
	buf_add_char(&dump->line, '{');
}

static bool dump_record(void *arg, struct view key, const struct record *record)
{
	struct dump *dump = arg;
	struct buf *line = &dump->line;

	begin_line(dump);
	json_add_bytes(line, "key", key);
	json_add_uint64(line, "rev", record->revision);
	json_add_time(line, "modified", record->modified_ms);
	if (record->expires_ms != 0) {
		json_add_time(line, "expires", record->expires_ms);
	} else {
		json_add_name(line, "expires");
		buf_add_string(line, "null");
	}
	json_add_bytes(line, "type", record->type);
	json_add_bytes(line, "value", record->value);
	write_line(dump);
	dump->count++;
	return !dump->err;
}

static void dump_head(struct dump *dump, const struct store *store)
{
	begin_line(dump);
	json_add_uint64(&dump->line, "librapi", LINES_FORMAT);
	json_add_name(&dump->line, "engine");
	json_add_string(&dump->line, view_of(store_engine_name(store)));
	write_line(dump);
}

static void dump_end(struct dump *dump, uint64_t revision)
{
	uint32_t crc = dump->crc;

	begin_line(dump);
	json_add_uint64(&dump->line, "count", dump->count);
	json_add_uint64(&dump->line, "rev", revision);
	json_add_name(&dump->line, "crc32c");
	buf_addf(&dump->line, "\"%08" PRIx32 "\"", crc);
	write_line(dump);
	if (!dump->err && fflush(dump->out))
		dump->err = log_errno("dump-failed", "output", errno);
}

enum err lines_dump(struct store *store, FILE *out)
{
	const struct store_range all = { .values = true };
	struct dump dump = { .out = out };
	uint64_t revision;
	enum err err = ERR_OK;

	dump_head(&dump, store);
	if (!dump.err)
		err = store_list(store, &all, dump_record, &dump, &revision);
	if (!err && !dump.err)
		dump_end(&dump, revision);
	buf_release(&dump.line);
	return err ? err : dump.err;
}
