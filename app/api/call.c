/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What handlers share: faults, query parameters, the key of the path.
 */
#include "api/call.h"

#include <stdarg.h>
#include <stdio.h>

#include "api/permit.h"
#include "base/clock.h"
#include "http/problem.h"
#include "http/uri.h"

#define NAME_SIZE_MAX 32  /* of a parameter that some route takes */
#define SENTENCE_SIZE 512 /* longer ones are cut */
#define ENCODED_SIZE  3   /* "%2F" */
#define NUMBER_MAX    32  /* bytes of a number in the query */
#define TTL_TAKES     "whole seconds, 1 to 315360000"

__attribute__((format(printf, 2, 0))) static struct view
sentence(char out[SENTENCE_SIZE], const char *format, va_list args)
{
	int size = vsnprintf(out, SENTENCE_SIZE, format, args);

	if (size < 0)
		size = 0;
	if (size >= SENTENCE_SIZE)
		size = SENTENCE_SIZE - 1;
	return (struct view){ out, (size_t)size };
}

enum err fault(struct call *call, enum err err, const char *format, ...)
{
	char out[SENTENCE_SIZE];
	va_list args;

	if (call->fault.err)
		return err;
	call->fault.err = err;
	va_start(args, format);
	buf_add_view(&call->fault.detail, sentence(out, format, args));
	va_end(args);
	return err;
}

enum err fault_at(struct call *call, enum err err, const char *kind,
		  struct view name, const char *format, ...)
{
	char out[SENTENCE_SIZE];
	struct view what;
	va_list args;

	if (call->fault.err && call->fault.err != err)
		return err;
	va_start(args, format);
	what = sentence(out, format, args);
	va_end(args);
	problem_add_error(&call->fault.errors, kind, name, what);
	return fault(call, err, "%s '%.*s': %.*s", kind, (int)name.size,
		     (const char *)name.data, (int)what.size,
		     (const char *)what.data);
}

/* The place of a raw name in route->query, or -1. */
static int parameter_index(const struct call *call, struct view raw)
{
	const char *const *query = call->match.route->query;
	char name[NAME_SIZE_MAX];
	size_t size;

	if (!query || uri_decode(raw, name, sizeof(name), &size))
		return -1;
	for (int i = 0; query[i]; i++)
		if (view_equal_string((struct view){ name, size }, query[i]))
			return i;
	return -1;
}

static enum err parameter_unknown(struct call *call, struct view name)
{
	const char *const *query = call->match.route->query;
	struct buf known = BUF_EMPTY;
	enum err err;

	for (int i = 0; query && query[i]; i++) {
		buf_add_string(&known, i ? ", " : "; this resource takes ");
		buf_add_string(&known, query[i]);
	}
	err = fault_at(call, ERR_INVALID, "parameter", name, "unknown%s",
		       known.size ? buf_string(&known)
				  : "; this resource takes none");
	buf_release(&known);
	return err;
}

enum err call_query(struct call *call)
{
	struct view rest = call->request->query;
	struct view name, value;
	enum err err = ERR_OK;

	while (uri_query_next(&rest, &name, &value)) {
		int i = parameter_index(call, name);

		if (i < 0) {
			err = parameter_unknown(call, name);
			continue;
		}
		if (call->parameters[i].data)
			err = fault_at(call, ERR_INVALID, "parameter", name,
				       "given more than once");
		if (!value.data)
			value = VIEW_LITERAL("");
		call->parameters[i] = value;
	}
	return err;
}

struct view call_parameter(const struct call *call, const char *name)
{
	const char *const *query = call->match.route->query;

	for (int i = 0; query && query[i]; i++)
		if (view_equal_string(view_of(query[i]), name))
			return call->parameters[i];
	return (struct view){ 0 };
}

bool call_bytes(struct call *call, const char *name, size_t min, size_t max,
		char *bytes, struct view *value)
{
	struct view raw = call_parameter(call, name);
	size_t size;

	*value = (struct view){ 0 };
	if (!raw.data)
		return true;
	if (uri_decode(raw, bytes, max, &size) || size < min) {
		fault_at(call, ERR_INVALID, "parameter", view_of(name),
			 "takes %zu to %zu bytes, percent-encoded", min, max);
		return false;
	}
	*value = (struct view){ bytes, size };
	return true;
}

bool call_number(struct call *call, const char *name, uint64_t max,
		 uint64_t *number, const char *takes)
{
	struct view raw = call_parameter(call, name);
	char text[NUMBER_MAX];
	size_t size;

	if (!raw.data)
		return true;
	if (!uri_decode(raw, text, sizeof(text), &size) &&
	    view_to_uint64((struct view){ text, size }, max, number))
		return true;
	fault_at(call, ERR_INVALID, "parameter", view_of(name), "takes %s",
		 takes);
	return false;
}

static enum err key_malformed(struct call *call, size_t position)
{
	struct view raw = call->match.key;
	size_t left = raw.size - position;

	return fault(call, ERR_KEY,
		     "byte %zu of the encoded key: '%.*s' is no "
		     "percent-encoding; it takes two hexadecimal digits",
		     position, (int)(left < ENCODED_SIZE ? left : ENCODED_SIZE),
		     (const char *)raw.data + position);
}

enum err call_key(struct call *call)
{
	size_t size;
	enum err err = uri_decode(call->match.key, call->key_bytes,
				  sizeof(call->key_bytes), &size);

	if (err == ERR_INVALID)
		return key_malformed(call, size);
	if (err)
		return err;
	if (!size)
		return fault(call, ERR_KEY,
			     "the key is empty; it takes 1 to %d bytes",
			     STORE_KEY_MAX);
	call->key = (struct view){ call->key_bytes, size };
	return permit_key(call, call->match.route->role, call->key);
}

void call_add_url(const char *folder, struct view key, struct buf *out)
{
	buf_add_string(out, folder);
	uri_encode_path(key, out);
}

enum err call_location(struct call *call, const char *folder, struct view key)
{
	struct buf url = BUF_EMPTY;
	enum err err;

	call_add_url(folder, key, &url);
	response_field(call->response, "Location", buf_view(&url));
	err = url.err;
	buf_release(&url);
	return err;
}

enum err call_body_plain(struct call *call)
{
	struct view coding = view_trim(call->request->content_encoding);

	if (!coding.size || view_equal_nocase(coding, "identity"))
		return ERR_OK;
	call->coded = true;
	return fault_at(call, ERR_MEDIA_TYPE, "header",
			VIEW_LITERAL("Content-Encoding"),
			"only identity is served; send the bytes as they are");
}

enum err call_body_whole(struct call *call)
{
	if (!call->request->content_range.data)
		return ERR_OK;
	return fault_at(call, ERR_INVALID, "header",
			VIEW_LITERAL("Content-Range"),
			"a part of a value can't be put");
}

enum err call_ttl(struct call *call, uint64_t least_s, bool *given,
		  int64_t *expires_ms)
{
	uint64_t ttl_s = 0;

	*expires_ms = 0;
	*given = call_parameter(call, "ttl").data;
	if (!*given)
		return ERR_OK;
	if (!call_number(call, "ttl", CALL_TTL_MAX_S, &ttl_s,
			 least_s ? TTL_TAKES : TTL_TAKES ", or 0 for never"))
		return ERR_INVALID;
	if (ttl_s < least_s)
		return fault_at(call, ERR_INVALID, "parameter",
				VIEW_LITERAL("ttl"), "takes " TTL_TAKES);
	if (ttl_s)
		*expires_ms = clock_wall_ms() + (int64_t)ttl_s * 1000;
	return ERR_OK;
}

enum err call_no_conditions(struct call *call)
{
	const struct request *request = call->request;
	const struct {
		const char *name;
		struct view field;
	} fields[] = {
		{ "If-Match", request->if_match },
		{ "If-None-Match", request->if_none_match },
		{ "If-Unmodified-Since", request->if_unmodified_since },
	};
	enum err err = ERR_OK;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].field.data)
			err = fault_at(call, ERR_INVALID, "header",
				       view_of(fields[i].name),
				       "not served here: there is no one key "
				       "that it is about");
	return err;
}
