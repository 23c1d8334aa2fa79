/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Merge patch: a target, a NUL and a patch.  The result is JSON, and once
 * patched it stays as it is, to the letter, when the patch comes again.
 */
#include "fuzz/fuzz.h"
#include "http/merge_patch.h"

static void patch(struct view target, struct view with, struct buf *out)
{
	struct json_tree tree = JSON_TREE_EMPTY;
	struct json_tree change = JSON_TREE_EMPTY;
	struct json_error error;

	FUZZ_HOLDS(!json_tree_read(&tree, target, &error));
	FUZZ_HOLDS(!json_tree_read(&change, with, &error));
	FUZZ_HOLDS(!merge_patch(&tree, &change, out));
	json_tree_release(&tree);
	json_tree_release(&change);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view input = { data, size };
	struct buf once = BUF_EMPTY;
	struct buf twice = BUF_EMPTY;
	struct json_error error;
	struct view with;
	struct view target = view_cut(input, '\0', &with);

	if (!with.data || json_check(target, &error) ||
	    json_check(with, &error))
		return 0;
	patch(target, with, &once);
	patch(buf_view(&once), with, &twice);
	FUZZ_HOLDS(view_equal(buf_view(&once), buf_view(&twice)));
	buf_release(&once);
	buf_release(&twice);
	return 0;
}
