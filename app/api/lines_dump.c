/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing a store as JSON lines; lines.h has the format. */
#include <inttypes.h>

#include "api/lines.h"
#include "base/crc32c.h"
#include "http/json.h"

#define PIECE_BYTES (64u << 10)

struct dump {
	const struct sink *sink;
	struct buf piece; /* whole lines, and at its end the one being made */
	size_t line;      /* where that begins */
	uint32_t crc;
	uint64_t count;
	enum err err;
};

static void put_piece(struct dump *dump)
{
	if (!dump->err && dump->piece.size > 0)
		dump->err = dump->sink->put(dump->sink->arg,
					    buf_view(&dump->piece));
	buf_clear(&dump->piece);
	dump->line = 0;
}

static void begin_line(struct dump *dump)
{
	buf_add_char(&dump->piece, '{');
}

/* Ends the line and counts it into the checksum. */
static void end_line(struct dump *dump)
{
	struct buf *piece = &dump->piece;

	buf_add_string(piece, "}\n");
	if (piece->err) {
		dump->err = piece->err;
		return;
	}
	dump->crc = crc32c(dump->crc, piece->data + dump->line,
			   piece->size - dump->line);
	dump->line = piece->size;
	if (piece->size >= PIECE_BYTES)
		put_piece(dump);
}

static bool dump_record(void *arg, struct view key, const struct record *record)
{
	struct dump *dump = arg;
	struct buf *line = &dump->piece;

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
	end_line(dump);
	dump->count++;
	return !dump->err;
}

static void dump_head(struct dump *dump, const struct store *store,
		      struct view prefix)
{
	begin_line(dump);
	json_add_uint64(&dump->piece, "librapi", LINES_FORMAT);
	json_add_name(&dump->piece, "engine");
	json_add_string(&dump->piece, view_of(store_engine_name(store)));
	if (prefix.size > 0)
		json_add_bytes(&dump->piece, "prefix", prefix);
	end_line(dump);
}

static void dump_end(struct dump *dump, uint64_t revision)
{
	uint32_t crc = dump->crc;

	begin_line(dump);
	json_add_uint64(&dump->piece, "count", dump->count);
	json_add_uint64(&dump->piece, "rev", revision);
	json_add_name(&dump->piece, "crc32c");
	buf_addf(&dump->piece, "\"%08" PRIx32 "\"", crc);
	end_line(dump);
	put_piece(dump);
}

enum err lines_dump(struct store *store, struct view prefix,
		    const struct sink *sink, uint64_t *revision)
{
	const struct store_range range = { .prefix = prefix, .values = true };
	struct dump dump = { .sink = sink };
	enum err err = ERR_OK;

	dump_head(&dump, store, prefix);
	if (!dump.err)
		err = store_list(store, &range, dump_record, &dump, revision);
	if (!err && !dump.err)
		dump_end(&dump, *revision);
	buf_release(&dump.piece);
	return err ? err : dump.err;
}
