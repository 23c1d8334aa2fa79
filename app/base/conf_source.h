/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the readers of the settings share (conf.c, conf_file.c): where a value
 * came from, how it is taken over, and the sentences of refusal.
 */
#ifndef BASE_CONF_SOURCE_H
#define BASE_CONF_SOURCE_H

#include "base/setting.h"

enum conf_origin {
	CONF_DEFAULT,
	CONF_FILE,
	CONF_ENVIRONMENT,
	CONF_FLAG,
};

/* What `owned` of struct conf points to. */
struct conf_owned {
	struct buf file_name; /* empty when there is no file */
	struct {
		struct buf text; /* what the member of struct conf borrows */
		enum conf_origin origin;
		unsigned line; /* in the file; 0 when it is not set there */
	} values[SETTING_COUNT];
};

struct conf_loader {
	struct conf *conf;
	struct conf_owned *owned;
	struct buf *message;
};

/* Where something stands, for the sentence about it. */
struct conf_place {
	enum conf_origin origin;
	struct view name; /* of the file, the variable or the flag */
	unsigned line;    /* in the file */
};

/*
 * Check the value and take a copy of it.  ERR_SETTING with a sentence, or
 * ERR_NO_MEMORY.
 */
enum err conf_set(struct conf_loader *loader, const struct conf_place *place,
		  const struct setting *setting, struct view value);

/* "<place>: <why>"; returns ERR_SETTING. */
enum err conf_refuse(struct conf_loader *loader, const struct conf_place *place,
		     const char *why);

/* `name` is no setting; `similar` may be meant, "" when none.  The same. */
enum err conf_refuse_name(struct conf_loader *loader,
			  const struct conf_place *place, struct view name,
			  const char *similar);

/* The sentence for it; returns ERR_NO_MEMORY. */
enum err conf_out_of_memory(struct conf_loader *loader);

/*
 * Read a settings file: `name = value` lines, blank lines, and comments from
 * a # at the beginning of a line or after a blank to its end.  A setting may
 * stand there once.  Errors as of conf_load().
 */
enum err conf_read_file(struct conf_loader *loader, const char *name);

#endif
