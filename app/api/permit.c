/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/permit.h"

static enum err lacks_role(struct call *call, enum auth_role role)
{
	return fault(call, ERR_FORBIDDEN,
		     "this takes a token with the role %s; the one sent has %s",
		     access_role_name(role),
		     access_role_name(call->access.role));
}

static enum err is_outside(struct call *call, const char *what)
{
	return fault(call, ERR_FORBIDDEN,
		     "the token is not for %s, which does not begin with its "
		     "prefix",
		     what);
}

enum err permit_call(struct call *call, enum auth_role role)
{
	struct access_file *file = call->api->access;
	struct view field = call->request->authorization;
	struct view token;

	call->access = (struct access){ .role = ROLE_ADMIN };
	if (!file)
		return ERR_OK;
	call->access.role = ROLE_ANYBODY;
	if (role == ROLE_ANYBODY)
		return ERR_OK;
	access_refresh(file, false);
	if (!field.data)
		return fault(call, ERR_UNAUTHORIZED,
			     "this takes a token: 'Authorization: Bearer "
			     "TOKEN'");
	if (!auth_bearer(field, &token))
		return fault(call, ERR_UNAUTHORIZED,
			     "Authorization takes one 'Bearer TOKEN' and "
			     "nothing else");
	if (!access_find(file, token, &call->access))
		return fault(call, ERR_UNAUTHORIZED, "the token is unknown");
	return call->access.role <= role ? ERR_OK : lacks_role(call, role);
}

enum err permit_key(struct call *call, enum auth_role role, struct view key)
{
	if (call->access.role > role)
		return lacks_role(call, role);
	return view_starts_with(key, call->access.prefix)
		       ? ERR_OK
		       : is_outside(call, "this key");
}

enum err permit_prefix(struct call *call, struct view prefix,
		       struct view *narrowed)
{
	struct view own = call->access.prefix;

	*narrowed = prefix;
	if (view_starts_with(prefix, own))
		return ERR_OK;
	*narrowed = own;
	return view_starts_with(own, prefix) ? ERR_OK
					     : is_outside(call, "this prefix");
}

enum err permit_whole_prefix(struct call *call, struct view prefix)
{
	return view_starts_with(prefix, call->access.prefix)
		       ? ERR_OK
		       : is_outside(call, "all of this prefix");
}

void permit_challenge(struct call *call, enum err err)
{
	struct view challenge;

	if (err == ERR_FORBIDDEN)
		challenge = VIEW_LITERAL("Bearer realm=\"librapi\", "
					 "error=\"insufficient_scope\"");
	else if (call->request->authorization.data)
		challenge = VIEW_LITERAL("Bearer realm=\"librapi\", "
					 "error=\"invalid_token\"");
	else
		challenge = VIEW_LITERAL("Bearer realm=\"librapi\"");
	response_field(call->response, "WWW-Authenticate", challenge);
}
