/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Conditional requests (RFC 9110 13): for a read they are tested on the
 * record that was read, for a write inside the store's lock.
 *
 * A condition on a key that is absent: a read, and a write that needs the key
 * to exist, answer 404 whatever the condition says, as they would without it
 * (RFC 9110 13.2.1).
 */
#ifndef API_CONDITION_H
#define API_CONDITION_H

#include "api/call.h"

/*
 * For GET and HEAD, in the order of RFC 9110 13.2.2.  ERR_OK, and
 * *not_modified when the answer is 304; ERR_CONDITION with call->current;
 * ERR_INVALID with a fault when a header is malformed; ERR_NO_MEMORY.
 */
enum err condition_read(struct call *call, const struct record *record,
			bool *not_modified);

/*
 * For a write that can have no condition: ERR_CONDITION_MISSING when the
 * setting demands one, and `instead` tells what to do.
 */
enum err condition_impossible(struct call *call, const char *instead);

/*
 * Commit one operation under the request's conditions and, with must_exist,
 * only when the key is live.  response->ticket is set whenever the store has
 * been asked, so also with ERR_NOT_FOUND and ERR_CONDITION.
 *
 * *revision is that of the commit.  ERR_CONDITION_MISSING when the setting
 * demands a condition and there is none; else as condition_read(), and what
 * store_commit() says.
 */
enum err condition_commit(struct call *call, struct store_op *op,
			  bool must_exist, uint64_t *revision);

#endif
