/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The grammar of RFC 8259, read by descent, a function for each rule.  Each
 * value that has ended is noted in the tree, when one is wanted.  Depth is
 * bounded, so the stack is.
 */
#include "http/json_grammar.h"

#include <stdlib.h>
#include <string.h>

#include "http/json_plain.h"
#include "http/utf8.h"

#define NODES_FIRST 64

struct cursor {
	const char *begin;
	const char *p;
	const char *end;
	int depth;
	size_t values;          /* that may still come */
	struct json_tree *tree; /* or NULL */
	struct json_error *error;
};

static enum err read_value(struct cursor *c);

static enum err fail(struct cursor *c, const char *reason)
{
	c->error->position = (size_t)(c->p - c->begin);
	c->error->reason = reason;
	return ERR_INVALID;
}

/* Room for one more node; an object has its place before what is within. */
static enum err node_add(struct cursor *c, size_t *at)
{
	struct json_tree *tree = c->tree;

	*at = 0;
	if (c->values-- == 0)
		return fail(c, "too many values");
	if (!tree)
		return ERR_OK;
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

/* Its text goes from `begin` to here, and what was added since is within it. */
static void node_set(const struct cursor *c, size_t at, enum json_kind kind,
		     const char *begin)
{
	if (c->tree)
		c->tree->nodes[at] = (struct json_node){
			.begin = (uint32_t)(begin - c->begin),
			.size = (uint32_t)(c->p - begin),
			.end = (uint32_t)c->tree->count,
			.kind = kind,
		};
}

/* A value with nothing within it. */
static enum err note(struct cursor *c, enum json_kind kind, const char *begin)
{
	size_t at;
	enum err err = node_add(c, &at);

	if (!err)
		node_set(c, at, kind, begin);
	return err;
}

/* The next byte, or -1 at the end. */
static int peek(const struct cursor *c)
{
	return c->p < c->end ? (unsigned char)*c->p : -1;
}

static void skip_space(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' ||
				 *c->p == '\n' || *c->p == '\r'))
		c->p++;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int hex_digit(int c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits after "\u"; the cursor moves past them. */
static enum err read_unit(struct cursor *c, unsigned *unit)
{
	*unit = 0;
	for (int i = 0; i < 4; i++) {
		int digit = c->p < c->end ? hex_digit(peek(c)) : -1;

		if (digit < 0)
			return fail(c, "expected four hexadecimal digits");
		*unit = *unit << 4 | (unsigned)digit;
		c->p++;
	}
	return ERR_OK;
}

/* After "\u": one UTF-16 unit, or the two of a pair. */
static enum err read_escaped_unit(struct cursor *c, bool name)
{
	const char *begin = c->p;
	unsigned unit, low = 0;
	enum err err = read_unit(c, &unit);

	if (err)
		return err;
	if (name && !unit) {
		c->p = begin;
		return fail(c, "NUL in the name of a member");
	}
	if (unit < 0xd800 || unit > 0xdfff)
		return ERR_OK;
	if (unit <= 0xdbff && c->end - c->p >= 2 && c->p[0] == '\\' &&
	    c->p[1] == 'u') {
		c->p += 2;
		err = read_unit(c, &low);
		if (err)
			return err;
	}
	if (low >= 0xdc00 && low <= 0xdfff)
		return ERR_OK;
	c->p = begin;
	return fail(c, "half of a surrogate pair");
}

static enum err read_escape(struct cursor *c, bool name)
{
	int escape;

	c->p++;
	escape = peek(c);
	if (escape <= 0 || !strchr("\"\\/bfnrtu", escape))
		return fail(c, "unknown escape in a string");
	c->p++;
	return escape == 'u' ? read_escaped_unit(c, name) : ERR_OK;
}

/* What json_plain() stops at: an escape, or DEL, which needs none here. */
static enum err read_special(struct cursor *c, bool name)
{
	int next = peek(c);

	if (next < 0)
		return fail(c, "a string without an end");
	if (next < 0x20)
		return fail(c, "control character in a string");
	if (next == '\\')
		return read_escape(c, name);
	c->p++;
	return ERR_OK;
}

static enum err read_string(struct cursor *c, bool name)
{
	const char *begin = c->p++;

	for (;;) {
		enum err err;

		c->p += json_plain(c->p, (size_t)(c->end - c->p));
		if (peek(c) == '"')
			break;
		err = read_special(c, name);
		if (err)
			return err;
	}
	c->p++;
	return note(c, JSON_STRING, begin);
}

static enum err read_digits(struct cursor *c)
{
	if (!is_digit(peek(c)))
		return fail(c, "expected a digit");
	while (is_digit(peek(c)))
		c->p++;
	return ERR_OK;
}

static enum err read_number(struct cursor *c)
{
	const char *begin = c->p;
	enum err err = ERR_OK;

	if (peek(c) == '-')
		c->p++;
	if (peek(c) == '0')
		c->p++;
	else
		err = read_digits(c);
	if (!err && peek(c) == '.') {
		c->p++;
		err = read_digits(c);
	}
	if (!err && (peek(c) == 'e' || peek(c) == 'E')) {
		c->p++;
		if (peek(c) == '+' || peek(c) == '-')
			c->p++;
		err = read_digits(c);
	}
	return err ? err : note(c, JSON_NUMBER, begin);
}

static enum err read_word(struct cursor *c, const char *word,
			  enum json_kind kind)
{
	const char *begin = c->p;
	size_t size = strlen(word);

	if ((size_t)(c->end - c->p) < size || memcmp(c->p, word, size) != 0)
		return fail(c, "expected a value");
	c->p += size;
	return note(c, kind, begin);
}

static enum err read_member(struct cursor *c)
{
	enum err err;

	if (peek(c) != '"')
		return fail(c, "expected the name of a member");
	err = read_string(c, true);
	if (err)
		return err;
	skip_space(c);
	if (peek(c) != ':')
		return fail(c, "expected ':'");
	c->p++;
	return read_value(c);
}

/* What stands between brackets and commas. */
struct list {
	enum json_kind kind;
	char close;
	const char *expected;
	enum err (*read_element)(struct cursor *c);
};

static const struct list object = {
	JSON_OBJECT,
	'}',
	"expected ',' or '}'",
	read_member,
};

static const struct list array = {
	JSON_ARRAY,
	']',
	"expected ',' or ']'",
	read_value,
};

static enum err read_comma(struct cursor *c, const struct list *list)
{
	if (peek(c) != ',')
		return fail(c, list->expected);
	c->p++;
	skip_space(c);
	return ERR_OK;
}

/* After the bracket that opens, up to the one that closes. */
static enum err read_elements(struct cursor *c, const struct list *list)
{
	skip_space(c);
	if (peek(c) == list->close)
		return ERR_OK;
	for (;;) {
		enum err err = list->read_element(c);

		if (err)
			return err;
		skip_space(c);
		if (peek(c) == list->close)
			return ERR_OK;
		err = read_comma(c, list);
		if (err)
			return err;
	}
}

static enum err read_list(struct cursor *c, const struct list *list)
{
	const char *begin = c->p;
	size_t at;
	enum err err;

	if (++c->depth > JSON_DEPTH_MAX)
		return fail(c, "nested too deep");
	err = node_add(c, &at);
	if (err)
		return err;
	c->p++;
	err = read_elements(c, list);
	if (err)
		return err;
	c->p++;
	node_set(c, at, list->kind, begin);
	c->depth--;
	return ERR_OK;
}

static enum err read_value(struct cursor *c)
{
	skip_space(c);
	switch (peek(c)) {
	case '{':
		return read_list(c, &object);
	case '[':
		return read_list(c, &array);
	case '"':
		return read_string(c, false);
	case 't':
		return read_word(c, "true", JSON_TRUE);
	case 'f':
		return read_word(c, "false", JSON_FALSE);
	case 'n':
		return read_word(c, "null", JSON_NULL);
	default:
		if (peek(c) != '-' && !is_digit(peek(c)))
			return fail(c, "expected a value");
		return read_number(c);
	}
}

enum err json_grammar(struct view text, size_t values, struct json_tree *tree,
		      struct json_error *error)
{
	const char *begin = text.data ? text.data : "";
	struct cursor c = {
		.begin = begin,
		.p = begin,
		.end = begin + text.size,
		.values = values,
		.tree = tree,
		.error = error,
	};
	enum err err;

	if (!text.size) {
		*error = (struct json_error){ 0, "expected a value" };
		return ERR_INVALID;
	}
	if (!view_is_utf8(text)) {
		*error = (struct json_error){ utf8_prefix(text), "not UTF-8" };
		return ERR_INVALID;
	}
	err = read_value(&c);
	if (err)
		return err;
	skip_space(&c);
	return c.p == c.end ? ERR_OK : fail(&c, "expected the end");
}

enum err json_check(struct view text, struct json_error *error)
{
	return json_grammar(text, SIZE_MAX, NULL, error);
}
