/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The small readers of HTTP, each given the whole input: percent-encoding,
 * query, entity tags, media types, dates, routes, base 64.  What decodes
 * encodes to what decodes to the same.
 */
#include <string.h>

#include "base/base64.h"
#include "fuzz/fuzz.h"
#include "http/date.h"
#include "http/etag.h"
#include "http/mediatype.h"
#include "http/route.h"
#include "http/uri.h"

#define KEY_MAX 1024

static void check_encoded(struct view key,
			  void (*encode)(struct view, struct buf *))
{
	struct buf encoded = BUF_EMPTY;
	char again[KEY_MAX];
	size_t size;

	encode(key, &encoded);
	FUZZ_HOLDS(!uri_decode(buf_view(&encoded), again, KEY_MAX, &size));
	FUZZ_HOLDS(view_equal(key, (struct view){ again, size }));
	buf_release(&encoded);
}

static void try_uri(struct view input)
{
	char key[KEY_MAX];
	size_t size;
	enum err err = uri_decode(input, key, KEY_MAX, &size);

	if (err == ERR_INVALID)
		FUZZ_HOLDS(((const char *)input.data)[size] == '%');
	if (err)
		return;
	FUZZ_HOLDS(size <= input.size);
	check_encoded((struct view){ key, size }, uri_encode);
	check_encoded((struct view){ key, size }, uri_encode_path);
}

static void try_query(struct view input)
{
	struct view rest = input;
	struct view name, value;

	while (uri_query_next(&rest, &name, &value)) {
		FUZZ_HOLDS(!name.size || !memchr(name.data, '&', name.size));
		FUZZ_HOLDS(!value.size || !memchr(value.data, '&', value.size));
	}
}

static void try_etag(struct view input)
{
	struct etag_set set;
	enum err err = etag_set_parse(input, &set);

	FUZZ_HOLDS(err || !etag_set_has(&set, 0));
	for (size_t i = 0; !err && i < set.count; i++) {
		char text[ETAG_SIZE];
		struct etag_set one;

		FUZZ_HOLDS(etag_set_has(&set, set.revisions[i]) ||
			   !set.revisions[i]);
		FUZZ_HOLDS(!etag_set_parse(etag_format(set.revisions[i], text),
					   &one));
		FUZZ_HOLDS(one.count == 1);
		FUZZ_HOLDS(one.revisions[0] == set.revisions[i]);
		etag_set_release(&one);
	}
	etag_set_release(&set);
}

static void try_mediatype(struct view input)
{
	static const char *const types[] = { "application/json", "text/plain",
					     "application/octet-stream" };
	int chosen = mediatype_choose(input, types, 3);

	FUZZ_HOLDS(chosen >= -1 && chosen < 3);
	FUZZ_HOLDS(input.size || chosen == 0);
	if (mediatype_is(input, types[0]))
		FUZZ_HOLDS(input.size >= strlen(types[0]));
	mediatype_is_clean(input);
}

static void try_route(struct view input)
{
	static const struct route routes[] = {
		{ METHOD_GET, "/v1/kv", .serve = NULL },
		{ METHOD_GET, "/v1/kv/{key}", .serve = NULL },
		{ METHOD_PUT, "/v1/kv/{key}", .serve = NULL },
	};
	struct route_match match;
	char allow[ROUTE_ALLOW_SIZE];
	enum err err = route_find(routes, 3, METHOD_PUT, input, &match);

	FUZZ_HOLDS(!err == !!match.route);
	FUZZ_HOLDS((err == ERR_NO_ROUTE) == !match.resource);
	if (match.key.data)
		FUZZ_HOLDS(match.key.size + strlen("/v1/kv/") == input.size);
	route_allow(match.methods, allow);
}

static void try_base64(struct view input)
{
	struct buf bytes = BUF_EMPTY;
	struct buf text = BUF_EMPTY;
	struct buf again = BUF_EMPTY;

	if (!base64_decode(input, &bytes)) {
		base64_encode(buf_view(&bytes), &text);
		FUZZ_HOLDS(!base64_decode(buf_view(&text), &again));
		FUZZ_HOLDS(view_equal(buf_view(&bytes), buf_view(&again)));
	}
	buf_release(&bytes);
	buf_release(&text);
	buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view input = { data, size };
	int64_t seconds;

	try_uri(input);
	try_query(input);
	try_etag(input);
	try_mediatype(input);
	try_route(input);
	try_base64(input);
	date_parse(input, 1700000000, &seconds);
	return 0;
}
