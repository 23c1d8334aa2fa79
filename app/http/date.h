/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading HTTP dates; base/clock.h writes them. */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include "base/buf.h"

/*
 * Seconds since 1970 of a date in any of the three forms of RFC 9110 5.6.7.
 * now_s decides the century of a year of two digits: it is the latest one
 * that is not more than 50 years ahead.  ERR_INVALID for anything else, and
 * for a day or an hour that does not exist; whether the name of the weekday
 * fits the date is not looked at.
 */
enum err date_parse(struct view field, int64_t now_s, int64_t *seconds);

#endif
