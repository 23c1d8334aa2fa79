/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Media types: what Content-Type names and what Accept asks for (RFC 9110). */
#ifndef HTTP_MEDIATYPE_H
#define HTTP_MEDIATYPE_H

#include "base/buf.h"

/* "type/subtype" is this one, whatever its case and its parameters. */
bool mediatype_is(struct view field, const char *type);

/* Nothing but visible ASCII, spaces and tabs: can be sent as a header field. */
bool mediatype_is_clean(struct view field);

/*
 * Which of the types that are offered, best first, an Accept field wants
 * (RFC 9110 12.5.1): the one with the highest q, of equals the first.  The q
 * of a type is that of the range that names it most closely: "text/plain"
 * before "text/" and a star before two stars.  Parameters other than q are passed over, and so
 * is an element that is malformed.
 *
 * The index in `types`; 0 for a field that is absent or empty; -1 when none
 * is wanted.
 */
int mediatype_choose(struct view accept, const char *const *types,
		     size_t count);

#endif
