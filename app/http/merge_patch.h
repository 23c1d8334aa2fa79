/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON merge patch (RFC 7396). */
#ifndef HTTP_MERGE_PATCH_H
#define HTTP_MERGE_PATCH_H

#include "http/json_tree.h"

#define MERGE_PATCH_TYPE "application/merge-patch+json"

/*
 * Append what `target` becomes under `patch`.  What the patch leaves alone
 * keeps its place and stays as it was written; new members follow, in the
 * order of the patch.  Of a name that repeats, the last one counts.
 *
 * The result may lack memory: out->err and ERR_NO_MEMORY.
 */
enum err merge_patch(struct json_tree *target, struct json_tree *patch,
		     struct buf *out);

#endif
