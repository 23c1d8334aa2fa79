/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A peer that speaks FastCGI, well or, if one wants that, badly. */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include "base/buf.h"

/* Record types and roles (FastCGI specification, section 8). */
enum { BEGIN = 1, ABORT = 2, END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };
enum { RESPONDER = 1, AUTHORIZER = 2, FILTER = 3 };
enum { KEEP_CONNECTION = 1 };

/* Connect to "unix:/path"; what takes over 20 s fails. */
int peer_dial(const char *listen);
void peer_send(int fd, const struct buf *bytes);

/* Everything until the other side closes; the records' heads stay in. */
void peer_receive(int fd, struct buf *out);
bool peer_answered(struct buf *answer, const char *text);

/* Append records: one, or those that begin a request, or all of one. */
void peer_record(struct buf *out, int type, struct view content);
void peer_begin(struct buf *out, int role, int flags);
void peer_param(struct buf *out, const char *name, const char *value);
void peer_params(struct buf *out, const char *method, const char *target,
		 const char *length);
void peer_body(struct buf *out, struct view bytes);
void peer_request(struct buf *out, const char *method, const char *target,
		  struct view content);

#endif
