/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /v1/kv: one page of the keys, in bytewise order and at one revision;
 * DELETE /v1/kv: all keys with a prefix, in one revision.
 *
 * Each entry is written into the response as the store shows it, in the form
 * that Accept asks for.  A page ends before the entry that would be one too
 * many, so that `next` is only told when there is more.  Its revision is
 * known when the listing is done, but JSON has it first: room for it is left
 * at the beginning, and the body begins within that room.
 *
 * A key that is not UTF-8 is "key64", in base64, and likewise "next64",
 * "value64" and, for all that are not, "prefixes64".
 */
#include <stddef.h>
#include <string.h>

#include "api/condition.h"
#include "api/handlers.h"
#include "api/permit.h"
#include "api/rollup.h"
#include "base/base64.h"
#include "http/json.h"
#include "http/mediatype.h"
#include "http/uri.h"

#define LIMIT_DEFAULT 100
#define DELIMITER_MAX 16
#define HEAD_SIZE     64        /* {"rev":18446744073709551615,"keys":[ */
#define TAIL_SIZE     (8 << 10) /* `next`, each byte as \u0000, and more */
#define ROOM          (ENTRIES_BYTES_MAX - HEAD_SIZE - TAIL_SIZE)
#define TYPE_UNKNOWN  "application/octet-stream"

struct page;

/* A form of the answer. */
struct form {
	const char *content_type;
	void (*key)(struct page *page, struct view key,
		    const struct record *record);
	void (*prefix)(struct page *page, struct view prefix);
	void (*end)(struct page *page);
	void (*count)(struct page *page); /* the answer to limit=0 */
};

/* What is asked for, and the page that becomes of it. */
struct page {
	struct call *call;
	struct rollup_range range;
	uint64_t limit;
	const struct form *form;

	struct buf *out;       /* response->text */
	struct buf prefixes;   /* JSON strings, with commas */
	struct buf prefixes64; /* those that are not UTF-8 */
	uint64_t revision;
	uint64_t count;
	bool more; /* there are entries behind `last` */
	size_t last_size;

	/* Only what has been put in is ever looked at. */
	char last[STORE_KEY_MAX];
	char prefix_bytes[STORE_KEY_MAX];
	char after_bytes[STORE_KEY_MAX];
	char delimiter_bytes[DELIMITER_MAX];
};

static enum err read_query(struct page *page)
{
	struct call *call = page->call;
	struct rollup_range *range = &page->range;
	uint64_t values = 0;
	bool good = true;

	page->limit = LIMIT_DEFAULT;
	good &= call_bytes(call, "prefix", 0, STORE_KEY_MAX, page->prefix_bytes,
			   &range->prefix);
	good &= call_bytes(call, "delimiter", 1, DELIMITER_MAX,
			   page->delimiter_bytes, &range->delimiter);
	good &= call_bytes(call, "after", 0, STORE_KEY_MAX, page->after_bytes,
			   &range->after);
	good &= call_number(call, "limit", ENTRIES_MAX, &page->limit,
			    "a whole number, 0 to 1000");
	good &= call_number(call, "values", 1, &values, "0 or 1");
	range->values = values && page->limit;
	if (!good)
		return ERR_INVALID;
	return permit_prefix(call, range->prefix, &range->prefix);
}

/* JSON */

static void add_null(struct buf *out, const char *name)
{
	json_add_name(out, name);
	buf_add_string(out, "null");
}

static void add_object(struct page *page, struct view key,
		       const struct record *record)
{
	struct buf *out = page->out;
	struct view type = record->type;

	buf_add_char(out, '{');
	json_add_bytes(out, "key", key);
	json_add_uint64(out, "rev", record->revision);
	json_add_uint64(out, "size", record->value.size);
	json_add_name(out, "type");
	json_add_string(out, type.size ? type : VIEW_LITERAL(TYPE_UNKNOWN));
	json_add_time(out, "modified", record->modified_ms);
	if (record->expires_ms)
		json_add_time(out, "expires", record->expires_ms);
	else
		add_null(out, "expires");
	if (page->range.values)
		json_add_bytes(out, "value", record->value);
	buf_add_char(out, '}');
}

static void json_key(struct page *page, struct view key,
		     const struct record *record)
{
	if (page->out->size > HEAD_SIZE)
		buf_add_char(page->out, ',');
	add_object(page, key, record);
}

static void json_prefix(struct page *page, struct view prefix)
{
	bool text = view_is_utf8(prefix);
	struct buf *out = text ? &page->prefixes : &page->prefixes64;

	if (out->size)
		buf_add_char(out, ',');
	if (text) {
		json_add_string(out, prefix);
		return;
	}
	buf_add_char(out, '"');
	base64_encode(prefix, out);
	buf_add_char(out, '"');
}

static void add_array(struct buf *out, const char *name,
		      const struct buf *elements)
{
	json_add_name(out, name);
	buf_add_char(out, '[');
	buf_add_view(out, buf_view(elements));
	buf_add_char(out, ']');
}

/* The beginning goes right before the first key. */
static void add_head(struct page *page)
{
	struct response *response = page->call->response;
	struct buf *out = page->out;
	struct buf head = BUF_EMPTY;
	char *begin;

	buf_add_char(&head, '{');
	json_add_uint64(&head, "rev", page->revision);
	json_add_name(&head, "keys");
	buf_add_char(&head, '[');
	if (head.err) {
		out->err = head.err;
		goto out;
	}
	begin = out->data + HEAD_SIZE - head.size;
	memcpy(begin, head.data, head.size);
	response->body = (struct view){
		begin,
		out->size - HEAD_SIZE + head.size,
	};
out:
	buf_release(&head);
}

static void json_end(struct page *page)
{
	struct buf *out = page->out;

	buf_add_char(out, ']');
	add_array(out, "prefixes", &page->prefixes);
	if (page->prefixes64.size)
		add_array(out, "prefixes64", &page->prefixes64);
	if (page->more)
		json_add_bytes(out, "next",
			       (struct view){ page->last, page->last_size });
	buf_add_string(out, "}\n");
	if (!out->err)
		add_head(page);
}

static void json_count(struct page *page)
{
	struct buf *out = page->out;

	buf_clear(out);
	buf_add_char(out, '{');
	json_add_uint64(out, "rev", page->revision);
	json_add_uint64(out, "count", page->count);
	buf_add_string(out, "}\n");
}

/* JSON lines, and keys for shells */

static void lines_key(struct page *page, struct view key,
		      const struct record *record)
{
	add_object(page, key, record);
	buf_add_char(page->out, '\n');
}

static void lines_prefix(struct page *page, struct view prefix)
{
	buf_add_char(page->out, '{');
	json_add_bytes(page->out, "prefix", prefix);
	buf_add_string(page->out, "}\n");
}

static void text_prefix(struct page *page, struct view prefix)
{
	uri_encode_path(prefix, page->out);
	buf_add_char(page->out, '\n');
}

static void text_key(struct page *page, struct view key,
		     const struct record *record)
{
	(void)record;
	text_prefix(page, key);
}

static void text_count(struct page *page)
{
	buf_clear(page->out);
	buf_add_uint64(page->out, page->count);
	buf_add_char(page->out, '\n');
}

/* The room for JSON's head is nothing here. */
static void lines_end(struct page *page)
{
	struct buf *out = page->out;

	if (out->err)
		return;
	page->call->response->body = (struct view){
		out->data + HEAD_SIZE,
		out->size - HEAD_SIZE,
	};
}

/* In the order of preference; text last, since it has no values. */
static const char *const form_types[] = {
	"application/json",
	"application/jsonl",
	"text/plain",
};

static const struct form forms[] = {
	{ "application/json", json_key, json_prefix, json_end, json_count },
	{ "application/jsonl", lines_key, lines_prefix, lines_end, json_count },
	{ "text/plain; charset=utf-8", text_key, text_prefix, lines_end,
	  text_count },
};

#define FORM_COUNT (sizeof(forms) / sizeof(forms[0]))

static enum err choose_form(struct page *page)
{
	struct call *call = page->call;
	bool values = page->range.values;
	int i = mediatype_choose(call->request->accept, form_types,
				 values ? FORM_COUNT - 1 : FORM_COUNT);

	if (i < 0)
		return fault_at(call, ERR_NOT_ACCEPTABLE, "header",
				VIEW_LITERAL("Accept"),
				"this resource has application/json, "
				"application/jsonl and, without values, "
				"text/plain");
	page->form = &forms[i];
	return ERR_OK;
}

/* The page */

static size_t page_size(const struct page *page)
{
	return page->out->size + page->prefixes.size + page->prefixes64.size;
}

static void cut_back(struct buf *buf, size_t size)
{
	if (!buf->err)
		buf->size = size;
}

/* False, and nothing has changed, when the page has no room for it. */
static bool add_entry(struct page *page, struct view name,
		      const struct record *record)
{
	size_t out_size = page->out->size;
	size_t prefixes_size = page->prefixes.size;
	size_t prefixes64_size = page->prefixes64.size;
	bool values = record && page->range.values;
	bool first = page->count == 0;

	/* Don't write what can't fit. */
	if (!first && values && page_size(page) + record->value.size > ROOM)
		return false;
	if (record)
		page->form->key(page, name, record);
	else
		page->form->prefix(page, name);
	if (first || page_size(page) <= ROOM)
		return true;
	cut_back(page->out, out_size);
	cut_back(&page->prefixes, prefixes_size);
	cut_back(&page->prefixes64, prefixes64_size);
	return false;
}

static bool page_each(void *arg, struct view name, const struct record *record)
{
	struct page *page = arg;

	if (page->limit) {
		page->more = page->count == page->limit ||
			     !add_entry(page, name, record);
		if (page->more)
			return false;
		memcpy(page->last, name.data, name.size);
		page->last_size = name.size;
	}
	page->count++;
	return !page->out->err;
}

static void page_again(void *arg)
{
	static const char head[HEAD_SIZE];
	struct page *page = arg;

	buf_clear(page->out);
	buf_clear(&page->prefixes);
	buf_clear(&page->prefixes64);
	buf_add(page->out, head, sizeof(head));
	page->count = 0;
	page->more = false;
}

static void add_parameter(struct buf *link, const char *name, struct view value)
{
	if (!value.data)
		return;
	buf_add_string(link, name);
	buf_add_char(link, '=');
	uri_encode(value, link);
	buf_add_char(link, '&');
}

/* Where the next page is (RFC 8288): `after`, and what was given here. */
static enum err add_link(struct page *page)
{
	struct call *call = page->call;
	struct buf link = BUF_EMPTY;
	enum err err;

	buf_add_string(&link, "</v1/kv?");
	add_parameter(&link, "prefix", page->range.prefix);
	add_parameter(&link, "delimiter", page->range.delimiter);
	if (call_parameter(call, "limit").data)
		buf_addf(&link, "limit=%u&", (unsigned)page->limit);
	if (page->range.values)
		buf_add_string(&link, "values=1&");
	buf_add_string(&link, "after=");
	uri_encode((struct view){ page->last, page->last_size }, &link);
	buf_add_string(&link, ">; rel=\"next\"");
	response_field(call->response, "Link", buf_view(&link));
	err = link.err;
	buf_release(&link);
	return err;
}

static enum err make_page(struct page *page)
{
	const struct rollup_sink sink = { page_each, page_again, page };
	enum err err;

	page_again(page);
	err = rollup_list(page->call->api->store, &page->range, &sink,
			  &page->revision);
	if (err)
		return err;
	if (page->limit)
		page->form->end(page);
	else
		page->form->count(page);
	if (page->prefixes.err || page->prefixes64.err)
		return ERR_NO_MEMORY;
	return page->more ? add_link(page) : ERR_OK;
}

/* The prefix must be there and not empty: nobody clears a store by mistake. */
static enum err read_delete(struct call *call, char *bytes, struct view *prefix)
{
	enum err err = call_no_conditions(call);

	if (err)
		return err;
	if (!call_bytes(call, "prefix", 1, STORE_KEY_MAX, bytes, prefix))
		return ERR_INVALID;
	if (!prefix->data)
		return fault_at(call, ERR_INVALID, "parameter",
				VIEW_LITERAL("prefix"), "required");
	err = permit_whole_prefix(call, *prefix);
	return err ? err
		   : condition_impossible(call,
					  "delete the keys in transactions "
					  "with their revisions");
}

enum err entries_delete(struct call *call)
{
	struct response *response = call->response;
	struct buf *out = &response->text;
	uint64_t deleted, revision;
	char bytes[STORE_KEY_MAX];
	struct store_stats stats;
	struct view prefix;
	enum err err = read_delete(call, bytes, &prefix);

	if (!err)
		err = store_delete_prefix(call->api->store, prefix, &deleted,
					  &revision, &response->ticket);
	if (err == ERR_BATCH_TOO_LARGE)
		return fault(call, err,
			     "there are more keys than one commit can delete; "
			     "delete longer prefixes, one after another");
	if (err)
		return err;
	store_stats(call->api->store, &stats);
	buf_add_char(out, '{');
	json_add_uint64(out, "deleted", deleted);
	json_add_uint64(out, "rev", deleted ? revision : stats.revision);
	buf_add_string(out, "}\n");
	response->status = 200;
	response_field(response, "Content-Type",
		       VIEW_LITERAL("application/json"));
	return ERR_OK;
}

enum err entries_get(struct call *call)
{
	struct response *response = call->response;
	struct page page;
	enum err err;

	memset(&page, 0, offsetof(struct page, last));
	page.call = call;
	page.out = &response->text;
	err = read_query(&page);
	if (!err)
		err = choose_form(&page);
	if (!err)
		err = make_page(&page);
	buf_release(&page.prefixes);
	buf_release(&page.prefixes64);
	if (err)
		return err;
	response->status = 200;
	response_field(response, "Content-Type",
		       view_of(page.form->content_type));
	return ERR_OK;
}
