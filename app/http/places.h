/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Places of one size in shared memory, for stored responses (http/stored.h).
 * Each has a tag, the hash of what is there, so that most looks end without
 * touching a place.
 *
 * A place is read without a lock, so it may change meanwhile: its turn is odd
 * while somebody writes, and another one afterwards (a seqlock; Boehm, "Can
 * seqlocks get along with programming language memory models?", MSPC 2012,
 * figure 6).  So everything in it is read and written by atomic words, first
 * into memory of one's own, and looked at only when the turn was the same.
 */
#ifndef HTTP_PLACES_H
#define HTTP_PLACES_H

#include <stdatomic.h>

#include "base/buf.h"

#define PLACES_WAYS 8                /* places that belong to a hash */
#define PLACES_WORD sizeof(uint64_t) /* of what is read and written at once */

#define PLACES_NO_TAG 0 /* where nothing ever was */

struct places {
	size_t size; /* of one */
	size_t sets; /* of PLACES_WAYS; may be 0 */
	_Atomic uint32_t *tags;
	char *bytes;
};

/* What a place begins with; the bytes are target, fields and body. */
struct place_head {
	uint64_t revision;
	uint32_t mark;
	uint32_t hash; /* of the target; no PLACES_NO_TAG */
	uint32_t target_size;
	uint32_t fields_size;
	uint32_t body_size;
	uint32_t edition;
};

/* As many as there is memory for at `at`, which begins as zeros. */
void places_init(struct places *places, size_t size, char *at, size_t bytes);

/* Of target, fields and body, and the most of it that a place has room for. */
size_t places_size(const struct place_head *head);
size_t places_room(const struct places *places);

/* The first of the PLACES_WAYS places, by number, that the hash may be in. */
size_t places_first(const struct places *places, uint32_t hash);

/* The tag of a place, or PLACES_NO_TAG. */
uint32_t places_tag(const struct places *places, size_t number);

/* Whether any place that the hash may be in has that tag. */
bool places_have(const struct places *places, uint32_t hash, uint32_t tag);

/* Whether nothing ever was there, nor is being written now. */
bool places_empty(const struct places *places, size_t number);

/*
 * What is in a place, and its turn; then the bytes, of places_size() in *hold.
 * False when somebody writes there, or did since the turn.
 */
bool places_read_head(const struct places *places, size_t number,
		      uint64_t *turn, struct place_head *head);
bool places_read_bytes(const struct places *places, size_t number,
		       uint64_t turn, const struct place_head *head,
		       struct buf *hold);

/*
 * Write a place; `bytes` are what it says, made whole words of PLACES_WORD by
 * zeros.  Nothing happens when somebody else is at it, or died there.
 */
void places_write(const struct places *places, size_t number,
		  const struct place_head *head, const struct buf *bytes);

#endif
