/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * /v1/kv/{key}: a value is bytes at a URL.  What was PUT comes back byte for
 * byte with the Content-Type it came with, straight from the buf that the
 * store has read it into.
 */
#include "api/condition.h"
#include "api/handlers.h"
#include "base/clock.h"
#include "http/etag.h"
#include "http/mediatype.h"
#include "http/uri.h"

#define TYPE_UNKNOWN "application/octet-stream"
#define TYPE_FORM    "application/x-www-form-urlencoded"

/*
 * Parts of a value (RFC 9110 14) are lighttpd's to cut out.  It says so of a
 * response that it has whole when the first of it leaves; of one with so many
 * bytes it may not have.
 */
#define COMES_IN_PARTS 4096

static void add_etag(struct response *response, uint64_t revision)
{
	char etag[ETAG_SIZE];

	response_field(response, "ETag", etag_format(revision, etag));
}

static void add_date(struct response *response, const char *name,
		     int64_t wall_ms)
{
	char date[CLOCK_HTTP_DATE_SIZE];

	clock_http_date(wall_ms, date);
	response_field(response, name, view_of(date));
}

static void add_value(struct response *response, const struct record *record)
{
	struct view type = record->type;

	response_field(response, "Content-Type",
		       type.size ? type : VIEW_LITERAL(TYPE_UNKNOWN));
	if (record->value.size >= COMES_IN_PARTS)
		response_field(response, "Accept-Ranges",
			       VIEW_LITERAL("bytes"));
	response->body = record->value;
}

/*
 * The Content-Type to be stored.  curl's default for --data-binary says
 * nothing about the bytes, so it counts as none.
 */
static enum err read_type(struct call *call, struct view *type)
{
	static const struct view name = VIEW_LITERAL("Content-Type");

	*type = view_trim(call->request->content_type);
	if (!type->size || mediatype_is(*type, TYPE_FORM))
		*type = VIEW_LITERAL(TYPE_UNKNOWN);
	if (type->size > RECORD_TYPE_MAX)
		return fault_at(call, ERR_INVALID, "header", name,
				"longer than %d bytes", RECORD_TYPE_MAX);
	if (!mediatype_is_clean(*type))
		return fault_at(call, ERR_INVALID, "header", name,
				"has bytes other than visible ASCII, spaces "
				"and tabs");
	return ERR_OK;
}

static enum err read_put(struct call *call, struct store_op *op)
{
	bool ttl_given;
	enum err err = call_key(call);

	if (!err)
		err = call_body_plain(call);
	if (!err)
		err = call_body_whole(call);
	if (!err)
		err = read_type(call, &op->type);
	if (!err)
		err = call_ttl(call, 1, &ttl_given, &op->expires_ms);
	op->verb = STORE_PUT;
	op->key = call->key;
	op->value = buf_view(&call->request->body);
	return err;
}

enum err entry_get(struct call *call)
{
	struct response *response = call->response;
	struct record record;
	bool not_modified;
	uint64_t revision;
	enum err err = call_key(call);

	if (err)
		return err;
	err = store_get(call->api->store, call->key, &response->hold, &record,
			&revision);
	if (err)
		return err;
	err = condition_read(call, &record, &not_modified);
	if (err)
		return err;
	call->value = true;
	response->status = not_modified ? 304 : 200;
	add_etag(response, record.revision);
	add_date(response, "Last-Modified", record.modified_ms);
	if (record.expires_ms)
		add_date(response, "Librapi-Expires", record.expires_ms);
	if (not_modified)
		return ERR_OK;
	if (!record.expires_ms)
		call->shown_at = revision;
	add_value(response, &record);
	return ERR_OK;
}

enum err entry_put(struct call *call)
{
	struct store_op op = { 0 };
	uint64_t revision;
	enum err err = read_put(call, &op);

	if (!err)
		err = condition_commit(call, &op, false, &revision);
	if (err)
		return err;
	call->response->status = op.existed ? 204 : 201;
	add_etag(call->response, revision);
	if (op.existed)
		return ERR_OK;
	return call_location(call, "/v1/kv/", call->key);
}

enum err entry_delete(struct call *call)
{
	struct store_op op = { .verb = STORE_DELETE };
	uint64_t revision;
	enum err err = call_key(call);

	if (err)
		return err;
	op.key = call->key;
	err = condition_commit(call, &op, true, &revision);
	if (err)
		return err;
	call->response->status = 204;
	return ERR_OK;
}
