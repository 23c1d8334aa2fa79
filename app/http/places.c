/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "http/places.h"

#include <string.h>

struct place {
	_Atomic uint64_t turn; /* odd: being written */
	_Atomic uint64_t words[];
};

#define HEAD_WORDS (sizeof(struct place_head) / PLACES_WORD)

void places_init(struct places *places, size_t size, char *at, size_t bytes)
{
	const size_t with_tag = size + sizeof(*places->tags);

	places->size = size;
	places->sets = bytes / (with_tag * PLACES_WAYS);
	places->bytes = at;
	places->tags = (void *)(at + places->sets * PLACES_WAYS * size);
}

static struct place *place_at(const struct places *places, size_t number)
{
	return (void *)(places->bytes + number * places->size);
}

size_t places_size(const struct place_head *head)
{
	return (size_t)head->target_size + head->fields_size + head->body_size;
}

size_t places_room(const struct places *places)
{
	return places->size - sizeof(struct place) - sizeof(struct place_head);
}

size_t places_first(const struct places *places, uint32_t hash)
{
	return hash % places->sets * PLACES_WAYS;
}

uint32_t places_tag(const struct places *places, size_t number)
{
	return atomic_load_explicit(&places->tags[number],
				    memory_order_relaxed);
}

bool places_have(const struct places *places, uint32_t hash, uint32_t tag)
{
	size_t first;

	if (!places->sets)
		return false;
	first = places_first(places, hash);
	for (size_t i = first; i < first + PLACES_WAYS; i++) {
		if (places_tag(places, i) == tag)
			return true;
	}
	return false;
}

bool places_empty(const struct places *places, size_t number)
{
	return places_tag(places, number) == PLACES_NO_TAG &&
	       !atomic_load_explicit(&place_at(places, number)->turn,
				     memory_order_relaxed);
}

/* Reading */

static void load(void *to, const _Atomic uint64_t *from, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t word =
			atomic_load_explicit(&from[i], memory_order_relaxed);

		memcpy((char *)to + i * PLACES_WORD, &word, PLACES_WORD);
	}
}

static bool unchanged(const struct place *place, uint64_t turn)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&place->turn, memory_order_relaxed) == turn;
}

bool places_read_head(const struct places *places, size_t number,
		      uint64_t *turn, struct place_head *head)
{
	const struct place *place = place_at(places, number);

	*turn = atomic_load_explicit(&place->turn, memory_order_acquire);
	if (*turn % 2)
		return false;
	load(head, place->words, HEAD_WORDS);
	return unchanged(place, *turn);
}

bool places_read_bytes(const struct places *places, size_t number,
		       uint64_t turn, const struct place_head *head,
		       struct buf *hold)
{
	const struct place *place = place_at(places, number);
	size_t words = (places_size(head) + PLACES_WORD - 1) / PLACES_WORD;

	if (places_size(head) > places_room(places))
		return false;
	buf_clear(hold);
	buf_reserve(hold, words * PLACES_WORD);
	if (hold->err)
		return false;
	load(hold->data, place->words + HEAD_WORDS, words);
	hold->size = places_size(head);
	return unchanged(place, turn);
}

/* Writing */

static void store(_Atomic uint64_t *to, const void *from, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, (const char *)from + i * PLACES_WORD,
		       PLACES_WORD);
		atomic_store_explicit(&to[i], word, memory_order_relaxed);
	}
}

void places_write(const struct places *places, size_t number,
		  const struct place_head *head, const struct buf *bytes)
{
	struct place *place = place_at(places, number);
	uint64_t turn =
		atomic_load_explicit(&place->turn, memory_order_relaxed);

	if (turn % 2 ||
	    !atomic_compare_exchange_strong(&place->turn, &turn, turn + 1))
		return;
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&places->tags[number], head->hash,
			      memory_order_relaxed);
	store(place->words, head, HEAD_WORDS);
	store(place->words + HEAD_WORDS, bytes->data,
	      bytes->size / PLACES_WORD);
	atomic_store_explicit(&place->turn, turn + 2, memory_order_release);
}
