/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading with json-c, which is given only what the grammar has passed.
 *
 * json-c 0.16 does not look whether its copy of a member's name was made, so
 * a process without memory for even that dies here.  No write that was
 * acknowledged is lost by it.
 */
#include "http/json.h"

#include <json-c/json.h>
#include <limits.h>

#include "http/json_grammar.h"

/*
 * Parse text that is known to be JSON, so that json-c can only fail for want
 * of memory.  The NUL tells it that a number at the top level has ended.
 */
static enum err build(struct json_tokener *tokener, struct view text,
		      struct json_object **root)
{
	enum json_tokener_error result;

	*root = json_tokener_parse_ex(tokener, text.data, (int)text.size);
	result = json_tokener_get_error(tokener);
	if (result == json_tokener_continue) {
		*root = json_tokener_parse_ex(tokener, "", 1);
		result = json_tokener_get_error(tokener);
	}
	return result == json_tokener_success ? ERR_OK : ERR_NO_MEMORY;
}

enum err json_parse(struct view text, struct json_object **root,
		    struct json_error *error)
{
	struct json_tokener *tokener;
	enum err err = json_grammar(text, JSON_VALUES_MAX, NULL, error);

	*root = NULL;
	if (err)
		return err;
	if (text.size >= INT_MAX)
		return ERR_NO_MEMORY;
	tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	if (!tokener)
		return ERR_NO_MEMORY;
	err = build(tokener, text, root);
	json_tokener_free(tokener);
	return err;
}

void json_free(struct json_object *root)
{
	json_object_put(root);
}

bool json_is_object(struct json_object *json)
{
	return json_object_is_type(json, json_type_object);
}

bool json_member(struct json_object *object, const char *name,
		 struct json_object **member)
{
	return json_object_object_get_ex(object, name, member);
}

bool json_string(struct json_object *json, struct view *string)
{
	if (!json_object_is_type(json, json_type_string))
		return false;
	string->data = json_object_get_string(json);
	string->size = (size_t)json_object_get_string_len(json);
	return true;
}

bool json_uint64(struct json_object *json, uint64_t *number)
{
	const char *text;

	if (!json_object_is_type(json, json_type_int))
		return false;
	text = json_object_get_string(json);
	return view_to_uint64(view_of(text), UINT64_MAX, number);
}
