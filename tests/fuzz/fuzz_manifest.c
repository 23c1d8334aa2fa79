/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MANIFEST, as it is and with the right line for its checksum behind it.
 * What parses formats to what parses to the same, and every refusal has a
 * sentence.  (Numbers may have leading zeros, so not to the same text.)
 */
#include <inttypes.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "store/gdbm/manifest.h"

static void check(const struct manifest *manifest)
{
	struct buf first = BUF_EMPTY;
	struct buf second = BUF_EMPTY;
	struct buf message = BUF_EMPTY;
	struct manifest again;

	for (size_t i = 0; i < manifest->table_count; i++) {
		const struct manifest_table *table = &manifest->tables[i];

		FUZZ_HOLDS(manifest_find(manifest, table->from) == table);
	}
	manifest_format(manifest, &first);
	FUZZ_HOLDS(!manifest_parse(buf_view(&first), &again, &message));
	manifest_format(&again, &second);
	FUZZ_HOLDS(view_equal(buf_view(&first), buf_view(&second)));
	manifest_release(&again);
	buf_release(&first);
	buf_release(&second);
	buf_release(&message);
}

static void try(struct view text)
{
	struct buf message = BUF_EMPTY;
	struct manifest manifest;
	enum err err = manifest_parse(text, &manifest, &message);

	FUZZ_HOLDS(!err == !message.size);
	if (!err) {
		check(&manifest);
		manifest_release(&manifest);
	}
	buf_release(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view input = { data, size };
	struct buf sealed = BUF_EMPTY;

	try(input);
	buf_add_view(&sealed, input);
	buf_addf(&sealed, "crc32c %08" PRIx32 "\n", crc32c(0, data, size));
	try(buf_view(&sealed));
	buf_release(&sealed);
	return 0;
}
