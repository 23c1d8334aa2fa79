/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The token file.  One that is refused is so with a sentence, and leaves the
 * tokens before it in force; one that is taken replaces them, and takes a
 * further line.
 */
#include <string.h>
#include <unistd.h>

#include "api/access.h"
#include "base/sha256.h"
#include "fuzz/fuzz.h"

#define FILE_NAME "tokens"

static const struct view known = { "known", 5 };

static void add_line(struct buf *text)
{
	struct sha256 digest = sha256_of(known);
	char hex[SHA256_HEX_SIZE];

	sha256_to_hex(&digest, hex);
	buf_addf(text, "%s write %%61pp/\n", hex);
}

static void check_known(const struct access_file *file)
{
	struct access access;

	FUZZ_HOLDS(access_find(file, known, &access));
	FUZZ_HOLDS(access.role == ROLE_WRITE);
	FUZZ_HOLDS(view_equal_string(access.prefix, "app/"));
	FUZZ_HOLDS(access_allows(file, known, ROLE_READ, access.prefix));
	FUZZ_HOLDS(!access_allows(file, known, ROLE_ADMIN, access.prefix));
	FUZZ_HOLDS(!access_find(file, VIEW_LITERAL("unknown"), &access));
}

/* Whether a start with the file is possible. */
static bool open_alone(struct view text, struct access_file **file)
{
	struct buf message = BUF_EMPTY;
	enum err err;

	fuzz_write(FILE_NAME, text);
	err = access_open(fuzz_path(FILE_NAME), file, &message);
	FUZZ_HOLDS(err == ERR_OK || err == ERR_SETTING);
	FUZZ_HOLDS(!err == !message.size);
	FUZZ_HOLDS(!err == !!*file);
	buf_release(&message);
	return !err;
}

/*
 * In the place of a file with the known token.  One of the same size, made
 * within the same tick of the clock, can't be told from it.
 */
static void replace(struct view text, bool sound)
{
	struct access_file *file;
	struct buf line = BUF_EMPTY;
	uint64_t generation;

	add_line(&line);
	if (line.size == text.size)
		buf_add_char(&line, '\n');
	FUZZ_HOLDS(open_alone(buf_view(&line), &file));
	check_known(file);
	generation = access_generation(file);
	unlink(fuzz_path(FILE_NAME));
	fuzz_write(FILE_NAME, text);
	access_hurry(file);
	access_refresh(file, false);
	if (sound)
		FUZZ_HOLDS(access_generation(file) == generation + 1);
	else
		check_known(file);
	access_close(file);
	buf_release(&line);
}

static void open_with_line(struct view text, bool sound)
{
	struct access_file *file;
	struct buf both = BUF_EMPTY;

	buf_add_view(&both, text);
	buf_add_char(&both, '\n');
	add_line(&both);
	FUZZ_HOLDS(open_alone(buf_view(&both), &file) == sound);
	if (sound)
		check_known(file);
	access_close(file);
	buf_release(&both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = { data, size };
	struct access_file *file;
	bool sound = open_alone(text, &file);

	access_close(file);
	open_with_line(text, sound);
	replace(text, sound);
	unlink(fuzz_path(FILE_NAME));
	return 0;
}
