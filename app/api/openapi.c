/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The API described for machines: /openapi.json all of it, /swagger.json the
 * first librapi's routes.  Both are written by hand beside this file and are
 * linked into the program as they stand; tests hold them to what is served.
 */
#include "api/handlers.h"

extern const char openapi_json[], openapi_json_end[];
extern const char swagger_json[], swagger_json_end[];

static enum err answer(struct call *call, const char *begin, const char *end)
{
	struct response *response = call->response;

	response->status = 200;
	response->body = (struct view){ begin, (size_t)(end - begin) };
	response_field(response, "Content-Type",
		       VIEW_LITERAL("application/json"));
	return ERR_OK;
}

enum err openapi_get(struct call *call)
{
	return answer(call, openapi_json, openapi_json_end);
}

enum err openapi_swagger(struct call *call)
{
	return answer(call, swagger_json, swagger_json_end);
}
