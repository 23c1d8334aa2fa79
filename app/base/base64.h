/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base 64 with padding, the standard alphabet (RFC 4648 section 4). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

void base64_encode(struct view bytes, struct buf *out); /* appends */

/*
 * Appends the decoded bytes.  ERR_INVALID for a character outside the
 * alphabet, missing or misplaced padding, or bits set past the end;
 * nothing is appended then.
 */
enum err base64_decode(struct view text, struct buf *out);

#endif
