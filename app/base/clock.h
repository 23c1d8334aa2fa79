/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Time.  Wall-clock milliseconds since 1970 stamp records and decide expiry;
 * monotonic milliseconds measure and time out.  Never mix the two.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_HTTP_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */
#define CLOCK_RFC3339_SIZE   25 /* "2026-11-24T06:07:47.123Z" and NUL */

int64_t clock_wall_ms(void);
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);

/* CLOCK_MONOTONIC, timeout_ms from now: for clocklock and ppoll loops. */
struct timespec clock_deadline(long timeout_ms);
bool clock_passed(const struct timespec *deadline);

/* IMF-fixdate (RFC 9110 5.6.7), rounded down to the second. */
void clock_http_date(int64_t wall_ms, char out[CLOCK_HTTP_DATE_SIZE]);

/* RFC 3339 in UTC with milliseconds. */
void clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);

void clock_sleep_ms(long ms); /* whole span, whatever signals come */

#endif
