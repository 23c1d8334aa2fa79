/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an operation of a ledger is, all by its key's index and its number:
 * between ledger.c, which makes it, and compare.c, which looks for it.
 */
#ifndef TESTS_TORTURE_OPERATION_H
#define TESTS_TORTURE_OPERATION_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "torture/ledger.h"

#define CLOCK_BEGIN_MS INT64_C(1700000000000)
#define KEY_SIZE       32
#define VALUE_MIN      24
#define VALUE_MAX      900
#define PREFIX         "p/"
#define PREFIX_EVERY   3

static inline struct view key_of(unsigned i, char out[KEY_SIZE])
{
	snprintf(out, KEY_SIZE, "%skey-%04u", i % PREFIX_EVERY ? "" : PREFIX,
		 i);
	return view_of(out);
}

static inline bool key_parse(struct view key, unsigned *i)
{
	char text[KEY_SIZE] = { 0 };
	char again[KEY_SIZE];

	if (key.size >= sizeof(text))
		return false;
	memcpy(text, key.data, key.size);
	if (sscanf(text, PREFIX "key-%u", i) != 1 &&
	    sscanf(text, "key-%u", i) != 1)
		return false;
	return view_equal(key, key_of(*i, again));
}

static inline struct view value_of(uint64_t number, char out[VALUE_MAX])
{
	size_t size = VALUE_MIN + number * 37 % (VALUE_MAX - VALUE_MIN);

	memset(out, 'a' + (int)(number % 26), size);
	snprintf(out, VALUE_MIN, "%022" PRIu64, number);
	return (struct view){ out, size };
}

static inline int64_t expiry_of(const struct ledger *ledger, uint64_t number)
{
	uint64_t lasts = ledger->keys * (1 + number % 4);

	if (number % 9 != 4)
		return 0;
	return CLOCK_BEGIN_MS + (int64_t)(number + lasts);
}

static inline bool deletes(unsigned kind, unsigned i)
{
	return kind == LEDGER_DELETES || kind == LEDGER_PREFIX ||
	       (kind == LEDGER_MIXED && i % 2 == 1);
}

#endif
