/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /v1/watch.  The watcher process parks what comes out of here.  Where
 * nobody does (the engine in memory has one process), what is there now is the
 * whole answer: a long poll that does not wait, and a stream that ends and
 * that its client takes up again by the last id.
 */
#include "api/watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/failure.h"
#include "api/handlers.h"
#include "api/permit.h"
#include "http/json.h"
#include "http/mediatype.h"
#include "http/problem.h"
#include "http/sse.h"

/* Of a stream that ends at once. */
#define NOW_BYTES (1 << 20)

#define RETRY_S "1"

static const char *const types[] = { "application/json", SSE_TYPE };

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	response_release(&watch->head);
	buf_release(&watch->id);
	buf_release(&watch->prefix);
	buf_release(&watch->token);
	buf_release(&watch->events);
	free(watch);
}

bool watch_is_allowed(const struct watch *watch, const struct access_file *file)
{
	return access_allows(file, buf_view(&watch->token), ROLE_READ,
			     buf_view(&watch->prefix));
}

/* What it is sent */

static void add_type(const struct watch *watch, struct response *response)
{
	response_field(response, "Content-Type",
		       view_of(types[watch->stream ? 1 : 0]));
}

static void add_beginning(const struct watch *watch, struct buf *out)
{
	sse_retry(out, WATCH_RETRY_MS);
	sse_id(out, watch->place.revision);
}

static void add_head(const struct watch *watch, struct buf *out)
{
	response_head(&watch->head, out);
	if (watch->head.fields.err)
		out->err = watch->head.fields.err;
}

/* The head of what is all there, and the body. */
static void add_whole(const struct watch *watch, struct buf *out)
{
	add_head(watch, out);
	buf_add_view(out, response_body(&watch->head));
	if (watch->head.text.err)
		out->err = watch->head.text.err;
}

void watch_begin(struct watch *watch, struct buf *out)
{
	if (!watch->stream)
		return;
	watch->head.unbounded = true;
	add_type(watch, &watch->head);
	add_head(watch, out);
	add_beginning(watch, out);
}

static void add_to_stream(struct watch *watch, const struct news_item *item,
			  struct view text, struct buf *out)
{
	sse_event(out, news_event(item), text,
		  item->last ? &item->revision : NULL);
	watch->untold = !item->last;
}

/* An element of "events": the object with a member of its own in front. */
static void add_to_answer(struct watch *watch, const struct news_item *item,
			  struct view text)
{
	struct buf *events = &watch->events;
	const char *object = text.data;

	if (events->size)
		buf_add_char(events, ',');
	buf_addf(events, "{\"event\":\"%s\",", news_event(item));
	buf_add(events, object + 1, text.size - 1);
}

static enum err show(struct watch *watch, struct news *news,
		     struct news_item *item, struct buf *out)
{
	struct view key = news_key(news, item);
	struct view text;

	if (!view_starts_with(key, buf_view(&watch->prefix)))
		return ERR_OK;
	text = news_text(news, item, watch->values);
	if (!text.size)
		return ERR_NO_MEMORY;
	if (watch->stream)
		add_to_stream(watch, item, text, out);
	else
		add_to_answer(watch, item, text);
	return out->err ? out->err : watch->events.err;
}

/* What a poll has of whole revisions, and where the last of them ends. */
struct whole {
	struct place place;
	size_t size;
};

/*
 * A poll is answered with whole revisions.  Where a piece ends within one, it
 * goes back to before that: pieces may end so for ever, and what is kept for it
 * would be all that there is.
 */
static void go_to_end(struct watch *watch, const struct news *news,
		      const struct whole *whole)
{
	watch->place = news->to;
	if (watch->stream || !news->to.index || !whole->size)
		return;
	watch->place = whole->place;
	watch->events.size = whole->size;
}

enum err watch_feed(struct watch *watch, struct news *news, struct buf *out)
{
	struct whole whole = { .size = 0 };
	enum err err = ERR_OK;

	for (size_t i = 0; !err && i < news->count; i++) {
		struct news_item *item = &news->items[i];

		if (!place_before(watch->place, item->after))
			continue;
		err = show(watch, news, item, out);
		if (item->last && watch->untold) {
			sse_id(out, item->revision);
			watch->untold = false;
		}
		if (item->last)
			whole = (struct whole){ item->after,
						watch->events.size };
		watch->place = item->after;
	}
	go_to_end(watch, news, &whole);
	watch->looked = true;
	return err;
}

bool watch_is_due(const struct watch *watch, uint64_t newest, bool late)
{
	if (watch->stream || watch->place.index)
		return false;
	if (watch->events.size)
		return true;
	return late && (watch->looked || watch->place.revision >= newest);
}

static void add_answer(const struct watch *watch, struct buf *text)
{
	buf_addf(text, "{\"rev\":%" PRIu64 ",\"events\":[",
		 watch->place.revision);
	buf_add_view(text, buf_view(&watch->events));
	buf_add_string(text, "]}\n");
}

void watch_answer(struct watch *watch, struct buf *out)
{
	add_type(watch, &watch->head);
	add_answer(watch, &watch->head.text);
	add_whole(watch, out);
}

size_t watch_half(const struct watch *watch)
{
	return watch->stream || !watch->place.index ? 0 : watch->events.size;
}

/* That is, of the revision that the watch is within. */
static void say_too_much(const struct watch *watch, struct buf *detail,
			 struct buf *members)
{
	uint64_t revision = watch->place.revision + 1;

	buf_addf(detail,
		 "revision %" PRIu64 " has more changes than a long poll is "
		 "answered with; list, then watch from the revision of the "
		 "list, or watch a stream of events",
		 revision);
	json_add_uint64(members, "oldest", revision);
}

void watch_refuse(struct watch *watch, enum err err, struct buf *out)
{
	const struct failure *failure = failure_of(err);
	struct response *head = &watch->head;
	struct buf detail = BUF_EMPTY;
	struct buf members = BUF_EMPTY;
	struct problem problem = {
		.status = failure->status,
		.code = failure->code,
		.title = failure->title,
		.request = buf_view(&watch->id),
	};

	if (err == ERR_GONE)
		say_too_much(watch, &detail, &members);
	else
		buf_add_string(&detail, failure->detail);
	problem.detail = buf_view(&detail);
	problem.members = buf_view(&members);
	head->status = failure->status;
	response_field(head, "Content-Type", VIEW_LITERAL(PROBLEM_TYPE));
	if (failure->status == 503)
		response_field(head, "Retry-After", VIEW_LITERAL(RETRY_S));
	problem_write(&problem, &head->text);
	buf_release(&detail);
	buf_release(&members);
	add_whole(watch, out);
}

void watch_beat(const struct watch *watch, struct buf *out)
{
	if (watch->stream && !watch->untold && !watch->place.index)
		sse_id(out, watch->place.revision);
}

/* What is asked for */

/* Last-Event-ID, which a client that comes back sends, goes before `since`. */
static bool read_since(struct call *call, uint64_t *since)
{
	struct view id = view_trim(call->request->last_event_id);

	if (!id.size)
		return call_number(call, "since", UINT64_MAX, since,
				   "a revision");
	if (view_to_uint64(id, UINT64_MAX, since))
		return true;
	fault_at(call, ERR_INVALID, "header", VIEW_LITERAL("Last-Event-ID"),
		 "takes a revision");
	return false;
}

static enum err read_query(struct call *call, struct watch *watch)
{
	char bytes[STORE_KEY_MAX];
	struct view prefix, token;
	uint64_t wait_s = WATCH_WAIT_S;
	uint64_t values = 0;
	bool good = true;
	enum err err;

	good &= call_bytes(call, "prefix", 0, sizeof(bytes), bytes, &prefix);
	good &= read_since(call, &watch->place.revision);
	good &= call_number(call, "wait", WATCH_WAIT_MAX_S, &wait_s,
			    "whole seconds, 0 to 300");
	good &= call_number(call, "values", 1, &values, "0 or 1");
	if (!good)
		return ERR_INVALID;
	err = permit_prefix(call, prefix, &prefix);
	if (err)
		return err;
	buf_add_view(&watch->id, call->request->id);
	buf_add_view(&watch->prefix, prefix);
	if (auth_bearer(call->request->authorization, &token))
		buf_add_view(&watch->token, token);
	watch->wait_ms = wait_s * 1000;
	watch->values = values;
	if (watch->id.err || watch->prefix.err || watch->token.err)
		return ERR_NO_MEMORY;
	return ERR_OK;
}

static enum err choose_type(struct call *call, struct watch *watch)
{
	int i = mediatype_choose(call->request->accept, types, 2);

	if (i < 0)
		return fault_at(call, ERR_NOT_ACCEPTABLE, "header",
				VIEW_LITERAL("Accept"),
				"this resource has application/json and "
				"text/event-stream");
	watch->stream = i == 1;
	return ERR_OK;
}

/* Whether what comes after its place is still kept. */
static enum err check_place(struct call *call, const struct watch *watch,
			    const struct store_stats *stats)
{
	uint64_t since = watch->place.revision;

	call->oldest = stats->oldest;
	if (since > stats->revision)
		return fault(call, ERR_GONE,
			     "revision %" PRIu64 " is yet to come; the store "
			     "may have been restored: list, then watch from "
			     "the revision of the list",
			     since);
	if (since < stats->oldest)
		return fault(call, ERR_GONE,
			     "news after revision %" PRIu64 " are no "
			     "longer kept; list, then watch from the revision "
			     "of the list",
			     since);
	return ERR_OK;
}

static enum err make_watch(struct call *call, struct watch *watch)
{
	struct store_stats stats;
	enum err err;

	store_stats(call->api->store, &stats);
	watch->place.revision = stats.revision; /* from now */
	err = read_query(call, watch);
	if (!err)
		err = choose_type(call, watch);
	return err ? err : check_place(call, watch, &stats);
}

/* The answer */

static void add_fields(struct call *call, const struct watch *watch)
{
	struct response *response = call->response;

	response->status = 200;
	/* A proxy that understands it does not hold events back. */
	if (watch->stream)
		response_field(response, "X-Accel-Buffering",
			       VIEW_LITERAL("no"));
}

/* All that there is now, at once; when that is much, whole revisions of it. */
static enum err answer_now(struct call *call, struct watch *watch)
{
	struct buf *out = &call->response->text;
	struct store *store = call->api->store;
	struct news news;
	enum err err = news_init(&news);
	bool more = !err;

	add_type(watch, call->response);
	if (watch->stream)
		add_beginning(watch, out);
	while (more) {
		err = news_read(&news, store, watch->place, watch->values,
				&call->oldest);
		if (!err)
			err = watch_feed(watch, &news, out);
		more = !err && !news.all &&
		       (out->size < NOW_BYTES || watch->untold) &&
		       !watch_is_due(watch, UINT64_MAX, false);
	}
	if (!watch->stream)
		add_answer(watch, out);
	news_release(&news);
	return err;
}

static void answer_head(struct call *call, const struct watch *watch)
{
	add_type(watch, call->response);
	call->response->unbounded = true;
}

static enum err park(struct call *call, struct watch **watch)
{
	struct parking *parking = call->api->parking;

	if (!parking->room)
		return ERR_TOO_MANY_WATCHERS;
	parking->parked = *watch;
	*watch = NULL;
	return ERR_OK;
}

enum err watch_get(struct call *call)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	enum err err;

	if (!watch)
		return ERR_NO_MEMORY;
	err = make_watch(call, watch);
	if (err)
		goto out;
	add_fields(call, watch);
	if (call->request->method == METHOD_HEAD)
		answer_head(call, watch);
	else if (call->api->parking)
		err = park(call, &watch);
	else
		err = answer_now(call, watch);
out:
	watch_free(watch);
	return err;
}
