/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of settings: what base/conf.c reads, prints and explains.  A new
 * setting is a member of struct conf and a row of the table in setting.c.
 */
#ifndef BASE_SETTING_H
#define BASE_SETTING_H

#include "base/conf.h"

enum {
	SETTING_COUNT = 35,
	SETTING_NAME_SIZE = 48,        /* in any of its spellings, with NUL */
	SETTING_SOCKET_PATH_MAX = 107, /* sun_path without its NUL, unix(7) */
};

#define SETTING_PREFIX      "LIBRAPI_"    /* of the variables */
#define SETTING_CONFIG_FILE "config-file" /* a flag and variable only */

enum setting_type {
	SETTING_NUMBER,  /* min to max, decimal digits only */
	SETTING_SWITCH,  /* true, false; also yes, no, 1, 0 */
	SETTING_CHOICE,  /* one of `choices` */
	SETTING_FOLDER,  /* a path, not empty */
	SETTING_FILE,    /* a path, or empty */
	SETTING_SOCKET,  /* empty or unix:/path */
	SETTING_ORIGINS, /* empty, "*", or origins with commas between */
};

struct setting {
	const char *name;
	enum setting_type type;
	size_t offset; /* in struct conf */
	const char *initial;
	uint64_t min, max;
	const char *const *choices; /* ended by NULL */
	const char *about;          /* one sentence, without the full stop */
};

extern const struct setting settings[SETTING_COUNT];

/* data-dir is LIBRAPI_DATA_DIR in the environment. */
void setting_variable(const char *name, char out[SETTING_NAME_SIZE]);

/* By its name, or by that of its variable; NULL when there is none. */
const struct setting *setting_find(struct view name);
const struct setting *setting_find_variable(struct view variable);

/*
 * The setting, config-file among them, whose name is most like this one, in
 * its plain spelling; NULL when none is much like it.
 */
const char *setting_nearest(struct view name);
const char *setting_nearest_variable(struct view variable);

/*
 * Read `text` into its member of *conf, which borrows it.  False when it is
 * not allowed; *conf is then as before.
 */
bool setting_read(const struct setting *setting, const char *text,
		  struct conf *conf);

/* The value as text that setting_read() takes, and what values it takes. */
void setting_write(const struct setting *setting, const struct conf *conf,
		   struct buf *out);
void setting_allowed(const struct setting *setting, struct buf *out);

/*
 * The rules that bind two settings.  ERR_SETTING, and in *message a sentence
 * that names both.
 */
enum err setting_rules(const struct conf *conf, struct buf *message);

#endif
