/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all processes of one service share, made from the settings. */
#ifndef SERVICE_H
#define SERVICE_H

#include "api/access.h"
#include "api/metrics.h"
#include "base/conf.h"
#include "handout.h"
#include "http/stored.h"
#include "store/store.h"

#define SERVICE_FOLDER_MODE 0750 /* of data-dir and run-dir when made */

/* The sockets that lighttpd connects to, and what it sends to each. */
enum listen {
	LISTEN_API,      /* whatever is answered soon */
	LISTEN_WATCH,    /* /v1/watch */
	LISTEN_TRANSFER, /* /v1/export and /v1/import */
	LISTEN_REQUESTS, /* how many these are */

	/* No requests: who connects is given the stored responses' memory. */
	LISTEN_STORED = LISTEN_REQUESTS,
	LISTEN_COUNT
};

/*
 * lighttpd goes by the path as it normalises it, which is not what
 * REQUEST_URI says: whoever takes connections from one of the sockets has to
 * serve any request.
 */
struct service {
	const struct conf *conf;
	struct store *store;
	struct access_file *access; /* NULL without a token-file */
	struct metrics *metrics;    /* NULL: nothing is counted */
	struct stored *stored;      /* NULL: no response is kept */
	struct handout *handout;    /* of its descriptors; no child's */
	int listen_fds[LISTEN_COUNT];
};

/* The settings that are the store's; strings stay those of conf. */
struct store_conf service_store_conf(const struct conf *conf);

/* What is in the memory of one process can be served by no other. */
bool service_is_one_process(const struct conf *conf);

/*
 * Bytes of a body that are kept; a longer one is answered 413.  A value in JSON
 * can take three times as many as it stands for, as "\u0434" does for two
 * bytes of UTF-8, and so can all of a transaction.
 */
size_t service_body_max(const struct conf *conf);

/* The level that the settings ask for, and the role as the log's name. */
void service_log_setup(const struct conf *conf, const char *role);

/*
 * Where a socket is, for listener.h; in `hold`, which may fail, where no
 * setting says.
 */
const char *service_socket(const struct conf *conf, enum listen which,
			   struct buf *hold);

/*
 * Open the listening sockets; that of LISTEN_API may be there already, as
 * listener_take() has it, or `made` is -1.  ERR_ACCESS, ERR_OWNED, ERR_SYSTEM,
 * as listener_open(); what was opened is then still to be closed.
 */
enum err service_listen(struct service *service, int made);

/* Whether somebody listens where LISTEN_API would be opened. */
bool service_is_running(const struct conf *conf);

/*
 * Let nobody connect any more; who is pending can still be accepted, and a
 * successor can have the paths.  Once, before the sockets are closed.
 */
void service_refuse(const struct service *service);

void service_close_listeners(struct service *service);

/*
 * Let `conf`, just read again, keep those settings of the start that only
 * another start can change, also those that lighttpd has read when it started
 * (lighttpd/settings.sh); each that differs is logged.
 */
void service_keep_start_only(struct conf *conf, const struct conf *started);

#endif
