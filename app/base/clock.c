/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's two clocks, and dates in English whatever the locale. */
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

/* What four digits of a year can say: 0000-01-01 to 9999-12-31. */
#define WALL_MIN_MS (-62167219200000)
#define WALL_MAX_MS 253402300799999

static struct timespec now(clockid_t clock)
{
	struct timespec ts;
	int failed = clock_gettime(clock, &ts);

	assert(!failed);
	(void)failed;
	return ts;
}

/* The date, and in *ms what is left of the second. */
static struct tm split(int64_t wall_ms, int *ms)
{
	struct tm tm;
	time_t seconds;

	if (wall_ms < WALL_MIN_MS)
		wall_ms = WALL_MIN_MS;
	if (wall_ms > WALL_MAX_MS)
		wall_ms = WALL_MAX_MS;
	*ms = (int)(wall_ms % 1000);
	if (*ms < 0)
		*ms += 1000;
	seconds = (time_t)((wall_ms - *ms) / 1000);
	gmtime_r(&seconds, &tm);
	return tm;
}

/* `width` digits, leading zeros; returns where it ends. */
static char *put_number(char *at, int number, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		at[i] = (char)('0' + number % 10);
		number /= 10;
	}
	return at + width;
}

static char *put_string(char *at, const char *string)
{
	while (*string)
		*at++ = *string++;
	return at;
}

/* "06:07:47" */
static char *put_time(char *at, const struct tm *tm)
{
	at = put_number(at, tm->tm_hour, 2);
	*at++ = ':';
	at = put_number(at, tm->tm_min, 2);
	*at++ = ':';
	return put_number(at, tm->tm_sec, 2);
}

int64_t clock_wall_ms(void)
{
	struct timespec ts = now(CLOCK_REALTIME);

	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_monotonic_us(void)
{
	struct timespec ts = now(CLOCK_MONOTONIC);

	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
	return clock_monotonic_us() / 1000;
}

struct timespec clock_deadline(long timeout_ms)
{
	struct timespec ts = now(CLOCK_MONOTONIC);

	ts.tv_sec += timeout_ms / 1000;
	ts.tv_nsec += timeout_ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	} else if (ts.tv_nsec < 0) {
		ts.tv_sec--;
		ts.tv_nsec += 1000000000;
	}
	return ts;
}

bool clock_passed(const struct timespec *deadline)
{
	struct timespec ts = now(CLOCK_MONOTONIC);

	return ts.tv_sec > deadline->tv_sec ||
	       (ts.tv_sec == deadline->tv_sec &&
		ts.tv_nsec >= deadline->tv_nsec);
}

void clock_http_date(int64_t wall_ms, char out[CLOCK_HTTP_DATE_SIZE])
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed",
					"Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr",
					  "May", "Jun", "Jul", "Aug",
					  "Sep", "Oct", "Nov", "Dec" };
	int ms;
	struct tm tm = split(wall_ms, &ms);
	char *at = put_string(out, days[tm.tm_wday]);

	at = put_string(at, ", ");
	at = put_number(at, tm.tm_mday, 2);
	*at++ = ' ';
	at = put_string(at, months[tm.tm_mon]);
	*at++ = ' ';
	at = put_number(at, tm.tm_year + 1900, 4);
	*at++ = ' ';
	at = put_time(at, &tm);
	at = put_string(at, " GMT");
	*at = '\0';
}

void clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
	int ms;
	struct tm tm = split(wall_ms, &ms);
	char *at = put_number(out, tm.tm_year + 1900, 4);

	*at++ = '-';
	at = put_number(at, tm.tm_mon + 1, 2);
	*at++ = '-';
	at = put_number(at, tm.tm_mday, 2);
	*at++ = 'T';
	at = put_time(at, &tm);
	*at++ = '.';
	at = put_number(at, ms, 3);
	*at++ = 'Z';
	*at = '\0';
}

void clock_sleep_ms(long ms)
{
	struct timespec until = clock_deadline(ms);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
	       EINTR)
		;
}
