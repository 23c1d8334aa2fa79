/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The settings file.  One that is refused is so with a sentence; one that is
 * taken is printed as a file that says the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "fuzz/fuzz.h"

#define FILE_NAME "settings"

static enum err load(struct conf *conf, struct view text)
{
	char flag[512];
	char *argv[] = { flag };
	char *environment[] = { NULL };
	struct buf message = BUF_EMPTY;
	enum err err;

	fuzz_write(FILE_NAME, text);
	snprintf(flag, sizeof(flag), "--config-file=%s", fuzz_path(FILE_NAME));
	err = conf_load(conf, 1, argv, environment, &message);
	FUZZ_HOLDS(!err == !message.size);
	unlink(fuzz_path(FILE_NAME));
	buf_release(&message);
	return err;
}

/* To be freed. */
static char *print(const struct conf *conf, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	FUZZ_HOLDS(out);
	conf_print(conf, out);
	fclose(out);
	return text;
}

/* The settings as a file, of which every one says where it is from. */
static char *reprint(const char *text, size_t *size)
{
	struct conf conf;
	char *printed;

	FUZZ_HOLDS(!load(&conf, (struct view){ text, *size }));
	printed = print(&conf, size);
	conf_release(&conf);
	return printed;
}

static void check(const struct conf *conf)
{
	size_t first_size;
	char *printed = print(conf, &first_size);
	char *first = reprint(printed, &first_size);
	size_t second_size = first_size;
	char *second = reprint(first, &second_size);

	FUZZ_HOLDS(first_size == second_size);
	FUZZ_HOLDS(!memcmp(first, second, first_size));
	free(printed);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf conf;

	if (!load(&conf, (struct view){ data, size }))
		check(&conf);
	conf_release(&conf);
	return 0;
}
