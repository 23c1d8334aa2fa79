/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * By descent through the objects that both have.  The members of each are
 * sorted by name, so that neither can make the other's lookups slow, and then
 * written in the order that they came in.
 */
#include "http/merge_patch.h"

#include <stdlib.h>

#define NOTHING SIZE_MAX /* the target's place of what it does not have */

struct member {
	struct view name;
	size_t at;  /* of the name; the value is the next node */
	bool taken; /* of the patch: a member of the target has met it */
};

struct members {
	struct member *list; /* one of each name */
	size_t count;
};

struct merge {
	struct json_tree *target;
	struct json_tree *patch;
	struct buf *out;
};

static int by_name(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	int order = view_compare(left->name, right->name);

	return order ? order : (left->at > right->at) - (left->at < right->at);
}

static int by_place(const void *a, const void *b)
{
	const struct member *left = a, *right = b;

	return (left->at > right->at) - (left->at < right->at);
}

static size_t member_count(const struct json_tree *tree, size_t object)
{
	size_t count = 0;

	for (size_t i = object + 1; i < tree->nodes[object].end;
	     i = tree->nodes[i + 1].end)
		count++;
	return count;
}

/* Of equal names, which stand side by side, only the last. */
static void drop_repeated(struct members *members)
{
	size_t kept = 0;

	for (size_t i = 0; i < members->count; i++) {
		if (i + 1 < members->count &&
		    view_equal(members->list[i].name,
			       members->list[i + 1].name))
			continue;
		members->list[kept++] = members->list[i];
	}
	members->count = kept;
}

/* Sorted by name; to be freed also after a failure. */
static enum err members_read(struct json_tree *tree, size_t object,
			     struct members *members)
{
	size_t count = member_count(tree, object);

	members->count = 0;
	members->list = calloc(count + 1, sizeof(*members->list));
	if (!members->list)
		return ERR_NO_MEMORY;
	for (size_t i = object + 1; i < tree->nodes[object].end;
	     i = tree->nodes[i + 1].end) {
		struct member *member = &members->list[members->count++];
		enum err err = json_tree_string(tree, i, &member->name);

		if (err)
			return err;
		member->at = i;
	}
	qsort(members->list, members->count, sizeof(*members->list), by_name);
	drop_repeated(members);
	return ERR_OK;
}

static struct member *members_find(struct members *members, struct view name)
{
	size_t low = 0, high = members->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = view_compare(name, members->list[middle].name);

		if (!order)
			return &members->list[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static bool is_null(const struct json_tree *tree, size_t at)
{
	return tree->nodes[at].kind == JSON_NULL;
}

static void add_name(struct buf *out, bool *first, struct view written)
{
	if (!*first)
		buf_add_char(out, ',');
	*first = false;
	buf_add_view(out, written);
	buf_add_char(out, ':');
}

static enum err merge_value(struct merge *m, size_t target, size_t patch);

/* What the target has: dropped, merged, or left as it is. */
static enum err merge_old(struct merge *m, const struct members *old,
			  struct members *new, bool *first)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < old->count && !err; i++) {
		size_t at = old->list[i].at;
		struct member *by = members_find(new, old->list[i].name);

		if (by)
			by->taken = true;
		if (by && is_null(m->patch, by->at + 1))
			continue;
		add_name(m->out, first, json_tree_text(m->target, at));
		if (by)
			err = merge_value(m, at + 1, by->at + 1);
		else
			buf_add_view(m->out, json_tree_text(m->target, at + 1));
	}
	return err;
}

/* What the target did not have. */
static enum err merge_new(struct merge *m, const struct members *new,
			  bool *first)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < new->count && !err; i++) {
		size_t at = new->list[i].at;

		if (new->list[i].taken || is_null(m->patch, at + 1))
			continue;
		add_name(m->out, first, json_tree_text(m->patch, at));
		err = merge_value(m, NOTHING, at + 1);
	}
	return err;
}

static enum err merge_object(struct merge *m, size_t target, size_t patch)
{
	bool both = target != NOTHING &&
		    m->target->nodes[target].kind == JSON_OBJECT;
	struct members old = { 0 }, new = { 0 };
	bool first = true;
	enum err err = members_read(m->patch, patch, &new);

	if (!err && both)
		err = members_read(m->target, target, &old);
	if (err)
		goto out;
	if (old.count)
		qsort(old.list, old.count, sizeof(*old.list), by_place);
	buf_add_char(m->out, '{');
	err = merge_old(m, &old, &new, &first);
	qsort(new.list, new.count, sizeof(*new.list), by_place);
	if (!err)
		err = merge_new(m, &new, &first);
	buf_add_char(m->out, '}');
out:
	free(old.list);
	free(new.list);
	return err;
}

static enum err merge_value(struct merge *m, size_t target, size_t patch)
{
	if (m->patch->nodes[patch].kind == JSON_OBJECT)
		return merge_object(m, target, patch);
	buf_add_view(m->out, json_tree_text(m->patch, patch));
	return ERR_OK;
}

enum err merge_patch(struct json_tree *target, struct json_tree *patch,
		     struct buf *out)
{
	struct merge m = { .target = target, .patch = patch, .out = out };
	enum err err = merge_value(&m, 0, 0);

	return err ? err : out->err;
}
