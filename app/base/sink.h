/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where bytes go that are made piece by piece and never held as a whole: a
 * file, a connection, a buffer.
 */
#ifndef BASE_SINK_H
#define BASE_SINK_H

#include "base/buf.h"

/*
 * `put` takes all of the bytes, waiting if it must, or returns an error;
 * whoever makes the bytes then stops and passes the error on.
 */
struct sink {
	enum err (*put)(void *arg, struct view bytes);
	void *arg;
};

#endif
