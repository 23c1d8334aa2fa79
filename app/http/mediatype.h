/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Media types as Content-Type names them (RFC 9110 8.3). */
#ifndef HTTP_MEDIATYPE_H
#define HTTP_MEDIATYPE_H

#include "base/buf.h"

/* "type/subtype" is this one, whatever its case and its parameters. */
bool mediatype_is(struct view field, const char *type);

/* Nothing but visible ASCII, spaces and tabs: can be sent as a header field. */
bool mediatype_is_clean(struct view field);

#endif
