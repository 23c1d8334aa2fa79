/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Problem documents (RFC 9457):
 *
 *   {"type":"tag:librapi,2026:invalid-request","title":"Invalid request",
 *    "status":400,"code":"invalid-request","detail":"…",
 *    "errors":[{"parameter":"ttl","detail":"…"}],
 *    "instance":"urn:uuid:…", further members}
 */
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include "base/buf.h"

#define PROBLEM_TYPE "application/problem+json"

struct problem {
	int status;
	const char *code;    /* a stable slug; `type` is made of it */
	const char *title;   /* the same for every problem of this code */
	struct view detail;  /* any bytes; empty: no such member */
	struct view errors;  /* what problem_add_error() made; may be empty */
	struct view request; /* the request's id, for `instance` */
	struct view members; /* further ones, `"name":value,…`; may be empty */
};

/*
 * One thing that is wrong: `kind` is "pointer" (a JSON pointer as a URI
 * fragment, "#/key"), "parameter" (of the query) or "header".
 */
void problem_add_error(struct buf *errors, const char *kind, struct view name,
		       struct view detail);

/* Append the document, which is valid JSON whatever bytes it is made of. */
void problem_write(const struct problem *problem, struct buf *out);

#endif
