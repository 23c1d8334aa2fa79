/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PATCH /v1/kv/{key}: a JSON merge patch (RFC 7396).  The patch is read
 * before, the value is read and merged inside the write's lock, so of patches
 * that come at one time none is lost.
 */
#include "api/condition.h"
#include "api/handlers.h"
#include "http/etag.h"
#include "http/mediatype.h"
#include "http/merge_patch.h"

#define RESULT_TYPE "application/json"

struct patch {
	struct call *call;
	struct json_tree tree;
	bool keep; /* the time of expiry */
	int64_t expires_ms;
};

static enum err check_type(struct call *call)
{
	if (mediatype_is(view_trim(call->request->content_type),
			 MERGE_PATCH_TYPE))
		return ERR_OK;
	return fault_at(call, ERR_MEDIA_TYPE, "header",
			VIEW_LITERAL("Content-Type"),
			"a patch must be " MERGE_PATCH_TYPE);
}

static enum err read_body(struct call *call, struct patch *patch)
{
	struct json_error error;
	enum err err = json_tree_read(&patch->tree,
				      buf_view(&call->request->body), &error);

	if (err == ERR_INVALID)
		return fault(call, err, "the body is no JSON: byte %zu: %s",
			     error.position, error.reason);
	return err;
}

static enum err read_patch(struct call *call, struct patch *patch)
{
	bool given;
	enum err err = call_key(call);

	if (!err)
		err = call_body_plain(call);
	if (!err)
		err = check_type(call);
	if (!err)
		err = call_ttl(call, 0, &given, &patch->expires_ms);
	if (!err)
		err = read_body(call, patch);
	patch->keep = !err && !given;
	return err;
}

/* What the value becomes; the response holds it. */
static enum err apply(void *arg, struct store_op *op,
		      const struct record *found)
{
	struct patch *patch = arg;
	struct buf *out = &patch->call->response->text;
	struct json_tree target = JSON_TREE_EMPTY;
	struct json_error error;
	enum err err;

	if (!found)
		return ERR_NOT_FOUND;
	err = json_tree_read(&target, found->value, &error);
	if (err == ERR_INVALID)
		err = fault(patch->call, ERR_NOT_JSON,
			    "the value is no JSON: byte %zu: %s",
			    error.position, error.reason);
	buf_clear(out);
	if (!err)
		err = merge_patch(&target, &patch->tree, out);
	json_tree_release(&target);
	op->value = buf_view(out);
	op->type = VIEW_LITERAL(RESULT_TYPE);
	op->expires_ms = patch->keep ? found->expires_ms : patch->expires_ms;
	return err;
}

static void answer(struct call *call, uint64_t revision)
{
	struct response *response = call->response;
	char etag[ETAG_SIZE];

	response->status = 200;
	response_field(response, "ETag", etag_format(revision, etag));
	response_field(response, "Content-Type", VIEW_LITERAL(RESULT_TYPE));
}

enum err entry_patch(struct call *call)
{
	struct patch patch = { .call = call };
	struct store_op op = {
		.verb = STORE_PUT,
		.decide = apply,
		.decide_arg = &patch,
	};
	uint64_t revision;
	enum err err = read_patch(call, &patch);

	op.key = call->key;
	if (!err)
		err = condition_commit(call, &op, true, &revision);
	if (!err)
		answer(call, revision);
	json_tree_release(&patch.tree);
	return err;
}
