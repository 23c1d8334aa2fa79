/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The main() of a target that is not linked with libFuzzer: every file of its
 * corpus as a test, told as TAP.  A file is tried as it is, and cut off at up
 * to CUTS places, which any reader has to survive.  A case that breaks the
 * program is the one after the last line.
 *
 * The target is known by the program's name, fuzz_NAME, and its corpus is in
 * tests/fuzz/corpus/NAME below LIBRAPI_SOURCE_DIR.  Files given as arguments
 * are tried instead.
 */
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "fuzz/fuzz.h"

#define CUTS           40
#define CASE_MAX_BYTES (1 << 20)

/* From memory of its own, so that a sanitizer sees a byte too many read. */
static void try(const char *bytes, size_t size)
{
	char *copy = malloc(size + 1);

	FUZZ_HOLDS(copy);
	memcpy(copy + 1, bytes, size);
	LLVMFuzzerTestOneInput((const uint8_t *)copy + 1, size);
	free(copy);
}

static void try_cut(struct view bytes)
{
	size_t step = bytes.size / CUTS + 1;

	for (size_t size = 0; size < bytes.size; size += step)
		try(bytes.data, size);
	try(bytes.data, bytes.size);
}

static void replay(unsigned number, const char *path, const char *name)
{
	struct buf bytes = BUF_EMPTY;
	int fd;
	enum err err = file_open(AT_FDCWD, path, O_RDONLY, 0, &fd);

	if (!err) {
		err = file_read_all(fd, path, CASE_MAX_BYTES, &bytes);
		file_close(&fd, path);
	}
	buf_add(&bytes, "", 1); /* so that there is memory for an empty one */
	if (!err)
		try_cut((struct view){ bytes.data, bytes.size - 1 });
	buf_release(&bytes);
	printf("%s %u - %s\n", err ? "not ok" : "ok", number, name);
	fflush(stdout);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int replay_corpus(const char *target)
{
	const char *source = getenv("LIBRAPI_SOURCE_DIR");
	struct dirent **entries;
	char path[4096];
	int count;

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s",
		 source ? source : ".", target);
	count = scandir(path, &entries, visible, alphasort);
	if (count <= 0) {
		printf("Bail out! no corpus in %s\n", path);
		return EXIT_FAILURE;
	}
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s/%s",
			 source ? source : ".", target, entries[i]->d_name);
		replay((unsigned)i + 1, path, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
	const char *name = strstr(basename(argv[0]), "fuzz_");

	log_setup(LOG_ERROR, "fuzz");
	if (argc == 1)
		return replay_corpus(name ? name + sizeof("fuzz_") - 1 : "");
	for (int i = 1; i < argc; i++)
		replay((unsigned)i, argv[i], argv[i]);
	return EXIT_SUCCESS;
}
