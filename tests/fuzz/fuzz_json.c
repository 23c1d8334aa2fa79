/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON: the grammar, json-c and the tree of places take and refuse the same
 * texts, the tree's nodes lie within one another, and a string that was
 * decoded reads back to the same when it is written.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/json_tree.h"

static void check_string(struct view string)
{
	struct json_tree again = JSON_TREE_EMPTY;
	struct buf text = BUF_EMPTY;
	struct json_error error;
	struct view read;

	json_add_string(&text, string);
	FUZZ_HOLDS(!json_tree_read(&again, buf_view(&text), &error));
	FUZZ_HOLDS(!json_tree_string(&again, 0, &read));
	FUZZ_HOLDS(view_equal(read, string));
	json_tree_release(&again);
	buf_release(&text);
}

/* What is within a node stands in its text, in order, and nothing twice. */
static void check_nodes(const struct json_tree *tree, size_t at)
{
	const struct json_node *node = &tree->nodes[at];
	size_t position = node->begin;

	FUZZ_HOLDS(node->size > 0);
	FUZZ_HOLDS(node->begin + (size_t)node->size <= tree->text.size);
	FUZZ_HOLDS(node->end > at && node->end <= tree->count);
	FUZZ_HOLDS(node->end == at + 1 || node->kind >= JSON_ARRAY);
	for (size_t i = at + 1; i < node->end; i = tree->nodes[i].end) {
		FUZZ_HOLDS(tree->nodes[i].begin > position);
		position = tree->nodes[i].begin + tree->nodes[i].size;
		check_nodes(tree, i);
	}
	FUZZ_HOLDS(position <= node->begin + (size_t)node->size);
}

static void check_tree(struct json_tree *tree)
{
	check_nodes(tree, 0);
	FUZZ_HOLDS(tree->nodes[0].end == tree->count);
	for (size_t i = 0; i < tree->count; i++) {
		struct json_error error;
		struct view string;
		uint64_t number;
		int64_t integer;

		FUZZ_HOLDS(!json_check(json_tree_text(tree, i), &error));
		if (tree->nodes[i].kind == JSON_STRING) {
			FUZZ_HOLDS(!json_tree_string(tree, i, &string));
			FUZZ_HOLDS(view_is_utf8(string));
			check_string(string);
		}
		if (json_tree_uint64(tree, i, &number) &&
		    json_tree_int64(tree, i, &integer))
			FUZZ_HOLDS(number == (uint64_t)integer);
	}
}

/*
 * A tree that has room reads many texts by json_flat(), whose nodes have to be
 * those of the other way.
 */
static void check_again(struct json_tree *tree, struct view text)
{
	const size_t size = tree->count * sizeof(*tree->nodes);
	struct json_node *nodes = malloc(size);
	struct json_error error;
	const size_t count = tree->count;

	if (!nodes)
		return;
	memcpy(nodes, tree->nodes, size);
	FUZZ_HOLDS(!json_tree_read(tree, text, &error));
	FUZZ_HOLDS(tree->count == count);
	FUZZ_HOLDS(!memcmp(nodes, tree->nodes, size));
	free(nodes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view text = { data, size };
	struct json_tree tree = JSON_TREE_EMPTY;
	struct json_object *root = NULL;
	struct json_error error;
	enum err err = json_check(text, &error);

	FUZZ_HOLDS(!err || (error.reason && error.position <= size));
	FUZZ_HOLDS(json_tree_read(&tree, text, &error) == err);
	if (!err && tree.count > JSON_VALUES_MAX)
		FUZZ_HOLDS(json_parse(text, &root, &error) == ERR_INVALID);
	else
		FUZZ_HOLDS(json_parse(text, &root, &error) == err);
	if (!err) {
		check_tree(&tree);
		check_again(&tree, text);
	}
	json_tree_release(&tree);
	json_free(root);
	return 0;
}
