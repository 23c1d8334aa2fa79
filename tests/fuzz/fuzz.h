/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fuzzing: a target is a function that is given any bytes whatever.  Built
 * by `make fuzz` it is linked with libFuzzer, which looks for bytes that
 * reach new code; otherwise with replay.c, which runs the corpus of the
 * target, corpus/NAME, as a test.  Bytes that broke something are added
 * there.
 *
 * A target leaves nothing behind, so that a case alone does what it did
 * among others.  Where bytes need a checksum to get past the door, a target
 * puts the right one in: what is looked for lies behind it.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>

#include "base/buf.h"

/* The name is libFuzzer's (LLVM, docs/LibFuzzer.rst).  Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has to hold for any bytes; ends the process when it does not. */
#define FUZZ_HOLDS(condition)                                                  \
	((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))

void fuzz_broken(const char *condition, const char *file, int line)
	__attribute__((noreturn));

/* Take bytes off the beginning; fewer, and in the end none, when it ends. */
struct view fuzz_take(struct view *input, size_t size);
uint8_t fuzz_take_byte(struct view *input);
uint16_t fuzz_take_uint16(struct view *input);

/*
 * A folder of the process's own, under $TMPDIR or /tmp, the same at every
 * call, and gone when the process ends by exit(3).  Files in it that a target
 * makes are to be removed by it.
 */
int fuzz_folder(void);

/* The path of a file in there; good until the next call. */
const char *fuzz_path(const char *name);

/* Make a file in there, over what has that name. */
void fuzz_write(const char *name, struct view bytes);

#endif
