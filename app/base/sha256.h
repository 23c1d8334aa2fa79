/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SHA-256 (FIPS 180-4), by nettle: small, kept, in Debian's base, and without
 * the setup and the memory that libcrypto takes in each process.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/buf.h"

#define SHA256_SIZE     32
#define SHA256_HEX_SIZE 65 /* with NUL */

struct sha256 {
	unsigned char bytes[SHA256_SIZE];
};

struct sha256 sha256_of(struct view bytes);

/* In a time that does not depend on where they differ. */
bool sha256_equal(const struct sha256 *a, const struct sha256 *b);

/* Lower case, with NUL; and back, in either case: false for all else. */
void sha256_to_hex(const struct sha256 *digest, char out[SHA256_HEX_SIZE]);
bool sha256_from_hex(struct view text, struct sha256 *digest);

#endif
