/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The settings.  One table (setting.c) holds for each its name, type, default,
 * bounds and one sentence; the environment, the file, the flags, --help,
 * --print-config, --check-config and the manual page all come from it.
 *
 * One name in all three places: `data-dir` is --data-dir=… on the command
 * line, LIBRAPI_DATA_DIR in the environment and `data-dir = …` in the file.
 * A flag wins over the environment, the environment over the file, the file
 * over the default.  An unknown name, also an unknown LIBRAPI_… variable, or
 * a value that is malformed or out of bounds stops the start with one
 * sentence that names the setting, where it was set, and what is allowed.
 *
 * The struct is const for everyone once conf_load() has returned.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

struct conf {
	/* Where things are. */
	const char *data_dir; /* the store's folder, made when absent */
	const char *run_dir;  /* pid file, sockets; none outlives a restart */
	const char *listen;   /* "unix:/path", or "" for librapi.sock there */
	const char *watch_listen;    /* "" for watch.sock there */
	const char *transfer_listen; /* "" for transfer.sock there */
	const char *stored_listen;   /* "" for stored.sock there */
	const char *engine;          /* "gdbm" or "memory" */

	/* Processes. */
	uint64_t workers;   /* 0: one a core and one more */
	uint64_t transfers; /* processes for exports and imports */
	uint64_t round_max; /* writes a worker has in hand until synced */
	uint64_t
		request_timeout_ms; /* for lighttpd to send or take a request */
	uint64_t lock_timeout_ms;   /* then a write is answered 503 */
	uint64_t drain_timeout_ms;  /* from SIGTERM to SIGKILL of a worker */

	uint64_t stored_bytes; /* memory for stored responses; 0: none */

	/* Limits. */
	uint64_t value_max_bytes;
	uint64_t txn_max_ops;
	uint64_t txn_max_bytes;       /* of a transaction's keys and values */
	bool require_conditions;      /* of a key: If-Match or If-None-Match */
	uint64_t watchers_max;        /* at one time; then 503 */
	uint64_t watch_heartbeat_ms;  /* between two signs of life */
	uint64_t watch_backlog_bytes; /* kept for watchers that are slow */

	/* The store on GDBM. */
	uint64_t journal_segment_bytes;
	uint64_t journal_max_bytes; /* not yet checkpointed; then 503 */
	uint64_t memtable_bytes;    /* shared memory for one segment's index */
	uint64_t table_max_keys;    /* past it a table is split */
	uint64_t table_max_bytes;
	uint64_t read_cache_bytes;   /* of each process, for records */
	uint64_t checkpoint_idle_ms; /* without writes, then checkpoint */
	uint64_t expiry_interval_ms; /* between two looks for expired keys */
	uint64_t history_bytes;      /* of journal kept for watchers */

	const char *log_level;   /* "error", "warn", "info", "debug" */
	const char *docs_dir;    /* of the files of /docs/ */
	const char *cors_origin; /* Access-Control-Allow-Origin */
	const char *token_file;  /* "": everybody may do everything */
	bool metrics_open;       /* to who has no token, too */

	void *owned; /* strings and their sources; conf_release() */
};

/*
 * Read the settings: argv holds only flags (`--name=value`, `--name value`,
 * for booleans also `--name`); `environ` the NAME=value strings; the file is
 * named by --config-file or LIBRAPI_CONFIG_FILE, and there is none without.
 * Rules that bind two settings are checked last.
 *
 * ERR_SETTING with the sentence in *message, ERR_ACCESS or ERR_IO when the
 * file can't be read (also with a sentence), ERR_NO_MEMORY.  conf_release()
 * is allowed after any result.
 */
enum err conf_load(struct conf *conf, int argc, char *const argv[],
		   char *const environ[], struct buf *message);
void conf_release(struct conf *conf);

/* --print-config: `name = value  # default|file|environment|flag` lines. */
void conf_print(const struct conf *conf, FILE *out);

/* The part of --help that lists the settings. */
void conf_help(FILE *out);

#endif
