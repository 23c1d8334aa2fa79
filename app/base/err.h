/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Everything that can go wrong, once.  A function that can fail returns
 * `enum err`; the value is set on the line that sees the failure and travels
 * up unchanged.  A table in api/failure.c gives each value that can reach a
 * client its status, code and title; a test walks the enum and finds a row for
 * every value.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
	ERR_OK = 0,

	/* A request that can't be served as it stands. */
	ERR_INVALID,           /* malformed: syntax, range, unknown parameter */
	ERR_KEY,               /* the key is empty or not decodable */
	ERR_KEY_TOO_LONG,      /* more than STORE_KEY_MAX bytes */
	ERR_INCOMPLETE,        /* less of a body than Content-Length says */
	ERR_VALUE_TOO_LARGE,   /* more than LIBRAPI_VALUE_MAX_BYTES */
	ERR_BATCH_TOO_LARGE,   /* more than one commit can hold */
	ERR_NO_ROUTE,          /* no resource at this path */
	ERR_METHOD,            /* the resource does not know the method */
	ERR_NOT_ACCEPTABLE,    /* no representation that Accept allows */
	ERR_MEDIA_TYPE,        /* Content-Type or Content-Encoding not served */
	ERR_CONDITION_MISSING, /* LIBRAPI_REQUIRE_CONDITIONS is on: 428 */
	ERR_UNAUTHORIZED,      /* no token, or one that is unknown */
	ERR_FORBIDDEN,         /* the token is for less, or for other keys */

	/* What the store says about a key. */
	ERR_NOT_FOUND,  /* absent, deleted or expired */
	ERR_CONDITION,  /* a precondition is false; nothing was changed */
	ERR_GONE,       /* changes that far back are no longer kept */
	ERR_NOT_TEXT,   /* the value can't be shown as UTF-8 text */
	ERR_NOT_JSON,   /* the value can't be patched */
	ERR_NOT_NUMBER, /* the value can't be added to, or the sum overflows */

	/* Try again later. */
	ERR_BUSY, /* a lock was not had within LIBRAPI_LOCK_TIMEOUT_MS */
	ERR_TOO_MANY_WATCHERS, /* as many as LIBRAPI_WATCHERS_MAX wait */
	ERR_DRAINING,          /* the service is stopping */
	ERR_FULL,              /* no room: device, quota or a limit of ours */
	ERR_STOPPED, /* a sync failed earlier: no writes until a restart */

	/* Failures of ours; logged where they happen. */
	ERR_NO_MEMORY, /* nor file descriptors; it may pass */
	ERR_IO,        /* a system call on a file failed */
	ERR_SYSTEM,    /* any other system call failed */

	/* What stops a start. */
	ERR_SETTING, /* unknown, malformed or out of bounds */
	ERR_ACCESS,  /* missing or not permitted file, folder or socket */
	ERR_OWNED,   /* another process owns the data directory */
	ERR_FORMAT,  /* not ours, or of another format version */
	ERR_DAMAGED, /* a checksum or an invariant of a file is wrong */

	ERR_COUNT
};

/* A short English phrase in lower case, for logs; never NULL. */
const char *err_string(enum err err);

/*
 * What an errno means to us: ENOSPC, EDQUOT, EFBIG are ERR_FULL; ENOMEM,
 * EMFILE, ENFILE are ERR_NO_MEMORY; EACCES, EPERM, ENOENT, ENOTDIR, EROFS are
 * ERR_ACCESS; any other is ERR_IO.
 */
enum err err_from_errno(int errnum);

#endif
