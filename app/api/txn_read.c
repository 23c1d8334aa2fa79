/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The body of a transaction: the lists "if" and "do", and in each object the
 * members that belong to its condition or operation.  All that is wrong is
 * told together.
 */
#include <inttypes.h>
#include <stdio.h>

#include "api/permit.h"
#include "api/txn_object.h"
#include "base/clock.h"
#include "http/mediatype.h"

#define NAME_MAX_SIZE 40 /* of a member, as it is told to the client */
#define TYPE_TEXT     "text/plain; charset=utf-8"
#define TYPE_BYTES    "application/octet-stream"
#define TYPE_JSON     "application/json"
#define TYPE_FORM     "application/x-www-form-urlencoded"

static const struct txn_name op_names[] = {
	{ "get", MEMBER_VERB, FORM_PLAIN, TXN_GET },
	{ "put", MEMBER_VERB, FORM_PLAIN, TXN_PUT },
	{ "value", MEMBER_VALUE, FORM_PLAIN, 0 },
	{ "add", MEMBER_VERB, FORM_PLAIN, TXN_ADD },
	{ "by", MEMBER_BY, FORM_PLAIN, 0 },
	{ "delete", MEMBER_VERB, FORM_PLAIN, TXN_DELETE },
	{ "touch", MEMBER_VERB, FORM_PLAIN, TXN_TOUCH },
	{ "ttl", MEMBER_TTL, FORM_PLAIN, 0 },
	{ "type", MEMBER_TYPE, FORM_PLAIN, 0 },
	{ "json", MEMBER_VALUE, FORM_JSON, 0 },
	{ "value64", MEMBER_VALUE, FORM_BASE64, 0 },
	{ "get64", MEMBER_VERB, FORM_BASE64, TXN_GET },
	{ "put64", MEMBER_VERB, FORM_BASE64, TXN_PUT },
	{ "add64", MEMBER_VERB, FORM_BASE64, TXN_ADD },
	{ "delete64", MEMBER_VERB, FORM_BASE64, TXN_DELETE },
	{ "touch64", MEMBER_VERB, FORM_BASE64, TXN_TOUCH },
	{ NULL, 0, 0, 0 },
};

static const struct txn_name condition_names[] = {
	{ "key", MEMBER_KEY, FORM_PLAIN, 0 },
	{ "key64", MEMBER_KEY, FORM_BASE64, 0 },
	{ "rev", MEMBER_REV, FORM_PLAIN, 0 },
	{ NULL, 0, 0, 0 },
};

#define BIT(member) (1u << (member))

static const struct verb {
	const char *name;
	unsigned takes; /* BITs of members other than the verb */
	unsigned needs;
	enum store_verb store;
} verbs[TXN_VERB_COUNT] = {
	[TXN_PUT] = { "put",
		      BIT(MEMBER_VALUE) | BIT(MEMBER_TYPE) | BIT(MEMBER_TTL),
		      BIT(MEMBER_VALUE), STORE_PUT },
	[TXN_ADD] = { "add", BIT(MEMBER_BY) | BIT(MEMBER_TTL), 0, STORE_PUT },
	[TXN_TOUCH] = { "touch", BIT(MEMBER_TTL), BIT(MEMBER_TTL), STORE_PUT },
	[TXN_DELETE] = { "delete", 0, 0, STORE_DELETE },
	[TXN_GET] = { "get", 0, 0, STORE_GET },
};

const char *txn_verb_name(enum txn_verb verb)
{
	return verbs[verb].name;
}

enum err txn_too_large(struct txn *txn, uint64_t limit, const char *of)
{
	struct call *call = txn->call;

	if (!call->fault.err) {
		json_add_name(&call->fault.members, "limit");
		buf_add_uint64(&call->fault.members, limit);
	}
	return fault(call, ERR_BATCH_TOO_LARGE,
		     "a transaction has at most %" PRIu64 " %s", limit, of);
}

/* Keys and values are counted as they are decoded. */
static enum err count_bytes(struct txn *txn, size_t size)
{
	uint64_t max = txn->call->api->conf->txn_max_bytes;

	txn->read_bytes += size;
	if (txn->read_bytes <= max)
		return ERR_OK;
	return txn_too_large(txn, max, "bytes of keys and values");
}

/* Members */

static enum err read_key(struct txn *txn, const struct txn_object *object,
			 enum member member, struct view *key)
{
	enum err err = txn_object_string(txn, object, member, key);

	if (err)
		return err;
	if (!key->size || key->size > STORE_KEY_MAX)
		return txn_member_wrong(txn, object, member,
					"a key has 1 to 1024 bytes");
	return count_bytes(txn, key->size);
}

static enum err read_value(struct txn *txn, const struct txn_object *object,
			   struct store_op *op)
{
	static const char *const types[] = {
		[FORM_PLAIN] = TYPE_TEXT,
		[FORM_BASE64] = TYPE_BYTES,
		[FORM_JSON] = TYPE_JSON,
	};
	const struct txn_name *name = object->names[MEMBER_VALUE];
	enum err err = ERR_OK;

	op->type = view_of(types[name->form]);
	if (name->form == FORM_JSON)
		op->value =
			json_tree_text(&txn->tree, object->at[MEMBER_VALUE]);
	else
		err = txn_object_string(txn, object, MEMBER_VALUE, &op->value);
	if (err)
		return err;
	if (op->value.size > txn->call->api->conf->value_max_bytes)
		return txn_object_wrong(txn, object, view_of(name->name),
					ERR_VALUE_TOO_LARGE,
					"larger than the limit");
	return count_bytes(txn, op->value.size);
}

static enum err read_type(struct txn *txn, const struct txn_object *object,
			  struct store_op *op)
{
	struct view type;
	enum err err;

	if (!object->at[MEMBER_TYPE])
		return ERR_OK;
	err = txn_object_string(txn, object, MEMBER_TYPE, &type);
	if (err)
		return err;
	type = view_trim(type);
	if (!type.size || type.size > RECORD_TYPE_MAX ||
	    !mediatype_is_clean(type))
		return txn_member_wrong(
			txn, object, MEMBER_TYPE,
			"takes 1 to 255 bytes of visible ASCII");
	op->type = type;
	return ERR_OK;
}

static enum err read_ttl(struct txn *txn, const struct txn_object *object,
			 struct txn_op *op)
{
	uint64_t least = op->verb == TXN_PUT ? 1 : 0;
	uint64_t ttl_s;

	op->keep = !object->at[MEMBER_TTL];
	if (op->keep)
		return ERR_OK;
	if (!json_tree_uint64(&txn->tree, object->at[MEMBER_TTL], &ttl_s) ||
	    ttl_s < least || ttl_s > CALL_TTL_MAX_S)
		return txn_member_wrong(txn, object, MEMBER_TTL,
					least ? "takes whole seconds, 1 to "
						"315360000"
					      : "takes whole seconds, 1 to "
						"315360000, or 0 for never");
	if (ttl_s)
		op->expires_ms = clock_wall_ms() + (int64_t)ttl_s * 1000;
	return ERR_OK;
}

static enum err read_by(struct txn *txn, const struct txn_object *object,
			struct txn_op *op)
{
	op->by = 1;
	if (!object->at[MEMBER_BY] ||
	    json_tree_int64(&txn->tree, object->at[MEMBER_BY], &op->by))
		return ERR_OK;
	return txn_member_wrong(txn, object, MEMBER_BY,
				"takes a whole number of 64 bits");
}

/* Operations and conditions */

static enum err check_members(struct txn *txn, const struct txn_object *object,
			      const struct verb *verb)
{
	enum err err = ERR_OK;

	for (enum member m = MEMBER_VALUE; m <= MEMBER_BY; m++) {
		if (object->at[m] && !(verb->takes & BIT(m)))
			err = txn_member_wrong(
				txn, object, m,
				"does not belong to this operation");
		if (!object->at[m] && verb->needs & BIT(m))
			err = txn_member_lacks(txn, object, m);
	}
	return err;
}

static enum err read_op(struct txn *txn, size_t node, size_t index)
{
	struct txn_object object = { .list = "do", .index = index };
	struct store_op *store_op = &txn->batch.ops[index];
	struct txn_op *op = &txn->ops[index];
	enum err err = txn_object_read(txn, node, op_names, &object);

	if (err)
		return err;
	if (!object.at[MEMBER_VERB])
		return txn_member_lacks(txn, &object, MEMBER_VERB);
	op->txn = txn;
	op->verb = object.names[MEMBER_VERB]->verb;
	store_op->verb = verbs[op->verb].store;
	err = check_members(txn, &object, &verbs[op->verb]);
	if (!err)
		err = read_key(txn, &object, MEMBER_VERB, &store_op->key);
	if (!err)
		err = permit_key(txn->call,
				 op->verb == TXN_GET ? ROLE_READ : ROLE_WRITE,
				 store_op->key);
	if (!err && object.at[MEMBER_VALUE])
		err = read_value(txn, &object, store_op);
	if (!err)
		err = read_type(txn, &object, store_op);
	if (!err)
		err = read_ttl(txn, &object, op);
	if (!err)
		err = read_by(txn, &object, op);
	store_op->expires_ms = op->expires_ms;
	return err;
}

/* A number, or "*": 0 is absent, "*" is there. */
static enum err read_rev(struct txn *txn, const struct txn_object *object,
			 struct store_condition *condition)
{
	size_t at = object->at[MEMBER_REV];
	uint64_t *revision = arena_add(&txn->arena, sizeof(*revision));

	if (!revision)
		return ERR_NO_MEMORY;
	condition->test = STORE_EXISTS;
	if (view_equal_string(json_tree_text(&txn->tree, at), "\"*\""))
		return ERR_OK;
	if (!json_tree_uint64(&txn->tree, at, revision))
		return txn_member_wrong(
			txn, object, MEMBER_REV,
			"takes a revision, 0 for absent, or \"*\" "
			"for present");
	condition->test = *revision ? STORE_REVISION_IN : STORE_ABSENT;
	condition->revisions = revision;
	condition->revision_count = 1;
	return ERR_OK;
}

static enum err read_condition(struct txn *txn, size_t node, size_t index)
{
	struct txn_object object = { .list = "if", .index = index };
	struct store_condition *condition = &txn->batch.conditions[index];
	enum err err = txn_object_read(txn, node, condition_names, &object);

	if (err)
		return err;
	if (!object.at[MEMBER_KEY] || !object.at[MEMBER_REV])
		return txn_member_lacks(txn, &object,
					object.at[MEMBER_KEY] ? MEMBER_REV
							      : MEMBER_KEY);
	err = read_key(txn, &object, MEMBER_KEY, &condition->key);
	if (!err)
		err = permit_key(txn->call, ROLE_READ, condition->key);
	return err ? err : read_rev(txn, &object, condition);
}

/* The body */

static enum err count_elements(struct txn *txn, size_t array, const char *name,
			       size_t *count)
{
	const struct json_node *nodes = txn->tree.nodes;
	uint64_t max = txn->call->api->conf->txn_max_ops;
	char pointer[16];

	*count = 0;
	if (!array)
		return ERR_OK;
	if (nodes[array].kind != JSON_ARRAY) {
		snprintf(pointer, sizeof(pointer), "#/%s", name);
		return fault_at(txn->call, ERR_INVALID, "pointer",
				view_of(pointer), "must be an array");
	}
	for (size_t i = array + 1; i < nodes[array].end; i = nodes[i].end)
		++*count;
	if (*count > max)
		return txn_too_large(txn, max,
				     "conditions and as many operations");
	return ERR_OK;
}

/* Go on after what is malformed, and no further after anything else. */
static enum err read_elements(struct txn *txn, size_t array,
			      enum err (*read)(struct txn *txn, size_t node,
					       size_t index))
{
	const struct json_node *nodes = txn->tree.nodes;
	enum err result = ERR_OK;
	size_t index = 0;

	if (!array)
		return ERR_OK;
	for (size_t i = array + 1; i < nodes[array].end; i = nodes[i].end) {
		enum err err = read(txn, i, index++);

		if (err && err != ERR_INVALID)
			return err;
		result = result ? result : err;
	}
	return result;
}

static enum err reserve(struct txn *txn)
{
	struct store_batch *batch = &txn->batch;

	batch->conditions = arena_add_array(&txn->arena, batch->condition_count,
					    sizeof(*batch->conditions));
	batch->ops = arena_add_array(&txn->arena, batch->op_count,
				     sizeof(*batch->ops));
	txn->ops = arena_add_array(&txn->arena, batch->op_count,
				   sizeof(*txn->ops));
	if (!batch->conditions || !batch->ops || !txn->ops)
		return ERR_NO_MEMORY;
	return ERR_OK;
}

/* Of two, one would be passed over without a word. */
static enum err find_list(struct txn *txn, const char *pointer, size_t at,
			  size_t *list)
{
	if (!*list) {
		*list = at;
		return ERR_OK;
	}
	if (txn->fault_count++ < TXN_FAULTS_MAX)
		fault_at(txn->call, ERR_INVALID, "pointer", view_of(pointer),
			 "given more than once");
	return ERR_INVALID;
}

/* The arrays "if" and "do"; 0 for one that is absent. */
static enum err find_lists(struct txn *txn, size_t *ifs, size_t *dos)
{
	struct json_tree *tree = &txn->tree;
	struct call *call = txn->call;
	enum err result = ERR_OK;

	if (tree->nodes[0].kind != JSON_OBJECT)
		return fault_at(call, ERR_INVALID, "pointer", VIEW_LITERAL("#"),
				"must be an object");
	for (size_t i = 1; i < tree->nodes[0].end; i = tree->nodes[i + 1].end) {
		struct view name;
		enum err err = json_tree_string(tree, i, &name);

		if (err)
			return err;
		if (view_equal_string(name, "if"))
			err = find_list(txn, "#/if", i + 1, ifs);
		else if (view_equal_string(name, "do"))
			err = find_list(txn, "#/do", i + 1, dos);
		else
			result = fault(call, ERR_INVALID,
				       "member '%.*s' is unknown; a "
				       "transaction has 'if' and 'do'",
				       (int)(name.size < NAME_MAX_SIZE
						     ? name.size
						     : NAME_MAX_SIZE),
				       (const char *)name.data);
		if (err)
			result = err;
	}
	if (!result && !*dos)
		result = fault_at(call, ERR_INVALID, "pointer",
				  VIEW_LITERAL("#/do"), "required");
	return result;
}

static enum err read_lists(struct txn *txn)
{
	size_t ifs = 0, dos = 0;
	enum err also;
	enum err err = find_lists(txn, &ifs, &dos);

	if (!err)
		err = count_elements(txn, ifs, "if",
				     &txn->batch.condition_count);
	if (!err)
		err = count_elements(txn, dos, "do", &txn->batch.op_count);
	if (!err)
		err = reserve(txn);
	if (err)
		return err;
	err = read_elements(txn, ifs, read_condition);
	if (err && err != ERR_INVALID)
		return err;
	also = read_elements(txn, dos, read_op);
	return err ? err : also;
}

/* What says nothing of the body, as curl's default, counts as JSON. */
static enum err check_type(struct call *call)
{
	struct view type = view_trim(call->request->content_type);

	if (!type.size || mediatype_is(type, TYPE_JSON) ||
	    mediatype_is(type, TYPE_FORM))
		return ERR_OK;
	return fault_at(call, ERR_MEDIA_TYPE, "header",
			VIEW_LITERAL("Content-Type"),
			"a transaction must be " TYPE_JSON);
}

enum err txn_read(struct txn *txn)
{
	struct call *call = txn->call;
	struct json_error error;
	enum err err = call_body_plain(call);

	if (!err)
		err = check_type(call);
	if (!err)
		err = call_no_conditions(call);
	if (err)
		return err;
	err = json_tree_read(&txn->tree, buf_view(&call->request->body),
			     &error);
	if (err == ERR_INVALID)
		return fault(call, err, "the body is no JSON: byte %zu: %s",
			     error.position, error.reason);
	if (!err)
		err = read_lists(txn);
	/* The first fault is what the client is told. */
	return err && call->fault.err ? call->fault.err : err;
}
