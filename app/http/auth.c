/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "http/auth.h"

#include <string.h>

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("-._~+/", c));
}

/* 1*( ALPHA / DIGIT / "-._~+/" ) *"=" */
static bool is_token68(struct view token)
{
	const char *p = token.data;
	size_t size = token.size;
	size_t i = 0;

	while (i < size && is_token_char(p[i]))
		i++;
	if (i == 0)
		return false;
	while (i < size && p[i] == '=')
		i++;
	return i == size;
}

bool auth_bearer(struct view field, struct view *token)
{
	struct view rest;
	struct view scheme = view_cut(view_trim(field), ' ', &rest);

	if (!view_equal_nocase(scheme, "Bearer") || !rest.data)
		return false;
	*token = view_trim(rest);
	return is_token68(*token);
}
