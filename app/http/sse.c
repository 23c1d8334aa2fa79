/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Blocks of a text/event-stream. */
#include "http/sse.h"

static void add_number(struct buf *out, const char *field, uint64_t number)
{
	buf_add_string(out, field);
	buf_add_string(out, ": ");
	buf_add_uint64(out, number);
	buf_add_char(out, '\n');
}

void sse_retry(struct buf *out, uint64_t ms)
{
	add_number(out, "retry", ms);
	buf_add_char(out, '\n');
}

void sse_id(struct buf *out, uint64_t id)
{
	add_number(out, "id", id);
	buf_add_char(out, '\n');
}

void sse_event(struct buf *out, const char *event, struct view data,
	       const uint64_t *id)
{
	if (id)
		add_number(out, "id", *id);
	buf_add_string(out, "event: ");
	buf_add_string(out, event);
	buf_add_char(out, '\n');
	do {
		struct view line = view_cut(data, '\n', &data);

		buf_add_string(out, "data: ");
		buf_add_view(out, line);
		buf_add_char(out, '\n');
	} while (data.data);
	buf_add_char(out, '\n');
}
