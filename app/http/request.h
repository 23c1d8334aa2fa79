/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One HTTP request as CGI variables tell it (RFC 3875), free of FastCGI: the
 * worker feeds it NAME=value strings and the body, tests do the same.
 *
 * Route and key come from REQUEST_URI alone: PATH_INFO and SCRIPT_NAME are
 * lossy in lighttpd under every setting.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/buf.h"
#include "base/random.h"

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_PUT,
	METHOD_POST,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_OTHER, /* the name is in method_name */
	METHOD_COUNT
};

const char *method_name(enum method method);

/*
 * All views point into what request_param() was given, and die with it, unless
 * request_keep() saves them.  A header that was not sent has data NULL; one
 * that was sent empty has size 0 and data not NULL.
 */
struct request {
	enum method method;
	struct view method_name;
	struct view target; /* REQUEST_URI, byte for byte */
	struct view path;   /* target before the first '?', origin-form */
	struct view query;  /* after it; data NULL without a '?' */

	/* The target in lighttpd's normal form, where that differs. */
	struct view redirect_target;

	struct view content_type;
	struct view content_length; /* as sent; the body's size is body.size */
	struct view content_encoding;
	struct view content_range;
	struct view if_match;
	struct view if_none_match;
	struct view if_modified_since;
	struct view if_unmodified_since;
	struct view accept;
	struct view last_event_id;
	struct view authorization;
	struct view origin;
	struct view access_control_request_method;
	struct view access_control_request_headers;
	struct view x_request_id;
	struct view traceparent;
	struct view host;
	struct view scheme; /* "http" or "https" */

	/*
	 * For a route that takes its body in pieces, which is then not in
	 * `body`: the next bytes of it, at most `size`.  *got is 0 at its end.
	 * ERR_INVALID when it was cut off.  NULL when Content-Length is no
	 * number.
	 */
	enum err (*read)(void *arg, void *data, size_t size, size_t *got);
	void *read_arg;

	/* The request id: X-Request-Id when acceptable, else a UUID made here.
	 */
	struct view id;
	/* The 32 hexadecimal digits of a valid traceparent, else empty. */
	struct view trace_id;

	char made_id[RANDOM_UUID_SIZE];

	/* From here on, memory that the next request has as well. */
	struct buf body;
	struct buf kept; /* by request_keep() */
	struct random_stock stock;
};

/* Whether a client's X-Request-Id is taken, see request_ready(). */
bool request_id_acceptable(struct view id);

/* Ready for the next request; keeps the body's memory up to 64 KiB. */
void request_reset(struct request *request);
void request_release(struct request *request);

/*
 * Copy what an answer may still need when it fails late: method and its name,
 * path, origin, id and trace_id.  These then point into memory of the
 * request's own, all others are as if they had not been sent, and what
 * request_param() was given may go.  `body` stays.  ERR_NO_MEMORY: nothing has
 * changed.
 */
enum err request_keep(struct request *request);

/* One CGI variable, "NAME=value"; names that nobody needs are passed over. */
void request_param(struct request *request, const char *name_value);

/*
 * Once all variables are in: split the target, decide id and trace id.
 *
 * An absolute-form target ("http://host/path", RFC 9112 3.2.2) is reduced to
 * its path and query.  X-Request-Id is accepted when it has 1 to 128 bytes of
 * letters, digits and "-_.:+/=@", else one is made.  ERR_INVALID when
 * REQUEST_METHOD or REQUEST_URI is missing, the target is none of
 * origin-form, absolute-form or "*", or it had a raw NUL, at which lighttpd
 * 1.4.69 cuts REQUEST_URI and goes on in REDIRECT_URI; id is set all the same.
 */
enum err request_ready(struct request *request);

#endif
