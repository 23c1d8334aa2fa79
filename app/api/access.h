/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who may do what: a file of tokens, of which it holds only the digests.
 *
 *   # what the deploy job uses
 *   9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 write app/
 *
 * One token a line: the SHA-256 of it in hexadecimal digits, a role (read,
 * write, admin), and the prefix of the keys that it is for, percent-encoded
 * as in a URL ("%20" is a space); without one, all keys.  Empty lines and
 * those that begin with "#" say nothing.  A file without tokens is allowed:
 * then nobody gets in.
 *
 * A digest needs no salt where the token is made of random bytes, as `librapi
 * token new` makes them; a password has no place here.
 *
 * Each process looks once a second at most whether the file is another one
 * (a Secret of Kubernetes is replaced by renaming), and reads it then.  One
 * that can't be read or has a mistake leaves what was read before in force;
 * one that can't be read is tried again at each look.
 */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include "http/auth.h"

/* What a request may do; the prefix is good until the next refresh. */
struct access {
	enum auth_role role;
	struct view prefix; /* of the keys that it is about */
};

struct access_file;

/*
 * Read the file.  ERR_ACCESS, ERR_SETTING, ERR_NO_MEMORY, with a sentence in
 * *message; *out is then NULL.  `path` has to outlive it.
 */
enum err access_open(const char *path, struct access_file **out,
		     struct buf *message);
void access_close(struct access_file *file); /* NULL is allowed */

/*
 * Read the file again if it is another one, and it is a second since the last
 * look.  `tell`: log that it was read, or, once a file, which mistake it has.
 * Why it can't be read is always logged, once, and so is that it is read then:
 * it may be this process alone that can't.
 */
void access_refresh(struct access_file *file, bool tell);

/* Look at the next refresh, however long ago the last one was. */
void access_hurry(struct access_file *file);

/*
 * What the bearer of the token may do; false when nobody has that token.  All
 * tokens are compared, each in constant time.
 */
bool access_find(const struct access_file *file, struct view token,
		 struct access *access);

/*
 * Whether the bearer of the token may do what takes `role` with all keys that
 * begin with `prefix`: for what goes on for so long that it has to be asked
 * again.  Without a file, anybody may.
 */
bool access_allows(const struct access_file *file, struct view token,
		   enum auth_role role, struct view prefix);

/* Another number whenever other tokens are in force. */
uint64_t access_generation(const struct access_file *file);

/* "read", "write", "admin"; and back. */
const char *access_role_name(enum auth_role role);
bool access_role(struct view name, enum auth_role *role);

#endif
