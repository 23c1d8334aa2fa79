/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bearer tokens in the Authorization field (RFC 6750, RFC 9110 11). */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

#include "base/buf.h"

/*
 * What somebody may do, from the most to the least; each may do what those
 * after it may.  The most is 0, so that what is forgotten in a table needs
 * it.
 */
enum auth_role {
	ROLE_ADMIN,
	ROLE_WRITE,
	ROLE_READ,
	ROLE_ANYBODY, /* also who has no token */
};

/*
 * The token in "Bearer TOKEN"; the scheme in any case.  False when the field
 * is of another scheme, or the token is no token68 (RFC 9110 11.2): so one
 * that was put together from two fields, as "a, b", is none either.
 */
bool auth_bearer(struct view field, struct view *token);

#endif
