/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The setting require-conditions and transactions: what is put or deleted has
 * to be named by a condition of the transaction.  `add` and `touch` build on
 * what is there, so they lose nobody's write and need none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/txn.h"

static int compare(const void *a, const void *b)
{
	return view_compare(*(const struct view *)a, *(const struct view *)b);
}

/* The keys of all conditions, sorted; NULL without memory. */
static struct view *sort_keys(struct txn *txn)
{
	size_t count = txn->batch.condition_count;
	struct view *keys =
		arena_add_array(&txn->arena, count + 1, sizeof(*keys));

	if (!keys)
		return NULL;
	for (size_t i = 0; i < count; i++)
		keys[i] = txn->batch.conditions[i].key;
	qsort(keys, count, sizeof(*keys), compare);
	return keys;
}

static bool is_blind(const struct txn *txn, size_t i, const struct view *keys)
{
	enum txn_verb verb = txn->ops[i].verb;

	return (verb == TXN_PUT || verb == TXN_DELETE) &&
	       !bsearch(&txn->batch.ops[i].key, keys,
			txn->batch.condition_count, sizeof(*keys), compare);
}

enum err txn_check_conditions(struct txn *txn)
{
	struct call *call = txn->call;
	size_t blind = 0;
	struct view *keys;

	if (!call->api->conf->require_conditions)
		return ERR_OK;
	keys = sort_keys(txn);
	if (!keys)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < txn->batch.op_count; i++) {
		char pointer[32];

		if (!is_blind(txn, i, keys) || blind++ >= TXN_FAULTS_MAX)
			continue;
		snprintf(pointer, sizeof(pointer), "#/do/%zu", i);
		fault_at(call, ERR_CONDITION_MISSING, "pointer",
			 view_of(pointer), "its key needs a condition in 'if'");
	}
	return blind ? ERR_CONDITION_MISSING : ERR_OK;
}
