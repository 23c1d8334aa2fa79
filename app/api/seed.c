/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first librapi's API, kept for ever: /datas and /datas/{key} show keys
 * and values of the same store as JSON strings.
 *
 * Its clients never had to name the type of what they sent, so a body is read
 * as JSON when Content-Type says so, says nothing, or says what curl, a form
 * or a browser's fetch() say by default.  Members that are not known are
 * passed over, as the original did.  What is written here has the type
 * "text/plain; charset=utf-8" and never expires.
 */
#include "api/condition.h"
#include "api/handlers.h"
#include "api/permit.h"
#include "http/etag.h"
#include "http/json.h"
#include "http/mediatype.h"

#define SEED_TYPE "text/plain; charset=utf-8"

static const char *const body_types[] = {
	"application/json",
	"application/x-www-form-urlencoded",
	"text/plain",
};

#define BODY_TYPE_COUNT (sizeof(body_types) / sizeof(body_types[0]))

/* A request's body; the views point into the tree. */
struct seed_body {
	struct json_object *root;
	struct view key; /* of POST */
	struct view value;
};

static enum err check_type(struct call *call)
{
	struct view type = view_trim(call->request->content_type);

	if (!type.size)
		return ERR_OK;
	for (size_t i = 0; i < BODY_TYPE_COUNT; i++)
		if (mediatype_is(type, body_types[i]))
			return ERR_OK;
	return fault_at(call, ERR_MEDIA_TYPE, "header",
			VIEW_LITERAL("Content-Type"),
			"the body must be application/json");
}

static enum err parse(struct call *call, struct seed_body *body)
{
	struct json_error error;
	enum err err =
		json_parse(buf_view(&call->request->body), &body->root, &error);

	if (err == ERR_INVALID)
		return fault(call, err, "the body is no JSON: byte %zu: %s",
			     error.position, error.reason);
	if (err)
		return err;
	if (!json_is_object(body->root))
		return fault_at(call, ERR_INVALID, "pointer", VIEW_LITERAL("#"),
				"must be an object");
	return ERR_OK;
}

/* ERR_INVALID, with the member added to those that are named. */
static enum err read_member(struct call *call, struct json_object *root,
			    const char *name, const char *pointer,
			    struct view *string)
{
	struct json_object *member;

	if (!json_member(root, name, &member))
		return fault_at(call, ERR_INVALID, "pointer", view_of(pointer),
				"required");
	if (!json_string(member, string))
		return fault_at(call, ERR_INVALID, "pointer", view_of(pointer),
				"must be a string");
	return ERR_OK;
}

static enum err check_key(struct call *call, struct view key)
{
	static const struct view pointer = VIEW_LITERAL("#/key");

	if (key.size > 0 && key.size <= STORE_KEY_MAX)
		return ERR_OK;
	return fault_at(call, ERR_KEY, "pointer", pointer,
			"must have 1 to %d bytes", STORE_KEY_MAX);
}

/* The body of POST (with the key) or PUT; seed_body_release() it always. */
static enum err seed_body_read(struct call *call, struct seed_body *body,
			       bool with_key)
{
	enum err err = call_body_plain(call);
	enum err key_err = ERR_OK;

	if (!err)
		err = call_body_whole(call);
	if (!err)
		err = check_type(call);
	if (!err)
		err = parse(call, body);
	if (err)
		return err;
	if (with_key)
		key_err = read_member(call, body->root, "key", "#/key",
				      &body->key);
	err = read_member(call, body->root, "value", "#/value", &body->value);
	if (key_err || err)
		return ERR_INVALID;
	return with_key ? check_key(call, body->key) : ERR_OK;
}

static void seed_body_release(struct seed_body *body)
{
	json_free(body->root);
}

static enum err seed_write(struct call *call, const struct seed_body *body,
			   struct view key, bool must_exist, uint64_t *revision)
{
	struct store_op op = {
		.verb = STORE_PUT,
		.key = key,
		.value = body->value,
		.type = VIEW_LITERAL(SEED_TYPE),
	};

	return condition_commit(call, &op, must_exist, revision);
}

static void answer(struct call *call, int status, struct view key,
		   struct view value, uint64_t revision)
{
	struct response *response = call->response;
	struct buf *out = &response->text;
	char etag[ETAG_SIZE];

	response->status = status;
	response_field(response, "ETag", etag_format(revision, etag));
	if (status == 304)
		return;
	response_field(response, "Content-Type",
		       VIEW_LITERAL("application/json"));
	buf_add_char(out, '{');
	json_add_bytes(out, "key", key);
	json_add_name(out, "value");
	json_add_string(out, value);
	buf_add_string(out, "}\n");
}

enum err seed_post(struct call *call)
{
	struct seed_body body = { 0 };
	uint64_t revision;
	enum err err = seed_body_read(call, &body, true);

	if (!err)
		err = permit_key(call, ROLE_WRITE, body.key);
	if (!err)
		err = seed_write(call, &body, body.key, false, &revision);
	if (err)
		goto out;
	answer(call, 201, body.key, body.value, revision);
	err = call_location(call, "/datas/", body.key);
out:
	seed_body_release(&body);
	return err;
}

enum err seed_get(struct call *call)
{
	struct record record;
	bool not_modified;
	enum err err = call_key(call);

	if (err)
		return err;
	err = store_get(call->api->store, call->key, &call->response->hold,
			&record, NULL);
	if (err)
		return err;
	if (!view_is_utf8(record.value))
		return ERR_NOT_TEXT;
	err = condition_read(call, &record, &not_modified);
	if (err)
		return err;
	answer(call, not_modified ? 304 : 200, call->key, record.value,
	       record.revision);
	return ERR_OK;
}

enum err seed_put(struct call *call)
{
	struct seed_body body = { 0 };
	uint64_t revision;
	enum err err = call_key(call);

	if (!err)
		err = seed_body_read(call, &body, false);
	if (!err)
		err = seed_write(call, &body, call->key, true, &revision);
	if (!err)
		answer(call, 200, call->key, body.value, revision);
	seed_body_release(&body);
	return err;
}
