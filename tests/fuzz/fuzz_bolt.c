/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A file of BoltDB.  The input is the file; the magic and the version of its
 * first meta block are put right, and its checksum to 0, which counts as none.
 * Every refusal has a sentence.  The input by itself is a value of gob, too.
 */
#include <unistd.h>

#include "bolt/bolt.h"
#include "bolt/gob.h"
#include "fuzz/fuzz.h"

#define FILE_NAME "bolt"
#define META      16 /* after the head of the page */
#define META_SIZE 64

static void seal(struct buf *file)
{
	char *meta;

	if (file->size < META + META_SIZE)
		return;
	meta = file->data + META;
	le32_put(meta, 0xED0CDAED);
	le32_put(meta + 4, 2);
	le64_put(meta + 56, 0);
}

static enum err see(void *arg, struct view key, struct view value)
{
	size_t *bytes = arg;
	struct view string;

	*bytes += key.size + value.size;
	if (!gob_string(value, &string))
		FUZZ_HOLDS(string.size < value.size);
	return ERR_OK;
}

static void try(struct view bucket)
{
	struct buf message = BUF_EMPTY;
	struct bolt *bolt = NULL;
	size_t bytes = 0;
	enum err err = bolt_open(fuzz_path(FILE_NAME), &bolt, &message);

	if (!err)
		err = bolt_each(bolt, bucket, see, &bytes, &message);
	FUZZ_HOLDS(!err == !message.size);
	bolt_close(bolt);
	buf_release(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view input = { data, size };
	struct buf file = BUF_EMPTY;
	struct view string;

	if (!gob_string(input, &string))
		FUZZ_HOLDS(string.size < size);
	buf_add_view(&file, input);
	seal(&file);
	fuzz_write(FILE_NAME, buf_view(&file));
	try(VIEW_LITERAL("b"));
	try(VIEW_LITERAL("other"));
	unlink(fuzz_path(FILE_NAME));
	buf_release(&file);
	return 0;
}
