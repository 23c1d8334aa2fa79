# SPDX-License-Identifier: GPL-3.0-or-later

bin_PROGRAMS += %D%/librapi
%C%_librapi_SOURCES = %D%/main.c
%C%_librapi_LDADD = %D%/liblibrapi.a $(FCGI_LIBS) $(JSON_C_LIBS) $(GDBM_LIBS) \
	$(NETTLE_LIBS)

# Files that the assembler takes in as they stand, which make can't see.
AM_CCASFLAGS = -Wa,-I$(top_srcdir)
documents = %D%/api/openapi.json %D%/api/swagger.json
EXTRA_DIST += $(documents)
%D%/api/documents.$(OBJEXT): $(documents)

# All but main(), so that tests and fuzzers link what the program runs.
noinst_LIBRARIES += %D%/liblibrapi.a
%C%_liblibrapi_a_SOURCES = \
	%D%/audience.c \
	%D%/audience.h \
	%D%/child.c \
	%D%/child.h \
	%D%/crew.c \
	%D%/crew.h \
	%D%/exchange.c \
	%D%/exchange.h \
	%D%/fcgirecord.c \
	%D%/fcgirecord.h \
	%D%/handout.c \
	%D%/handout.h \
	%D%/housekeeper.c \
	%D%/housekeeper.h \
	%D%/import_bolt.c \
	%D%/import_bolt.h \
	%D%/listener.c \
	%D%/listener.h \
	%D%/owner.c \
	%D%/owner.h \
	%D%/pace.c \
	%D%/pace.h \
	%D%/ping.c \
	%D%/ping.h \
	%D%/service.c \
	%D%/service.h \
	%D%/starter.c \
	%D%/starter.h \
	%D%/stream.c \
	%D%/stream.h \
	%D%/supervisor.c \
	%D%/supervisor.h \
	%D%/syncer.c \
	%D%/syncer.h \
	%D%/token.c \
	%D%/token.h \
	%D%/watcher.c \
	%D%/watcher.h \
	%D%/worker.c \
	%D%/worker.h \
	%D%/base/arena.c \
	%D%/base/arena.h \
	%D%/base/base64.c \
	%D%/base/base64.h \
	%D%/base/buf.c \
	%D%/base/buf.h \
	%D%/base/clock.c \
	%D%/base/clock.h \
	%D%/base/conf.c \
	%D%/base/conf.h \
	%D%/base/conf_file.c \
	%D%/base/conf_source.c \
	%D%/base/conf_source.h \
	%D%/base/crc32c.c \
	%D%/base/crc32c.h \
	%D%/base/err.c \
	%D%/base/err.h \
	%D%/base/fetch.h \
	%D%/base/file.c \
	%D%/base/file.h \
	%D%/base/folder.c \
	%D%/base/log.c \
	%D%/base/log.h \
	%D%/base/marks.c \
	%D%/base/marks.h \
	%D%/base/notify.c \
	%D%/base/notify.h \
	%D%/base/random.c \
	%D%/base/random.h \
	%D%/base/setting.c \
	%D%/base/setting.h \
	%D%/base/setting_name.c \
	%D%/base/setting_rules.c \
	%D%/base/sha256.c \
	%D%/base/sha256.h \
	%D%/base/sink.h \
	%D%/base/throttle.c \
	%D%/base/throttle.h \
	%D%/base/view.c \
	%D%/bolt/bolt.c \
	%D%/bolt/bolt.h \
	%D%/bolt/gob.c \
	%D%/bolt/gob.h \
	%D%/http/auth.c \
	%D%/http/auth.h \
	%D%/http/date.c \
	%D%/http/date.h \
	%D%/http/etag.c \
	%D%/http/etag.h \
	%D%/http/json.c \
	%D%/http/json.h \
	%D%/http/json_flat.c \
	%D%/http/json_flat.h \
	%D%/http/json_grammar.c \
	%D%/http/json_grammar.h \
	%D%/http/json_plain.c \
	%D%/http/json_plain.h \
	%D%/http/json_write.c \
	%D%/http/json_tree.c \
	%D%/http/json_tree.h \
	%D%/http/mediatype.c \
	%D%/http/mediatype.h \
	%D%/http/merge_patch.c \
	%D%/http/merge_patch.h \
	%D%/http/places.c \
	%D%/http/places.h \
	%D%/http/problem.c \
	%D%/http/problem.h \
	%D%/http/request.c \
	%D%/http/request.h \
	%D%/http/response.c \
	%D%/http/response.h \
	%D%/http/route.c \
	%D%/http/route.h \
	%D%/http/sse.c \
	%D%/http/sse.h \
	%D%/http/stored.c \
	%D%/http/stored.h \
	%D%/http/uri.c \
	%D%/http/uri.h \
	%D%/http/utf8.c \
	%D%/http/utf8.h \
	%D%/store/history.c \
	%D%/store/history.h \
	%D%/store/items.c \
	%D%/store/items.h \
	%D%/store/memory.c \
	%D%/store/memory.h \
	%D%/store/record.c \
	%D%/store/record.h \
	%D%/store/store.c \
	%D%/store/store.h \
	%D%/store/wake.c \
	%D%/store/wake.h \
	%D%/store/gdbm/ahead.c \
	%D%/store/gdbm/append.c \
	%D%/store/gdbm/blocks.c \
	%D%/store/gdbm/blocks.h \
	%D%/store/gdbm/changes.c \
	%D%/store/gdbm/checkpoint.c \
	%D%/store/gdbm/commit.c \
	%D%/store/gdbm/decide.c \
	%D%/store/gdbm/engine.c \
	%D%/store/gdbm/engine.h \
	%D%/store/gdbm/expiry.c \
	%D%/store/gdbm/foreign.c \
	%D%/store/gdbm/foreign.h \
	%D%/store/gdbm/gdbmfile.c \
	%D%/store/gdbm/gdbmfile.h \
	%D%/store/gdbm/hash.c \
	%D%/store/gdbm/housekeep.c \
	%D%/store/gdbm/journal.c \
	%D%/store/gdbm/journal.h \
	%D%/store/gdbm/journal_format.h \
	%D%/store/gdbm/journal_read.c \
	%D%/store/gdbm/keys.c \
	%D%/store/gdbm/keys.h \
	%D%/store/gdbm/keys_format.h \
	%D%/store/gdbm/keysbuild.c \
	%D%/store/gdbm/list.c \
	%D%/store/gdbm/lock.c \
	%D%/store/gdbm/lock.h \
	%D%/store/gdbm/manifest.c \
	%D%/store/gdbm/manifest.h \
	%D%/store/gdbm/manifest_parse.c \
	%D%/store/gdbm/memtable.c \
	%D%/store/gdbm/memtable.h \
	%D%/store/gdbm/merge.c \
	%D%/store/gdbm/merge.h \
	%D%/store/gdbm/plan.c \
	%D%/store/gdbm/plan.h \
	%D%/store/gdbm/read.c \
	%D%/store/gdbm/recent.c \
	%D%/store/gdbm/recent.h \
	%D%/store/gdbm/rebuild.c \
	%D%/store/gdbm/rebuild.h \
	%D%/store/gdbm/recovery.c \
	%D%/store/gdbm/replay.c \
	%D%/store/gdbm/replay.h \
	%D%/store/gdbm/rotate.c \
	%D%/store/gdbm/shared.c \
	%D%/store/gdbm/shared.h \
	%D%/store/gdbm/reserve.c \
	%D%/store/gdbm/retain.c \
	%D%/store/gdbm/snapshot.c \
	%D%/store/gdbm/sums.c \
	%D%/store/gdbm/sums.h \
	%D%/store/gdbm/sweep.c \
	%D%/store/gdbm/sync.c \
	%D%/store/gdbm/table.c \
	%D%/store/gdbm/table.h \
	%D%/store/gdbm/tablebuild.c \
	%D%/store/gdbm/tablecheck.c \
	%D%/store/gdbm/tables.c \
	%D%/store/gdbm/tables.h \
	%D%/store/gdbm/turn.c \
	%D%/store/gdbm/turn.h \
	%D%/store/gdbm/verify.c \
	%D%/api/about.c \
	%D%/api/access.c \
	%D%/api/access.h \
	%D%/api/bulk.c \
	%D%/api/bulk.h \
	%D%/api/call.c \
	%D%/api/call.h \
	%D%/api/condition.c \
	%D%/api/condition.h \
	%D%/api/cors.c \
	%D%/api/cors.h \
	%D%/api/docs.c \
	%D%/api/documents.S \
	%D%/api/entries.c \
	%D%/api/entry.c \
	%D%/api/failure.c \
	%D%/api/failure.h \
	%D%/api/handlers.h \
	%D%/api/health.c \
	%D%/api/lines.h \
	%D%/api/lines_dump.c \
	%D%/api/lines_load.c \
	%D%/api/lines_read.c \
	%D%/api/lines_read.h \
	%D%/api/metrics.c \
	%D%/api/metrics.h \
	%D%/api/metrics_text.c \
	%D%/api/openapi.c \
	%D%/api/patch.c \
	%D%/api/news.c \
	%D%/api/news.h \
	%D%/api/permit.c \
	%D%/api/permit.h \
	%D%/api/rollup.c \
	%D%/api/rollup.h \
	%D%/api/seed.c \
	%D%/api/serve.c \
	%D%/api/serve.h \
	%D%/api/spool.c \
	%D%/api/spool.h \
	%D%/api/transfer.c \
	%D%/api/txn.c \
	%D%/api/txn.h \
	%D%/api/txn_check.c \
	%D%/api/txn_object.c \
	%D%/api/txn_object.h \
	%D%/api/txn_read.c \
	%D%/api/watch.c \
	%D%/api/watch.h

# What lighttpd loads: a script for mod_magnet, and the Lua module that it
# calls.  The module is built apart from librapi, without sanitizers, which a
# lighttpd that has none could not load, and finds Lua in mod_magnet.
frontdir = $(pkglibdir)
front_PROGRAMS = %D%/front/librapi.so
%C%_front_librapi_so_SOURCES = \
	%D%/front/lua.c \
	%D%/front/receiver.c \
	%D%/front/receiver.h
%C%_front_librapi_so_SOURCES += \
	%D%/base/buf.c \
	%D%/base/clock.c \
	%D%/base/crc32c.c \
	%D%/base/err.c \
	%D%/base/log.c \
	%D%/base/marks.c \
	%D%/base/random.c \
	%D%/base/view.c \
	%D%/http/places.c \
	%D%/http/request.c \
	%D%/http/stored.c
%C%_front_librapi_so_CPPFLAGS = $(AM_CPPFLAGS) $(LUA_CFLAGS)
%C%_front_librapi_so_CFLAGS = $(MODULE_CFLAGS)
%C%_front_librapi_so_LDFLAGS = $(MODULE_LDFLAGS)
%C%_front_librapi_so_LDADD =

nodist_front_DATA = %D%/front/stored.lua

%D%/front/stored.lua: %D%/front/stored.lua.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D)
	$(AM_V_at)$(SED) -e 's|@frontdir[@]|$(frontdir)|' \
		$(srcdir)/%D%/front/stored.lua.in >$@.tmp
	$(AM_V_at)mv $@.tmp $@

EXTRA_DIST += %D%/front/stored.lua.in
CLEANFILES += %D%/front/stored.lua
