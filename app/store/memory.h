/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine "memory": the simplest thing that keeps the contract of
 * store.h, for tests and to try the service out.  It belongs to the process
 * that opened it, is durable as long as that lives, and its commits are
 * visible at once.
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store/store.h"

extern const struct store_engine store_memory_engine;

#endif
