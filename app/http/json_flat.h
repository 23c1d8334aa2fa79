/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The form that most objects have when there are many of them: one line of an
 * export, read at a glance.
 */
#ifndef HTTP_JSON_FLAT_H
#define HTTP_JSON_FLAT_H

#include "http/json_tree.h"

/*
 * The nodes of an object whose names and values are strings of json_plain(),
 * whole numbers, true, false and null, without space between them.  0, which
 * says nothing about the text, when it is something else or needs more than
 * `room` nodes.
 */
size_t json_flat(struct view text, struct json_node *nodes, size_t room);

#endif
