/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Places are noted by the grammar, or of a flat object (json_flat.h) at a
 * glance.  What is read out of them here has been passed by it: every escape
 * is a good one, and every surrogate has its other half.
 */
#include "http/json_tree.h"

#include <stdlib.h>
#include <string.h>

#include "http/json_flat.h"
#include "http/json_grammar.h"

enum err json_tree_read(struct json_tree *tree, struct view text,
			struct json_error *error)
{
	enum err err;

	arena_release(&tree->strings);
	tree->text = text;
	tree->count = json_flat(text, tree->nodes, tree->capacity);
	if (tree->count)
		return ERR_OK;
	if (text.size > UINT32_MAX)
		return ERR_NO_MEMORY;
	err = json_grammar(text, SIZE_MAX, tree, error);
	if (err)
		tree->count = 0;
	return err;
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
