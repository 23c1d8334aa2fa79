/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A row for every value, also for those that should never reach a client:
 * these, and ERR_OK, are internal errors, and say nothing of the inside.
 */
#include "api/failure.h"

#define INTERNAL                                                               \
	{                                                                      \
		500, "internal-error", "Internal error",                       \
			"the reason is in the server's log"                    \
	}

static const struct failure failures[ERR_COUNT] = {
	[ERR_OK] = INTERNAL,

	[ERR_INVALID] = { 400, "invalid-request", "Invalid request",
			  "the target or Content-Length is malformed" },
	[ERR_KEY] = { 400, "invalid-key", "Invalid key",
		      "a key has 1 to 1024 bytes" },
	[ERR_KEY_TOO_LONG] = { 414, "key-too-long", "Key too long",
			       "a key has at most 1024 bytes" },
	[ERR_INCOMPLETE] = { 503, "request-incomplete", "Request incomplete",
			     "some of the body was lost on its way to the "
			     "service; try again" },
	[ERR_VALUE_TOO_LARGE] = { 413, "value-too-large", "Value too large",
				  "the value is larger than the limit" },
	[ERR_BATCH_TOO_LARGE] = { 413, "batch-too-large", "Batch too large",
				  "it is more than one commit can hold" },
	[ERR_NO_ROUTE] = { 404, "no-such-route", "No such route",
			   "nothing is served under this path" },
	[ERR_METHOD] = { 405, "method-not-allowed", "Method not allowed",
			 "Allow names the methods of this resource" },
	[ERR_NOT_ACCEPTABLE] = { 406, "not-acceptable", "Not acceptable",
				 "there is no form that Accept allows" },
	[ERR_MEDIA_TYPE] = { 415, "media-type", "Unsupported media type",
			     "the body is of a type that is not served" },
	[ERR_CONDITION_MISSING] = { 428, "condition-required",
				    "Precondition required",
				    "a write needs a condition, as If-Match "
				    "or If-None-Match, here" },
	[ERR_UNAUTHORIZED] = { 401, "unauthorized", "Unauthorized",
			       "this takes a token" },
	[ERR_FORBIDDEN] = { 403, "forbidden", "Forbidden",
			    "the token is not for this" },

	[ERR_NOT_FOUND] = { 404, "key-not-found", "Key not found",
			    "there is no value under this key" },
	[ERR_CONDITION] = { 412, "condition-failed", "Precondition failed",
			    "a condition of the request is false" },
	[ERR_GONE] = { 410, "gone", "Gone",
		       "changes that far back are no longer kept; list, and "
		       "watch from the revision of the list" },
	[ERR_NOT_TEXT] = { 409, "not-text", "Not text",
			   "the value is not UTF-8; read it as bytes at "
			   "the URL in 'url'" },
	[ERR_NOT_JSON] = { 409, "not-json", "Not JSON",
			   "the value is no JSON, so it can't be patched" },
	[ERR_NOT_NUMBER] = { 409, "not-a-number", "Not a number",
			     "the value is no decimal number of 64 bits" },

	[ERR_BUSY] = { 503, "busy", "Busy", "the store is busy; try again" },
	[ERR_TOO_MANY_WATCHERS] = { 503, "too-many-watchers",
				    "Too many watchers",
				    "as many as there may be are waiting; try "
				    "again" },
	[ERR_DRAINING] = { 503, "draining", "Stopping",
			   "the service is stopping" },
	[ERR_FULL] = { 507, "storage-full", "Storage full",
		       "there is no room for writes; reads and deletes are "
		       "served" },
	[ERR_STOPPED] = { 503, "writes-stopped", "Writes stopped",
			  "the store takes no writes until it is restarted; "
			  "reads are served" },

	[ERR_NO_MEMORY] = { 503, "overloaded", "Overloaded",
			    "there is too much to do; try again" },
	[ERR_IO] = INTERNAL,
	[ERR_SYSTEM] = INTERNAL,

	[ERR_SETTING] = INTERNAL,
	[ERR_ACCESS] = INTERNAL,
	[ERR_OWNED] = INTERNAL,
	[ERR_FORMAT] = INTERNAL,
	[ERR_DAMAGED] = INTERNAL,
};

const struct failure *failure_of(enum err err)
{
	return &failures[(unsigned)err < ERR_COUNT ? err : ERR_OK];
}
