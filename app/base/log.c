/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A line is put together on the stack and leaves with one write(2).  It is
 * never longer than PIPE_BUF, the most that a pipe takes without mixing it
 * with what others write (pipe(7)); what does not fit is cut, and the line
 * says `cut=yes` at its end.  errno is left as it was.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { ROLE_MAX = 32, ID_MAX = 128, PLAIN_MAX = 256, ESCAPE_SIZE = 4 };

/* The longest that can follow a value that was cut; room is kept for it. */
#define CUT_END "\" cut=yes\n"

struct line {
	char text[PIPE_BUF];
	size_t size;
	bool cut;
};

static struct {
	enum log_level level;
	char role[ROLE_MAX + 1];
} process = { .level = LOG_INFO };

/* Of the request that this thread is at. */
static _Thread_local struct {
	char request[ID_MAX + 1];
	char trace[ID_MAX + 1];
} thread;

/* All of it or, when there is no room, nothing from here on. */
static void line_add(struct line *line, const char *data, size_t size)
{
	const size_t room = sizeof(line->text) - sizeof(CUT_END) - line->size;

	line->cut = line->cut || size > room;
	if (line->cut)
		return;
	memcpy(line->text + line->size, data, size);
	line->size += size;
}

static void line_end(struct line *line, const char *end)
{
	const size_t size = strlen(end);

	memcpy(line->text + line->size, end, size);
	line->size += size;
}

static bool is_plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

static bool is_plain_value(const char *value)
{
	size_t size = 0;

	while (is_plain((unsigned char)value[size]))
		size++;
	return !value[size] && size > 0 && size <= PLAIN_MAX;
}

/* What stands between the quotes; an escape is never cut in two. */
static void line_add_escaped(struct line *line, const char *value)
{
	static const char hex[] = "0123456789abcdef";

	for (; *value && !line->cut; value++) {
		const unsigned char c = (unsigned char)*value;
		const char escape[ESCAPE_SIZE] = { '\\', 'x', hex[c >> 4],
						   hex[c & 15] };

		if (is_plain(c) || c == ' ' || c == '=')
			line_add(line, value, 1);
		else
			line_add(line, escape, sizeof(escape));
	}
}

static void line_pair(struct line *line, const char *name, const char *value)
{
	const size_t before = line->size;
	bool plain;

	if (!value || line->cut)
		return;
	plain = is_plain_value(value);
	if (before > 0)
		line_add(line, " ", 1);
	line_add(line, name, strlen(name));
	line_add(line, "=", 1);
	line_add(line, plain ? value : "\"", plain ? strlen(value) : 1);
	if (line->cut)
		line->size = before;
	if (line->cut || plain)
		return;
	line_add_escaped(line, value);
	line_end(line, "\"");
}

/* What every line begins with. */
static void line_begin(struct line *line, enum log_level level,
		       const char *event)
{
	static const char *const levels[] = {
		[LOG_ERROR] = "error",
		[LOG_WARN] = "warn",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};
	char now[CLOCK_RFC3339_SIZE];
	char pid[12]; /* of the least int, and NUL */

	clock_rfc3339(clock_wall_ms(), now);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	line_pair(line, "time", now);
	line_pair(line, "level", levels[level]);
	line_pair(line, "pid", pid);
	line_pair(line, "role", *process.role ? process.role : NULL);
	line_pair(line, "event", event);
	line_pair(line, "request", *thread.request ? thread.request : NULL);
	line_pair(line, "trace", *thread.trace ? thread.trace : NULL);
}

/* Where stderr is broken there is nobody left to tell. */
static void line_write(struct line *line)
{
	ssize_t written;

	line_end(line, line->cut ? " cut=yes\n" : "\n");
	do
		written = write(STDERR_FILENO, line->text, line->size);
	while (written < 0 && errno == EINTR);
}

static void copy_id(char out[ID_MAX + 1], struct view id)
{
	const size_t size = id.size < ID_MAX ? id.size : ID_MAX;

	if (size > 0)
		memcpy(out, id.data, size);
	out[size] = '\0';
}

void log_setup(enum log_level level, const char *role)
{
	process.level = level;
	snprintf(process.role, sizeof(process.role), "%s", role);
}

bool log_enabled(enum log_level level)
{
	return level <= process.level;
}

void log_request_begin(struct view id, struct view trace)
{
	copy_id(thread.request, id);
	copy_id(thread.trace, trace);
}

void log_request_end(void)
{
	*thread.request = '\0';
	*thread.trace = '\0';
}

void log_event(enum log_level level, const char *event, ...)
{
	struct line line = { .size = 0 };
	const int saved = errno;
	const char *name;
	va_list args;

	if (!log_enabled(level))
		return;
	line_begin(&line, level, event);
	va_start(args, event);
	while ((name = va_arg(args, const char *)))
		line_pair(&line, name, va_arg(args, const char *));
	va_end(args);
	line_write(&line);
	errno = saved;
}

void log_eventf(enum log_level level, const char *event, const char *format,
		...)
{
	char detail[PIPE_BUF]; /* a longer one would be cut anyway */
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	log_event(level, event, "detail", detail, NULL);
}

enum err log_errno(const char *event, const char *what, int errnum)
{
	char text[128];

	log_event(LOG_ERROR, event, "what", what, "error",
		  strerror_r(errnum, text, sizeof(text)), NULL);
	errno = errnum;
	return err_from_errno(errnum);
}
