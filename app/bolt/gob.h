/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Go's encoding/gob, as far as one string by itself goes. */
#ifndef BOLT_GOB_H
#define BOLT_GOB_H

#include "base/buf.h"

/*
 * The string that one message of a new encoder holds; it points into `bytes`.
 * ERR_FORMAT for a value of another type, ERR_DAMAGED when it is cut off or
 * followed by more.
 */
enum err gob_string(struct view bytes, struct view *string);

#endif
