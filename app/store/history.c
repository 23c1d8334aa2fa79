/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes in memory; see history.h. */
#include "store/history.h"

#include <stdlib.h>

#include "store/items.h"

struct history_entry {
	struct history_entry *next;
	uint64_t revision;
	int64_t time_ms;
	enum store_verb verb;
	bool last;         /* of its revision */
	struct item *item; /* the key, and the record of a put */
};

static uint64_t size_of(const struct history_entry *entry)
{
	return sizeof(*entry) + sizeof(*entry->item) + entry->item->key_size +
	       entry->item->record_size;
}

static void entry_free(struct history_entry *entry)
{
	free(entry->item);
	free(entry);
}

static void list_free(struct history_list *list)
{
	while (list->first) {
		struct history_entry *entry = list->first;

		list->first = entry->next;
		entry_free(entry);
	}
	list->last = NULL;
}

static void unstage(struct history_list *staged, struct view key)
{
	struct history_entry **link = &staged->first;
	struct history_entry *before = NULL;

	while (*link && !view_equal(item_key((*link)->item), key)) {
		before = *link;
		link = &before->next;
	}
	if (*link) {
		struct history_entry *entry = *link;

		*link = entry->next;
		if (staged->last == entry)
			staged->last = before;
		entry_free(entry);
	}
}

enum err history_stage(struct history *history, enum store_verb verb,
		       struct view key, const struct record *record, bool again)
{
	static const struct record nothing = { 0 };
	struct history_list *staged = &history->staged;
	struct history_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return ERR_NO_MEMORY;
	entry->verb = verb;
	entry->item = item_new(key, record ? record : &nothing);
	if (!entry->item) {
		free(entry);
		return ERR_NO_MEMORY;
	}
	if (again)
		unstage(staged, key);
	if (staged->last)
		staged->last->next = entry;
	else
		staged->first = entry;
	staged->last = entry;
	return ERR_OK;
}

/* Drop the oldest revision. */
static void forget_one(struct history *history)
{
	bool last = false;

	while (!last) {
		struct history_entry *entry = history->kept.first;

		last = entry->last;
		history->kept.first = entry->next;
		history->bytes -= size_of(entry);
		history->oldest = entry->revision;
		if (history->seen == entry)
			history->seen = NULL;
		if (history->kept.last == entry)
			history->kept.last = NULL;
		entry_free(entry);
	}
}

void history_keep(struct history *history, uint64_t revision, int64_t time_ms)
{
	struct history_list *staged = &history->staged;

	if (!staged->first)
		return;
	for (struct history_entry *e = staged->first; e; e = e->next) {
		e->revision = revision;
		e->time_ms = time_ms;
		e->last = !e->next;
		history->bytes += size_of(e);
	}
	if (history->kept.last)
		history->kept.last->next = staged->first;
	else
		history->kept.first = staged->first;
	history->kept.last = staged->last;
	*staged = (struct history_list){ 0 };
	while (history->bytes > history->max_bytes)
		forget_one(history);
}

void history_drop(struct history *history)
{
	list_free(&history->staged);
}

static enum err show(const struct history_entry *entry,
		     bool (*each)(void *arg, const struct store_change *change),
		     void *arg, bool *more)
{
	struct store_change change = { .revision = entry->revision,
				       .time_ms = entry->time_ms,
				       .verb = entry->verb,
				       .key = item_key(entry->item),
				       .last = entry->last };
	enum err err = ERR_OK;

	if (entry->verb == STORE_PUT)
		err = item_decode(entry->item, &change.record);
	if (!err)
		*more = each(arg, &change);
	return err;
}

enum err
history_look(struct history *history, uint64_t revision, uint64_t since,
	     bool (*each)(void *arg, const struct store_change *change),
	     void *arg, uint64_t *next, uint64_t *oldest)
{
	struct history_entry *entry = history->kept.first;
	bool more = true;
	enum err err = ERR_OK;

	*next = since;
	*oldest = history->oldest;
	if (since < history->oldest || since > revision)
		return ERR_GONE;
	if (history->seen && history->seen->revision <= since)
		entry = history->seen;
	for (; entry && more && !err; entry = entry->next) {
		if (entry->revision <= since)
			continue;
		err = show(entry, each, arg, &more);
		if (!err && entry->last) {
			*next = entry->revision;
			history->seen = entry;
		}
	}
	return err;
}

void history_release(struct history *history)
{
	list_free(&history->kept);
	list_free(&history->staged);
}
