/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The handlers that serve.c's table names, each as api/call.h says. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/call.h"

/* entry.c: one key, as bytes */
enum err entry_get(struct call *call);
enum err entry_put(struct call *call);
enum err entry_delete(struct call *call);

/* patch.c */
enum err entry_patch(struct call *call);

/* txn.c: many keys at once */
enum err txn_post(struct call *call);

/* entries.c: a listing of them, and the end of many */
#define ENTRIES_MAX       1000      /* of one page */
#define ENTRIES_BYTES_MAX (1 << 20) /* of it, unless one entry is larger */
enum err entries_get(struct call *call);
enum err entries_delete(struct call *call);

/* transfer.c: the store as lines, out and in */
enum err export_get(struct call *call);
enum err import_post(struct call *call);

/* watch.c: changes as they happen */
enum err watch_get(struct call *call);

/* about.c */
enum err about_get(struct call *call);

/* health.c */
enum err health_live(struct call *call);
enum err health_ready(struct call *call);
enum err health_check(struct call *call);

/* metrics_text.c */
enum err metrics_get(struct call *call);

/*
 * serve.c: the path of response.route, as the table has it; "other" for 0 and
 * for what is not in the table.
 */
const char *api_route_name(size_t route);

/* docs.c: Swagger UI */
enum err docs_get(struct call *call);
enum err docs_redirect(struct call *call);

/* openapi.c */
enum err openapi_get(struct call *call);
enum err openapi_swagger(struct call *call);

/* seed.c: the first librapi's API; what it deletes is an entry */
enum err seed_post(struct call *call);
enum err seed_get(struct call *call);
enum err seed_put(struct call *call);

#endif
