/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass, which gives up at the first byte that it does not expect. */
#include "http/json_flat.h"

#include <string.h>

#include "http/json_plain.h"

struct scan {
	const char *begin;
	const char *p;
	const char *end;
	struct json_node *nodes;
	size_t count;
	size_t room;
};

static bool add(struct scan *s, enum json_kind kind, const char *end)
{
	if (s->count == s->room)
		return false;
	s->nodes[s->count] = (struct json_node){
		.begin = (uint32_t)(s->p - s->begin),
		.size = (uint32_t)(end - s->p),
		.end = (uint32_t)(s->count + 1),
		.kind = kind,
	};
	s->count++;
	s->p = end;
	return true;
}

static bool is_next(const struct scan *s, char c)
{
	return s->p < s->end && *s->p == c;
}

static bool pass(struct scan *s, char c)
{
	if (!is_next(s, c))
		return false;
	s->p++;
	return true;
}

static bool pass_string(struct scan *s)
{
	const char *close;

	if (!is_next(s, '"'))
		return false;
	close = s->p + 1;
	close += json_plain(close, (size_t)(s->end - close));
	return close < s->end && *close == '"' &&
	       add(s, JSON_STRING, close + 1);
}

static bool pass_number(struct scan *s)
{
	const char *end = s->p;

	while (end < s->end && *end >= '0' && *end <= '9')
		end++;
	if (end == s->p || (*s->p == '0' && end - s->p > 1))
		return false;
	return add(s, JSON_NUMBER, end);
}

static bool pass_word(struct scan *s, const char *word, enum json_kind kind)
{
	size_t size = strlen(word);

	return (size_t)(s->end - s->p) >= size && !memcmp(s->p, word, size) &&
	       add(s, kind, s->p + size);
}

static bool pass_value(struct scan *s)
{
	if (s->p == s->end)
		return false;
	switch (*s->p) {
	case '"':
		return pass_string(s);
	case 'n':
		return pass_word(s, "null", JSON_NULL);
	case 't':
		return pass_word(s, "true", JSON_TRUE);
	case 'f':
		return pass_word(s, "false", JSON_FALSE);
	default:
		return pass_number(s);
	}
}

/* The node of the object itself comes first, once all is known. */
static bool pass_object(struct scan *s)
{
	if (!pass(s, '{') || s->room == 0)
		return false;
	s->count = 1;
	do {
		if (!pass_string(s) || !pass(s, ':') || !pass_value(s))
			return false;
	} while (pass(s, ','));
	return pass(s, '}') && s->p == s->end;
}

size_t json_flat(struct view text, struct json_node *nodes, size_t room)
{
	const char *begin = text.data ? text.data : "";
	struct scan s = {
		.begin = begin,
		.p = begin,
		.end = begin + text.size,
		.nodes = nodes,
		.room = room,
	};

	if (text.size > UINT32_MAX || !pass_object(&s) || !view_is_utf8(text))
		return 0;
	nodes[0] = (struct json_node){
		.size = (uint32_t)text.size,
		.end = (uint32_t)s.count,
		.kind = JSON_OBJECT,
	};
	return s.count;
}
