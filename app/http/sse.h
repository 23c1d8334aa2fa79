/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Server-sent events, as the WHATWG's HTML standard has them (section 9.2):
 * lines "field: value", and an empty line that ends a block.
 *
 * A block without data is no event, but its id is taken over as the last one
 * seen: that is how a client is told how far it is.
 */
#ifndef HTTP_SSE_H
#define HTTP_SSE_H

#include "base/buf.h"

#define SSE_TYPE "text/event-stream"

/* How long a client is to wait before it connects again. */
void sse_retry(struct buf *out, uint64_t ms);

/* A block with nothing but an id. */
void sse_id(struct buf *out, uint64_t id);

/*
 * An event of that name; `data` may have several lines.  With id NULL the
 * client's last id stays what it was.
 */
void sse_event(struct buf *out, const char *event, struct view data,
	       const uint64_t *id);

#endif
