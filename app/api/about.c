/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GET /v1: what this is, what it takes, and where everything else is. */
#include "config.h"

#include "api/handlers.h"
#include "http/json.h"

static const struct link {
	const char *name;
	const char *url;
} links[] = {
	{ "self", "/v1" },
	{ "entry", "/v1/kv/{key}" },
	{ "entries", "/v1/kv" },
	{ "txn", "/v1/txn" },
	{ "watch", "/v1/watch" },
	{ "export", "/v1/export" },
	{ "import", "/v1/import" },
	{ "livez", "/livez" },
	{ "readyz", "/readyz" },
	{ "datas", "/datas" },
	{ "data", "/datas/{key}" },
	{ "health-check", "/hc" },
	{ "metrics", "/metrics" },
	{ "openapi", "/openapi.json" },
	{ "swagger", "/swagger.json" },
};

static void add_text(struct buf *out, const char *name, const char *value)
{
	json_add_name(out, name);
	json_add_string(out, view_of(value));
}

static void add_limits(struct buf *out, const struct conf *conf)
{
	json_add_name(out, "limits");
	buf_add_char(out, '{');
	json_add_uint64(out, "key_bytes", STORE_KEY_MAX);
	json_add_uint64(out, "value_bytes", conf->value_max_bytes);
	json_add_uint64(out, "type_bytes", RECORD_TYPE_MAX);
	json_add_uint64(out, "ttl_seconds", CALL_TTL_MAX_S);
	json_add_uint64(out, "list_keys", ENTRIES_MAX);
	json_add_uint64(out, "list_bytes", ENTRIES_BYTES_MAX);
	json_add_uint64(out, "txn_ops", conf->txn_max_ops);
	json_add_uint64(out, "txn_bytes", conf->txn_max_bytes);
	buf_add_char(out, '}');
}

static void add_links(struct buf *out)
{
	json_add_name(out, "links");
	buf_add_char(out, '{');
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		add_text(out, links[i].name, links[i].url);
	buf_add_char(out, '}');
}

enum err about_get(struct call *call)
{
	struct response *response = call->response;
	struct buf *out = &response->text;
	struct store_stats stats;

	store_stats(call->api->store, &stats);
	buf_add_char(out, '{');
	add_text(out, "name", "librapi");
	add_text(out, "version", PACKAGE_VERSION);
	add_text(out, "engine", store_engine_name(call->api->store));
	json_add_uint64(out, "revision", stats.revision);
	add_limits(out, call->api->conf);
	add_links(out);
	buf_add_string(out, "}\n");
	response->status = 200;
	response_field(response, "Content-Type",
		       VIEW_LITERAL("application/json"));
	return ERR_OK;
}
