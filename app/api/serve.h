/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The API: from a request to a response.  The route table and the one exit
 * for errors are in serve.c; a handler knows HTTP and the store, and nothing
 * else does.
 */
#ifndef API_SERVE_H
#define API_SERVE_H

#include "api/access.h"
#include "base/conf.h"
#include "http/request.h"
#include "http/response.h"
#include "store/store.h"

struct metrics; /* api/metrics.h */
struct stored;  /* http/stored.h */
struct parking; /* api/watch.h */

struct api {
	const struct conf *conf;
	struct store *store;
	struct parking *parking;    /* for watchers; NULL: none wait here */
	struct access_file *access; /* NULL: everybody may do everything */
	struct metrics *metrics;    /* NULL: nothing is counted */
	struct stored *stored;      /* NULL: no response is kept */
	bool draining; /* /readyz says 503; requests are still served */
};

/*
 * Whether what serves the request reads its body in pieces, by request->read.
 * For all others request->body has to hold it before api_serve().
 */
bool api_takes_pieces(const struct request *request);

/*
 * Answer one request.  Always leaves a complete response: a failure has
 * become a problem document (RFC 9457).  When response->ticket is not 0 the
 * response must not leave before store_sync(); if that fails, call
 * api_settle() with the error and send what it leaves.
 */
void api_serve(struct api *api, struct request *request,
	       struct response *response);

/* Replace a held response by the problem that `err` is; ERR_OK changes nothing.
 */
void api_settle(struct api *api, struct request *request,
		struct response *response, enum err err);

#endif
