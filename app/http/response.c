/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Status, fields and body become CGI's bytes (RFC 3875 section 6).
 */
#include "http/response.h"

#include <stdarg.h>
#include <stdio.h>

#define KEEP_BYTES (64 << 10)
#define VALUE_SIZE 512
#define ID_FIELD   "X-Request-Id"

static const struct phrase {
	int status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 204, "No Content" },
	{ 304, "Not Modified" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 428, "Precondition Required" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
	{ 507, "Insufficient Storage" },
};

#define PHRASE_COUNT (sizeof(phrases) / sizeof(phrases[0]))

/* A body, and with it Content-Length, has no place here (RFC 9110 6.4.1). */
static bool bodiless(int status)
{
	return status < 200 || status == 204 || status == 304;
}

static struct view whole_body(const struct response *response)
{
	return response->body.data ? response->body : buf_view(&response->text);
}

static void disarm(char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (data[i] == '\r' || data[i] == '\n' || !data[i])
			data[i] = ' ';
}

const char *status_phrase(int status)
{
	for (size_t i = 0; i < PHRASE_COUNT; i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Unknown";
}

static void end_stream(struct response *response)
{
	if (response->stream_done)
		response->stream_done(response->stream_arg);
	response->stream = NULL;
	response->stream_check = NULL;
	response->stream_done = NULL;
	response->stream_arg = NULL;
}

void response_reset(struct response *response)
{
	end_stream(response);
	buf_trim(&response->fields, KEEP_BYTES);
	buf_trim(&response->text, KEEP_BYTES);
	buf_trim(&response->hold, KEEP_BYTES);
	response->status = 0;
	response->body = (struct view){ 0 };
	response->no_body = false;
	response->unbounded = false;
	response->id = (struct view){ 0 };
	response->ticket = 0;
	response->shown_at = 0;
}

void response_release(struct response *response)
{
	end_stream(response);
	buf_release(&response->fields);
	buf_release(&response->text);
	buf_release(&response->hold);
	*response = (struct response){ 0 };
}

enum err response_move(struct response *from, struct response *to)
{
	if (from->id.size)
		response_field(from, ID_FIELD, from->id);
	from->id = (struct view){ 0 };
	*to = *from;
	*from = (struct response){ 0 };
	return to->fields.err;
}

void response_clear(struct response *response)
{
	end_stream(response);
	buf_clear(&response->fields);
	buf_clear(&response->text);
	buf_clear(&response->hold);
	response->status = 0;
	response->body = (struct view){ 0 };
	response->shown_at = 0;
}

void response_field(struct response *response, const char *name,
		    struct view value)
{
	struct buf *fields = &response->fields;
	size_t at;

	buf_add_string(fields, name);
	buf_add(fields, ": ", 2);
	at = fields->size;
	buf_add_view(fields, value);
	if (fields->err)
		return;
	disarm(fields->data + at, fields->size - at);
	buf_add(fields, "\r\n", 2);
}

void response_fieldf(struct response *response, const char *name,
		     const char *format, ...)
{
	char value[VALUE_SIZE];
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	if (size < 0)
		return;
	if ((size_t)size >= sizeof(value))
		size = sizeof(value) - 1;
	response_field(response, name, (struct view){ value, (size_t)size });
}

bool response_streams(const struct response *response)
{
	return response->stream && !response->no_body &&
	       !bodiless(response->status);
}

struct view response_body(const struct response *response)
{
	if (response->stream || response->no_body || bodiless(response->status))
		return (struct view){ 0 };
	return whole_body(response);
}

void response_head(const struct response *response, struct buf *out)
{
	buf_add_string(out, "Status: ");
	buf_add_uint64(out, (uint64_t)response->status);
	buf_add_char(out, ' ');
	buf_add_string(out, status_phrase(response->status));
	buf_add(out, "\r\n", 2);
	buf_add_view(out, buf_view(&response->fields));
	if (response->id.size) {
		buf_add_string(out, ID_FIELD ": ");
		buf_add_view(out, response->id);
		buf_add(out, "\r\n", 2);
	}
	if (!bodiless(response->status) && !response->stream &&
	    !response->unbounded) {
		buf_add_string(out, "Content-Length: ");
		buf_add_uint64(out, whole_body(response).size);
		buf_add(out, "\r\n", 2);
	}
	buf_add(out, "\r\n", 2);
}
