/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One request on its way through the API: what every handler is given, and
 * what it can say when it fails.
 *
 * A handler returns ERR_OK and leaves a complete response, or returns another
 * value and leaves the response alone: serve.c makes the problem document.
 * What the client should know beyond the table's words is said by fault() and
 * its kin, at the place that sees what is wrong.
 */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/serve.h"
#include "http/route.h"

#define CALL_PARAMETERS_MAX 8
#define CALL_TTL_MAX_S      315360000 /* ten years */

/* What the client is told; the first one wins. */
struct fault {
	enum err err;       /* ERR_OK while there is none */
	struct buf detail;  /* a sentence */
	struct buf errors;  /* for http/problem.h */
	struct buf members; /* of the problem document, `"name":value,…` */
};

struct call {
	struct api *api;
	struct request *request;
	struct response *response;
	struct route_match match;
	struct access access; /* what it may do; api/permit.h */

	/* Raw values in the order of route->query; data NULL: not sent. */
	struct view parameters[CALL_PARAMETERS_MAX];

	struct view key; /* decoded; call_key() */
	char key_bytes[STORE_KEY_MAX];

	uint64_t current;   /* revision that ERR_CONDITION met; 0: absent */
	uint64_t oldest;    /* least `since`, for ERR_GONE */
	bool coded;         /* the body has a coding that is not served */
	bool value;         /* answered with what caches may store */
	uint64_t shown_at;  /* and read at this revision; 0: it may expire */
	const char *policy; /* of scripts and such; NULL: nothing is allowed */
	struct fault fault;
};

/*
 * Say why: returns err, so that a handler may `return fault(call, …)`.  For a
 * fault that is there already nothing changes.
 */
enum err fault(struct call *call, enum err err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Add an offending "parameter", "header" or "pointer" (http/problem.h), with
 * what is wrong with it.  The first one sets the fault's sentence too.
 * Returns err.
 */
enum err fault_at(struct call *call, enum err err, const char *kind,
		  struct view name, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * Take the query apart by route->query.  ERR_INVALID when a parameter is
 * unknown or comes twice; the fault names all of them.
 */
enum err call_query(struct call *call);

/* The raw value of a parameter of route->query; data NULL: not sent. */
struct view call_parameter(const struct call *call, const char *name);

/*
 * The value of a parameter, decoded into `bytes`, which has room for `max` of
 * them; data NULL when it was not sent.  False, with what is wrong added to
 * the call's fault as ERR_INVALID, when it is malformed or has fewer than
 * `min` bytes or too many: so all parameters can be read before any is told.
 */
bool call_bytes(struct call *call, const char *name, size_t min, size_t max,
		char *bytes, struct view *value);

/*
 * The same for a whole number up to `max`; `takes` says in words what is
 * allowed.  *number stays as it is when the parameter was not sent.
 */
bool call_number(struct call *call, const char *name, uint64_t max,
		 uint64_t *number, const char *takes);

/*
 * Decode the path's key into call->key.  ERR_KEY when it is empty or has a
 * malformed "%", ERR_KEY_TOO_LONG, ERR_FORBIDDEN when it is not the
 * caller's.
 */
enum err call_key(struct call *call);

/* Append the URL of a key in the folder "/v1/kv/" or "/datas/". */
void call_add_url(const char *folder, struct view key, struct buf *out);

/* That URL as Location; ERR_NO_MEMORY. */
enum err call_location(struct call *call, const char *folder, struct view key);

/* ERR_MEDIA_TYPE when the body is compressed. */
enum err call_body_plain(struct call *call);

/* ERR_INVALID when it is but a part of a value (RFC 9110 14.5). */
enum err call_body_whole(struct call *call);

/*
 * `?ttl=` as a time of expiry, from now: least_s, which is 0 or 1, to
 * CALL_TTL_MAX_S seconds, else ERR_INVALID.  Never, which is 0, without it and
 * for ttl=0; *given tells these two apart.
 */
enum err call_ttl(struct call *call, uint64_t least_s, bool *given,
		  int64_t *expires_ms);

/*
 * For what has no entity tag of its own: ERR_INVALID when there are
 * conditions in the header all the same, which would pass unheard.
 */
enum err call_no_conditions(struct call *call);

#endif
