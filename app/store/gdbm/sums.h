/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checksums of a GDBM file: of the whole, and of each block, so that damage is
 * told by the bytes where it is.
 */
#ifndef STORE_GDBM_SUMS_H
#define STORE_GDBM_SUMS_H

#include "store/gdbm/gdbmfile.h"

struct sums {
	uint64_t bytes;
	uint32_t crc;      /* CRC-32C of all */
	struct buf blocks; /* ... of each block, 4 bytes each, little-endian */
};

#define SUMS_EMPTY ((struct sums){ 0 })

/* Blocks that a file of so many bytes has; the last may be of less. */
static inline uint64_t sums_blocks(uint64_t bytes)
{
	return bytes / GDBMFILE_BLOCK_SIZE + (bytes % GDBMFILE_BLOCK_SIZE != 0);
}

/*
 * Of the file behind an fd, as it is; sums->blocks is the caller's to release.
 * ERR_IO, ERR_NO_MEMORY: it is empty then.
 */
enum err sums_take(int fd, const char *name, struct sums *sums);

#endif
