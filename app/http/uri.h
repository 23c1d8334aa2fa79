/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Percent-encoding (RFC 3986 2.1) and the parts of a query.
 *
 * A key is bytes, so nothing is normalised and no character set is assumed:
 * "%2F" is "/", "%00" and "%FF" are the bytes they name, and "+" is a plus,
 * in paths and in queries alike.  (That "+" means a space is a custom of HTML
 * forms, not of URLs, and keys come back from `uri_encode` with "%20".)
 */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include "base/buf.h"

/*
 * Decode exactly once into `out`, which has room for `max` bytes; *size is
 * how many there are.  ERR_INVALID when a "%" is not followed by two
 * hexadecimal digits: *size is then its position in `raw`.
 * ERR_KEY_TOO_LONG when there are more than `max` bytes.
 */
enum err uri_decode(struct view raw, char *out, size_t max, size_t *size);

/*
 * Append with everything but letters, digits and "-._~" encoded: one segment
 * of a path, or the value of a query parameter.
 */
void uri_encode(struct view bytes, struct buf *out);

/*
 * Append a key as it stands at the end of a path, where "/" may stay as it
 * is.  Not so where one of the parts between slashes is "." or "..": clients
 * resolve those away, also when they are written "%2E", so every slash of
 * such a key is encoded.
 */
void uri_encode_path(struct view key, struct buf *out);

/*
 * Take the next parameter of a query: *rest moves past it, *name and *value
 * are as sent, not decoded; without "=" the value's data is NULL.  Empty
 * parts ("a=1&&b=2") are passed over.  False when there is none left.
 */
bool uri_query_next(struct view *rest, struct view *name, struct view *value);

#endif
