/* SPDX-License-Identifier: GPL-3.0-or-later */
/* getrandom(2): no file to open, blocks only before the pool is seeded. */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define UUID_BYTES 16

void random_bytes(void *out, size_t size)
{
	char *at = out;

	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		at += got;
		size -= (size_t)got;
	}
}

uint64_t random_uint64(void)
{
	uint64_t number;

	random_bytes(&number, sizeof(number));
	return number;
}

/* What was given away is not kept. */
static void take_bytes(struct random_stock *stock,
		       unsigned char out[UUID_BYTES])
{
	unsigned char *at;

	if (stock->left < UUID_BYTES) {
		random_bytes(stock->bytes, sizeof(stock->bytes));
		stock->left = sizeof(stock->bytes);
	}
	at = stock->bytes + sizeof(stock->bytes) - stock->left;
	memcpy(out, at, UUID_BYTES);
	memset(at, 0, UUID_BYTES);
	stock->left -= UUID_BYTES;
}

void random_uuid(struct random_stock *stock, char out[RANDOM_UUID_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[UUID_BYTES];
	char *at = out;

	take_bytes(stock, bytes);
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* version 4 */
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80); /* variant */
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = hex[bytes[i] >> 4];
		*at++ = hex[bytes[i] & 15];
	}
	*at = '\0';
}
