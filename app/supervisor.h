/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The supervisor: opens what all share (the listening socket, the store),
 * forks the workers and the housekeeper, replaces those that die, and passes
 * on what signals ask for.  It serves nothing itself, so that nothing that a
 * request can do ever hits it.
 *
 *   SIGTERM, SIGINT   drain: workers finish and go, then the housekeeper,
 *                     then the store is closed; exit status 0
 *   SIGHUP            read the settings again; the children are replaced one
 *                     after another, and no request is lost
 */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include "base/conf.h"
#include "starter.h"

/* Read the settings again, from where they came at the start: conf_load(). */
typedef enum err reload_fn(void *arg, struct conf *fresh, struct buf *message);

/*
 * starter   lighttpd, if it has started us: that it is dead is as SIGTERM
 *
 * Serve until told to stop.  ERR_OK after a clean stop; whatever kept the
 * service from starting or the store from closing is logged where it was.
 */
enum err supervisor_run(const struct conf *conf, struct starter starter,
			reload_fn *reload, void *arg);

#endif
