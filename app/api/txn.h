/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A transaction on its way from JSON (txn_read.c) to a batch of the store and
 * back (txn.c):
 *
 *   {"if":[{"key":"a","rev":17},{"key64":"/w==","rev":0},
 *          {"key":"b","rev":"*"}],
 *    "do":[{"put":"a","value":"x","type":"text/plain","ttl":60},
 *          {"add":"hits","by":1}, {"touch":"s","ttl":600},
 *          {"delete":"c"}, {"get64":"/w=="}]}
 */
#ifndef API_TXN_H
#define API_TXN_H

#include "api/call.h"
#include "http/json_tree.h"

#define TXN_NUMBER_SIZE 21  /* "-9223372036854775808" and NUL */
#define TXN_FAULTS_MAX  100 /* told to the client */

enum txn_verb {
	TXN_PUT,
	TXN_ADD,
	TXN_TOUCH,
	TXN_DELETE,
	TXN_GET,
	TXN_VERB_COUNT
};

const char *txn_verb_name(enum txn_verb verb);

/* What an operation needs beyond the store's part of it, at the same place. */
struct txn_op {
	struct txn *txn;
	enum txn_verb verb;
	bool keep; /* TXN_ADD: the time of expiry */
	int64_t expires_ms;
	int64_t by;
	char number[TXN_NUMBER_SIZE]; /* TXN_ADD: the value made */

	/* TXN_GET: what was found, in txn->found without its end. */
	bool absent;
	size_t begin, end;
	uint64_t revision; /* 0: this commit's */
};

struct txn {
	struct call *call;
	struct json_tree tree;
	struct arena arena; /* all that the batch points to */
	struct store_batch batch;
	struct txn_op *ops;     /* as many as batch.ops */
	struct txn_op *decider; /* the first that is asked by the store */
	struct buf found;
	struct arena kept;    /* what an add or a touch leaves as it is */
	uint64_t read_bytes;  /* of keys and values given */
	uint64_t found_bytes; /* of values found */
	uint64_t kept_bytes;  /* of values in `kept` */
	unsigned fault_count;
};

/*
 * Read the request's body.  ERR_INVALID, and the fault names what is wrong by
 * JSON pointers; ERR_BATCH_TOO_LARGE past a limit, ERR_VALUE_TOO_LARGE,
 * ERR_MEDIA_TYPE, ERR_NO_MEMORY.
 */
enum err txn_read(struct txn *txn);

/*
 * ERR_CONDITION_MISSING, which names the operations, when the setting demands
 * conditions and what is put or deleted has none; ERR_NO_MEMORY.
 */
enum err txn_check_conditions(struct txn *txn);

/* ERR_BATCH_TOO_LARGE, with the limit told to the client. */
enum err txn_too_large(struct txn *txn, uint64_t limit, const char *of);

#endif
