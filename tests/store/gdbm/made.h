/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tables with known keys, for the tests of tables: key number i ascends with
 * i, its value is the key repeated i % 7 times, and its record tells the
 * generation that it was made for.
 */
#ifndef TESTS_STORE_GDBM_MADE_H
#define TESTS_STORE_GDBM_MADE_H

#include "store/gdbm/table.h"

#define MADE_GDBM "table-000004.12.gdbm" /* the files of made_first */
#define MADE_KEYS "table-000004.12.keys"

extern const struct table_id made_first;
extern const struct table_id made_second; /* the generation after */

/* harness_tmpdir(), opened. */
int made_dir(void);
bool made_exists(int dir, const char *name);

struct view made_key(size_t i, char out[32]);
struct record made_record(struct view key, size_t i, uint64_t generation,
			  struct buf *value);

/* table_build_put() and table_build_key() of key number i. */
enum err made_put(struct table_build *build, size_t i, uint64_t generation);
enum err made_add_key(struct table_build *build, size_t i, uint64_t generation);

/* Keys 0 to count - 1 of generation 1, put in an order that is not theirs. */
enum err made_try(int dir, struct table_id id, size_t count);
void made_table(int dir, size_t count); /* made_first, and it has to work */

struct table *made_open(int dir, struct table_id id);

/*
 * Get key number i: ERR_OK when it is there as it was put, otherwise the
 * error; ERR_CONDITION, which no table returns, for something else.
 */
enum err made_get(struct table *table, size_t i, uint64_t generation);

/* How much table_verify() reports. */
size_t made_findings(int dir, struct table_id id, struct view lower,
		     struct view upper, uint64_t keys);
size_t made_findings_first(int dir, uint64_t keys);

#endif
