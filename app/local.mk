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
	%D%/base/view.c
