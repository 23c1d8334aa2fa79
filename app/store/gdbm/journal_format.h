/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What journal.c writes and journal_read.c reads alike. */
#ifndef STORE_GDBM_JOURNAL_FORMAT_H
#define STORE_GDBM_JOURNAL_FORMAT_H

#include "base/buf.h"
#include "base/crc32c.h"
#include "store/gdbm/journal.h"

#define JOURNAL_MAGIC    "librapi-journal\n"
#define JOURNAL_FORMAT   1
#define JOURNAL_NEW_NAME "journal.tmp" /* a segment that has no name yet */

/* The CRC of a frame head, bound to the file by nonce and position. */
static inline uint32_t journal_frame_crc(uint64_t nonce, uint64_t position,
					 const unsigned char *head)
{
	unsigned char place[16];

	le64_put(place, nonce);
	le64_put(place + 8, position);
	return crc32c(crc32c(0, place, sizeof(place)), head + 4,
		      JOURNAL_FRAME_HEAD_SIZE - 4);
}

#endif
