/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /v1/export and POST /v1/import: the store as JSON lines (lines.h).
 *
 * An export is of a snapshot: it may last for as long as its client goes on
 * reading, at one revision, and holds nobody back; but no longer than its
 * token is good, which is looked up all the while.  What is imported is kept in
 * a file without a name beside the store until all of it is there and has been
 * checked: so a body may be larger than memory, and one that was cut off
 * changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "api/condition.h"
#include "api/handlers.h"
#include "api/lines.h"
#include "api/permit.h"
#include "base/log.h"
#include "http/etag.h"
#include "http/json.h"
#include "http/mediatype.h"

#define PIECE_BYTES (16u << 10)
#define MODE_MAX    16 /* bytes of the parameter */

static const char *const types[] = { "application/jsonl",
				     "application/x-ndjson" };

struct outgoing {
	struct store *snapshot;
	struct view prefix; /* in `bytes` */
	char bytes[STORE_KEY_MAX];
	struct access_file *access; /* or NULL */
	struct buf token;
};

static enum err outgoing_stream(void *arg, const struct sink *sink)
{
	const struct outgoing *outgoing = arg;
	uint64_t revision;

	return lines_dump(outgoing->snapshot, outgoing->prefix, sink,
			  &revision);
}

static enum err outgoing_check(void *arg)
{
	const struct outgoing *outgoing = arg;

	if (!outgoing->access)
		return ERR_OK;
	access_refresh(outgoing->access, false);
	if (access_allows(outgoing->access, buf_view(&outgoing->token),
			  ROLE_READ, outgoing->prefix))
		return ERR_OK;
	log_event(LOG_INFO, "export-cut-off", "why", "its token is no more",
		  NULL);
	return ERR_FORBIDDEN;
}

static void outgoing_free(void *arg)
{
	struct outgoing *outgoing = arg;

	buf_release(&outgoing->token);
	if (outgoing->snapshot)
		store_close(outgoing->snapshot);
	free(outgoing);
}

/* HEAD is told what an export would be of now, without a snapshot. */
static enum err outgoing_open(struct call *call, struct outgoing *outgoing,
			      uint64_t *revision)
{
	struct store_stats stats;

	if (call->request->method != METHOD_HEAD)
		return store_snapshot(call->api->store, outgoing->prefix,
				      &outgoing->snapshot, revision);
	store_stats(call->api->store, &stats);
	*revision = stats.revision;
	return ERR_OK;
}

/* What outgoing_check() asks for; it may read other tokens over these. */
static enum err keep_access(struct call *call, struct outgoing *outgoing)
{
	struct view prefix = outgoing->prefix;
	struct view token;

	if (prefix.size)
		memmove(outgoing->bytes, prefix.data, prefix.size);
	outgoing->prefix.data = outgoing->bytes;
	outgoing->access = call->api->access;
	if (auth_bearer(call->request->authorization, &token))
		buf_add_view(&outgoing->token, token);
	return outgoing->token.err;
}

static void add_export_fields(struct call *call, const char *type,
			      uint64_t revision)
{
	struct response *response = call->response;

	response->status = 200;
	response_field(response, "Content-Type", view_of(type));
	response_fieldf(response, "Content-Disposition",
			"attachment; filename=\"librapi-%llu.jsonl\"",
			(unsigned long long)revision);
}

enum err export_get(struct call *call)
{
	struct response *response = call->response;
	int type = mediatype_choose(call->request->accept, types, 2);
	struct outgoing *outgoing;
	uint64_t revision;
	enum err err;

	if (type < 0)
		return ERR_NOT_ACCEPTABLE;
	outgoing = calloc(1, sizeof(*outgoing));
	if (!outgoing)
		return ERR_NO_MEMORY;
	response->stream = outgoing_stream;
	response->stream_check = outgoing_check;
	response->stream_done = outgoing_free;
	response->stream_arg = outgoing;
	if (!call_bytes(call, "prefix", 0, sizeof(outgoing->bytes),
			outgoing->bytes, &outgoing->prefix))
		return ERR_INVALID;
	err = permit_prefix(call, outgoing->prefix, &outgoing->prefix);
	if (!err)
		err = keep_access(call, outgoing);
	if (!err)
		err = outgoing_open(call, outgoing, &revision);
	if (!err)
		add_export_fields(call, types[type], revision);
	return err;
}

struct import {
	struct call *call;
	struct lines_load load;
	char prefix[STORE_KEY_MAX];
	uint64_t received; /* bytes of the body */
	enum err read_err; /* why it did not go on */
};

static enum err read_query(struct import *import)
{
	struct call *call = import->call;
	char bytes[MODE_MAX];
	struct view mode;
	bool good = call_bytes(call, "mode", 0, sizeof(bytes), bytes, &mode);

	good &= call_bytes(call, "prefix", 0, STORE_KEY_MAX, import->prefix,
			   &import->load.prefix);
	if (!good)
		return ERR_INVALID;
	import->load.replace = view_equal_string(mode, "replace");
	if (!mode.data || import->load.replace ||
	    view_equal_string(mode, "merge"))
		return permit_prefix(call, import->load.prefix,
				     &import->load.prefix);
	return fault_at(call, ERR_INVALID, "parameter", VIEW_LITERAL("mode"),
			"takes merge, which is the default, or replace");
}

static enum err check_request(struct call *call)
{
	enum err err = call_no_conditions(call);

	if (!err)
		err = call_body_plain(call);
	if (!err &&
	    mediatype_is(call->request->content_type, "multipart/form-data"))
		return fault_at(call, ERR_MEDIA_TYPE, "header",
				VIEW_LITERAL("Content-Type"),
				"send the lines themselves, not a form with "
				"them");
	if (!err && !call->request->read)
		return fault_at(call, ERR_INVALID, "header",
				VIEW_LITERAL("Content-Length"),
				"takes a whole number");
	return err;
}

static enum err receive(void *arg, void *data, size_t size, size_t *got)
{
	struct import *import = arg;
	const struct request *request = import->call->request;

	import->read_err = request->read(request->read_arg, data, size, got);
	import->received += *got;
	return import->read_err;
}

/* An answer has to wait until the peer has sent everything. */
static void receive_rest(struct import *import)
{
	char piece[PIECE_BYTES];
	size_t got = 1;

	while (!import->read_err && got > 0)
		receive(import, piece, sizeof(piece), &got);
}

/* Lines that are cut off or changed are the client's mistake. */
static enum err load(struct import *import)
{
	enum err err = lines_load(&import->load);

	if (err && !import->load.begun)
		receive_rest(import);
	if (err == ERR_INCOMPLETE)
		return fault(import->call, err,
			     "the body was cut off after %llu bytes; nothing "
			     "was changed",
			     (unsigned long long)import->received);
	if (err == ERR_DAMAGED && !import->load.begun)
		err = ERR_INVALID;
	if (err)
		fault(import->call, err, "%s",
		      buf_string(&import->load.message));
	return err;
}

static enum err answer(struct import *import)
{
	const struct lines_load *load = &import->load;
	struct response *response = import->call->response;
	struct buf *out = &response->text;
	struct store_stats stats;

	store_stats(load->store, &stats);
	buf_add_char(out, '{');
	json_add_uint64(out, "count", load->count);
	json_add_uint64(out, "deleted", load->deleted);
	json_add_uint64(out, "rev",
			load->revision ? load->revision : stats.revision);
	json_add_name(out, "atomic");
	buf_add_string(out, load->atomic ? "true}\n" : "false}\n");
	response->status = 200;
	response_field(response, "Content-Type",
		       VIEW_LITERAL("application/json"));
	log_eventf(LOG_INFO, "imported", "%llu records, %llu keys deleted",
		   (unsigned long long)load->count,
		   (unsigned long long)load->deleted);
	return ERR_OK;
}

enum err import_post(struct call *call)
{
	struct import import = {
		.call = call,
		.load = { .store = call->api->store,
			  .own = call->access.prefix,
			  .folder = call->api->conf->data_dir,
			  .read = receive,
			  .read_arg = &import },
	};
	enum err err = read_query(&import);

	if (!err)
		err = condition_impossible(call, "use 'librapi load'");
	if (!err)
		err = check_request(call);
	if (!err)
		err = load(&import);
	if (!err)
		err = answer(&import);
	lines_load_free(&import.load);
	return err;
}
