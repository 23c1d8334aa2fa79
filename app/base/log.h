/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log: one line an event on stderr, in logfmt, written with one write(2)
 * so that lines of many processes never mix:
 *
 *   time=2026-11-24T06:07:47.123Z level=error pid=812 role=worker
 *   event=sync-failed request=5f0c1e0a-3b52-4d43-9a86-6f9ad1f1c0de
 *   what=journal-00000017.log error="Input/output error"
 *
 * (one line).  Values are quoted where they need it; control bytes, quotes,
 * backslashes and anything not ASCII leave as \xHH, so a client can't forge a
 * line.  One of more than PIPE_BUF bytes is cut and ends with `cut=yes`.  When
 * stderr can't be written to, nothing happens; SIGPIPE is the process's to
 * block or ignore.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* The process's own settings, made before it has a second thread. */
void log_setup(enum log_level level, const char *role);
bool log_enabled(enum log_level level);

/*
 * What every following line of this thread says about the request being
 * served: its id and, when there is one, the trace id; copied, up to 128 bytes
 * of each.
 * log_request_end() forgets them.
 */
void log_request_begin(struct view id, struct view trace);
void log_request_end(void);

/*
 * `event` is a stable slug in lower case.  The rest is name, value pairs of
 * const char *, ended by NULL:  log_event(LOG_WARN, "lock-timeout",
 * "lock", "journal", NULL).  A NULL value leaves its pair out.
 */
void log_event(enum log_level level, const char *event, ...)
	__attribute__((sentinel));

/*
 * The same with one printf-formatted value, under the name `detail`.
 */
void log_eventf(enum log_level level, const char *event, const char *format,
		...) __attribute__((format(printf, 3, 4)));

/*
 * A system call on `what` failed: logs event, `what` and, as `error`,
 * strerror(errnum) at LOG_ERROR.  Returns err_from_errno(errnum), to be written
 * `return log_errno("open-failed", path, errno);`.  errno is errnum afterwards.
 */
enum err log_errno(const char *event, const char *what, int errnum);

#endif
