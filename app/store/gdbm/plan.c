/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys in order and where their records are; see plan.h. */
#include "store/gdbm/plan.h"

#include <stdlib.h>
#include <string.h>

struct view plan_key(const struct plan *plan, const struct plan_entry *entry)
{
	return (struct view){ plan->bytes.data + entry->at, entry->key_size };
}

struct view plan_held(const struct plan *plan, const struct plan_entry *entry)
{
	size_t at = entry->at + entry->key_size + entry->record.type.size;

	return (struct view){ plan->bytes.data + at, entry->held_size };
}

uint64_t plan_bytes(const struct plan_entry *entry)
{
	return entry->key_size + record_size(&entry->record);
}

enum err plan_add(struct plan *plan, struct plan_entry entry, struct view key,
		  struct view type, struct view held)
{
	if (plan->count == plan->capacity) {
		size_t capacity = plan->capacity ? plan->capacity * 2 : 256;
		struct plan_entry *more =
			realloc(plan->entries, capacity * sizeof(*more));

		if (!more)
			return ERR_NO_MEMORY;
		plan->entries = more;
		plan->capacity = capacity;
	}
	entry.at = plan->bytes.size;
	entry.key_size = key.size;
	entry.held_size = held.size;
	buf_add_view(&plan->bytes, key);
	buf_add_view(&plan->bytes, type);
	buf_add_view(&plan->bytes, held);
	if (entry.source != GONE) {
		plan->live_keys++;
		plan->live_bytes += plan_bytes(&entry);
	}
	plan->entries[plan->count++] = entry;
	return plan->bytes.err;
}

void plan_drop(struct plan *plan, size_t count)
{
	size_t cut = count < plan->count ? plan->entries[count].at
					 : plan->bytes.size;

	for (size_t i = 0; i < count; i++) {
		if (plan->entries[i].source == GONE)
			continue;
		plan->live_keys--;
		plan->live_bytes -= plan_bytes(&plan->entries[i]);
	}
	plan->count -= count;
	memmove(plan->entries, plan->entries + count,
		plan->count * sizeof(*plan->entries));
	plan->bytes.size -= cut;
	memmove(plan->bytes.data, plan->bytes.data + cut, plan->bytes.size);
	for (size_t i = 0; i < plan->count; i++)
		plan->entries[i].at -= cut;
}

size_t plan_two_thirds(const struct plan *plan)
{
	uint64_t bytes = 0;
	size_t i = 0;

	while (i + 1 < plan->count && i * 3 < plan->count * 2 &&
	       bytes * 3 < plan->live_bytes * 2) {
		if (plan->entries[i].source != GONE)
			bytes += plan_bytes(&plan->entries[i]);
		i++;
	}
	return i ? i : 1;
}

void plan_release(struct plan *plan)
{
	buf_release(&plan->bytes);
	free(plan->entries);
	*plan = (struct plan){ 0 };
}
