/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of all our files.
 * With SSE 4.2 where the processor has it, else by tables of eight.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Begin with crc 0; feed the result back in to continue. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The same by tables only, whatever the processor has. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size);

#endif
