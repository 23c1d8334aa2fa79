/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A straight line of members; the buf keeps the first failure.
 */
#include "http/problem.h"

#include "http/json.h"

#define TAG "tag:librapi,2026:"

static bool is_uuid_byte(char c, size_t position)
{
	if (position == 8 || position == 13 || position == 18 || position == 23)
		return c == '-';
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
	       (c >= 'A' && c <= 'F');
}

static bool is_uuid(struct view id)
{
	const char *p = id.data;

	if (id.size != 36)
		return false;
	for (size_t i = 0; i < id.size; i++)
		if (!is_uuid_byte(p[i], i))
			return false;
	return true;
}

/*
 * A URI that stands for this request.  An id of the client's own making has
 * only bytes that a tag may have (request.h; RFC 4151).
 */
static void add_instance(struct view id, struct buf *out)
{
	json_add_name(out, "instance");
	buf_add_char(out, '"');
	buf_add_string(out, is_uuid(id) ? "urn:uuid:" : TAG "request:");
	buf_add_view(out, id);
	buf_add_char(out, '"');
}

static void add_member(struct buf *out, const char *name, struct view value)
{
	json_add_name(out, name);
	json_add_string(out, value);
}

void problem_add_error(struct buf *errors, const char *kind, struct view name,
		       struct view detail)
{
	if (errors->size > 0)
		buf_add_char(errors, ',');
	buf_add_char(errors, '{');
	add_member(errors, kind, name);
	add_member(errors, "detail", detail);
	buf_add_char(errors, '}');
}

void problem_write(const struct problem *problem, struct buf *out)
{
	buf_add_string(out, "{\"type\":\"" TAG);
	buf_add_string(out, problem->code);
	buf_add_char(out, '"');
	add_member(out, "title", view_of(problem->title));
	json_add_name(out, "status");
	buf_add_uint64(out, (uint64_t)problem->status);
	add_member(out, "code", view_of(problem->code));
	if (problem->detail.size > 0)
		add_member(out, "detail", problem->detail);
	if (problem->errors.size > 0) {
		json_add_name(out, "errors");
		buf_add_char(out, '[');
		buf_add_view(out, problem->errors);
		buf_add_char(out, ']');
	}
	if (problem->request.size > 0)
		add_instance(problem->request, out);
	if (problem->members.size > 0) {
		buf_add_char(out, ',');
		buf_add_view(out, problem->members);
	}
	buf_add_string(out, "}\n");
}
