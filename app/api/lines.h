/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole store, or the keys with one prefix, as text: JSON lines (one object
 * a line, each ended by a line feed) that say at their end whether they are
 * complete and undamaged.
 *
 *   {"librapi":1,"engine":"gdbm","prefix":"app/"}
 *   {"key":"app/a","rev":184471,"modified":"2026-11-24T06:07:47.123Z",
 *    "expires":null,"type":"text/plain","value":"hello"}
 *   {"key64":"YXBwL/8=",…,"value64":"iVBORw0KGgo="}
 *   {"count":2,"rev":184480,"crc32c":"1a2b3c4d"}
 *
 * (each on one line).  The first line names the format, version 1, and the
 * prefix, when it is not the whole store.  Then come the records in bytewise
 * order of their keys; prefix, key, type and value are strings where they are
 * UTF-8, else base 64 under the name with 64.  The last line has the number
 * of records, the store's revision that all of them belong to, and the
 * CRC-32C, in eight hexadecimal digits, of every byte before it.  A CRC finds
 * what happens to files, cuts and flipped bits, costs no further library and
 * is what all our files have; it does not find forgery.
 *
 * A reader ignores members that it does not know, and `rev`, `modified` and
 * `engine`: what is loaded gets revisions and times of its own.
 *
 * The command line (dump, load) and HTTP (export, import) share all of this.
 */
#ifndef API_LINES_H
#define API_LINES_H

#include <stdio.h>

#include "base/sink.h"
#include "store/store.h"

#define LINES_FORMAT 1

/*
 * Put every live key with the prefix, at one revision, into the sink, in
 * pieces of some 64 KiB; *revision is out.  Any error of store_list() and of
 * the sink.
 */
enum err lines_dump(struct store *store, struct view prefix,
		    const struct sink *sink, uint64_t *revision);

struct lines_load {
	struct store *store;
	struct view prefix; /* a line of another key is refused */
	struct view own;    /* likewise, as ERR_FORBIDDEN */
	bool replace;       /* keys that the lines don't have are deleted */
	bool alone;         /* nobody else does the store's housekeeping */
	const char *folder; /* with room for all records, until they are in */

	/* Where the lines come from: up to size bytes, 0 at their end. */
	enum err (*read)(void *arg, void *data, size_t size, size_t *got);
	void *read_arg;

	/* out */
	uint64_t count;     /* records put in */
	uint64_t deleted;   /* keys, by `replace` */
	uint64_t revision;  /* of the last commit; 0 when there was none */
	bool atomic;        /* there was one commit at most */
	bool begun;         /* maybe something was changed, whatever failed */
	struct buf message; /* why it failed, with the line; lines_load_free */
};

/*
 * Put what the lines hold into the store, over what it has: value, type and
 * expiry, under new revisions.
 *
 * With `replace`, keys that are not among them are deleted: of those that
 * begin with `prefix` and with the prefix that the lines are of.  What others
 * write meanwhile may stay.  The lines have to be in order then.
 *
 * Everything is read and checked to the last line before anything is changed;
 * meanwhile the records are kept, where they are many in a file of `folder`
 * without a name.  Any error of `read` and of that file; ERR_INVALID for lines
 * that are not of the format, or that the store could not take, ERR_FORBIDDEN
 * for a key that is not one's own, ERR_DAMAGED when they are cut off or the
 * checksum is wrong.
 *
 * Then they are put in: in one commit, when they are up to some thousand and
 * some MiB, otherwise in many.  An error of store_commit() or store_sync()
 * leaves the lines before it in the store; loading again is safe, and
 * completes it.
 */
enum err lines_load(struct lines_load *load);

/* For `read`, from a stream of stdio, which is the arg; ERR_IO is logged. */
enum err lines_read_stdio(void *arg, void *data, size_t size, size_t *got);

/* The message; the rest holds no memory. */
void lines_load_free(struct lines_load *load);

#endif
