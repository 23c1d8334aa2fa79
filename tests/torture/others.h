/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Those who go on with an open store when one of its processes was struck, and
 * what they must find: the store as prepared, of "struck" the old value or the
 * new one, and of "half" and "other half", which change in one batch, both of
 * one kind.
 */
#ifndef TESTS_TORTURE_OTHERS_H
#define TESTS_TORTURE_OTHERS_H

#include "store/cases.h"

/* Small limits, a short wait for locks; what happens is done by hand. */
extern const struct contract_engine others_engine;

/* One value, committed and synced. */
enum err others_put(struct store *store, const char *key, const char *value);

/* Old values, and some more, in a sealed segment. */
void others_prepare(struct store *store);

/* Write `value`, rotate, make a checkpoint, and be right. */
void others_go_on(struct store *store, const char *value);

/* The end of a test: what is left on disk passes the check. */
void others_close(struct store *store);

#endif
