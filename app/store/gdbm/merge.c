/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several memtables merged, the newest segment first; see merge.h. */
#include "store/gdbm/merge.h"

/* From the key of `newest` on, the first entry that the revision allows. */
static const struct memtable_entry *allowed(const struct merge *merge,
					    const struct memtable *memtable,
					    const struct memtable_entry *newest)
{
	for (; newest; newest = memtable_next(memtable, newest)) {
		const struct memtable_entry *entry =
			memtable_not_newer(memtable, newest, merge->revision);

		if (entry)
			return entry;
	}
	return NULL;
}

static void source_advance(const struct merge *merge,
			   struct merge_source *source)
{
	source->at = allowed(merge, source->memtable,
			     memtable_next(source->memtable, source->at));
}

void merge_init(struct merge *merge, struct shared *shared, uint64_t first,
		uint64_t last, uint64_t revision, struct view from, bool past)
{
	merge->revision = revision;
	merge->count = 0;
	for (uint64_t n = last + 1; n-- > first;) {
		const struct memtable *memtable = shared_memtable(shared, n);
		struct merge_source *source = &merge->sources[merge->count++];

		source->number = n;
		source->memtable = memtable;
		source->at = allowed(merge, memtable,
				     memtable_seek(memtable, from, past));
	}
}

/* The newest segment comes first and wins among equals. */
const struct memtable_entry *merge_peek(const struct merge *merge,
					uint64_t *number)
{
	const struct merge_source *least = NULL;

	for (size_t i = 0; i < merge->count; i++) {
		const struct merge_source *source = &merge->sources[i];

		if (source->at &&
		    (!least || view_compare(memtable_key(source->at),
					    memtable_key(least->at)) < 0))
			least = source;
	}
	if (!least)
		return NULL;
	*number = least->number;
	return least->at;
}

void merge_advance(struct merge *merge)
{
	uint64_t number;
	const struct memtable_entry *entry = merge_peek(merge, &number);
	struct view key;

	if (!entry)
		return;
	key = memtable_key(entry);
	for (size_t i = 0; i < merge->count; i++) {
		struct merge_source *source = &merge->sources[i];

		if (source->at && view_equal(memtable_key(source->at), key))
			source_advance(merge, source);
	}
}
