/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A buf grows by doubling, so that n bytes added one by one cost O(n).  The
 * failed state is err set, size 0 and the memory given back.
 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 64 };

static void buf_fail(struct buf *buf)
{
	buf_release(buf);
	buf->err = ERR_NO_MEMORY;
}

/* At least `wanted`, at least the double of now, never wrapped around. */
static size_t grown_capacity(size_t capacity, size_t wanted)
{
	size_t doubled = capacity > SIZE_MAX / 2 ? SIZE_MAX : capacity * 2;

	if (doubled < CAPACITY_MIN)
		doubled = CAPACITY_MIN;
	return doubled < wanted ? wanted : doubled;
}

void buf_release(struct buf *buf)
{
	free(buf->data);
	*buf = BUF_EMPTY;
}

void buf_clear(struct buf *buf)
{
	buf->size = 0;
	buf->err = ERR_OK;
}

void buf_trim(struct buf *buf, size_t keep_bytes)
{
	char *data;

	buf_clear(buf);
	if (keep_bytes == 0)
		buf_release(buf);
	if (buf->capacity <= keep_bytes)
		return;
	data = realloc(buf->data, keep_bytes);
	if (!data)
		return;
	buf->data = data;
	buf->capacity = keep_bytes;
}

static void grow(struct buf *buf, size_t more)
{
	size_t capacity;
	char *data;

	if (more > SIZE_MAX - buf->size) {
		buf_fail(buf);
		return;
	}
	capacity = grown_capacity(buf->capacity, buf->size + more);
	data = realloc(buf->data, capacity);
	if (!data) {
		buf_fail(buf);
		return;
	}
	buf->data = data;
	buf->capacity = capacity;
}

/* Most often there is room, so this is all that is done of each addition. */
static inline bool has_room(struct buf *buf, size_t more)
{
	if (!buf->err && more > buf->capacity - buf->size)
		grow(buf, more);
	return !buf->err;
}

void buf_reserve(struct buf *buf, size_t more)
{
	has_room(buf, more);
}

void buf_add(struct buf *buf, const void *data, size_t size)
{
	if (size == 0 || !has_room(buf, size))
		return;
	memcpy(buf->data + buf->size, data, size);
	buf->size += size;
}

void buf_add_view(struct buf *buf, struct view view)
{
	buf_add(buf, view.data, view.size);
}

void buf_add_string(struct buf *buf, const char *string)
{
	buf_add(buf, string, strlen(string));
}

void buf_add_char(struct buf *buf, char c)
{
	if (has_room(buf, 1))
		buf->data[buf->size++] = c;
}

void buf_add_uint64(struct buf *buf, uint64_t number)
{
	char digits[20]; /* of 2^64 - 1 */
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	buf_add(buf, digits + at, sizeof(digits) - at);
}

void buf_addf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0) {
		buf_fail(buf);
		return;
	}
	if (!has_room(buf, (size_t)length + 1))
		return;
	va_start(args, format);
	vsnprintf(buf->data + buf->size, (size_t)length + 1, format, args);
	va_end(args);
	buf->size += (size_t)length;
}

void buf_add_le16(struct buf *buf, uint16_t number)
{
	unsigned char bytes[2];

	le16_put(bytes, number);
	buf_add(buf, bytes, sizeof(bytes));
}

void buf_add_le32(struct buf *buf, uint32_t number)
{
	unsigned char bytes[4];

	le32_put(bytes, number);
	buf_add(buf, bytes, sizeof(bytes));
}

void buf_add_le64(struct buf *buf, uint64_t number)
{
	unsigned char bytes[8];

	le64_put(bytes, number);
	buf_add(buf, bytes, sizeof(bytes));
}

uint16_t le16_get(const void *p)
{
	const unsigned char *b = p;

	return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t le32_get(const void *p)
{
	const unsigned char *b = p;

	return le16_get(b) | (uint32_t)le16_get(b + 2) << 16;
}

uint64_t le64_get(const void *p)
{
	const unsigned char *b = p;

	return le32_get(b) | (uint64_t)le32_get(b + 4) << 32;
}

void le16_put(void *p, uint16_t number)
{
	unsigned char *b = p;

	b[0] = (unsigned char)number;
	b[1] = (unsigned char)(number >> 8);
}

void le32_put(void *p, uint32_t number)
{
	unsigned char *b = p;

	le16_put(b, (uint16_t)number);
	le16_put(b + 2, (uint16_t)(number >> 16));
}

void le64_put(void *p, uint64_t number)
{
	unsigned char *b = p;

	le32_put(b, (uint32_t)number);
	le32_put(b + 4, (uint32_t)(number >> 32));
}

struct view buf_view(const struct buf *buf)
{
	return (struct view){ buf->data, buf->size };
}

const char *buf_string(struct buf *buf)
{
	if (!has_room(buf, 1))
		return "";
	buf->data[buf->size] = '\0';
	return buf->data;
}
