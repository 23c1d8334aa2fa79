/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What settings have to do with each other. */
#include <inttypes.h>
#include <string.h>

#include "base/setting.h"

/* The store counts its live segments in as many slots. */
enum { SEGMENTS_MAX = 64 };

static void value_fits_segment(const struct conf *conf, struct buf *message)
{
	const uint64_t least = 2 * conf->value_max_bytes;

	if (conf->journal_segment_bytes < least)
		buf_addf(message,
			 "journal-segment-bytes must be at least %" PRIu64
			 ", twice value-max-bytes, not %" PRIu64,
			 least, conf->journal_segment_bytes);
}

static void journal_holds_segments(const struct conf *conf, struct buf *message)
{
	const uint64_t least = 2 * conf->journal_segment_bytes;

	if (conf->journal_max_bytes < least)
		buf_addf(message,
			 "journal-max-bytes must be at least %" PRIu64
			 ", twice journal-segment-bytes, not %" PRIu64,
			 least, conf->journal_max_bytes);
}

static void segments_are_few(const struct conf *conf, struct buf *message)
{
	const uint64_t most = SEGMENTS_MAX * conf->journal_segment_bytes;

	if (conf->journal_max_bytes > most)
		buf_addf(message,
			 "journal-max-bytes must be at most %" PRIu64
			 ", %d times journal-segment-bytes, not %" PRIu64,
			 most, SEGMENTS_MAX, conf->journal_max_bytes);
}

static void memory_has_one_worker(const struct conf *conf, struct buf *message)
{
	if (!strcmp(conf->engine, "memory") && conf->workers != 1)
		buf_addf(message,
			 "workers must be 1, not %" PRIu64
			 ", when engine is memory: its data is in one process",
			 conf->workers);
}

/* The path of a socket is used by processes that may be anywhere. */
static void run_dir_is_whole(const struct conf *conf, struct buf *message)
{
	if (conf->run_dir[0] != '/')
		buf_addf(message,
			 "run-dir must begin with /, not be '%s': the sockets "
			 "in it that listen and others don't name need a "
			 "whole path",
			 conf->run_dir);
}

static void sockets_differ(const struct conf *conf, struct buf *message)
{
	const struct {
		const char *name;
		const char *at;
	} sockets[] = {
		{ "listen", conf->listen },
		{ "watch-listen", conf->watch_listen },
		{ "transfer-listen", conf->transfer_listen },
		{ "stored-listen", conf->stored_listen },
	};
	const size_t count = sizeof(sockets) / sizeof(sockets[0]);

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++) {
			if (!*sockets[i].at ||
			    strcmp(sockets[i].at, sockets[j].at) != 0)
				continue;
			buf_addf(message, "%s must not be the socket of %s, %s",
				 sockets[i].name, sockets[j].name,
				 sockets[i].at);
			return;
		}
}

enum err setting_rules(const struct conf *conf, struct buf *message)
{
	static void (*const rules[])(const struct conf *conf,
				     struct buf *message) = {
		value_fits_segment,    journal_holds_segments, segments_are_few,
		memory_has_one_worker, run_dir_is_whole,       sockets_differ,
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		rules[i](conf, message);
		if (message->err)
			return message->err;
		if (message->size > 0)
			return ERR_SETTING;
	}
	return ERR_OK;
}
