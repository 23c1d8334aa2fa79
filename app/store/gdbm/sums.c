/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checksums of a GDBM file and its blocks; see sums.h. */
#include "store/gdbm/sums.h"

#include "base/crc32c.h"
#include "base/file.h"
#include "base/throttle.h"

#define CHUNK (16 * GDBMFILE_BLOCK_SIZE)

/* A chunk's part of the checksums; all but the last are of whole blocks. */
static void add_chunk(struct sums *sums, const uint8_t *chunk, size_t length)
{
	sums->crc = crc32c(sums->crc, chunk, length);
	for (size_t at = 0; at < length; at += GDBMFILE_BLOCK_SIZE) {
		size_t size = length - at < GDBMFILE_BLOCK_SIZE
				      ? length - at
				      : GDBMFILE_BLOCK_SIZE;

		buf_add_le32(&sums->blocks, crc32c(0, chunk + at, size));
	}
}

enum err sums_take(int fd, const char *name, struct sums *sums)
{
	uint8_t chunk[CHUNK];
	int64_t size;
	int64_t at = 0;
	enum err err = file_size(fd, name, &size);

	*sums = SUMS_EMPTY;
	while (!err && at < size) {
		size_t length = sizeof(chunk);

		if (size - at < (int64_t)length)
			length = (size_t)(size - at);
		err = file_read_at(fd, name, chunk, length, at);
		if (!err)
			add_chunk(sums, chunk, length);
		at += (int64_t)length;
		throttle_point();
	}
	if (!err)
		err = sums->blocks.err;
	sums->bytes = err ? 0 : (uint64_t)size;
	if (err)
		buf_release(&sums->blocks);
	return err;
}
