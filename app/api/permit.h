/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a request may do, and what it may not.  serve.c asks permit_call()
 * before each handler; call_key() asks for the key of the path; a handler
 * that takes keys from elsewhere, or a prefix, asks for each.
 */
#ifndef API_PERMIT_H
#define API_PERMIT_H

#include "api/call.h"

/*
 * Find out who is calling, into call->access, and whether he may do what
 * needs `role`.  ERR_UNAUTHORIZED (401) without a token that we know,
 * ERR_FORBIDDEN (403) with one for less.  Without a token file everybody may
 * do everything.
 */
enum err permit_call(struct call *call, enum auth_role role);

/* ERR_FORBIDDEN unless the caller may do this with the key. */
enum err permit_key(struct call *call, enum auth_role role, struct view key);

/*
 * The part of what begins with `prefix` that the caller may see: *narrowed is
 * the longer one of the prefix and his, which lives as long as the request.
 * ERR_FORBIDDEN when that is nothing.
 */
enum err permit_prefix(struct call *call, struct view prefix,
		       struct view *narrowed);

/* ERR_FORBIDDEN unless all that begins with `prefix` is the caller's. */
enum err permit_whole_prefix(struct call *call, struct view prefix);

/* WWW-Authenticate, for an answer that is one of those two errors. */
void permit_challenge(struct call *call, enum err err);

#endif
