/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finding the row of a table that serves a method and a path.  A pattern is
 * a whole path, or ends in "/{key}": then what the path has after that slash,
 * all of it, still encoded, slashes and all, is the key.
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "base/buf.h"
#include "http/auth.h"
#include "http/request.h"

struct call; /* what a handler is given; opaque here */

struct route {
	enum method method; /* a GET row serves HEAD too */
	const char *pattern;
	enum err (*serve)(struct call *call);
	enum auth_role role;      /* who may */
	const char *const *query; /* parameters taken, NULL at the end */
	bool seed;                /* of the first librapi's API */
	bool pieces;              /* takes its body by request->read */
};

struct route_match {
	const struct route *route;    /* for the method; NULL: not allowed */
	const struct route *resource; /* the first row of the same path */
	struct view key;              /* raw; data NULL without "{key}" */
	unsigned methods; /* 1 << enum method for each that is allowed */
};

/*
 * ERR_NO_ROUTE when no pattern fits, ERR_METHOD when none of those that fit
 * has the method; *match is set in both cases.  OPTIONS is among the methods
 * of every resource.  When a route is found, `methods` has its own, and may
 * lack others of the resource.
 */
enum err route_find(const struct route *routes, size_t count,
		    enum method method, struct view path,
		    struct route_match *match);

/* "GET, HEAD, OPTIONS": the value of Allow. */
#define ROUTE_ALLOW_SIZE 64
const char *route_allow(unsigned methods, char out[ROUTE_ALLOW_SIZE]);

#endif
