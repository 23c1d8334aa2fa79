/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/marks.h"

#include "base/crc32c.h"

uint32_t marks_place(struct view key)
{
	return crc32c(0, key.data, key.size) % MARKS_COUNT;
}

void marks_raise(struct marks *marks, struct view key, uint64_t revision)
{
	_Atomic uint64_t *newest;

	if (!marks)
		return;
	newest = &marks->newest[marks_place(key)];
	/* Recovery may come to a change that was begun already. */
	if (atomic_load_explicit(newest, memory_order_relaxed) < revision)
		atomic_store_explicit(newest, revision, memory_order_release);
}

bool marks_agree(const struct marks *marks, uint32_t place, uint64_t revision)
{
	return place < MARKS_COUNT &&
	       atomic_load_explicit(&marks->newest[place],
				    memory_order_acquire) <= revision;
}
