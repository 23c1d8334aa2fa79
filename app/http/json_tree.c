/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is no flat object (json_flat.h) goes through json_check(), and only what
 * that has passed is read here: so every string ends, every bracket closes, and
 * the depth is bounded; what is left is to note places.
 */
#include "http/json_tree.h"

#include <stdlib.h>
#include <string.h>

#include "http/json_flat.h"

#define NODES_FIRST 64

struct reader {
	struct json_tree *tree;
	const char *begin;
	const char *p;
	const char *end;
};

static enum err read_value(struct reader *r);

static enum err node_add(struct json_tree *tree, size_t *at)
{
	if (tree->count == tree->capacity) {
		size_t more = tree->capacity ? tree->capacity * 2 : NODES_FIRST;
		struct json_node *nodes =
			realloc(tree->nodes, more * sizeof(*nodes));

		if (!nodes)
			return ERR_NO_MEMORY;
		tree->nodes = nodes;
		tree->capacity = more;
	}
	*at = tree->count++;
	return ERR_OK;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static enum json_kind kind_of(char first)
{
	switch (first) {
	case 'n':
		return JSON_NULL;
	case 'f':
		return JSON_FALSE;
	case 't':
		return JSON_TRUE;
	case '"':
		return JSON_STRING;
	case '[':
		return JSON_ARRAY;
	case '{':
		return JSON_OBJECT;
	default:
		return JSON_NUMBER;
	}
}

/* By memchr(3), which is many times as fast as a loop of ours. */
static void pass_string(struct reader *r)
{
	const char *p = r->p + 1;
	const char *quote = memchr(p, '"', (size_t)(r->end - p));
	const char *escape;

	while ((escape = memchr(p, '\\', (size_t)(quote - p)))) {
		p = escape + 2;
		if (p > quote)
			quote = memchr(p, '"', (size_t)(r->end - p));
	}
	r->p = quote + 1;
}

/* A number, or one of the three words. */
static void pass_word(struct reader *r)
{
	while (r->p < r->end && !is_space(*r->p) && *r->p != ',' &&
	       *r->p != ']' && *r->p != '}')
		r->p++;
}

/* Names and values of an object are all values here. */
static enum err read_list(struct reader *r)
{
	r->p++;
	while (*r->p != ']' && *r->p != '}') {
		enum err err;

		if (is_space(*r->p) || *r->p == ',' || *r->p == ':') {
			r->p++;
			continue;
		}
		err = read_value(r);
		if (err)
			return err;
	}
	r->p++;
	return ERR_OK;
}

static enum err read_value(struct reader *r)
{
	const char *begin = r->p;
	enum json_kind kind = kind_of(*begin);
	size_t at;
	enum err err = node_add(r->tree, &at);

	if (err)
		return err;
	if (kind == JSON_STRING)
		pass_string(r);
	else if (kind == JSON_ARRAY || kind == JSON_OBJECT)
		err = read_list(r);
	else
		pass_word(r);
	r->tree->nodes[at] = (struct json_node){
		.begin = (uint32_t)(begin - r->begin),
		.size = (uint32_t)(r->p - begin),
		.end = (uint32_t)r->tree->count,
		.kind = kind,
	};
	return err;
}

enum err json_tree_read(struct json_tree *tree, struct view text,
			struct json_error *error)
{
	const char *begin = text.data ? text.data : "";
	struct reader r = {
		.tree = tree,
		.begin = begin,
		.p = begin,
		.end = begin + text.size,
	};
	enum err err;

	arena_release(&tree->strings);
	tree->text = text;
	tree->count = json_flat(text, tree->nodes, tree->capacity);
	if (tree->count)
		return ERR_OK;
	err = json_check(text, error);
	if (err)
		return err;
	if (text.size > UINT32_MAX)
		return ERR_NO_MEMORY;
	while (is_space(*r.p))
		r.p++;
	return read_value(&r);
}

void json_tree_release(struct json_tree *tree)
{
	free(tree->nodes);
	arena_release(&tree->strings);
	*tree = JSON_TREE_EMPTY;
}

struct view json_tree_text(const struct json_tree *tree, size_t at)
{
	const struct json_node *node = &tree->nodes[at];

	return (struct view){
		(const char *)tree->text.data + node->begin,
		node->size,
	};
}

static unsigned hex_digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0')
			: (unsigned)((c | 0x20) - 'a' + 10);
}

static unsigned read_unit(const char *digits)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++)
		unit = unit << 4 | hex_digit(digits[i]);
	return unit;
}

static char *put_utf8(char *out, unsigned code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*out++ = (char)(0xe0 | code >> 12);
		} else {
			*out++ = (char)(0xf0 | code >> 18);
			*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

/* "\u" and four digits, or two of these for a surrogate pair. */
static const char *decode_unicode(const char *p, char **out)
{
	unsigned code = read_unit(p + 2);

	p += 6;
	if (code >= 0xd800 && code <= 0xdbff) {
		unsigned low = read_unit(p + 2);

		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	}
	*out = put_utf8(*out, code);
	return p;
}

static const char *decode_escape(const char *p, char **out)
{
	static const char names[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";

	if (p[1] == 'u')
		return decode_unicode(p, out);
	*(*out)++ = meant[strchr(names, p[1]) - names];
	return p + 2;
}

/* No decoded string is longer than what it was written as. */
static enum err decode(struct json_tree *tree, struct view raw,
		       struct view *string)
{
	char *begin = arena_add(&tree->strings, raw.size);
	const char *p = raw.data;
	const char *end = p + raw.size;
	char *out = begin;

	if (!begin)
		return ERR_NO_MEMORY;
	while (p < end) {
		if (*p == '\\')
			p = decode_escape(p, &out);
		else
			*out++ = *p++;
	}
	*string = (struct view){ begin, (size_t)(out - begin) };
	return ERR_OK;
}

enum err json_tree_string(struct json_tree *tree, size_t at,
			  struct view *string)
{
	struct view raw = json_tree_text(tree, at);

	if (tree->nodes[at].kind != JSON_STRING)
		return ERR_INVALID;
	raw.data = (const char *)raw.data + 1;
	raw.size -= 2;
	if (memchr(raw.data, '\\', raw.size))
		return decode(tree, raw, string);
	*string = raw;
	return ERR_OK;
}

bool json_tree_uint64(const struct json_tree *tree, size_t at, uint64_t *number)
{
	return tree->nodes[at].kind == JSON_NUMBER &&
	       view_to_uint64(json_tree_text(tree, at), UINT64_MAX, number);
}

bool json_tree_int64(const struct json_tree *tree, size_t at, int64_t *number)
{
	return tree->nodes[at].kind == JSON_NUMBER &&
	       view_to_int64(json_tree_text(tree, at), number);
}
