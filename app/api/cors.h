/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cross-origin requests by browsers (fetch.spec.whatwg.org, 3.3). */
#ifndef API_CORS_H
#define API_CORS_H

#include "api/call.h"

/*
 * Who may read the answer, and which of its fields.  With "*" this is not told
 * to who is no page of another origin, unless the answer may be stored.
 */
void cors_answer(struct call *call);

/* Whether it adds the same whoever asks. */
bool cors_same_for_all(const struct call *call);

/* The further fields that the answer to a preflight needs. */
void cors_preflight(struct call *call, const char *allow);

#endif
