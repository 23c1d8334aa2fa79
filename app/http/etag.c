/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   If-Match      = "*" / #entity-tag
 *   entity-tag    = [ "W/" ] DQUOTE *etagc DQUOTE
 *   etagc         = %x21 / %x23-7E / %x80-FF
 *
 * Elements of a list may be empty (RFC 9110 5.6.1.2), and a comma within the
 * quotes is part of the tag.
 */
#include "http/etag.h"

#include <stdlib.h>
#include <string.h>

/* What is left to read. */
struct cursor {
	const unsigned char *p;
	const unsigned char *end;
};

/* What lighttpd, Apache httpd and others add after compressing. */
static const char *const codings[] = { "-gzip", "-br", "-deflate", "-zstd",
				       "-bzip2" };

#define CODING_COUNT (sizeof(codings) / sizeof(codings[0]))

static bool is_etag_byte(unsigned char c)
{
	return c == 0x21 || (c >= 0x23 && c != 0x7f);
}

static void skip_spaces_and_commas(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == ','))
		c->p++;
}

static struct view without_coding(struct view tag)
{
	for (size_t i = 0; i < CODING_COUNT; i++) {
		size_t size = strlen(codings[i]);
		const char *tail = (const char *)tag.data + tag.size - size;

		if (tag.size > size && !memcmp(tail, codings[i], size))
			return (struct view){ tag.data, tag.size - size };
	}
	return tag;
}

/* The revision that a tag names, or 0, which no key has. */
static uint64_t tag_revision(struct view tag)
{
	uint64_t revision;

	tag = without_coding(tag);
	if (!tag.size || *(const char *)tag.data == '0')
		return 0;
	return view_to_uint64(tag, UINT64_MAX, &revision) ? revision : 0;
}

static enum err read_tag(struct cursor *c, uint64_t *revision)
{
	const unsigned char *begin;

	if (c->end - c->p >= 2 && c->p[0] == 'W' && c->p[1] == '/')
		c->p += 2;
	if (c->p == c->end || *c->p != '"')
		return ERR_INVALID;
	begin = ++c->p;
	while (c->p < c->end && is_etag_byte(*c->p))
		c->p++;
	if (c->p == c->end || *c->p != '"')
		return ERR_INVALID;
	*revision =
		tag_revision((struct view){ begin, (size_t)(c->p - begin) });
	c->p++;
	return ERR_OK;
}

/* After a tag: spaces, then a comma or the end. */
static enum err read_separator(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
		c->p++;
	return c->p == c->end || *c->p == ',' ? ERR_OK : ERR_INVALID;
}

static enum err set_reserve(struct etag_set *set, struct view field)
{
	const char *p = field.data;
	size_t members = 1;

	for (size_t i = 0; i < field.size; i++)
		members += p[i] == ',';
	set->revisions = set->few;
	if (members <= ETAG_FEW)
		return ERR_OK;
	set->revisions = calloc(members, sizeof(*set->revisions));
	return set->revisions ? ERR_OK : ERR_NO_MEMORY;
}

struct view etag_format(uint64_t revision, char out[ETAG_SIZE])
{
	const char *end = out + ETAG_SIZE;
	char *p = out + ETAG_SIZE;

	*--p = '"';
	do
		*--p = (char)('0' + revision % 10);
	while (revision /= 10);
	*--p = '"';
	return (struct view){ p, (size_t)(end - p) };
}

enum err etag_set_parse(struct view field, struct etag_set *set)
{
	struct cursor c;
	enum err err;
	size_t members = 0;

	set->any = false;
	set->count = 0;
	field = view_trim(field);
	err = set_reserve(set, field);
	if (err)
		return err;
	if (view_equal_string(field, "*")) {
		set->any = true;
		return ERR_OK;
	}
	c = (struct cursor){ field.data, NULL };
	c.end = c.p + field.size;
	for (skip_spaces_and_commas(&c); c.p < c.end;
	     skip_spaces_and_commas(&c)) {
		uint64_t revision;

		if (read_tag(&c, &revision) || read_separator(&c))
			return ERR_INVALID;
		members++;
		if (revision)
			set->revisions[set->count++] = revision;
	}
	return members ? ERR_OK : ERR_INVALID;
}

void etag_set_release(struct etag_set *set)
{
	if (set->revisions != set->few)
		free(set->revisions);
	set->revisions = NULL;
	set->count = 0;
}

bool etag_set_has(const struct etag_set *set, uint64_t revision)
{
	if (set->any)
		return revision != 0;
	for (size_t i = 0; i < set->count; i++)
		if (set->revisions[i] == revision)
			return true;
	return false;
}
