/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/gdbm/recent.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/fetch.h"

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

/* By a multiplication, which takes less than a division. */
static struct recent_place *set_of(const struct recent *recent, uint32_t hash)
{
	size_t set = (size_t)((uint64_t)hash * recent->sets >> 32);

	return &recent->places[set * RECENT_WAYS];
}

/* Nothing has gone over it since. */
static bool is_there(const struct recent *recent,
		     const struct recent_place *place)
{
	return place->end > 0 &&
	       place->end - place->size + ring_size(recent) >= recent->end;
}

/* Where the entry begins, as far back from the end as in all bytes. */
static const char *entry_at(const struct recent *recent,
			    const struct recent_place *place)
{
	size_t back = (size_t)(recent->end - place->end) + place->size;
	size_t at = recent->at;

	return recent->ring + (at < back ? at + ring_size(recent) : at) - back;
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

		if (place->hash != hash || !is_there(recent, place) ||
		    !matches(entry_at(recent, place), from, key, &record_bytes))
			continue;
		buf_add_view(out, record_bytes);
		return true;
	}
	return false;
}

void recent_expect(const struct recent *recent, uint32_t hash)
{
	if (recent->ring)
		fetch_ahead(set_of(recent, hash),
			    RECENT_WAYS * sizeof(struct recent_place));
}

void recent_expect_record(const struct recent *recent, uint32_t hash)
{
	for (int i = 0; recent->ring && i < RECENT_WAYS; i++) {
		const struct recent_place *place = &set_of(recent, hash)[i];
		size_t size = place->size < EXPECTED_BYTES ? place->size
							   : EXPECTED_BYTES;

		if (place->hash == hash && is_there(recent, place))
			fetch_ahead(entry_at(recent, place), size);
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
	size_t left = ring_size(recent) - recent->at;

	if (left < size) {
		recent->end += left;
		recent->at = 0;
	}
	recent->end += size;
	recent->at += size;
	return recent->ring + recent->at - size;
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
