/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Limits so small that a few hundred commits fill segments, make checkpoints
 * and split tables: for the settings() of a struct contract_engine, which adds
 * what its tests are about.
 */
#ifndef TESTS_STORE_GDBM_SMALL_H
#define TESTS_STORE_GDBM_SMALL_H

#include "store/store.h"

static inline void small_limits(struct store_conf *conf)
{
	conf->value_max_bytes = 4096;
	conf->journal_segment_bytes = 65536;
	conf->journal_max_bytes = 262144;
	conf->memtable_bytes = 65536;
	conf->table_max_keys = 16;
}

#endif
