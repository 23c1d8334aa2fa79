/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/gdbm/recent.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"

#define LINE_SIZE 64 /* of what the processor takes from memory at once */

/* The processor goes on by itself with what is longer. */
#define EXPECTED_BYTES 512

/* In the ring, before the key and the record. */
struct entry {
	struct recent_from from;
	uint32_t key_size;
	uint32_t record_size;
};

void recent_init(struct recent *recent, size_t bytes)
{
	const size_t set_size = RECENT_WAYS * sizeof(struct recent_place);

	*recent = (struct recent){ .sets = bytes /
					   (RECENT_SET_BYTES + set_size) };
}

void recent_release(struct recent *recent)
{
	free(recent->ring);
	free(recent->places);
	*recent = (struct recent){ 0 };
}

static size_t ring_size(const struct recent *recent)
{
	return recent->sets * RECENT_SET_BYTES;
}

static struct recent_place *set_of(const struct recent *recent, uint32_t hash)
{
	return &recent->places[hash % recent->sets * RECENT_WAYS];
}

/* Nothing has gone over it since. */
static bool is_there(const struct recent *recent,
		     const struct recent_place *place)
{
	return place->end > 0 &&
	       place->end - place->size + ring_size(recent) >= recent->end;
}

/* The record, when the entry is of that key and from there. */
static bool matches(const char *at, struct recent_from from, struct view key,
		    struct view *record_bytes)
{
	struct entry entry;

	memcpy(&entry, at, sizeof(entry));
	at += sizeof(entry);
	*record_bytes = (struct view){ at + entry.key_size, entry.record_size };
	return entry.from.file == from.file && entry.from.state == from.state &&
	       view_equal(key, (struct view){ at, entry.key_size });
}

bool recent_get(const struct recent *recent, struct recent_from from,
		struct view key, struct buf *out)
{
	uint32_t hash = crc32c(0, key.data, key.size);
	struct view record_bytes;

	if (!recent->ring)
		return false;
	for (int i = 0; i < RECENT_WAYS; i++) {
		const struct recent_place *place = &set_of(recent, hash)[i];
		uint64_t begin = place->end - place->size;

		if (place->hash != hash || !is_there(recent, place) ||
		    !matches(recent->ring + begin % ring_size(recent), from,
			     key, &record_bytes))
			continue;
		buf_add_view(out, record_bytes);
		return true;
	}
	return false;
}

void recent_expect(const struct recent *recent, uint32_t hash)
{
	const struct recent_place *set;

	if (!recent->ring)
		return;
	set = set_of(recent, hash);
	__builtin_prefetch(set);
	__builtin_prefetch(&set[RECENT_WAYS - 1]);
}

void recent_expect_record(const struct recent *recent, uint32_t hash)
{
	for (int i = 0; recent->ring && i < RECENT_WAYS; i++) {
		const struct recent_place *place = &set_of(recent, hash)[i];
		uint64_t begin = place->end - place->size;
		const char *at = recent->ring + begin % ring_size(recent);

		if (place->hash != hash || !is_there(recent, place))
			continue;
		for (size_t byte = 0;
		     byte < place->size && byte < EXPECTED_BYTES;
		     byte += LINE_SIZE)
			__builtin_prefetch(at + byte);
	}
}

static bool have_memory(struct recent *recent)
{
	if (recent->ring || !recent->sets)
		return recent->ring;
	recent->ring = malloc(ring_size(recent));
	recent->places =
		calloc(recent->sets, RECENT_WAYS * sizeof(*recent->places));
	if (!recent->ring || !recent->places)
		recent_release(recent);
	return recent->ring;
}

static struct recent_place *oldest_of(struct recent_place *set)
{
	struct recent_place *oldest = set;

	for (int i = 1; i < RECENT_WAYS; i++) {
		if (set[i].end < oldest->end)
			oldest = &set[i];
	}
	return oldest;
}

/* Room for so many bytes in a row, behind the last entry. */
static char *take_room(struct recent *recent, size_t size)
{
	size_t left = ring_size(recent) - recent->end % ring_size(recent);

	if (left < size)
		recent->end += left;
	recent->end += size;
	return recent->ring + (recent->end - size) % ring_size(recent);
}

void recent_keep(struct recent *recent, struct recent_from from,
		 struct view key, struct view record_bytes)
{
	const struct entry entry = {
		.from = from,
		.key_size = (uint32_t)key.size,
		.record_size = (uint32_t)record_bytes.size,
	};
	size_t size = sizeof(entry) + key.size + record_bytes.size;
	uint32_t hash = crc32c(0, key.data, key.size);
	char *at;

	if (key.size + record_bytes.size > RECENT_RECORD_MAX ||
	    size > ring_size(recent) || !have_memory(recent))
		return;
	at = take_room(recent, size);
	memcpy(at, &entry, sizeof(entry));
	memcpy(at + sizeof(entry), key.data, key.size);
	memcpy(at + sizeof(entry) + key.size, record_bytes.data,
	       record_bytes.size);
	*oldest_of(set_of(recent, hash)) = (struct recent_place){
		.end = recent->end, .hash = hash, .size = (uint32_t)size
	};
}
