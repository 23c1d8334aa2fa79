/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "token.h"

#include <stdio.h>
#include <string.h>

#include "api/access.h"
#include "base/base64.h"
#include "base/random.h"
#include "base/sha256.h"
#include "http/uri.h"
#include "store/store.h"

#define TOKEN_BYTES 32 /* as long as the digest: none is easier to guess */

#define USAGE "librapi token new --role read|write|admin [--prefix PREFIX]"

static bool misused(const char *what)
{
	fprintf(stderr, "librapi: %s; the command is: " USAGE "\n", what);
	return false;
}

/* The value of --NAME=VALUE or --NAME VALUE; *i moves past it. */
static const char *take_value(int argc, char *argv[], int *i, const char *name)
{
	size_t size = strlen(name);

	if (strncmp(argv[*i], name, size) != 0)
		return NULL;
	if (argv[*i][size] == '=')
		return argv[*i] + size + 1;
	return !argv[*i][size] && *i + 1 < argc ? argv[++*i] : NULL;
}

/* In the alphabet that URLs and shells leave alone (RFC 4648 section 5). */
static void make_token(struct buf *out)
{
	unsigned char bytes[TOKEN_BYTES];

	random_bytes(bytes, sizeof(bytes));
	base64_encode((struct view){ bytes, sizeof(bytes) }, out);
	while (out->size && out->data[out->size - 1] == '=')
		out->size--;
	for (size_t i = 0; i < out->size; i++) {
		if (out->data[i] == '+')
			out->data[i] = '-';
		else if (out->data[i] == '/')
			out->data[i] = '_';
	}
}

static void print_token(enum auth_role role, struct view prefix)
{
	struct buf token = BUF_EMPTY, line = BUF_EMPTY;
	char hex[SHA256_HEX_SIZE];
	struct sha256 digest;

	make_token(&token);
	digest = sha256_of(buf_view(&token));
	sha256_to_hex(&digest, hex);
	buf_addf(&line, "%s %s", hex, access_role_name(role));
	if (prefix.size) {
		buf_add_char(&line, ' ');
		uri_encode_path(prefix, &line);
	}
	printf("# The token, which is kept nowhere:\n%s\n"
	       "# Its line for the token file:\n%s\n",
	       buf_string(&token), buf_string(&line));
	buf_release(&token);
	buf_release(&line);
}

bool token_run(int argc, char *argv[])
{
	const char *role_name = NULL, *prefix = "", *value;
	enum auth_role role;

	if (argc < 1 || strcmp(argv[0], "new") != 0)
		return misused("token takes the word new");
	for (int i = 1; i < argc; i++) {
		if ((value = take_value(argc, argv, &i, "--role")))
			role_name = value;
		else if ((value = take_value(argc, argv, &i, "--prefix")))
			prefix = value;
		else
			return misused("token new does not take all of this");
	}
	if (!role_name || !access_role(view_of(role_name), &role))
		return misused("--role takes read, write or admin");
	if (strlen(prefix) > STORE_KEY_MAX)
		return misused("--prefix takes at most 1024 bytes");
	print_token(role, view_of(prefix));
	return true;
}
