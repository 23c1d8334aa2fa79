/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The setting cors-origin names one origin or is "*"; empty, nothing is said
 * and browsers keep to the same origin.  A preflight is granted whatever
 * request fields it asks for: the origin is what decides.
 */
#include "api/cors.h"

#include <string.h>

#define MAX_AGE_S "600"

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

void cors_answer(struct call *call)
{
	struct response *response = call->response;
	struct view origin = view_of(call->api->conf->cors_origin);

	if (!origin.size)
		return;
	response_field(response, "Access-Control-Allow-Origin", origin);
	if (!view_equal_string(origin, "*"))
		response_field(response, "Vary", VIEW_LITERAL("Origin"));
	response_field(response, "Access-Control-Expose-Headers",
		       VIEW_LITERAL("ETag, Link, Location, Librapi-Expires, "
				    "Allow, Accept-Patch, Retry-After, "
				    "WWW-Authenticate, X-Request-Id"));
}

void cors_preflight(struct call *call, const char *allow)
{
	const struct request *request = call->request;
	struct response *response = call->response;

	if (!call->api->conf->cors_origin[0] ||
	    !request->access_control_request_method.data)
		return;
	response_field(response, "Access-Control-Allow-Methods",
		       view_of(allow));
	if (is_field_list(request->access_control_request_headers))
		response_field(response, "Access-Control-Allow-Headers",
			       request->access_control_request_headers);
	response_field(response, "Access-Control-Max-Age",
		       VIEW_LITERAL(MAX_AGE_S));
}
