/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What all processes of one service share, made from the settings. */
#ifndef SERVICE_H
#define SERVICE_H

#include "base/conf.h"
#include "store/store.h"

#define SERVICE_FOLDER_MODE 0750 /* of data-dir and run-dir when made */

struct service {
	const struct conf *conf;
	struct store *store;
	int listen_fd;
};

/* The settings that are the store's; strings stay those of conf. */
struct store_conf service_store_conf(const struct conf *conf);

/* The level that the settings ask for, and the role as the log's name. */
void service_log_setup(const struct conf *conf, const char *role);

/*
 * Let `conf`, just read again, keep those settings of the start that only
 * another start can change; each that differs is logged.
 */
void service_keep_start_only(struct conf *conf, const struct conf *started);

#endif
