/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random bytes from the kernel. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_UUID_SIZE   37
#define RANDOM_STOCK_BYTES 256

/* Never fails: waits for the kernel's pool, and aborts where there is none. */
void random_bytes(void *out, size_t size);
uint64_t random_uint64(void);

/*
 * Bytes that were drawn ahead, so that not each UUID costs a system call.
 * All zero it is empty.  It must not be copied, nor be there when a process
 * forks: both would give the same UUIDs.
 */
struct random_stock {
	unsigned char bytes[RANDOM_STOCK_BYTES];
	size_t left; /* at the end */
};

/* A version 4 UUID (RFC 9562), lower case, with NUL. */
void random_uuid(struct random_stock *stock, char out[RANDOM_UUID_SIZE]);

#endif
