/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is logged between two points of a test; it is kept from stderr. */
#ifndef TESTS_LOGGED_H
#define TESTS_LOGGED_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* What stands beyond the size of `text` is left out. */
struct logged {
	int saved;
	int fd;
	char text[3 * PIPE_BUF];
};

/* Not one within another. */
void logged_begin(struct logged *logged);
const char *logged_end(struct logged *logged); /* its text */

/* Whether a line has that byte of a file: `bytes="FROM to LAST"`. */
bool logged_byte(const char *text, size_t at);

#endif
