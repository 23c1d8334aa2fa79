/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each `enum err` is to a client. */
#ifndef API_FAILURE_H
#define API_FAILURE_H

#include "base/err.h"

struct failure {
	int status;
	const char *code;   /* the stable slug of the problem document */
	const char *title;  /* the same for all of this code */
	const char *detail; /* where no fault says more */
};

/* Never NULL: a value outside the enum is an internal error. */
const struct failure *failure_of(enum err err);

#endif
