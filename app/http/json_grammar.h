/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json_check() of http/json.h, for who wants the places of the values too. */
#ifndef HTTP_JSON_GRAMMAR_H
#define HTTP_JSON_GRAMMAR_H

#include "http/json_tree.h"

/*
 * As json_check(), and ERR_INVALID when there are more than `values` values and
 * names.  Unless it is NULL, the tree is given the nodes of the text, of
 * UINT32_MAX bytes at most, behind those that it has; after a failure they are
 * some of them.  ERR_NO_MEMORY when there is no room for one.
 */
enum err json_grammar(struct view text, size_t values, struct json_tree *tree,
		      struct json_error *error);

#endif
