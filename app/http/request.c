/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the CGI variables of a request say: a table of the names that are
 * needed and where each goes, by the names' sizes, then the target, the
 * request id and the trace.
 */
#include "http/request.h"

#include <ctype.h>
#include <string.h>

#define ID_SIZE_MAX     128
#define VARIABLES_MAX   4 /* whose names have one size */
#define BODY_KEEP_BYTES (64 << 10)
#define KEPT_KEEP_BYTES (4 << 10)

/* traceparent: version "-" trace id "-" parent id "-" flags */
#define TRACE_SIZE        55
#define TRACE_ID_AT       3
#define TRACE_ID_SIZE     32
#define TRACE_PARENT_AT   36
#define TRACE_PARENT_SIZE 16
#define TRACE_FLAGS_AT    53

static const char *const method_names[METHOD_COUNT] = {
	[METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",
	[METHOD_PUT] = "PUT",         [METHOD_POST] = "POST",
	[METHOD_PATCH] = "PATCH",     [METHOD_DELETE] = "DELETE",
	[METHOD_OPTIONS] = "OPTIONS", [METHOD_OTHER] = "other",
};

#define VARIABLE(name_, member_)                                               \
	{                                                                      \
		.name = (name_), .offset = offsetof(struct request, member_),  \
	}

static const struct variable {
	const char *name;
	size_t offset; /* of its view in struct request */
} variables[][VARIABLES_MAX] = {
	[9] = { VARIABLE("HTTP_HOST", host) },
	[11] = { VARIABLE("REQUEST_URI", target),
		 VARIABLE("HTTP_ACCEPT", accept),
		 VARIABLE("HTTP_ORIGIN", origin) },
	[12] = { VARIABLE("REDIRECT_URI", redirect_target),
		 VARIABLE("CONTENT_TYPE", content_type) },
	[13] = { VARIABLE("HTTP_IF_MATCH", if_match) },
	[14] = { VARIABLE("REQUEST_METHOD", method_name),
		 VARIABLE("REQUEST_SCHEME", scheme),
		 VARIABLE("CONTENT_LENGTH", content_length) },
	[16] = { VARIABLE("HTTP_TRACEPARENT", traceparent) },
	[17] = { VARIABLE("HTTP_X_REQUEST_ID", x_request_id) },
	[18] = { VARIABLE("HTTP_CONTENT_RANGE", content_range),
		 VARIABLE("HTTP_IF_NONE_MATCH", if_none_match),
		 VARIABLE("HTTP_LAST_EVENT_ID", last_event_id),
		 VARIABLE("HTTP_AUTHORIZATION", authorization) },
	[21] = { VARIABLE("HTTP_CONTENT_ENCODING", content_encoding) },
	[22] = { VARIABLE("HTTP_IF_MODIFIED_SINCE", if_modified_since) },
	[24] = { VARIABLE("HTTP_IF_UNMODIFIED_SINCE", if_unmodified_since) },
	[34] = { VARIABLE("HTTP_ACCESS_CONTROL_REQUEST_METHOD",
			  access_control_request_method) },
	[35] = { VARIABLE("HTTP_ACCESS_CONTROL_REQUEST_HEADERS",
			  access_control_request_headers) },
};

#define SIZE_COUNT (sizeof(variables) / sizeof(variables[0]))

const char *method_name(enum method method)
{
	return method < METHOD_COUNT ? method_names[method] : "other";
}

/* Methods are case-sensitive (RFC 9110 9.1). */
static enum method method_of(struct view name)
{
	for (int m = 0; m < METHOD_OTHER; m++)
		if (view_equal_string(name, method_names[m]))
			return (enum method)m;
	return METHOD_OTHER;
}

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

bool request_id_acceptable(struct view id)
{
	const char *p = id.data;

	if (id.size == 0 || id.size > ID_SIZE_MAX)
		return false;
	for (size_t i = 0; i < id.size; i++)
		if (!is_letter_or_digit(p[i]) &&
		    (!p[i] || !strchr("-_.:+/=@", p[i])))
			return false;
	return true;
}

static bool is_lower_hex(const char *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!((p[i] >= '0' && p[i] <= '9') ||
		      (p[i] >= 'a' && p[i] <= 'f')))
			return false;
	return true;
}

static bool all_zero(const char *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != '0')
			return false;
	return true;
}

/*
 * The trace id of a valid traceparent (W3C Trace Context 3.2).  A version
 * later than 00 may have more fields after the four.
 */
static struct view trace_id_of(struct view field)
{
	const char *p = field.data;

	if (field.size < TRACE_SIZE)
		return (struct view){ 0 };
	if (!is_lower_hex(p, 2) || !memcmp(p, "ff", 2))
		return (struct view){ 0 };
	if (field.size > TRACE_SIZE &&
	    (!memcmp(p, "00", 2) || p[TRACE_SIZE] != '-'))
		return (struct view){ 0 };
	if (p[TRACE_ID_AT - 1] != '-' || p[TRACE_PARENT_AT - 1] != '-' ||
	    p[TRACE_FLAGS_AT - 1] != '-')
		return (struct view){ 0 };
	if (!is_lower_hex(p + TRACE_ID_AT, TRACE_ID_SIZE) ||
	    !is_lower_hex(p + TRACE_PARENT_AT, TRACE_PARENT_SIZE) ||
	    !is_lower_hex(p + TRACE_FLAGS_AT, 2))
		return (struct view){ 0 };
	if (all_zero(p + TRACE_ID_AT, TRACE_ID_SIZE) ||
	    all_zero(p + TRACE_PARENT_AT, TRACE_PARENT_SIZE))
		return (struct view){ 0 };
	return (struct view){ p + TRACE_ID_AT, TRACE_ID_SIZE };
}

static struct view skip(struct view a, size_t size)
{
	return (struct view){ (const char *)a.data + size, a.size - size };
}

/*
 * What follows the authority of an absolute-form target, so "/path?query";
 * where there is no path, "/" stands for it (RFC 9112 3.2.1).
 */
static bool strip_authority(struct view *target)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < 2; i++) {
		size_t size = strlen(schemes[i]);
		struct view rest = *target;
		const char *p = rest.data;

		if (rest.size <= size ||
		    !view_equal_nocase((struct view){ p, size }, schemes[i]))
			continue;
		rest = skip(rest, size);
		p = rest.data;
		while (rest.size > 0 && *p != '/' && *p != '?') {
			rest = skip(rest, 1);
			p = rest.data;
		}
		*target = rest;
		return true;
	}
	return false;
}

/* How many bytes a target is when each %XX is one. */
static size_t decoded_size(struct view target)
{
	const char *p = target.data;
	size_t size = 0;

	for (size_t i = 0; i < target.size; i++, size++)
		if (p[i] == '%' && i + 2 < target.size &&
		    isxdigit((unsigned char)p[i + 1]) &&
		    isxdigit((unsigned char)p[i + 2]))
			i += 2;
	return size;
}

/* The normal form spells bytes in another way, but has no more of them. */
static bool was_cut(const struct request *request, struct view target)
{
	struct view whole = request->redirect_target;

	strip_authority(&whole);
	return whole.data && decoded_size(whole) > decoded_size(target);
}

static enum err split_target(struct request *request)
{
	struct view target = request->target;
	bool absolute;

	if (view_equal_string(target, "*")) {
		request->path = target;
		return ERR_OK;
	}
	absolute = strip_authority(&target);
	if (!absolute && (!target.size || *(const char *)target.data != '/'))
		return ERR_INVALID;
	if (was_cut(request, target))
		return ERR_INVALID;
	request->path = view_cut(target, '?', &request->query);
	if (absolute && !request->path.size)
		request->path = VIEW_LITERAL("/");
	return ERR_OK;
}

void request_reset(struct request *request)
{
	memset(request, 0, offsetof(struct request, body));
	request->method = METHOD_OTHER;
	buf_trim(&request->body, BODY_KEEP_BYTES);
}

/* What request_keep() keeps: views of struct request. */
static const size_t kept_views[] = {
	offsetof(struct request, method_name), offsetof(struct request, path),
	offsetof(struct request, origin),      offsetof(struct request, id),
	offsetof(struct request, trace_id),
};

#define KEPT_COUNT (sizeof(kept_views) / sizeof(kept_views[0]))

static struct view *view_at(struct request *request, size_t offset)
{
	return (struct view *)((char *)request + offset);
}

enum err request_keep(struct request *request)
{
	enum method method = request->method;
	struct buf *kept = &request->kept;
	struct view views[KEPT_COUNT];
	size_t at = 0;

	buf_trim(kept, KEPT_KEEP_BYTES);
	for (size_t i = 0; i < KEPT_COUNT; i++) {
		views[i] = *view_at(request, kept_views[i]);
		buf_add_view(kept, views[i]);
	}
	if (kept->err)
		return kept->err;
	memset(request, 0, offsetof(struct request, body));
	request->method = method;
	for (size_t i = 0; i < KEPT_COUNT; i++) {
		if (views[i].data)
			views[i].data = kept->data + at;
		at += views[i].size;
		*view_at(request, kept_views[i]) = views[i];
	}
	return ERR_OK;
}

void request_release(struct request *request)
{
	buf_release(&request->body);
	buf_release(&request->kept);
	*request = (struct request){ .method = METHOD_OTHER };
}

/* Of most that come none is needed, and none has that many bytes. */
static const struct variable *find_variable(const char *name, size_t size)
{
	const struct variable *same =
		size < SIZE_COUNT ? variables[size] : NULL;

	for (size_t i = 0; same && i < VARIABLES_MAX && same[i].name; i++)
		if (!memcmp(same[i].name, name, size))
			return &same[i];
	return NULL;
}

void request_param(struct request *request, const char *name_value)
{
	const char *value = strchr(name_value, '=');
	const struct variable *variable;
	size_t size;

	if (!value)
		return;
	size = (size_t)(value++ - name_value);
	variable = find_variable(name_value, size);
	if (variable)
		*view_at(request, variable->offset) =
			(struct view){ value, strlen(value) };
}

enum err request_ready(struct request *request)
{
	if (request_id_acceptable(request->x_request_id)) {
		request->id = request->x_request_id;
	} else {
		random_uuid(&request->stock, request->made_id);
		request->id = view_of(request->made_id);
	}
	request->trace_id = trace_id_of(request->traceparent);
	request->method = method_of(request->method_name);
	if (!request->method_name.size)
		return ERR_INVALID;
	return split_target(request);
}
