/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON (RFC 8259): json-c's one home for reading, and a writer that needs no
 * tree.
 *
 * json-c is lenient where a store must not be: it takes NaN, "1.", control
 * characters in strings and half surrogate pairs, and cuts a member's name at
 * a \u0000.  So the text is checked by the grammar in json_grammar.c first,
 * and json-c only ever sees what is JSON to the letter.
 */
#ifndef HTTP_JSON_H
#define HTTP_JSON_H

#include "base/buf.h"

#define JSON_DEPTH_MAX  32   /* of objects and arrays within one another */
#define JSON_VALUES_MAX 4096 /* and names, that json_parse() takes */

struct json_error {
	size_t position;    /* byte where the text stops being JSON, from 0 */
	const char *reason; /* "expected ':'"; static */
};

/*
 * Check a text.  ERR_INVALID, with *error, when it is not one JSON value in
 * valid UTF-8, is deeper than JSON_DEPTH_MAX, or has a lone surrogate, or a
 * NUL in a member's name.
 */
enum err json_check(struct view text, struct json_error *error);

/*
 * Reading: a tree of json-c, opaque outside of json.c.  Whatever is looked up
 * in it is the tree's, and good until json_free() of its root.
 */
struct json_object;

/*
 * As json_check(), and ERR_NO_MEMORY.  ERR_INVALID too when there are more than
 * JSON_VALUES_MAX values and names: json-c takes some 700 bytes for an object
 * of two.  A `null` gives *root NULL.
 */
enum err json_parse(struct view text, struct json_object **root,
		    struct json_error *error);
void json_free(struct json_object *root);

bool json_is_object(struct json_object *json);

/* False when it is absent; of a name that repeats, the last counts. */
bool json_member(struct json_object *object, const char *name,
		 struct json_object **member);

/* False when it is something else.  May hold NUL bytes. */
bool json_string(struct json_object *json, struct view *string);

/*
 * False unless it is a whole number without sign, fraction and exponent; one
 * past 2^64-1 counts as that.
 */
bool json_uint64(struct json_object *json, uint64_t *number);

/*
 * Writing.  json_add_name() puts the comma before every name but the first:
 *
 *   buf_add_char(out, '{');
 *   json_add_name(out, "key");
 *   json_add_string(out, key);
 *   buf_add_char(out, '}');
 *
 * A name is one of ours, and goes out as it is.  Bytes of a string that are
 * not UTF-8 leave as U+FFFD, so what is written is always valid JSON.
 */
void json_add_name(struct buf *out, const char *name);
void json_add_string(struct buf *out, struct view string);

/* A member `name` that is a number. */
void json_add_uint64(struct buf *out, const char *name, uint64_t number);

/*
 * A member `name` that is a time as RFC 3339 writes it.  One past the year
 * 9999, which that does not know, leaves as the end of it.
 */
void json_add_time(struct buf *out, const char *name, int64_t wall_ms);

/*
 * A member `name` for bytes: as a string where they are UTF-8, otherwise in
 * base64 as `name64`.
 */
void json_add_bytes(struct buf *out, const char *name, struct view bytes);

#endif
