/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FastCGI's records as they go out (FastCGI specification 1.0, 3.3), where
 * libfcgi is not what writes them.
 */
#ifndef FCGIRECORD_H
#define FCGIRECORD_H

#include <fastcgi.h>
#include <stdbool.h>

#include "base/buf.h"

/* Content of a record, at most: a multiple of eight, so it needs no padding. */
#define FCGIRECORD_MAX 65528

/* The two records that end an answer. */
#define FCGIRECORD_END_SIZE (FCGI_HEADER_LEN + sizeof(FCGI_EndRequestRecord))

/* The head of a record of request `id`, for `size` bytes of content. */
void fcgirecord_head(unsigned char head[FCGI_HEADER_LEN], unsigned type,
		     unsigned id, size_t size);

/* The end of FCGI_STDOUT, and FCGI_END_REQUEST: all is well. */
void fcgirecord_end(unsigned char end[FCGIRECORD_END_SIZE], unsigned id);

/*
 * Send a record to a socket that blocks: `first`, and behind it `rest`, of at
 * most FCGIRECORD_MAX bytes together.  False when the peer went away, or took
 * nothing for the socket's time; what it has may then end within the record.
 */
bool fcgirecord_send(int fd, unsigned type, unsigned id, struct view first,
		     struct view rest);

/* The same for the last record of FCGI_STDOUT, with the end of the answer. */
bool fcgirecord_send_last(int fd, unsigned id, struct view first,
			  struct view rest);

#endif
