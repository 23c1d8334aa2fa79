/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole store as text: JSON lines (one object a line, each ended by a line
 * feed) that say at their end whether they are complete and undamaged.
 *
 *   {"librapi":1,"engine":"gdbm"}
 *   {"key":"app/a","rev":184471,"modified":"2026-11-24T06:07:47.123Z",
 *    "expires":null,"type":"text/plain","value":"hello"}
 *   {"key64":"/wA=",…,"value64":"iVBORw0KGgo="}
 *   {"count":2,"rev":184480,"crc32c":"1a2b3c4d"}
 *
 * (each on one line).  The first line names the format, version 1.  Then come
 * the records in bytewise order of their keys; key, type and value are
 * strings where they are UTF-8, else base 64 under the name with 64.  The
 * last line has the number of records, the store's revision that all of them
 * belong to, and the CRC-32C, in eight hexadecimal digits, of every byte
 * before it.  A CRC finds what happens to files, cuts and flipped bits, costs
 * no further library and is what all our files have; it does not find forgery.
 *
 * A reader ignores members that it does not know, and `rev`, `modified` and
 * `engine`: what is loaded gets revisions and times of its own.
 */
#ifndef API_LINES_H
#define API_LINES_H

#include <stdio.h>

#include "store/store.h"

#define LINES_FORMAT 1

/*
 * Write every live key of the store at one revision.  Any error of
 * store_list(), or of writing to `out` (logged, as `dump-failed`).
 */
enum err lines_dump(struct store *store, FILE *out);

/*
 * Put what the lines hold into the store, over what it has: value, type and
 * expiry, under new revisions; other keys stay.
 *
 * Everything is read and checked to the last line before anything is changed;
 * what can't be read twice is kept in a temporary file meanwhile (tmpfile(3)).
 * ERR_INVALID for lines that are not of the format or that the store could
 * not take, ERR_DAMAGED when they are cut off or the checksum is wrong; each
 * is logged as `load-refused`, with the number of the line.
 *
 * Then they are put in, some hundred keys to a commit.  Any error of
 * store_commit() and store_sync() is logged as `load-stopped` and leaves the
 * lines before it in the store; loading again is safe.
 */
enum err lines_load(struct store *store, FILE *in);

#endif
