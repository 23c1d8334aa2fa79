/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/sha256.h"

#include <nettle/memops.h>
#include <nettle/sha2.h>

_Static_assert(SHA256_SIZE == SHA256_DIGEST_SIZE, "a digest has 32 bytes");

struct sha256 sha256_of(struct view bytes)
{
	struct sha256 digest;
	struct sha256_ctx context;

	sha256_init(&context);
	sha256_update(&context, bytes.size, bytes.data);
	sha256_digest(&context, sizeof(digest.bytes), digest.bytes);
	return digest;
}

bool sha256_equal(const struct sha256 *a, const struct sha256 *b)
{
	return memeql_sec(a->bytes, b->bytes, SHA256_SIZE);
}

void sha256_to_hex(const struct sha256 *digest, char out[SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_SIZE; i++) {
		out[2 * i] = digits[digest->bytes[i] >> 4];
		out[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	out[SHA256_HEX_SIZE - 1] = '\0';
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool sha256_from_hex(struct view text, struct sha256 *digest)
{
	const char *p = text.data;

	if (text.size != SHA256_HEX_SIZE - 1)
		return false;
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		int high = nibble(p[2 * i]);
		int low = nibble(p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		digest->bytes[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}
