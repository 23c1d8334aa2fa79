/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * No more is read of a media type than is asked of it: what a value's type
 * means is a matter between those who write it and those who read it.
 */
#include "http/mediatype.h"

#include <strings.h>

#define Q_ONE 1000 /* q=1, in the thousandths that a q has at most */

/* One element of Accept. */
struct range {
	struct view type; /* "text/plain", with "*" for either half */
	unsigned q;       /* thousandths */
};

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* As view_cut(), at a separator that is not within a quoted string. */
static struct view cut_unquoted(struct view a, char separator,
				struct view *rest)
{
	const char *p = a.data;
	bool quoted = false;

	for (size_t i = 0; i < a.size; i++) {
		if (p[i] == '"')
			quoted = !quoted;
		else if (p[i] == '\\' && quoted)
			i++;
		if (i >= a.size || p[i] != separator || quoted)
			continue;
		*rest = (struct view){ p + i + 1, a.size - i - 1 };
		return (struct view){ p, i };
	}
	*rest = (struct view){ NULL, 0 };
	return a;
}

/*
 * "0", "0.5", "1.000" (RFC 9110 12.4.2) in thousandths; false: malformed.  ".2"
 * is not to the letter, but what Java's HttpURLConnection says by default.
 */
static bool parse_q(struct view text, unsigned *q)
{
	struct view digits;
	struct view whole = view_cut(text, '.', &digits);
	const unsigned char *p = digits.data;
	unsigned scale = Q_ONE / 10;

	*q = view_equal_string(whole, "1") ? Q_ONE : 0;
	if (*q == 0 && !view_equal_string(whole, "0") &&
	    (whole.size || !digits.size))
		return false;
	for (size_t i = 0; i < digits.size; i++) {
		if (!is_digit(p[i]) || i == 3)
			return false;
		*q += (unsigned)(p[i] - '0') * scale;
		scale /= 10;
	}
	return *q <= Q_ONE;
}

/* False when the element is empty or malformed. */
static bool parse_range(struct view element, struct range *range)
{
	struct view rest, subtype, value;

	range->q = Q_ONE;
	range->type = view_trim(cut_unquoted(element, ';', &rest));
	view_cut(range->type, '/', &subtype);
	if (!subtype.size)
		return false;
	while (rest.data) {
		struct view parameter =
			view_trim(cut_unquoted(rest, ';', &rest));
		struct view name = view_cut(parameter, '=', &value);

		if (view_equal_nocase(name, "q") && !parse_q(value, &range->q))
			return false;
	}
	return true;
}

/* How closely the range names the type: 3, 2, 1, or 0 when it does not. */
static int closeness(const struct range *range, const char *type)
{
	struct view subtype, range_subtype;
	struct view main = view_cut(view_of(type), '/', &subtype);
	struct view range_main = view_cut(range->type, '/', &range_subtype);

	if (view_equal_nocase(range->type, type))
		return 3;
	if (!view_equal_string(range_subtype, "*"))
		return 0;
	if (view_equal_string(range_main, "*"))
		return 1;
	if (range_main.size != main.size ||
	    strncasecmp(range_main.data, type, main.size) != 0)
		return 0;
	return 2;
}

/* The q that the field gives to a type; 0: not wanted. */
static unsigned weight(struct view accept, const char *type)
{
	struct range range;
	int closest = 0;
	unsigned q = 0;

	while (accept.data) {
		struct view element = cut_unquoted(accept, ',', &accept);
		int close;

		if (!parse_range(element, &range))
			continue;
		close = closeness(&range, type);
		if (close <= closest)
			continue;
		closest = close;
		q = range.q;
	}
	return q;
}

bool mediatype_is(struct view field, const char *type)
{
	struct view parameters;

	return view_equal_nocase(view_trim(view_cut(field, ';', &parameters)),
				 type);
}

bool mediatype_is_clean(struct view field)
{
	const unsigned char *p = field.data;

	for (size_t i = 0; i < field.size; i++)
		if ((p[i] < 0x20 && p[i] != '\t') || p[i] > 0x7e)
			return false;
	return true;
}

int mediatype_choose(struct view accept, const char *const *types, size_t count)
{
	unsigned best = 0;
	int chosen = -1;

	if (!view_trim(accept).size)
		return 0;
	for (size_t i = 0; i < count; i++) {
		unsigned q = weight(accept, types[i]);

		if (q <= best)
			continue;
		best = q;
		chosen = (int)i;
	}
	return chosen;
}
