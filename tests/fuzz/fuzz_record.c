/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A record: its key's length, the key, and the bytes, which are tried as they
 * are and with the right CRC.  What decodes encodes to the same bytes.
 */
#include <string.h>

#include "base/crc32c.h"
#include "fuzz/fuzz.h"
#include "store/record.h"

static void try(struct view key, struct view bytes)
{
	struct buf again = BUF_EMPTY;
	struct record record;

	if (record_decode(key, bytes, &record))
		return;
	FUZZ_HOLDS(record_size(&record) == bytes.size);
	FUZZ_HOLDS(record_peek_expiry(bytes) == record.expires_ms);
	record_encode(key, &record, &again);
	FUZZ_HOLDS(view_equal(buf_view(&again), bytes));
	buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view input = { data, size };
	struct view key = fuzz_take(&input, fuzz_take_byte(&input));
	struct buf sealed = BUF_EMPTY;

	try(key, input);
	buf_add_view(&sealed, input);
	if (sealed.size >= 4) {
		uint32_t crc = crc32c(0, key.data, key.size);

		crc = crc32c(crc, sealed.data + 4, sealed.size - 4);
		le32_put(sealed.data, crc);
		try(key, buf_view(&sealed));
	}
	buf_release(&sealed);
	return 0;
}
