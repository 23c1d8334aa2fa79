/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table is short, so it is looked through from top to bottom.
 */
#include "http/route.h"

#include <string.h>

#define KEY_PART "{key}"

static bool fits(const char *pattern, struct view path, struct view *key)
{
	size_t size = strlen(pattern);
	size_t key_part = sizeof(KEY_PART) - 1;
	const char *p = path.data;

	*key = (struct view){ 0 };
	if (size < key_part || strcmp(pattern + size - key_part, KEY_PART))
		return path.size == size && !memcmp(p, pattern, size);
	size -= key_part;
	if (path.size < size || memcmp(p, pattern, size) != 0)
		return false;
	*key = (struct view){ p + size, path.size - size };
	return true;
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
		if (!match->route && routes[i].method == wanted)
			match->route = &routes[i];
		match->methods |= methods_of(&routes[i]);
	}
	if (!match->resource)
		return ERR_NO_ROUTE;
	return match->route ? ERR_OK : ERR_METHOD;
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
