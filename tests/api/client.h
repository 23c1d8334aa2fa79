/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client of the API without a server: it puts a request together from CGI
 * variables, has api_serve() answer it from a store in memory, and keeps the
 * answer to be looked at.
 */
#ifndef TESTS_API_CLIENT_H
#define TESTS_API_CLIENT_H

#include "api/serve.h"

struct client {
	struct conf conf;
	struct api api;
	struct request request;
	struct response response;
	struct buf head; /* of the last answer */
	struct buf body; /* that was made while it was sent */
	size_t piece;    /* of a body that goes in pieces; at first 7 */
	size_t taken;    /* of request.body, when that goes in pieces */
	size_t cut;      /* where such a body is cut off; 0 nowhere */
	bool stream_failed;
	struct buf field; /* that client_field() returned */
	struct buf uri;
	struct buf method;
	struct buf code;
};

/* With a new, empty store; a limit of 1000 bytes for values. */
void client_open(struct client *client);
void client_close(struct client *client);

/*
 * Send a request; further arguments are variables such as
 * "HTTP_IF_MATCH=\"1\"", ended by NULL.  Returns the status.
 */
int client_send(struct client *client, const char *method, const char *target,
		const char *body, ...) __attribute__((sentinel));
int client_send_bytes(struct client *client, const char *method,
		      const char *target, struct view body, ...)
	__attribute__((sentinel));

/* Of the last answer; NULL when it has no such field. */
const char *client_field(struct client *client, const char *name);
struct view client_body(const struct client *client);

/* The code of the problem document, "" when the answer is none. */
const char *client_code(struct client *client);

/* Whether the body, taken as text, has this in it. */
bool client_body_has(struct client *client, const char *text);

#endif
