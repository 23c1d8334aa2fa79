/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From settings to what the floors below want to be told. */
#include "service.h"

#include <stddef.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "listener.h"

#define BODY_FACTOR      3
#define BODY_SLACK_BYTES (64 << 10)

/* Settings that only a start can change, of librapi or of lighttpd. */
static const struct {
	const char *name;
	size_t offset;
	size_t size; /* 0: a string */
} start_only[] = {
#define STRING(member) #member, offsetof(struct conf, member), 0
#define NUMBER(member) #member, offsetof(struct conf, member), sizeof(uint64_t)
	{ STRING(data_dir) },
	{ STRING(run_dir) },
	{ STRING(listen) },
	{ STRING(watch_listen) },
	{ STRING(transfer_listen) },
	{ STRING(stored_listen) },
	{ STRING(engine) },
	{ STRING(docs_dir) },
	{ STRING(token_file) },
	{ NUMBER(workers) },
	{ NUMBER(transfers) },
	{ NUMBER(request_timeout_ms) },
	{ NUMBER(lock_timeout_ms) },
	{ NUMBER(stored_bytes) },
	{ NUMBER(value_max_bytes) },
	{ NUMBER(txn_max_bytes) },
	{ NUMBER(watchers_max) },
	{ NUMBER(journal_segment_bytes) },
	{ NUMBER(journal_max_bytes) },
	{ NUMBER(memtable_bytes) },
	{ NUMBER(table_max_keys) },
	{ NUMBER(table_max_bytes) },
	{ NUMBER(read_cache_bytes) },
	{ NUMBER(checkpoint_idle_ms) },
	{ NUMBER(expiry_interval_ms) },
	{ NUMBER(history_bytes) },
#undef STRING
#undef NUMBER
};

struct store_conf service_store_conf(const struct conf *conf)
{
	return (struct store_conf){
		.engine = conf->engine,
		.data_dir = conf->data_dir,
		.value_max_bytes = conf->value_max_bytes,
		.lock_timeout_ms = conf->lock_timeout_ms,
		.journal_segment_bytes = conf->journal_segment_bytes,
		.journal_max_bytes = conf->journal_max_bytes,
		.memtable_bytes = conf->memtable_bytes,
		.table_max_keys = conf->table_max_keys,
		.table_max_bytes = conf->table_max_bytes,
		.read_cache_bytes = conf->read_cache_bytes,
		.checkpoint_idle_ms = conf->checkpoint_idle_ms,
		.expiry_interval_ms = conf->expiry_interval_ms,
		.history_bytes = conf->history_bytes,
	};
}

size_t service_body_max(const struct conf *conf)
{
	uint64_t most = conf->value_max_bytes > conf->txn_max_bytes
				? conf->value_max_bytes
				: conf->txn_max_bytes;

	return most * BODY_FACTOR + BODY_SLACK_BYTES;
}

bool service_is_one_process(const struct conf *conf)
{
	return !strcmp(conf->engine, "memory");
}

void service_log_setup(const struct conf *conf, const char *role)
{
	static const char *const names[] = {
		[LOG_ERROR] = "error",
		[LOG_WARN] = "warn",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};
	int level = LOG_DEBUG;

	while (level > LOG_ERROR && strcmp(names[level], conf->log_level))
		level--;
	log_setup((enum log_level)level, role);
}

void service_keep_start_only(struct conf *conf, const struct conf *started)
{
	for (size_t i = 0; i < sizeof(start_only) / sizeof(*start_only); i++) {
		size_t size = start_only[i].size ? start_only[i].size
						 : sizeof(const char *);
		char *now = (char *)conf + start_only[i].offset;
		const char *then = (const char *)started + start_only[i].offset;
		bool same = start_only[i].size
				    ? !memcmp(now, then, size)
				    : !strcmp(*(const char **)now,
					      *(const char *const *)then);

		if (!same)
			log_event(LOG_WARN, "restart-needed", "setting",
				  start_only[i].name, NULL);
		memcpy(now, then, size);
	}
}

const char *service_socket(const struct conf *conf, enum listen which,
			   struct buf *hold)
{
	const struct {
		const char *set;
		const char *name;
	} sockets[] = {
		[LISTEN_API] = { conf->listen, "librapi" },
		[LISTEN_WATCH] = { conf->watch_listen, "watch" },
		[LISTEN_TRANSFER] = { conf->transfer_listen, "transfer" },
		[LISTEN_STORED] = { conf->stored_listen, "stored" },
	};

	if (*sockets[which].set)
		return sockets[which].set;
	buf_addf(hold, "unix:%s/%s.sock", conf->run_dir, sockets[which].name);
	return buf_string(hold);
}

enum err service_listen(struct service *service, int made)
{
	enum err err = ERR_OK;

	for (int i = 0; !err && i < LISTEN_COUNT; i++) {
		struct buf hold = BUF_EMPTY;
		const char *at =
			service_socket(service->conf, (enum listen)i, &hold);
		int *fd = &service->listen_fds[i];

		if (hold.err)
			err = hold.err;
		else if (i == LISTEN_STORED && !service->stored)
			*fd = -1;
		else if (i == LISTEN_API && made >= 0)
			err = listener_take(made, at, fd);
		else
			err = listener_open(at, fd);
		buf_release(&hold);
	}
	return err;
}

bool service_is_running(const struct conf *conf)
{
	struct buf hold = BUF_EMPTY;
	const char *at = service_socket(conf, LISTEN_API, &hold);
	bool running = !hold.err && listener_is_used(at);

	buf_release(&hold);
	return running;
}

void service_refuse(const struct service *service)
{
	for (int i = 0; i < LISTEN_COUNT; i++) {
		struct buf hold = BUF_EMPTY;
		const char *at =
			service_socket(service->conf, (enum listen)i, &hold);

		listener_refuse(at, service->listen_fds[i]);
		buf_release(&hold);
	}
}

void service_close_listeners(struct service *service)
{
	for (int i = 0; i < LISTEN_COUNT; i++)
		file_close(&service->listen_fds[i], "listening socket");
}
