/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes.  `struct view` borrows them: it never frees, and is good for as long
 * as what it points into.  `struct buf` owns them and grows.
 *
 * A buf keeps the first failure inside: once an allocation has failed, every
 * further buf_ call on it is a no-op, `err` says ERR_NO_MEMORY, and the length
 * is 0.  So bytes are built in a straight line and checked once, at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct view {
	const void *data; /* NULL is allowed where size is 0 */
	size_t size;
};

#define VIEW_LITERAL(s) ((struct view){ (s), sizeof(s) - 1 })

struct view view_of(const char *string); /* without the NUL; NULL is empty */
bool view_equal(struct view a, struct view b);
bool view_equal_string(struct view a, const char *string);
bool view_equal_nocase(struct view a, const char *string); /* ASCII */
bool view_starts_with(struct view a, struct view prefix);

/* Bytewise order, unsigned, a prefix before what it begins: <0, 0, >0. */
int view_compare(struct view a, struct view b);

/* Without leading and trailing spaces and tabs (RFC 9110 5.6.3, OWS). */
struct view view_trim(struct view a);

/*
 * Cut `a` at the first `separator`: returns what stands before it and leaves
 * the rest in *rest.  Without one, returns all of `a`, and rest->data is NULL.
 */
struct view view_cut(struct view a, char separator, struct view *rest);

/* True when all of `a` is valid UTF-8 (RFC 3629; no surrogates). */
bool view_is_utf8(struct view a);

/*
 * Decimal digits only, no sign or space, at least one, at most max:
 * true and *out, else false.
 */
bool view_to_uint64(struct view a, uint64_t max, uint64_t *out);

/* Decimal digits, at least one, maybe after a "-": as view_to_uint64(). */
bool view_to_int64(struct view a, int64_t *out);

struct buf {
	char *data; /* NULL while capacity is 0; not NUL-terminated */
	size_t size;
	size_t capacity;
	enum err err; /* first failure; ERR_OK while all is well */
};

#define BUF_EMPTY ((struct buf){ 0 })

void buf_release(struct buf *buf); /* frees; the buf is empty again */
void buf_clear(struct buf *buf);   /* size 0 and err OK; keeps the memory */

/* Like buf_clear, but gives memory past keep_bytes back. */
void buf_trim(struct buf *buf, size_t keep_bytes);

/* Make room for `more` bytes after size without moving size. */
void buf_reserve(struct buf *buf, size_t more);

void buf_add(struct buf *buf, const void *data, size_t size);
void buf_add_view(struct buf *buf, struct view view);
void buf_add_string(struct buf *buf, const char *string);
void buf_add_char(struct buf *buf, char c);
void buf_add_uint64(struct buf *buf, uint64_t number); /* decimal */
void buf_addf(struct buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Integers of fixed width, little-endian: the order of all our files. */
void buf_add_le16(struct buf *buf, uint16_t number);
void buf_add_le32(struct buf *buf, uint32_t number);
void buf_add_le64(struct buf *buf, uint64_t number);
uint16_t le16_get(const void *p);
uint32_t le32_get(const void *p);
uint64_t le64_get(const void *p);
void le16_put(void *p, uint16_t number);
void le32_put(void *p, uint32_t number);
void le64_put(void *p, uint64_t number);

/* The bytes as they stand; good until the next change of the buf. */
struct view buf_view(const struct buf *buf);

/* NUL-terminated (the NUL is not counted); "" when empty or failed. */
const char *buf_string(struct buf *buf);

#endif
