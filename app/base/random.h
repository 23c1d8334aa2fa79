/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random bytes from the kernel. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_UUID_SIZE 37

/* Never fails: waits for the kernel's pool, and aborts where there is none. */
void random_bytes(void *out, size_t size);
uint64_t random_uint64(void);

/* A version 4 UUID (RFC 9562), lower case, with NUL. */
void random_uuid(char out[RANDOM_UUID_SIZE]);

#endif
