/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Is it alive, and should it be sent requests?  /livez asks nothing of the
 * store, so that a slow disk never gets the process killed; /readyz is 503
 * from the moment that writes are refused or the service is stopping, and its
 * problem's code says which.  A full disk does not make it unready: reads and
 * deletes go on.
 */
#include "api/handlers.h"
#include "http/json.h"

static enum err answer(struct call *call, const char *status)
{
	struct buf *out = &call->response->text;

	buf_add_char(out, '{');
	json_add_name(out, "status");
	json_add_string(out, view_of(status));
	buf_add_string(out, "}\n");
	call->response->status = 200;
	response_field(call->response, "Content-Type",
		       VIEW_LITERAL("application/json"));
	return ERR_OK;
}

enum err health_live(struct call *call)
{
	return answer(call, "alive");
}

enum err health_ready(struct call *call)
{
	struct store_stats stats;

	if (call->api->draining)
		return ERR_DRAINING;
	store_stats(call->api->store, &stats);
	if (!stats.writable)
		return ERR_STOPPED;
	return answer(call, "ready");
}

/* The first librapi's /hc: that something answers is all it ever said. */
enum err health_check(struct call *call)
{
	return answer(call, "ok");
}
