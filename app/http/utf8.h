/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where bytes stop being UTF-8; base/buf.h says only whether they do. */
#ifndef HTTP_UTF8_H
#define HTTP_UTF8_H

#include "base/buf.h"

/* The longest beginning of `bytes` that is valid UTF-8, in bytes. */
size_t utf8_prefix(struct view bytes);

#endif
