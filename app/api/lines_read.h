/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading JSON lines once, from first to last; lines.h has the format. */
#ifndef API_LINES_READ_H
#define API_LINES_READ_H

#include "http/json_tree.h"

/* The members that mean something; others are passed over. */
enum line_member {
	LINE_LIBRAPI,
	LINE_PREFIX,
	LINE_PREFIX64,
	LINE_KEY,
	LINE_KEY64,
	LINE_TYPE,
	LINE_TYPE64,
	LINE_VALUE,
	LINE_VALUE64,
	LINE_EXPIRES,
	LINE_COUNT,
	LINE_CRC32C,
	LINE_MEMBERS
};

struct lines_reader {
	enum err (*read)(void *arg, void *data, size_t size, size_t *got);
	void *read_arg;
	uint64_t value_max; /* bytes */
	struct view prefix; /* that every key has to begin with */
	struct view own;    /* likewise; without it, ERR_FORBIDDEN */
	bool ordered;       /* each key has to be greater than the last */

	/* The record that lines_next() has read. */
	struct view key, type, value; /* in `bytes` */
	int64_t expires_ms;

	struct buf of;       /* the prefix that the first line tells */
	uint64_t number;     /* of the line, from 1 */
	uint64_t count;      /* records so far */
	uint64_t bytes_read; /* of their keys, types and values */
	struct buf message;  /* why it was refused */

	struct buf chunk; /* of the input; what is before chunk_at is used */
	size_t chunk_at;
	struct view line; /* with its end, in `chunk` */
	struct buf bytes; /* key, type and value */
	struct buf last;  /* the key before, when ordered */
	uint32_t crc;     /* of the lines before it */

	struct json_tree tree;        /* of the line */
	size_t members[LINE_MEMBERS]; /* nodes of the values, 0: absent */
};

/*
 * The first line, which must be one of the format; once.  ERR_INVALID,
 * ERR_FORBIDDEN and ERR_DAMAGED with a message; ERR_NO_MEMORY, and errors of
 * `read`, without.
 */
enum err lines_begin(struct lines_reader *reader);

/*
 * The next record.  *end when there is none: the last line was there, and
 * told the count and checksum that the lines have.  Errors as above.
 */
enum err lines_next(struct lines_reader *reader, bool *end);

void lines_reader_release(struct lines_reader *reader);

#endif
