/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Entity tags (RFC 9110 8.8.3).  Ours names a revision: "184471".  A tag that
 * comes back as W/"184471" or "184471-gzip", which is what compressing
 * proxies make of it, is read as 184471, since it names a revision and not
 * bytes.  Any other well-formed tag is never equal to one of ours.
 */
#ifndef HTTP_ETAG_H
#define HTTP_ETAG_H

#include "base/buf.h"

#define ETAG_SIZE 22 /* two quotes, 20 digits */
#define ETAG_FEW  8  /* revisions held without a malloc */

/* The value of ETag, as a view of `out`. */
struct view etag_format(uint64_t revision, char out[ETAG_SIZE]);

/* What If-Match or If-None-Match names. */
struct etag_set {
	bool any; /* "*" */
	uint64_t *revisions;
	size_t count; /* 0: only tags that are none of ours */
	uint64_t few[ETAG_FEW];
};

/*
 * Parse "*" or a list with any number of members.  ERR_INVALID when it is
 * neither, or has no member at all; ERR_NO_MEMORY.  The set must not be
 * moved; etag_set_release() is allowed after any result.
 */
enum err etag_set_parse(struct view field, struct etag_set *set);
void etag_set_release(struct etag_set *set);

/* True for any revision but 0, which no key has, when the set is "*". */
bool etag_set_has(const struct etag_set *set, uint64_t revision);

#endif
