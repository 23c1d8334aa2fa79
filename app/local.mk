# SPDX-License-Identifier: GPL-3.0-or-later


# All but main(), so that tests and fuzzers link what the program runs.
noinst_LIBRARIES += %D%/liblibrapi.a
%C%_liblibrapi_a_SOURCES = \
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
	%D%/base/file.c \
	%D%/base/file.h \
	%D%/base/folder.c \
	%D%/base/log.c \
	%D%/base/log.h \
	%D%/base/random.c \
	%D%/base/random.h \
	%D%/base/setting.c \
	%D%/base/setting.h \
	%D%/base/setting_name.c \
	%D%/base/setting_rules.c \
	%D%/base/view.c \
	%D%/store/record.c \
	%D%/store/record.h \
	%D%/store/store.h \
	%D%/store/gdbm/gdbmfile.c \
	%D%/store/gdbm/gdbmfile.h \
	%D%/store/gdbm/hash.c \
	%D%/store/gdbm/journal.c \
	%D%/store/gdbm/journal.h \
	%D%/store/gdbm/journal_format.h \
	%D%/store/gdbm/journal_read.c \
	%D%/store/gdbm/keys.c \
	%D%/store/gdbm/keys.h \
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
	%D%/store/gdbm/shared.c \
	%D%/store/gdbm/shared.h \
	%D%/store/gdbm/table.c \
	%D%/store/gdbm/table.h \
	%D%/store/gdbm/tablebuild.c \
	%D%/store/gdbm/tablecheck.c \
	%D%/store/gdbm/tables.c \
	%D%/store/gdbm/tables.h
