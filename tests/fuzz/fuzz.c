/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What targets take of their input, and a folder for them; see fuzz.h. */
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* atexit(3) hands no argument over, so this stands here. */
static struct {
	char path[256];
	int fd; /* 0: not yet made */
} folder;

void fuzz_broken(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line,
		condition);
	abort();
}

struct view fuzz_take(struct view *input, size_t size)
{
	struct view taken = *input;

	if (taken.size > size)
		taken.size = size;
	input->data = (const char *)input->data + taken.size;
	input->size -= taken.size;
	return taken;
}

uint8_t fuzz_take_byte(struct view *input)
{
	struct view byte = fuzz_take(input, 1);

	return byte.size ? *(const uint8_t *)byte.data : 0;
}

uint16_t fuzz_take_uint16(struct view *input)
{
	uint8_t low = fuzz_take_byte(input);

	return (uint16_t)(low | fuzz_take_byte(input) << 8);
}

static void remove_folder(void)
{
	close(folder.fd);
	rmdir(folder.path);
}

int fuzz_folder(void)
{
	const char *under = getenv("TMPDIR");

	if (folder.fd)
		return folder.fd;
	snprintf(folder.path, sizeof(folder.path), "%s/librapi-fuzz.XXXXXX",
		 under && *under ? under : "/tmp");
	FUZZ_HOLDS(mkdtemp(folder.path));
	folder.fd = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_HOLDS(folder.fd > 0);
	atexit(remove_folder);
	return folder.fd;
}

const char *fuzz_path(const char *name)
{
	static char path[sizeof(folder.path) + 64];

	fuzz_folder();
	snprintf(path, sizeof(path), "%s/%s", folder.path, name);
	return path;
}

void fuzz_write(const char *name, struct view bytes)
{
	int fd = openat(fuzz_folder(), name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_HOLDS(fd >= 0);
	while (bytes.size > 0) {
		ssize_t written = write(fd, bytes.data, bytes.size);

		FUZZ_HOLDS(written > 0);
		fuzz_take(&bytes, (size_t)written);
	}
	close(fd);
}
