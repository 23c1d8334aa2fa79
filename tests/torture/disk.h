/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a disk may hold when the power goes out at some place of a trace.
 *
 * What was synced is there.  Of what was written to a file since its last
 * sync, any part may be: in sectors of 512 bytes, each of them as it was
 * before or after any of the writes that touched it, in any mixture.  Of the
 * changes to names since the folder's last sync any may have happened and any
 * not, in any mixture, each as a whole.  That is less than the file systems of
 * Linux promise, and what POSIX has.
 */
#ifndef TESTS_TORTURE_DISK_H
#define TESTS_TORTURE_DISK_H

#include <stddef.h>

#include "torture/dice.h"
#include "torture/trace.h"

struct disk;

/* As the folder is now, all of it synced: the start of a trace. */
struct disk *disk_read(const char *folder);
void disk_free(struct disk *disk);

/*
 * Let the power go out just before operation `at`, and make `folder`, which
 * has no folders in it, what is left then.
 */
void disk_cut(const struct disk *disk, const struct trace *trace, size_t at,
	      struct dice *dice, const char *folder);

#endif
