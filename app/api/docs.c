/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * /docs/: Swagger UI with the API's description.  The files are lighttpd's to
 * send (X-Sendfile); which one is meant is decided here, since lighttpd's own
 * idea of a path would take "/v1/kv/%2e%2e/%2e%2e/docs/x", which is a key, for
 * a file.
 */
#include "api/handlers.h"

/* Scripts and styles of ours; the style elements are Swagger UI's own. */
#define POLICY                                                                 \
	"default-src 'none'; script-src 'self'; connect-src 'self'; "          \
	"style-src 'self' 'unsafe-inline'; img-src 'self' data:"

static const struct page {
	const char *name;
	const char *file;
	const char *type;
} pages[] = {
	{ "", "index.html", "text/html; charset=utf-8" },
	{ "docs.js", "docs.js", "text/javascript; charset=utf-8" },
	{ "swagger-ui.css", "swagger-ui.css", "text/css; charset=utf-8" },
	{ "swagger-ui-bundle.js", "swagger-ui-bundle.js",
	  "text/javascript; charset=utf-8" },
};

static const struct page *find(struct view name)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (view_equal_string(name, pages[i].name))
			return &pages[i];
	return NULL;
}

enum err docs_get(struct call *call)
{
	const struct page *page = find(call->match.key);
	struct response *response = call->response;
	struct buf path = BUF_EMPTY;
	enum err err;

	if (!page)
		return ERR_NO_ROUTE;
	buf_addf(&path, "%s/%s", call->api->conf->docs_dir, page->file);
	call->policy = POLICY;
	call->value = true; /* lighttpd adds an ETag to go by */
	response->status = 200;
	response_field(response, "X-Sendfile", buf_view(&path));
	response_field(response, "Content-Type", view_of(page->type));
	err = path.err;
	buf_release(&path);
	return err;
}

/* Relative links of the page need the slash. */
enum err docs_redirect(struct call *call)
{
	call->response->status = 308;
	response_field(call->response, "Location", VIEW_LITERAL("/docs/"));
	return ERR_OK;
}
