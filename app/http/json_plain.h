/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes that stand for themselves in a string of JSON (RFC 8259 section 7). */
#ifndef HTTP_JSON_PLAIN_H
#define HTTP_JSON_PLAIN_H

#include "base/buf.h"

/*
 * How many bytes from p on are neither control characters, quotes nor
 * backslashes; nor DEL, which may stand in a string, but is never written.
 */
size_t json_plain(const char *p, size_t size);

/* Whether all bytes are such, and ASCII: what can be copied as it is. */
bool json_is_plain_ascii(struct view text);

#endif
