/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON lines, as they are and with the right last line behind them.  A
 * refusal has a sentence; what is loaded dumps to what loads to the same.
 */
#include <inttypes.h>
#include <stdio.h>

#include "api/lines.h"
#include "base/crc32c.h"
#include "fuzz/fuzz.h"

static int64_t wall_ms(void)
{
	return INT64_C(1700000000000);
}

static struct store *open_store(void)
{
	const struct store_conf conf = {
		.engine = "memory",
		.value_max_bytes = 10000,
		.wall_ms = wall_ms,
	};
	struct store *store;

	FUZZ_HOLDS(!store_open(&conf, &store));
	return store;
}

static enum err load(struct store *store, struct view text)
{
	FILE *in = fmemopen((void *)text.data, text.size, "r");
	struct lines_load load = { .store = store,
				   .alone = true,
				   .folder = "/tmp",
				   .read = lines_read_stdio,
				   .read_arg = in };
	enum err err;

	FUZZ_HOLDS(in);
	err = lines_load(&load);
	FUZZ_HOLDS(!err == !load.message.size);
	lines_load_free(&load);
	fclose(in);
	return err;
}

static enum err add(void *arg, struct view bytes)
{
	buf_add_view(arg, bytes);
	return ERR_OK;
}

static void dump(struct store *store, struct buf *out)
{
	const struct sink sink = { add, out };
	uint64_t revision;

	FUZZ_HOLDS(!lines_dump(store, VIEW_LITERAL(""), &sink, &revision));
	FUZZ_HOLDS(!out->err);
}

static bool compare(void *arg, struct view key, const struct record *record)
{
	struct store *other = arg;
	struct buf hold = BUF_EMPTY;
	struct record found = { 0 };

	FUZZ_HOLDS(!store_get(other, key, &hold, &found, NULL));
	FUZZ_HOLDS(view_equal(found.value, record->value));
	FUZZ_HOLDS(view_equal(found.type, record->type));
	FUZZ_HOLDS(found.expires_ms == record->expires_ms);
	buf_release(&hold);
	return true;
}

static void check_same(struct store *a, struct store *b)
{
	struct store_range all = { .values = true };

	FUZZ_HOLDS(!store_list(a, &all, compare, b, NULL));
	FUZZ_HOLDS(!store_list(b, &all, compare, a, NULL));
}

static void try(struct view text)
{
	struct store *store = open_store();

	if (!load(store, text)) {
		struct store *again = open_store();
		struct buf dumped = BUF_EMPTY;

		dump(store, &dumped);
		FUZZ_HOLDS(!load(again, buf_view(&dumped)));
		check_same(store, again);
		buf_release(&dumped);
		store_close(again);
	}
	store_close(store);
}

/* Every line but the first is taken for a record. */
static void seal(struct buf *lines)
{
	uint64_t count = 0;
	uint32_t crc;

	if (lines->size && lines->data[lines->size - 1] != '\n')
		buf_add_char(lines, '\n');
	for (size_t i = 0; i < lines->size; i++)
		count += lines->data[i] == '\n';
	crc = crc32c(0, lines->data, lines->size);
	buf_addf(lines,
		 "{\"count\":%" PRIu64 ",\"rev\":1,\"crc32c\":\"%08x\"}\n",
		 count ? count - 1 : 0, (unsigned)crc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view input = { data, size };
	struct buf sealed = BUF_EMPTY;

	if (size)
		try(input);
	buf_add_view(&sealed, input);
	seal(&sealed);
	try(buf_view(&sealed));
	buf_release(&sealed);
	return 0;
}
