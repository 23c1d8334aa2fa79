/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON as the places of its values in the text: what is only passed on stays
 * as it was written, numbers to their last digit, and nothing is built but
 * one array.
 *
 * The nodes stand in the order of the text.  What is within nodes[at] are the
 * nodes from at + 1 to before nodes[at].end; in an object, names and values
 * take turns:
 *
 *   for (i = at + 1; i < nodes[at].end; i = nodes[i].end)
 */
#ifndef HTTP_JSON_TREE_H
#define HTTP_JSON_TREE_H

#include "base/arena.h"
#include "http/json.h"

enum json_kind {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_node {
	uint32_t begin; /* of the text, without space around it */
	uint32_t size;
	uint32_t end; /* the first node that is not within this one */
	enum json_kind kind;
};

struct json_tree {
	struct view text;
	struct json_node *nodes; /* the first one is the root */
	size_t count;
	size_t capacity;
	struct arena strings; /* those that have escapes, decoded */
};

#define JSON_TREE_EMPTY ((struct json_tree){ 0 })

/*
 * Read a text, which has to outlive the tree.  As json_check(), and
 * ERR_NO_MEMORY; json_tree_release() is allowed after any result.  A tree may
 * read one text after the other: the one before is then gone, and its memory
 * is used again.
 */
enum err json_tree_read(struct json_tree *tree, struct view text,
			struct json_error *error);
void json_tree_release(struct json_tree *tree);

/* The text of a node, as it was written. */
struct view json_tree_text(const struct json_tree *tree, size_t at);

/*
 * What a string says; good until json_tree_release().  ERR_INVALID when the
 * node is no string, ERR_NO_MEMORY.
 */
enum err json_tree_string(struct json_tree *tree, size_t at,
			  struct view *string);

/*
 * False unless it is a whole number without fraction and exponent that the
 * type can hold.
 */
bool json_tree_uint64(const struct json_tree *tree, size_t at,
		      uint64_t *number);
bool json_tree_int64(const struct json_tree *tree, size_t at, int64_t *number);

#endif
