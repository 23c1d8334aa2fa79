/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A module for the Lua of lighttpd's mod_magnet, which has one function, and
 * is that: called with lighty.r, it gives a stored response (http/stored.h) to
 * a GET, and returns its status; without one it returns nothing, and the
 * request goes on to a worker.
 *
 * It runs in lighttpd, for every GET of a value: it looks into memory, never
 * waits, and takes nothing from the request on trust but that its target is a
 * string.
 */
#include <lauxlib.h>
#include <lua.h>

#include "base/random.h"
#include "front/receiver.h"
#include "http/request.h"

#define STATUS_OK 200

/* What `require "librapi"` calls; all else is hidden from lighttpd. */
__attribute__((visibility("default"))) int luaopen_librapi(lua_State *lua);

struct front {
	struct receiver receiver;
	bool usable;
	struct random_stock stock;
	struct buf hold;
};

static struct front front;

/*
 * With one of these the answer may be another one.  (Range and If-Range are
 * lighttpd's in any case.)
 */
static const char *const passed_on[] = {
	"If-Match",
	"If-None-Match",
	"If-Modified-Since",
	"If-Unmodified-Since",
};

static struct view string_at(lua_State *lua, int index)
{
	size_t size;
	const char *bytes = lua_tolstring(lua, index, &size);

	return bytes ? (struct view){ bytes, size } : (struct view){ 0 };
}

/* table[name] on the stack, and its bytes; empty for what is no string. */
static struct view push_field(lua_State *lua, int table, const char *name)
{
	lua_getfield(lua, table, name);
	return string_at(lua, -1);
}

static bool is_plain(lua_State *lua, int header)
{
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++) {
		bool there;

		lua_getfield(lua, header, passed_on[i]);
		there = !lua_isnil(lua, -1);
		lua_pop(lua, 1);
		if (there)
			return false;
	}
	return true;
}

/* Also one whose length is not told, which over HTTP/2 no field announces. */
static bool has_body(lua_State *lua, int request)
{
	lua_Integer size;

	lua_getfield(lua, request, "req_body");
	lua_getfield(lua, -1, "len");
	size = lua_tointeger(lua, -1);
	lua_pop(lua, 2);
	return size != 0;
}

static void set_field(lua_State *lua, int header, struct view name,
		      struct view value)
{
	lua_pushlstring(lua, name.data, name.size);
	lua_pushlstring(lua, value.data, value.size);
	lua_settable(lua, header);
}

/* "Name: value\r\n" lines, as http/response.h makes them. */
static void set_fields(lua_State *lua, int header, struct view lines)
{
	while (lines.size) {
		struct view line = view_cut(lines, '\n', &lines);
		struct view value;
		struct view name = view_cut(line, ':', &value);

		if (!value.data || value.size < 2)
			return;
		value.size -= 2; /* the space before, the CR behind */
		value.data = (const char *)value.data + 1;
		set_field(lua, header, name, value);
	}
}

static void set_id(lua_State *lua, int header, struct view sent)
{
	char made[RANDOM_UUID_SIZE];
	struct view id = sent;

	if (!request_id_acceptable(sent)) {
		random_uuid(&front.stock, made);
		id = view_of(made);
	}
	set_field(lua, header, VIEW_LITERAL("X-Request-Id"), id);
}

/* body:set(bytes) */
static void set_body(lua_State *lua, int body, struct view bytes)
{
	lua_getfield(lua, body, "set");
	lua_pushvalue(lua, body);
	lua_pushlstring(lua, bytes.data, bytes.size);
	lua_call(lua, 2, 0);
}

/* The target as the request line has it, on the stack. */
static struct view push_target(lua_State *lua, int request)
{
	lua_getfield(lua, request, "req_attr");
	return push_field(lua, lua_gettop(lua), "request.orig-uri");
}

/* Most that is not kept is found to be so by this. */
static bool is_missing(struct view target)
{
	const struct stored *last = receiver_last(&front.receiver);

	return !target.size || (last && !stored_may_have(last, target));
}

/* Leaves the request's header fields on the stack, at *header. */
static bool find(lua_State *lua, int request, int *header,
		 struct stored_response *response)
{
	struct view target = push_target(lua, request);
	struct stored *stored;

	if (!front.usable || is_missing(target))
		return false;
	lua_getfield(lua, request, "req_header");
	*header = lua_gettop(lua);
	if (!is_plain(lua, *header) || has_body(lua, request))
		return false;
	stored = receiver_look(&front.receiver);
	return stored && stored_find(stored, target, &front.hold, response);
}

static int answer(lua_State *lua)
{
	const int request = 1;
	struct stored_response response;
	struct view id;
	int header;

	lua_settop(lua, request);
	if (!find(lua, request, &header, &response))
		return 0;
	id = push_field(lua, header, "X-Request-Id");
	lua_getfield(lua, request, "resp_header");
	header = lua_gettop(lua);
	set_fields(lua, header, response.fields);
	set_id(lua, header, id);
	lua_getfield(lua, request, "resp_body");
	set_body(lua, lua_gettop(lua), response.body);
	stored_count(front.receiver.stored, response.body.size);
	lua_pushinteger(lua, STATUS_OK);
	return 1;
}

/* Lighttpd unloads its modules when it is to read its configuration anew. */
__attribute__((destructor)) static void release(void)
{
	if (front.usable)
		receiver_release(&front.receiver);
	buf_release(&front.hold);
}

int luaopen_librapi(lua_State *lua)
{
	if (!front.usable)
		front.usable = receiver_init(&front.receiver, DEFAULT_RUN_DIR);
	lua_pushcfunction(lua, answer);
	return 1;
}
