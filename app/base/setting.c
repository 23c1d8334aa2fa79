/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table, and how a value of each type is read and written. */
#include "base/setting.h"

#include <stddef.h>
#include <string.h>

/*
 * lighttpd 1.4.69 counts its connections and descriptors in 16 bits, and takes
 * two of these for a connection; beside watches there is room for 8,000 others
 * (lighttpd/settings.sh).
 */
#define WATCHERS_MOST 24000

static const char *const engines[] = { "gdbm", "memory", NULL };
static const char *const log_levels[] = { "error", "warn", "info", "debug",
					  NULL };

#define MEMBER(member) .offset = offsetof(struct conf, member)

const struct setting settings[SETTING_COUNT] = {
	{
		.name = "data-dir",
		.type = SETTING_FOLDER,
		MEMBER(data_dir),
		.initial = DEFAULT_DATA_DIR,
		.about = "The folder of the store, made when it is absent",
	},
	{
		.name = "run-dir",
		.type = SETTING_FOLDER,
		MEMBER(run_dir),
		.initial = DEFAULT_RUN_DIR,
		.about =
			"The folder of the pid file and of sockets; nothing in it has to "
			"outlive a restart",
	},
	{
		.name = "listen",
		.type = SETTING_SOCKET,
		MEMBER(listen),
		.initial = "",
		.about = "The FastCGI socket for what is answered soon; when "
			 "empty, one in run-dir",
	},
	{
		.name = "watch-listen",
		.type = SETTING_SOCKET,
		MEMBER(watch_listen),
		.initial = "",
		.about = "The FastCGI socket for watches; when empty, one in "
			 "run-dir",
	},
	{
		.name = "transfer-listen",
		.type = SETTING_SOCKET,
		MEMBER(transfer_listen),
		.initial = "",
		.about = "The FastCGI socket for exports and imports; when "
			 "empty, one in run-dir",
	},
	{
		.name = "stored-listen",
		.type = SETTING_SOCKET,
		MEMBER(stored_listen),
		.initial = "",
		.about = "The socket at which lighttpd is given the memory of "
			 "stored responses; when empty, one in run-dir",
	},
	{
		.name = "engine",
		.type = SETTING_CHOICE,
		MEMBER(engine),
		.initial = "gdbm",
		.choices = engines,
		.about = "What keeps the values: files, or one process's "
			 "memory for as long as it runs",
	},
	{
		.name = "workers",
		.type = SETTING_NUMBER,
		MEMBER(workers),
		.initial = "0",
		.max = 64,
		.about = "Worker processes; 0 means one a core and one more",
	},
	{
		.name = "transfers",
		.type = SETTING_NUMBER,
		MEMBER(transfers),
		.initial = "2",
		.min = 1,
		.max = 64,
		.about = "Processes for exports and imports, one at a time "
			 "each; more than that wait for one another",
	},
	{
		.name = "round-max",
		.type = SETTING_NUMBER,
		MEMBER(round_max),
		.initial = "64",
		.min = 1,
		.max = 64,
		.about = "Writes that a worker has in hand at most, until "
			 "they are on disk",
	},
	{
		.name = "request-timeout-ms",
		.type = SETTING_NUMBER,
		MEMBER(request_timeout_ms),
		.initial = "10000",
		.min = 100,
		.max = 600000,
		.about = "How long a worker waits for lighttpd to send a "
			 "request or to take an answer",
	},
	{
		.name = "lock-timeout-ms",
		.type = SETTING_NUMBER,
		MEMBER(lock_timeout_ms),
		.initial = "5000",
		.min = 1,
		.max = 600000,
		.about = "How long a write waits for its lock before it is "
			 "answered 503",
	},
	{
		.name = "drain-timeout-ms",
		.type = SETTING_NUMBER,
		MEMBER(drain_timeout_ms),
		.initial = "10000",
		.min = 1,
		.max = 600000,
		.about = "How long a stopping worker may take to finish its "
			 "requests before it is killed",
	},
	{
		.name = "stored-bytes",
		.type = SETTING_NUMBER,
		MEMBER(stored_bytes),
		.initial = "33554432",
		.max = 1073741824,
		.about = "Memory for responses that lighttpd gives again while "
			 "they are true, without asking a worker; 0 for none",
	},
	{
		.name = "value-max-bytes",
		.type = SETTING_NUMBER,
		MEMBER(value_max_bytes),
		.initial = "8388608",
		.min = 1,
		.max = 67108864,
		.about = "The largest value; a larger one is answered 413",
	},
	{
		.name = "txn-max-ops",
		.type = SETTING_NUMBER,
		MEMBER(txn_max_ops),
		.initial = "1024",
		.min = 1,
		.max = 10000,
		.about = "The most operations of a transaction, and the most "
			 "conditions; one with more is answered 413",
	},
	{
		.name = "txn-max-bytes",
		.type = SETTING_NUMBER,
		MEMBER(txn_max_bytes),
		.initial = "8388608",
		.min = 1024,
		.max = 67108864,
		.about = "The most bytes of keys and values that a transaction "
			 "writes, and of values that it reads; past it, 413",
	},
	{
		.name = "watchers-max",
		.type = SETTING_NUMBER,
		MEMBER(watchers_max),
		.initial = "2000",
		.min = 1,
		.max = WATCHERS_MOST,
		.about = "Watchers at one time; more are answered 503",
	},
	{
		.name = "watch-heartbeat-ms",
		.type = SETTING_NUMBER,
		MEMBER(watch_heartbeat_ms),
		.initial = "15000",
		.min = 10,
		.max = 300000,
		.about = "Time after which a stream of events that has "
			 "nothing to say tells the revision",
	},
	{
		.name = "watch-backlog-bytes",
		.type = SETTING_NUMBER,
		MEMBER(watch_backlog_bytes),
		.initial = "16777216",
		.min = 65536,
		.max = 1073741824,
		.about = "Memory for what slow watchers have yet to take; "
			 "past it they are cut off, and may resume",
	},
	{
		.name = "require-conditions",
		.type = SETTING_SWITCH,
		MEMBER(require_conditions),
		.initial = "false",
		.about = "Answer 428 to a write without a condition: of a key, "
			 "If-Match or If-None-Match; in a transaction, one "
			 "for each key that is put or deleted",
	},
	{
		.name = "journal-segment-bytes",
		.type = SETTING_NUMBER,
		MEMBER(journal_segment_bytes),
		.initial = "67108864",
		.min = 65536,
		.max = 1073741824,
		.about = "Size of one file of the journal; at least twice "
			 "value-max-bytes",
	},
	{
		.name = "journal-max-bytes",
		.type = SETTING_NUMBER,
		MEMBER(journal_max_bytes),
		.initial = "536870912",
		.min = 131072,
		.max = 17179869184,
		.about = "Journal that may wait for a checkpoint before "
			 "writes are answered 503; 2 to 64 times "
			 "journal-segment-bytes",
	},
	{
		.name = "memtable-bytes",
		.type = SETTING_NUMBER,
		MEMBER(memtable_bytes),
		.initial = "50331648",
		.min = 65536,
		.max = 1073741824,
		.about = "Shared memory for the index of one file of the "
			 "journal",
	},
	{
		.name = "table-max-keys",
		.type = SETTING_NUMBER,
		MEMBER(table_max_keys),
		.initial = "60000",
		.min = 8,
		.max = 10000000,
		.about = "Keys in one GDBM file before it is split",
	},
	{
		.name = "table-max-bytes",
		.type = SETTING_NUMBER,
		MEMBER(table_max_bytes),
		.initial = "16777216",
		.min = 4096,
		.max = 1073741824,
		.about = "Bytes in one GDBM file before it is split",
	},
	{
		.name = "read-cache-bytes",
		.type = SETTING_NUMBER,
		MEMBER(read_cache_bytes),
		.initial = "4194304",
		.max = 1073741824,
		.about = "Memory of each worker for small values that it has "
			 "read of late",
	},
	{
		.name = "checkpoint-idle-ms",
		.type = SETTING_NUMBER,
		MEMBER(checkpoint_idle_ms),
		.initial = "5000",
		.max = 86400000,
		.about = "How long no write may have come before the journal "
			 "is moved into the GDBM files",
	},
	{
		.name = "expiry-interval-ms",
		.type = SETTING_NUMBER,
		MEMBER(expiry_interval_ms),
		.initial = "1000",
		.min = 10,
		.max = 3600000,
		.about = "Time between two looks for expired keys; readers "
			 "never see one, however long it is",
	},
	{
		.name = "history-bytes",
		.type = SETTING_NUMBER,
		MEMBER(history_bytes),
		.initial = "134217728",
		.max = 1099511627776,
		.about = "Journal that is kept, after its checkpoint, for "
			 "those who watch and were away; given up when the "
			 "disk is full",
	},
	{
		.name = "log-level",
		.type = SETTING_CHOICE,
		MEMBER(log_level),
		.initial = "info",
		.choices = log_levels,
		.about = "The least weighty events that are logged",
	},
	{
		.name = "docs-dir",
		.type = SETTING_FOLDER,
		MEMBER(docs_dir),
		.initial = DEFAULT_DOCS_DIR,
		.about = "The folder of the files of /docs/, as lighttpd "
			 "finds it",
	},
	{
		.name = "cors-origin",
		.type = SETTING_ORIGINS,
		MEMBER(cors_origin),
		.initial = "*",
		.about = "Origins whose pages may read answers "
			 "(Access-Control-Allow-Origin); * is all of them, "
			 "empty none",
	},
	{
		.name = "token-file",
		.type = SETTING_FILE,
		MEMBER(token_file),
		.initial = "",
		.about = "The file of the tokens that requests need; when "
			 "empty, everybody may do everything",
	},
	{
		.name = "metrics-open",
		.type = SETTING_SWITCH,
		MEMBER(metrics_open),
		.initial = "false",
		.about = "Answer /metrics to who has no token, too",
	},
};

static const char **text_of(const struct setting *setting, struct conf *conf)
{
	return (const char **)(void *)((char *)conf + setting->offset);
}

static uint64_t *number_of(const struct setting *setting, struct conf *conf)
{
	return (uint64_t *)(void *)((char *)conf + setting->offset);
}

static bool *switch_of(const struct setting *setting, struct conf *conf)
{
	return (bool *)(void *)((char *)conf + setting->offset);
}

static bool read_number(const struct setting *setting, const char *text,
			uint64_t *out)
{
	uint64_t number;

	if (!view_to_uint64(view_of(text), setting->max, &number) ||
	    number < setting->min)
		return false;
	*out = number;
	return true;
}

static bool read_switch(const char *text, bool *out)
{
	static const char *const words[][2] = { { "false", "true" },
						{ "no", "yes" },
						{ "0", "1" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (size_t value = 0; value < 2; value++) {
			if (strcmp(text, words[i][value]) != 0)
				continue;
			*out = value == 1;
			return true;
		}
	}
	return false;
}

static bool is_choice(const struct setting *setting, const char *text)
{
	for (const char *const *c = setting->choices; *c; c++)
		if (!strcmp(text, *c))
			return true;
	return false;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static bool is_folder(const char *text)
{
	return *text && !has_control(text);
}

static bool is_socket(const char *text)
{
	static const char scheme[] = "unix:";
	const char *path = text + sizeof(scheme) - 1;

	if (!*text)
		return true;
	return !strncmp(text, scheme, sizeof(scheme) - 1) && *path == '/' &&
	       strlen(path) <= SETTING_SOCKET_PATH_MAX && !has_control(text);
}

/* As browsers send it: in lower case, and nothing behind host and port. */
static bool is_origin(struct view text)
{
	const char *p = text.data;
	const char *host = text.size ? memmem(p, text.size, "://", 3) : NULL;

	if (!host || host == p || host + 3 == p + text.size)
		return false;
	for (const char *at = p; at < p + text.size; at++)
		if (*at <= ' ' || *at > '~' || (*at >= 'A' && *at <= 'Z') ||
		    (strchr("*/?#@", *at) && at != host + 1 && at != host + 2))
			return false;
	return true;
}

static bool is_origins(const char *text)
{
	struct view rest = view_of(text);

	if (!*text || !strcmp(text, "*"))
		return true;
	while (rest.data)
		if (!is_origin(view_cut(rest, ',', &rest)))
			return false;
	return true;
}

static bool text_allowed(const struct setting *setting, const char *text)
{
	switch (setting->type) {
	case SETTING_CHOICE:
		return is_choice(setting, text);
	case SETTING_FOLDER:
		return is_folder(text);
	case SETTING_FILE:
		return !has_control(text);
	case SETTING_SOCKET:
		return is_socket(text);
	case SETTING_ORIGINS:
		return is_origins(text);
	default:
		return false;
	}
}

bool setting_read(const struct setting *setting, const char *text,
		  struct conf *conf)
{
	if (setting->type == SETTING_NUMBER)
		return read_number(setting, text, number_of(setting, conf));
	if (setting->type == SETTING_SWITCH)
		return read_switch(text, switch_of(setting, conf));
	if (!text_allowed(setting, text))
		return false;
	*text_of(setting, conf) = text;
	return true;
}

void setting_write(const struct setting *setting, const struct conf *conf,
		   struct buf *out)
{
	struct conf copy = *conf; /* the members are found in one not const */

	if (setting->type == SETTING_NUMBER)
		buf_add_uint64(out, *number_of(setting, &copy));
	else if (setting->type == SETTING_SWITCH)
		buf_add_string(out,
			       *switch_of(setting, &copy) ? "true" : "false");
	else
		buf_add_string(out, *text_of(setting, &copy));
}

void setting_allowed(const struct setting *setting, struct buf *out)
{
	switch (setting->type) {
	case SETTING_NUMBER:
		buf_add_uint64(out, setting->min);
		buf_add_string(out, " to ");
		buf_add_uint64(out, setting->max);
		break;
	case SETTING_SWITCH:
		buf_add_string(out, "true or false");
		break;
	case SETTING_CHOICE:
		for (const char *const *c = setting->choices; *c; c++) {
			if (c > setting->choices)
				buf_add_string(out, c[1] ? ", " : " or ");
			buf_add_string(out, *c);
		}
		break;
	case SETTING_FOLDER:
		buf_add_string(out, "the path of a folder");
		break;
	case SETTING_FILE:
		buf_add_string(out, "empty or the path of a file");
		break;
	case SETTING_SOCKET:
		buf_addf(out, "empty or unix:/path of at most %d bytes",
			 SETTING_SOCKET_PATH_MAX);
		break;
	case SETTING_ORIGINS:
		buf_add_string(out, "empty, * or origins as https://a.example, "
				    "with commas between");
		break;
	}
}
