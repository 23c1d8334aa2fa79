/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table is short, so it is looked through from top to bottom.
 */
#include "http/route.h"

#include <string.h>

#define KEY_PART "{key}"

static bool fits(const char *pattern, struct view path, struct view *key)
{
	const char *p = path.data;
	size_t same = 0;

	while (same < path.size && pattern[same] && pattern[same] == p[same] &&
	       pattern[same] != *KEY_PART)
		same++;
	if (!strcmp(pattern + same, KEY_PART)) {
		*key = (struct view){ p + same, path.size - same };
		return true;
	}
	*key = (struct view){ 0 };
	return same == path.size && !pattern[same];
}

static unsigned methods_of(const struct route *route)
{
	unsigned methods = 1u << route->method | 1u << METHOD_OPTIONS;

	if (route->method == METHOD_GET)
		methods |= 1u << METHOD_HEAD;
	return methods;
}

enum err route_find(const struct route *routes, size_t count,
		    enum method method, struct view path,
		    struct route_match *match)
{
	enum method wanted = method == METHOD_HEAD ? METHOD_GET : method;

	*match = (struct route_match){ 0 };
	if (!path.data)
		return ERR_NO_ROUTE;
	for (size_t i = 0; i < count; i++) {
		struct view key;

		if (!fits(routes[i].pattern, path, &key))
			continue;
		if (!match->resource) {
			match->resource = &routes[i];
			match->key = key;
		}
		match->methods |= methods_of(&routes[i]);
		if (routes[i].method == wanted) {
			match->route = &routes[i];
			return ERR_OK;
		}
	}
	return match->resource ? ERR_METHOD : ERR_NO_ROUTE;
}

const char *route_allow(unsigned methods, char out[ROUTE_ALLOW_SIZE])
{
	char *end = out;

	*end = '\0';
	for (int m = 0; m < METHOD_OTHER; m++) {
		if (!(methods & 1u << m))
			continue;
		if (end != out)
			end = stpcpy(end, ", ");
		end = stpcpy(end, method_name((enum method)m));
	}
	return out;
}
