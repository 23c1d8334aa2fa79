/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "logged.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

void logged_begin(struct logged *logged)
{
	logged->saved = dup(STDERR_FILENO);
	logged->fd =
		open(harness_tmpdir(), O_TMPFILE | O_RDWR | O_APPEND, 0600);
	CU_ASSERT_FATAL(logged->saved >= 0 && logged->fd >= 0);
	CU_ASSERT_FATAL(dup2(logged->fd, STDERR_FILENO) >= 0);
}

const char *logged_end(struct logged *logged)
{
	ssize_t size =
		pread(logged->fd, logged->text, sizeof(logged->text) - 1, 0);

	dup2(logged->saved, STDERR_FILENO);
	close(logged->saved);
	close(logged->fd);
	CU_ASSERT_FATAL(size >= 0);
	logged->text[size] = '\0';
	return logged->text;
}

bool logged_byte(const char *text, size_t at)
{
	static const char name[] = " bytes=\"";

	while ((text = strstr(text, name))) {
		size_t from;
		size_t last;

		text += strlen(name);
		if (sscanf(text, "%zu to %zu", &from, &last) == 2 &&
		    from <= at && at <= last)
			return true;
	}
	return false;
}
