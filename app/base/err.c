/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names of failures, and what the kernel's errors mean to us. */
#include "base/err.h"

#include <errno.h>

static const char *const strings[ERR_COUNT] = {
	[ERR_OK] = "no error",
	[ERR_INVALID] = "invalid request",
	[ERR_KEY] = "invalid key",
	[ERR_KEY_TOO_LONG] = "key too long",
	[ERR_INCOMPLETE] = "body incomplete",
	[ERR_VALUE_TOO_LARGE] = "value too large",
	[ERR_BATCH_TOO_LARGE] = "too much for one commit",
	[ERR_NO_ROUTE] = "no such resource",
	[ERR_METHOD] = "method not allowed",
	[ERR_NOT_ACCEPTABLE] = "not acceptable",
	[ERR_MEDIA_TYPE] = "unsupported media type",
	[ERR_CONDITION_MISSING] = "precondition required",
	[ERR_UNAUTHORIZED] = "not authenticated",
	[ERR_FORBIDDEN] = "not allowed",
	[ERR_NOT_FOUND] = "not found",
	[ERR_CONDITION] = "precondition failed",
	[ERR_GONE] = "no longer kept",
	[ERR_NOT_TEXT] = "value is not text",
	[ERR_NOT_JSON] = "value is not JSON",
	[ERR_NOT_NUMBER] = "value is not a number",
	[ERR_BUSY] = "busy",
	[ERR_TOO_MANY_WATCHERS] = "too many watchers",
	[ERR_DRAINING] = "service is stopping",
	[ERR_FULL] = "storage is full",
	[ERR_STOPPED] = "writes are stopped after a failed sync",
	[ERR_NO_MEMORY] = "out of memory or file descriptors",
	[ERR_IO] = "input or output failed",
	[ERR_SYSTEM] = "system call failed",
	[ERR_SETTING] = "wrong setting",
	[ERR_ACCESS] = "missing or not permitted",
	[ERR_OWNED] = "owned by another process",
	[ERR_FORMAT] = "unknown format",
	[ERR_DAMAGED] = "damaged file",
};

const char *err_string(enum err err)
{
	unsigned index = (unsigned)err;

	return index < ERR_COUNT && strings[index] ? strings[index]
						   : "unknown error";
}

enum err err_from_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_FULL;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return ERR_NO_MEMORY;
	case EACCES:
	case EPERM:
	case ENOENT:
	case ENOTDIR:
	case EROFS:
		return ERR_ACCESS;
	default:
		return ERR_IO;
	}
}
