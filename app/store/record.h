/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the store keeps for one key, and its bytes on disk: the same in the
 * journal, in the tables and in the memory engine.
 *
 *   offset  bytes
 *        0      4  CRC-32C of all that follows and of the key before it
 *        4      1  format, 1
 *        5      1  length of the media type, 0 to 255
 *        6      2  zero
 *        8      8  revision that wrote it
 *       16      8  time of the write, milliseconds since 1970
 *       24      8  time of expiry likewise, 0 never
 *       32      T  media type
 *     32+T      …  value, to the end
 *
 * Integers are little-endian.  The CRC covers the key too, so that a record
 * that turns up under another key is seen as damage.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/buf.h"

#define RECORD_HEAD_SIZE 32
#define RECORD_TYPE_MAX  255

struct record {
	uint64_t revision;   /* from 1 */
	int64_t modified_ms; /* wall clock */
	int64_t expires_ms;  /* wall clock; 0 never */
	struct view type;    /* media type, up to RECORD_TYPE_MAX bytes */
	struct view value;
};

size_t record_size(const struct record *record);

/* Appends record_size() bytes to out; the failure stays in out->err. */
void record_encode(struct view key, const struct record *record,
		   struct buf *out);

/*
 * The record in `bytes`, whose views point into them.  ERR_DAMAGED when the
 * bytes are too short, of another format, or fail the CRC; nothing is logged,
 * since only the caller knows the file and the place.
 */
enum err record_decode(struct view key, struct view bytes,
		       struct record *record);

/* The expires_ms of a whole encoded record, without any check. */
int64_t record_peek_expiry(struct view bytes);

/* Expired at that time: absent for every reader. */
bool record_expired(const struct record *record, int64_t now_ms);

#endif
