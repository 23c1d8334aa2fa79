/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The map of the service, the guards that every request passes, and the one
 * exit for errors, where an `enum err` becomes a problem document.
 */
#include "api/serve.h"

#include "api/cors.h"
#include "api/failure.h"
#include "api/handlers.h"
#include "api/metrics.h"
#include "api/permit.h"
#include "base/marks.h"
#include "http/etag.h"
#include "http/json.h"
#include "http/merge_patch.h"
#include "http/problem.h"

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))
/* A stored value is never a page of ours: no script of it may run. */
#define POLICY "default-src 'none'; sandbox"

#define RETRY_S "1"

static const char *const put_query[] = { "ttl", NULL };
static const char *const prefix_query[] = { "prefix", NULL };
static const char *const list_query[] = { "prefix", "delimiter", "after",
					  "limit",  "values",    NULL };

static const char *const export_query[] = { "prefix", NULL };
static const char *const import_query[] = { "mode", "prefix", NULL };
static const char *const watch_query[] = { "prefix", "since", "wait", "values",
					   NULL };

static const struct route routes[] = {
	{ METHOD_GET, "/v1/kv/{key}", .role = ROLE_READ, .serve = entry_get },
	{ METHOD_PUT, "/v1/kv/{key}", .role = ROLE_WRITE, .serve = entry_put,
	  .query = put_query },
	{ METHOD_DELETE, "/v1/kv/{key}", .role = ROLE_WRITE,
	  .serve = entry_delete },
	{ METHOD_PATCH, "/v1/kv/{key}", .role = ROLE_WRITE,
	  .serve = entry_patch, .query = put_query },
	{ METHOD_GET, "/v1/kv", .role = ROLE_READ, .serve = entries_get,
	  .query = list_query },
	{ METHOD_DELETE, "/v1/kv", .role = ROLE_WRITE, .serve = entries_delete,
	  .query = prefix_query },
	{ METHOD_POST, "/v1/txn", .role = ROLE_READ, .serve = txn_post },
	{ METHOD_GET, "/v1/export", .role = ROLE_READ, .serve = export_get,
	  .query = export_query },
	{ METHOD_POST, "/v1/import", .role = ROLE_WRITE, .serve = import_post,
	  .query = import_query, .pieces = true },
	{ METHOD_GET, "/v1/watch", .role = ROLE_READ, .serve = watch_get,
	  .query = watch_query },
	{ METHOD_GET, "/v1", .role = ROLE_READ, .serve = about_get },
	{ METHOD_GET, "/livez", .role = ROLE_ANYBODY, .serve = health_live },
	{ METHOD_GET, "/readyz", .role = ROLE_ANYBODY, .serve = health_ready },
	{ METHOD_GET, "/metrics", .role = ROLE_READ, .serve = metrics_get },
	{ METHOD_GET, "/openapi.json", .role = ROLE_ANYBODY,
	  .serve = openapi_get },
	{ METHOD_GET, "/docs", .role = ROLE_ANYBODY, .serve = docs_redirect },
	{ METHOD_GET, "/docs/{key}", .role = ROLE_ANYBODY, .serve = docs_get },

	{ METHOD_POST, "/datas", .role = ROLE_WRITE, .serve = seed_post,
	  .seed = true },
	{ METHOD_GET, "/datas/{key}", .role = ROLE_READ, .serve = seed_get,
	  .seed = true },
	{ METHOD_PUT, "/datas/{key}", .role = ROLE_WRITE, .serve = seed_put,
	  .seed = true },
	{ METHOD_DELETE, "/datas/{key}", .role = ROLE_WRITE,
	  .serve = entry_delete, .seed = true },
	{ METHOD_GET, "/hc", .role = ROLE_ANYBODY, .serve = health_check,
	  .seed = true },
	{ METHOD_GET, "/swagger.json", .role = ROLE_ANYBODY,
	  .serve = openapi_swagger, .seed = true },
};

_Static_assert(ROUTE_COUNT < METRICS_ROUTES_MAX, "a route is not counted");

const char *api_route_name(size_t route)
{
	return route > 0 && route <= ROUTE_COUNT ? routes[route - 1].pattern
						 : "other";
}

bool api_takes_pieces(const struct request *request)
{
	struct route_match match;

	return !route_find(routes, ROUTE_COUNT, request->method, request->path,
			   &match) &&
	       match.route->pieces;
}

static bool of_seed(const struct call *call)
{
	return call->match.resource && call->match.resource->seed;
}

static enum err find_route(struct call *call)
{
	return route_find(routes, ROUTE_COUNT, call->request->method,
			  call->request->path, &call->match);
}

/* `OPTIONS *` asks about the server as a whole (RFC 9110 9.3.7). */
static bool asks_of_server(const struct request *request)
{
	return request->method == METHOD_OPTIONS &&
	       view_equal_string(request->path, "*");
}

static unsigned methods_of_server(void)
{
	unsigned methods = 1u << METHOD_HEAD | 1u << METHOD_OPTIONS;

	for (size_t i = 0; i < ROUTE_COUNT; i++)
		methods |= 1u << routes[i].method;
	return methods;
}

static enum err answer_options(struct call *call)
{
	char allow[ROUTE_ALLOW_SIZE];

	route_allow(call->match.methods, allow);
	call->response->status = 204;
	response_field(call->response, "Allow", view_of(allow));
	if (call->match.resource && call->match.methods & 1u << METHOD_PATCH)
		response_field(call->response, "Accept-Patch",
			       VIEW_LITERAL(MERGE_PATCH_TYPE));
	cors_preflight(call, allow);
	return ERR_OK;
}

static enum auth_role role_for(const struct call *call)
{
	const struct route *route = call->match.route;

	return route->serve == metrics_get && call->api->conf->metrics_open
		       ? ROLE_ANYBODY
		       : route->role;
}

/* The guards, and then the handler. */
static enum err dispatch(struct call *call)
{
	enum err err = find_route(call);

	if (asks_of_server(call->request)) {
		call->match.methods = methods_of_server();
		return answer_options(call);
	}
	if (err == ERR_NO_ROUTE)
		return err;
	if (call->request->method == METHOD_OPTIONS)
		return answer_options(call);
	if (err)
		return err;
	err = permit_call(call, role_for(call));
	if (err)
		return err;
	err = call_query(call);
	if (err)
		return err;
	return call->match.route->serve(call);
}

/* Header fields that belong to one error only. */
static void add_error_fields(struct call *call, enum err err, int status)
{
	struct response *response = call->response;
	char allow[ROUTE_ALLOW_SIZE];
	char etag[ETAG_SIZE];

	if (err == ERR_UNAUTHORIZED || err == ERR_FORBIDDEN)
		permit_challenge(call, err);
	if (status == 503)
		response_field(response, "Retry-After", VIEW_LITERAL(RETRY_S));
	if (err == ERR_METHOD)
		response_field(
			response, "Allow",
			view_of(route_allow(call->match.methods, allow)));
	if (err == ERR_MEDIA_TYPE && call->coded)
		response_field(response, "Accept-Encoding",
			       VIEW_LITERAL("identity"));
	if (err == ERR_MEDIA_TYPE && call->request->method == METHOD_PATCH)
		response_field(response, "Accept-Patch",
			       VIEW_LITERAL(MERGE_PATCH_TYPE));
	if (err == ERR_CONDITION && call->current)
		response_field(response, "ETag",
			       etag_format(call->current, etag));
}

static void add_limit(struct buf *members, uint64_t limit)
{
	json_add_uint64(members, "limit", limit);
}

/* The value's URL among the routes that carry any bytes. */
static void add_url(struct call *call, struct buf *members)
{
	struct buf url = BUF_EMPTY;

	call_add_url("/v1/kv/", call->key, &url);
	json_add_name(members, "url");
	json_add_string(members, buf_view(&url));
	buf_release(&url);
}

/* Members that belong to one error, or to the first librapi's errors. */
static void add_error_members(struct call *call, enum err err,
			      const struct problem *problem,
			      struct buf *members)
{
	if (err == ERR_VALUE_TOO_LARGE)
		add_limit(members, call->api->conf->value_max_bytes);
	if (err == ERR_KEY_TOO_LONG)
		add_limit(members, STORE_KEY_MAX);
	if (err == ERR_GONE)
		json_add_uint64(members, "oldest", call->oldest);
	if (err == ERR_NOT_TEXT)
		add_url(call, members);
	if (of_seed(call)) {
		json_add_name(members, "error");
		json_add_string(members, problem->detail);
	}
}

/*
 * The one exit for errors.  What a fault says is for the client: its own
 * mistakes, and how far it got before there was no room.  Of what goes wrong
 * within (500) it learns no more than the table's words.
 */
static void answer_error(struct call *call, enum err err)
{
	struct response *response = call->response;
	const struct failure *failure = failure_of(err);
	bool told = call->fault.err == err && failure->status != 500;
	struct buf members = BUF_EMPTY;
	struct problem problem = {
		.status = failure->status,
		.code = failure->code,
		.title = failure->title,
		.detail = view_of(failure->detail),
		.request = call->request->id,
	};

	if (told) {
		problem.detail = buf_view(&call->fault.detail);
		problem.errors = buf_view(&call->fault.errors);
	}
	if (told)
		buf_add_view(&members, buf_view(&call->fault.members));
	add_error_members(call, err, &problem, &members);
	problem.members = buf_view(&members);
	response_clear(response);
	response->status = failure->status;
	response_field(response, "Content-Type", VIEW_LITERAL(PROBLEM_TYPE));
	add_error_fields(call, err, failure->status);
	problem_write(&problem, &response->text);
	buf_release(&members);
}

/* 201 may have none, and 204 never has. */
static bool has_content(const struct response *response)
{
	if (response->status == 201)
		return response->body.size || response->text.size;
	return response->status != 204;
}

/* What browsers make of content: no page of ours, least of all of a value. */
static void add_content_fields(struct call *call)
{
	struct response *response = call->response;

	response_field(response, "X-Content-Type-Options",
		       VIEW_LITERAL("nosniff"));
	response_field(response, "Content-Security-Policy",
		       view_of(call->policy ? call->policy : POLICY));
}

/* Header fields that every answer has. */
static void add_common_fields(struct call *call)
{
	struct response *response = call->response;

	response_field(response, "Cache-Control",
		       call->value ? VIEW_LITERAL("no-cache")
				   : VIEW_LITERAL("no-store"));
	if (has_content(response))
		add_content_fields(call);
	cors_answer(call);
	response->id = call->request->id;
	response->no_body = call->request->method == METHOD_HEAD;
}

static enum err build_result(const struct response *response)
{
	return response->fields.err ? response->fields.err : response->text.err;
}

static void answer_error_whole(struct call *call, enum err err)
{
	call->value = false;
	answer_error(call, err);
	add_common_fields(call);
}

/* What it is counted as: methods that the route has not are all one. */
static void note_route(struct call *call)
{
	const struct route_match *match = &call->match;
	enum method method = call->request->method;

	call->response->route =
		match->resource ? (size_t)(match->resource - routes) + 1 : 0;
	call->response->method =
		match->resource && !(match->methods & 1u << method)
			? METHOD_OTHER
			: method;
}

/* With tokens, an answer is only for who may have it. */
static void note_storable(struct call *call)
{
	struct response *response = call->response;

	if (call->request->method != METHOD_GET || call->api->access ||
	    !cors_same_for_all(call))
		return;
	response->shown_at = call->shown_at;
	response->mark = marks_place(call->key);
}

/*
 * Make the response complete.  Where there is no memory even for saying so, a
 * bare status is what is left.
 */
static void finish(struct call *call, enum err err)
{
	struct response *response = call->response;

	note_route(call);
	if (err)
		answer_error(call, err);
	else
		note_storable(call);
	add_common_fields(call);
	if (build_result(response))
		answer_error_whole(call, build_result(response));
	if (build_result(response)) {
		response_clear(response);
		response->status = failure_of(ERR_NO_MEMORY)->status;
	}
	buf_release(&call->fault.detail);
	buf_release(&call->fault.errors);
	buf_release(&call->fault.members);
}

void api_serve(struct api *api, struct request *request,
	       struct response *response)
{
	struct call call = {
		.api = api,
		.request = request,
		.response = response,
	};

	finish(&call, dispatch(&call));
}

void api_settle(struct api *api, struct request *request,
		struct response *response, enum err err)
{
	struct call call = {
		.api = api,
		.request = request,
		.response = response,
	};

	if (!err)
		return;
	find_route(&call);
	finish(&call, err);
}
