/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The members of an object are noted in one pass, by a table of names; a
 * fault points to the list, the place in it and the member, RFC 6901.
 */
#include <stdio.h>

#include "api/txn_object.h"
#include "base/base64.h"

#define NAME_MAX_SIZE 40 /* of a member, as it is told to the client */

static const char *const member_names[MEMBER_COUNT] = {
	[MEMBER_VERB] = "put, add, touch, delete or get",
	[MEMBER_VALUE] = "value, value64 or json",
	[MEMBER_TYPE] = "type",
	[MEMBER_TTL] = "ttl",
	[MEMBER_BY] = "by",
	[MEMBER_KEY] = "key or key64",
	[MEMBER_REV] = "rev",
};

/* A token of a JSON pointer (RFC 6901) in a URI fragment. */
static void add_token(struct buf *out, struct view name)
{
	const unsigned char *p = name.data;

	for (size_t i = 0; i < name.size; i++) {
		if (p[i] == '~')
			buf_add_string(out, "~0");
		else if (p[i] == '/')
			buf_add_string(out, "~1");
		else if (p[i] <= 0x20 || p[i] >= 0x7f || p[i] == '%' ||
			 p[i] == '"' || p[i] == '#')
			buf_addf(out, "%%%02X", p[i]);
		else
			buf_add_char(out, (char)p[i]);
	}
}

enum err txn_object_wrong(struct txn *txn, const struct txn_object *object,
			  struct view name, enum err err, const char *what)
{
	struct buf pointer = BUF_EMPTY;

	if (txn->fault_count++ >= TXN_FAULTS_MAX)
		return err;
	buf_addf(&pointer, "#/%s/%zu", object->list, object->index);
	if (name.size > NAME_MAX_SIZE)
		name.size = NAME_MAX_SIZE;
	if (name.data) {
		buf_add_char(&pointer, '/');
		add_token(&pointer, name);
	}
	err = fault_at(txn->call, err, "pointer", buf_view(&pointer), "%s",
		       what);
	buf_release(&pointer);
	return err;
}

enum err txn_member_wrong(struct txn *txn, const struct txn_object *object,
			  enum member member, const char *what)
{
	return txn_object_wrong(txn, object,
				view_of(object->names[member]->name),
				ERR_INVALID, what);
}

static enum err wrong_object(struct txn *txn, const struct txn_object *object,
			     const char *what, const char *more)
{
	char sentence[128];

	snprintf(sentence, sizeof(sentence), "%s%s", what, more);
	return txn_object_wrong(txn, object, (struct view){ 0 }, ERR_INVALID,
				sentence);
}

static const struct txn_name *find_name(const struct txn_name *names,
					struct view name)
{
	for (; names->name; names++)
		if (view_equal_string(name, names->name))
			return names;
	return NULL;
}

enum err txn_member_lacks(struct txn *txn, const struct txn_object *object,
			  enum member member)
{
	return wrong_object(txn, object, "needs ", member_names[member]);
}

enum err txn_object_read(struct txn *txn, size_t node,
			 const struct txn_name *names,
			 struct txn_object *object)
{
	struct json_tree *tree = &txn->tree;
	enum err result = ERR_OK;

	if (tree->nodes[node].kind != JSON_OBJECT)
		return wrong_object(txn, object, "must be an object", "");
	for (size_t i = node + 1; i < tree->nodes[node].end;
	     i = tree->nodes[i + 1].end) {
		const struct txn_name *known;
		struct view name;
		enum err err = json_tree_string(tree, i, &name);

		if (err)
			return err;
		known = find_name(names, name);
		if (!known) {
			result = txn_object_wrong(txn, object, name,
						  ERR_INVALID, "unknown");
			continue;
		}
		if (object->at[known->member])
			result = wrong_object(txn, object, "takes only one ",
					      member_names[known->member]);
		object->at[known->member] = i + 1;
		object->names[known->member] = known;
	}
	return result;
}

static enum err read_base64(struct txn *txn, struct view text,
			    struct view *bytes)
{
	struct buf decoded = BUF_EMPTY;
	enum err err = base64_decode(text, &decoded);

	if (!err)
		err = decoded.err;
	if (!err)
		err = arena_copy(&txn->arena, buf_view(&decoded), bytes);
	buf_release(&decoded);
	return err;
}

enum err txn_object_string(struct txn *txn, const struct txn_object *object,
			   enum member member, struct view *bytes)
{
	bool base64 = object->names[member]->form == FORM_BASE64;
	enum err err = json_tree_string(&txn->tree, object->at[member], bytes);

	if (err == ERR_INVALID)
		return txn_member_wrong(txn, object, member,
					"must be a string");
	if (!err && base64)
		err = read_base64(txn, *bytes, bytes);
	if (err == ERR_INVALID)
		return txn_member_wrong(txn, object, member,
					"must be base64, with its padding");
	return err;
}
