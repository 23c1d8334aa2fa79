/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   IMF-fixdate   Sun, 06 Nov 1994 08:49:37 GMT
 *   RFC 850       Sunday, 06-Nov-94 08:49:37 GMT
 *   asctime       Sun Nov  6 08:49:37 1994
 *
 * Each is described by a pattern, in which a letter stands for a part and
 * everything else for itself: w and W a weekday short and long, d a day of
 * two digits, e the same with a space for a leading zero, m a month, Y and y
 * a year of four and of two digits, t a time.
 */
#include "http/date.h"

#include <string.h>

static const char *const patterns[] = {
	"w, d m Y t GMT",
	"W, d-m-y t GMT",
	"w m e t Y",
};

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static const char *const weekdays[] = { "Monday",   "Tuesday", "Wednesday",
					"Thursday", "Friday",  "Saturday",
					"Sunday" };

struct date {
	int year, month, day; /* month from 1 */
	int hour, minute, second;
	bool two_digits; /* of the year */
};

struct cursor {
	const char *p;
	const char *end;
};

static bool take_number(struct cursor *c, int digits, int *number)
{
	*number = 0;
	if (c->end - c->p < digits)
		return false;
	for (int i = 0; i < digits; i++, c->p++) {
		if (*c->p < '0' || *c->p > '9')
			return false;
		*number = *number * 10 + (*c->p - '0');
	}
	return true;
}

static bool take_char(struct cursor *c, char wanted)
{
	if (c->p == c->end || *c->p != wanted)
		return false;
	c->p++;
	return true;
}

static bool take_string(struct cursor *c, const char *string, size_t size)
{
	if ((size_t)(c->end - c->p) < size || memcmp(c->p, string, size) != 0)
		return false;
	c->p += size;
	return true;
}

static bool take_weekday(struct cursor *c, bool whole)
{
	for (int i = 0; i < 7; i++)
		if (take_string(c, weekdays[i],
				whole ? strlen(weekdays[i]) : 3))
			return true;
	return false;
}

static bool take_month(struct cursor *c, int *month)
{
	for (*month = 1; *month <= 12; ++*month)
		if (take_string(c, months + 3 * (*month - 1), 3))
			return true;
	return false;
}

static bool take_time(struct cursor *c, struct date *date)
{
	return take_number(c, 2, &date->hour) && take_char(c, ':') &&
	       take_number(c, 2, &date->minute) && take_char(c, ':') &&
	       take_number(c, 2, &date->second);
}

static bool take_part(struct cursor *c, char part, struct date *date)
{
	switch (part) {
	case 'w':
	case 'W':
		return take_weekday(c, part == 'W');
	case 'd':
		return take_number(c, 2, &date->day);
	case 'e':
		return take_number(c, take_char(c, ' ') ? 1 : 2, &date->day);
	case 'm':
		return take_month(c, &date->month);
	case 'Y':
		return take_number(c, 4, &date->year);
	case 'y':
		date->two_digits = true;
		return take_number(c, 2, &date->year);
	case 't':
		return take_time(c, date);
	default:
		return take_char(c, part);
	}
}

static bool take_pattern(struct view field, const char *pattern,
			 struct date *date)
{
	struct cursor c = { field.data, NULL };

	c.end = c.p + field.size;
	*date = (struct date){ 0 };
	for (; *pattern; pattern++)
		if (!take_part(&c, *pattern, date))
			return false;
	return c.p == c.end;
}

/* Days from 1970-01-01; the year begins in March, so that February ends it. */
static int64_t days_of(const struct date *date)
{
	int64_t year = date->month > 2 ? date->year : date->year - 1;
	int64_t month = date->month > 2 ? date->month - 3 : date->month + 9;

	return year * 365 + year / 4 - year / 100 + year / 400 +
	       (153 * month + 2) / 5 + date->day - 1 - 719468;
}

static int days_in_month(const struct date *date)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30,
				    31, 31, 30, 31, 30, 31 };
	int year = date->year;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[date->month - 1] + (date->month == 2 && leap);
}

/* A second may be 60: a leap second. */
static bool exists(const struct date *date)
{
	return date->day >= 1 && date->day <= days_in_month(date) &&
	       date->hour <= 23 && date->minute <= 59 && date->second <= 60;
}

static void add_century(struct date *date, int64_t now_s)
{
	int year_now = 1970 + (int)(now_s / 31556952); /* a mean year */

	date->year += (year_now + 50) / 100 * 100;
	if (date->year > year_now + 50)
		date->year -= 100;
}

enum err date_parse(struct view field, int64_t now_s, int64_t *seconds)
{
	struct date date;

	field = view_trim(field);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		if (!take_pattern(field, patterns[i], &date))
			continue;
		if (date.two_digits)
			add_century(&date, now_s);
		if (!exists(&date))
			return ERR_INVALID;
		*seconds = days_of(&date) * 86400 + date.hour * 3600 +
			   date.minute * 60 + date.second;
		return ERR_OK;
	}
	return ERR_INVALID;
}
