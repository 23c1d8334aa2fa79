/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The housekeeper: does the store's checkpoints and expiry. */
#ifndef HOUSEKEEPER_H
#define HOUSEKEEPER_H

#include "child.h"

/* Look after the store until asked to leave (child.h). */
int housekeeper_run(const struct service *service);

#endif
