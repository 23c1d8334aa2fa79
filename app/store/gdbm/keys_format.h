/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What keysbuild.c writes and keys.c reads alike; keys.h has the format. */
#ifndef STORE_GDBM_KEYS_FORMAT_H
#define STORE_GDBM_KEYS_FORMAT_H

#include "base/buf.h"
#include "base/crc32c.h"
#include "store/store.h"

#define KEYS_MAGIC       "librkeys"
#define KEYS_FORMAT      2
#define KEYS_OFFSET_SIZE 8
#define KEYS_CRC_SIZE    4

enum {
	HEAD_FORMAT = 8,
	HEAD_CRC = 12,
	HEAD_ID = 16,
	HEAD_GENERATION = 24,
	HEAD_COUNT = 32,
	HEAD_OFFSETS_AT = 40,
	HEAD_GDBM_BYTES = 48,
	HEAD_GDBM_CRC = 56,
	HEAD_OFFSETS_CRC = 60,
	HEAD_SIZE = 64,
};

enum {
	ENTRY_CRC = 0,
	ENTRY_KEY_SIZE = 4,
	ENTRY_TYPE_SIZE = 6,
	ENTRY_ZERO = 7,
	ENTRY_REVISION = 8,
	ENTRY_MODIFIED = 16,
	ENTRY_EXPIRES = 24,
	ENTRY_VALUE_SIZE = 32,
	ENTRY_HEAD_SIZE = 40,
	ENTRY_SIZE_MAX = ENTRY_HEAD_SIZE + STORE_KEY_MAX + RECORD_TYPE_MAX,
};

/* The CRC of an entry, bound to its position. */
static inline uint32_t keys_entry_crc(uint64_t position, const uint8_t *entry,
				      size_t size)
{
	uint8_t number[8];

	le64_put(number, position);
	return crc32c(crc32c(0, number, sizeof(number)), entry + 4, size - 4);
}

#endif
