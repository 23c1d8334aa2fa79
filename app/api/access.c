/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file is read whole and taken apart into a table that replaces the one
 * in force only when all of it is good.  What tells one file from another is
 * what stat(2) says of it: place, size, and the times of change.  One that
 * can't be read now, for want of a descriptor say, is tried at each look.
 */
#include "api/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"
#include "http/uri.h"
#include "store/store.h"

#define FILE_MAX_BYTES (1 << 20)
#define LOOK_MS        1000

struct token {
	struct sha256 digest;
	enum auth_role role;
	size_t prefix_size;
	char prefix[STORE_KEY_MAX];
};

struct tokens {
	struct token *list;
	size_t count;
	size_t room;
};

/* What tells one file from another; all 0 when there is none. */
struct identity {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};

struct access_file {
	const char *path;
	struct tokens tokens;
	uint64_t generation;
	struct identity identity; /* of what was looked at last */
	int failure;              /* errno of why that was not read, or 0 */
	int64_t look_ms;          /* not before */
};

static const char *const role_names[] = {
	[ROLE_ADMIN] = "admin",
	[ROLE_WRITE] = "write",
	[ROLE_READ] = "read",
};

#define ROLE_COUNT (sizeof(role_names) / sizeof(role_names[0]))

const char *access_role_name(enum auth_role role)
{
	return role < ROLE_COUNT ? role_names[role] : "anybody";
}

bool access_role(struct view name, enum auth_role *role)
{
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		if (!view_equal_string(name, role_names[i]))
			continue;
		*role = (enum auth_role)i;
		return true;
	}
	return false;
}

static struct token *add_token(struct tokens *tokens)
{
	if (tokens->count == tokens->room) {
		size_t room = tokens->room ? 2 * tokens->room : 8;
		struct token *list =
			reallocarray(tokens->list, room, sizeof(*list));

		if (!list)
			return NULL;
		tokens->list = list;
		tokens->room = room;
	}
	tokens->list[tokens->count] = (struct token){ .role = ROLE_READ };
	return &tokens->list[tokens->count++];
}

/* The next word of a line; *rest moves past it. */
static struct view next_word(struct view *rest)
{
	struct view line = view_trim(*rest);
	const char *p = line.data;
	size_t size = 0;

	while (size < line.size && p[size] != ' ' && p[size] != '\t')
		size++;
	*rest = (struct view){ p + size, line.size - size };
	return (struct view){ p, size };
}

/* NULL, or what is wrong with a line. */
static const char *read_line(struct view line, struct token *token)
{
	struct view digest = next_word(&line);
	struct view role = next_word(&line);
	struct view prefix = next_word(&line);

	if (!sha256_from_hex(digest, &token->digest))
		return "begins with no SHA-256, which has 64 hexadecimal "
		       "digits";
	if (!access_role(role, &token->role))
		return "has no role after the digest; there are read, write "
		       "and admin";
	if (uri_decode(prefix, token->prefix, sizeof(token->prefix),
		       &token->prefix_size))
		return "has a prefix that is no percent-encoding of up to "
		       "1024 bytes";
	if (view_trim(line).size)
		return "has something behind the prefix; a space in it is %20";
	return NULL;
}

static bool is_empty(struct view line)
{
	return !line.size || *(const char *)line.data == '#';
}

static enum err parse(struct view text, struct tokens *tokens,
		      struct buf *message)
{
	size_t number = 0;

	while (text.data && text.size) {
		struct view line = view_trim(view_cut(text, '\n', &text));
		struct token *token;
		const char *wrong;

		number++;
		if (line.size &&
		    ((const char *)line.data)[line.size - 1] == '\r')
			line.size--;
		if (is_empty(line))
			continue;
		token = add_token(tokens);
		if (!token)
			return ERR_NO_MEMORY;
		wrong = read_line(line, token);
		if (!wrong)
			continue;
		buf_addf(message, "line %zu %s", number, wrong);
		return ERR_SETTING;
	}
	return ERR_OK;
}

static struct identity identity_of(const struct stat *st)
{
	struct identity identity;

	/* Compared as bytes, so also those between members count. */
	memset(&identity, 0, sizeof(identity));
	identity.device = st->st_dev;
	identity.inode = st->st_ino;
	identity.size = st->st_size;
	identity.modified = st->st_mtim;
	identity.changed = st->st_ctim;
	return identity;
}

static struct identity look(const char *path)
{
	struct stat st = { 0 };

	if (stat(path, &st))
		memset(&st, 0, sizeof(st));
	return identity_of(&st);
}

static enum err read_all(struct access_file *file, int fd, struct buf *text,
			 struct buf *message)
{
	enum err err = file_read_quietly(fd, FILE_MAX_BYTES, text);

	if (err == ERR_FULL) {
		buf_addf(message, "has more than %d bytes", FILE_MAX_BYTES);
		return ERR_SETTING;
	}
	if (err)
		file->failure = errno;
	return err;
}

static enum err read_text(struct access_file *file, struct buf *text,
			  struct buf *message)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	enum err err;

	file->failure = fd < 0 ? errno : 0;
	if (fd < 0)
		return ERR_ACCESS;
	err = read_all(file, fd, text, message);
	close(fd);
	return err;
}

/*
 * Read the file into the table in force; after a failure it is as before.  A
 * mistake is one until there is another file, any other failure may be gone
 * the next time.
 */
static enum err load(struct access_file *file, struct buf *message)
{
	struct tokens tokens = { 0 };
	struct buf text = BUF_EMPTY;
	struct buf what = BUF_EMPTY;
	enum err err = read_text(file, &text, &what);

	if (!err)
		err = parse(buf_view(&text), &tokens, &what);
	if (err == ERR_NO_MEMORY)
		file->failure = ENOMEM;
	if (file->failure)
		buf_add_string(&what, strerror(file->failure));
	if (err) {
		buf_addf(message, "token-file %s: %s", file->path,
			 buf_string(&what));
		free(tokens.list);
	} else {
		free(file->tokens.list);
		file->tokens = tokens;
		file->generation++;
	}
	buf_release(&text);
	buf_release(&what);
	return err;
}

void access_refresh(struct access_file *file, bool tell)
{
	int64_t now_ms = clock_monotonic_ms();
	int former = file->failure;
	struct buf message = BUF_EMPTY;
	struct identity identity;

	if (now_ms < file->look_ms)
		return;
	file->look_ms = now_ms + LOOK_MS;
	identity = look(file->path);
	if (!former && !memcmp(&identity, &file->identity, sizeof(identity)))
		return;
	file->identity = identity;
	if (!load(file, &message)) {
		if (tell || former)
			log_event(LOG_INFO, "tokens-read", "file", file->path,
				  NULL);
	} else if (file->failure ? file->failure != former : tell) {
		log_event(LOG_ERROR, "tokens-kept", "detail",
			  buf_string(&message), NULL);
	}
	buf_release(&message);
}

void access_hurry(struct access_file *file)
{
	file->look_ms = 0;
}

bool access_find(const struct access_file *file, struct view token,
		 struct access *access)
{
	const struct sha256 digest = sha256_of(token);
	const struct token *found = NULL;

	for (size_t i = 0; i < file->tokens.count; i++)
		if (sha256_equal(&file->tokens.list[i].digest, &digest))
			found = &file->tokens.list[i];
	if (!found)
		return false;
	access->role = found->role;
	access->prefix = (struct view){ found->prefix, found->prefix_size };
	return true;
}

bool access_allows(const struct access_file *file, struct view token,
		   enum auth_role role, struct view prefix)
{
	struct access access;

	return !file ||
	       (access_find(file, token, &access) && access.role <= role &&
		view_starts_with(prefix, access.prefix));
}

uint64_t access_generation(const struct access_file *file)
{
	return file->generation;
}

enum err access_open(const char *path, struct access_file **out,
		     struct buf *message)
{
	struct access_file *file = calloc(1, sizeof(*file));
	enum err err;

	*out = NULL;
	if (!file) {
		buf_add_string(message, err_string(ERR_NO_MEMORY));
		return ERR_NO_MEMORY;
	}
	file->path = path;
	file->identity = look(path);
	err = load(file, message);
	if (err) {
		access_close(file);
		return err;
	}
	*out = file;
	return ERR_OK;
}

void access_close(struct access_file *file)
{
	if (!file)
		return;
	free(file->tokens.list);
	free(file);
}
