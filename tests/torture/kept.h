/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A data folder kept in memory: its files are read once and written back as
 * often as a test wants the same beginning, one of them damaged if need be.
 */
#ifndef TESTS_TORTURE_KEPT_H
#define TESTS_TORTURE_KEPT_H

#include "base/buf.h"

#define KEPT_FILES 64

struct kept_file {
	char name[256];
	struct buf bytes;
};

struct kept {
	size_t count;
	struct kept_file files[KEPT_FILES]; /* in the order of their names */
};

void kept_read(struct kept *kept, const char *folder);
void kept_release(struct kept *kept);

/*
 * Make the folder have these files and no others; that with number `other`
 * (kept->count: none) gets `bytes` instead of its own.
 */
void kept_write(const struct kept *kept, const char *folder, size_t other,
		struct view bytes);

/* Bytes of a file in another folder or of a descriptor, all of them. */
void kept_slurp(int fd, struct buf *out);

/*
 * Kinds of damage, to bytes [at, at + size) of a copy, as far as it has them.
 * False when that changes nothing.
 */
enum damage {
	DAMAGE_FLIP,   /* one bit of each */
	DAMAGE_ZERO,   /* zeros */
	DAMAGE_CUT,    /* the file ends at `at` */
	DAMAGE_REPEAT, /* they stand once more over what follows them */
	DAMAGE_INSERT, /* they stand once more before what follows them */
	DAMAGE_APPEND, /* as much garbage at the end of the file */
	DAMAGES
};

extern const char *const damage_names[DAMAGES];

bool damage_do(enum damage damage, struct view original, size_t at, size_t size,
	       struct buf *out);

#endif
