/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The grammar of RFC 8259, read by descent, a function for each rule.  It
 * looks at bytes and builds nothing.  Depth is bounded, so the stack is.
 */
#include <stdint.h>
#include <string.h>

#include "http/json.h"
#include "http/utf8.h"

struct cursor {
	const char *begin;
	const char *p;
	const char *end;
	int depth;
	struct json_error *error;
};

static enum err read_value(struct cursor *c);

static enum err fail(struct cursor *c, const char *reason)
{
	c->error->position = (size_t)(c->p - c->begin);
	c->error->reason = reason;
	return ERR_INVALID;
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

/* Every byte of a word, and whether any byte of it is 0 or less than n. */
#define EACH(byte)     (UINT64_C(0x0101010101010101) * (byte))
#define ANY_ZERO(word) (((word)-EACH(1)) & ~(word)&EACH(0x80))
#define ANY_LESS(w, n) (((w)-EACH(n)) & ~(w)&EACH(0x80))

/* Eight bytes a step as long as all of them are plain. */
size_t json_plain(const char *p, size_t size)
{
	size_t passed = 0;
	uint64_t word;

	for (; size - passed >= sizeof(word); passed += sizeof(word)) {
		memcpy(&word, p + passed, sizeof(word));
		if (ANY_LESS(word, 0x20) | ANY_ZERO(word ^ EACH('"')) |
		    ANY_ZERO(word ^ EACH('\\')))
			break;
	}
	while (passed < size && (unsigned char)p[passed] >= 0x20 &&
	       p[passed] != '"' && p[passed] != '\\')
		passed++;
	return passed;
}

static enum err read_string(struct cursor *c, bool name)
{
	c->p++;
	for (;;) {
		int next;
		enum err err;

		c->p += json_plain(c->p, (size_t)(c->end - c->p));
		next = peek(c);

		if (next < 0)
			return fail(c, "a string without an end");
		if (next < 0x20)
			return fail(c, "control character in a string");
		if (next == '"') {
			c->p++;
			return ERR_OK;
		}
		err = read_escape(c, name);
		if (err)
			return err;
	}
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
	return err;
}

static enum err read_word(struct cursor *c, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(c->end - c->p) < size || memcmp(c->p, word, size) != 0)
		return fail(c, "expected a value");
	c->p += size;
	return ERR_OK;
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

/* An object or an array: what stands between brackets and commas. */
static enum err read_list(struct cursor *c, char close, const char *expected,
			  enum err (*read_element)(struct cursor *c))
{
	if (++c->depth > JSON_DEPTH_MAX)
		return fail(c, "nested too deep");
	c->p++;
	skip_space(c);
	for (bool first = true; first || peek(c) != close; first = false) {
		enum err err;

		if (first && peek(c) == close)
			break;
		if (!first) {
			if (peek(c) != ',')
				return fail(c, expected);
			c->p++;
			skip_space(c);
		}
		err = read_element(c);
		if (err)
			return err;
		skip_space(c);
	}
	c->p++;
	c->depth--;
	return ERR_OK;
}

static enum err read_value(struct cursor *c)
{
	skip_space(c);
	switch (peek(c)) {
	case '{':
		return read_list(c, '}', "expected ',' or '}'", read_member);
	case '[':
		return read_list(c, ']', "expected ',' or ']'", read_value);
	case '"':
		return read_string(c, false);
	case 't':
		return read_word(c, "true");
	case 'f':
		return read_word(c, "false");
	case 'n':
		return read_word(c, "null");
	default:
		if (peek(c) != '-' && !is_digit(peek(c)))
			return fail(c, "expected a value");
		return read_number(c);
	}
}

enum err json_check(struct view text, struct json_error *error)
{
	const char *begin = text.data ? text.data : "";
	struct cursor c = {
		.begin = begin,
		.p = begin,
		.end = begin + text.size,
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
