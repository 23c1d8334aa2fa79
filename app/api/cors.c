/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The setting cors-origin lists origins or is "*"; for any other, nothing is
 * said, and browsers keep to the same origin.  A preflight is granted whatever
 * request fields it asks for, Authorization among them: the origin is what
 * decides.
 */
#include "api/cors.h"

#include <string.h>

#define MAX_AGE_S "600"
#define ANY       "*"

static bool is_field_list(struct view names)
{
	const char *p = names.data;

	for (size_t i = 0; i < names.size; i++)
		if (!(p[i] >= 'a' && p[i] <= 'z') &&
		    !(p[i] >= 'A' && p[i] <= 'Z') &&
		    !(p[i] >= '0' && p[i] <= '9') &&
		    (!p[i] || !strchr("-_, ", p[i])))
			return false;
	return names.size > 0;
}

/* Whether a page of the request's origin may read the answer. */
static bool is_allowed(const struct call *call)
{
	struct view origin = call->request->origin;
	struct view list = view_of(call->api->conf->cors_origin);

	if (view_equal_string(list, ANY))
		return true;
	while (list.data && list.size && origin.size)
		if (view_equal(view_cut(list, ',', &list), origin))
			return true;
	return false;
}

bool cors_same_for_all(const struct call *call)
{
	const char *list = call->api->conf->cors_origin;

	return !*list || !strcmp(list, ANY);
}

/*
 * What is not to be stored is for this request alone.  Any other answer may be
 * given to a page that asks later, from a cache.
 */
static bool is_for_no_page(const struct call *call)
{
	return !call->value && !call->request->origin.size;
}

void cors_answer(struct call *call)
{
	struct response *response = call->response;
	struct view list = view_of(call->api->conf->cors_origin);
	bool any = view_equal_string(list, ANY);

	if (!list.size || (any && is_for_no_page(call)))
		return;
	if (!any)
		response_field(response, "Vary", VIEW_LITERAL("Origin"));
	if (!is_allowed(call))
		return;
	response_field(response, "Access-Control-Allow-Origin",
		       any ? list : call->request->origin);
	response_field(response, "Access-Control-Expose-Headers",
		       VIEW_LITERAL("ETag, Link, Location, Librapi-Expires, "
				    "Allow, Accept-Patch, Retry-After, "
				    "WWW-Authenticate, X-Request-Id"));
}

void cors_preflight(struct call *call, const char *allow)
{
	const struct request *request = call->request;
	struct response *response = call->response;

	if (!is_allowed(call) || !request->access_control_request_method.data)
		return;
	response_field(response, "Access-Control-Allow-Methods",
		       view_of(allow));
	if (is_field_list(request->access_control_request_headers))
		response_field(response, "Access-Control-Allow-Headers",
			       request->access_control_request_headers);
	response_field(response, "Access-Control-Max-Age",
		       VIEW_LITERAL(MAX_AGE_S));
}
