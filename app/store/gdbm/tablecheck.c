/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What needs all of a table's GDBM file: making its keys file anew, and
 * verifying that the two agree with each other and with the manifest.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "store/gdbm/blocks.h"
#include "store/gdbm/keys.h"
#include "store/gdbm/table.h"
#include "store/store.h"

#define FILE_MODE     0640
#define SENTENCE_SIZE 256

/* A key met in a scan.  The bytes of key and type are in gathering.bytes. */
struct gathered {
	const struct buf *bytes;
	size_t at;
	size_t key_size;
	struct record record;
};

struct gathering {
	const char *name;
	struct buf bytes;
	struct buf entries; /* of struct gathered */
	size_t count;
};

static struct view gathered_key(const struct gathered *entry)
{
	return (struct view){ entry->bytes->data + entry->at, entry->key_size };
}

static enum err gather(void *arg, struct view key, struct view record_bytes)
{
	struct gathering *all = arg;
	struct gathered entry = { .bytes = &all->bytes,
				  .at = all->bytes.size,
				  .key_size = key.size };

	if (key.size == 0 || key.size > STORE_KEY_MAX ||
	    record_decode(key, record_bytes, &entry.record)) {
		log_event(LOG_ERROR, "table-damaged", "file", all->name,
			  "error", "a record's checksum is wrong", NULL);
		return ERR_DAMAGED;
	}
	buf_add_view(&all->bytes, key);
	buf_add_view(&all->bytes, entry.record.type);
	buf_add(&all->entries, &entry, sizeof(entry));
	if (all->bytes.err || all->entries.err)
		return ERR_NO_MEMORY;
	all->count++;
	return ERR_OK;
}

static int compare_gathered(const void *a, const void *b)
{
	return view_compare(gathered_key(a), gathered_key(b));
}

/* Sort what was gathered and put it into the builder. */
static enum err gathering_sort(struct gathering *all,
			       struct keys_builder *builder)
{
	struct gathered *entries = (struct gathered *)all->entries.data;

	if (all->count > 0)
		qsort(entries, all->count, sizeof(*entries), compare_gathered);
	for (size_t i = 0; i < all->count; i++) {
		struct gathered *entry = &entries[i];

		if (i > 0 && compare_gathered(entry - 1, entry) == 0) {
			log_event(LOG_ERROR, "table-damaged", "file", all->name,
				  "error", "a key is there twice", NULL);
			return ERR_DAMAGED;
		}
		entry->record.type.data =
			all->bytes.data + entry->at + entry->key_size;
		keys_builder_add(builder, gathered_key(entry), &entry->record);
	}
	return builder->file.err;
}

static enum err count_is(const char *keys_name, uint64_t count,
			 uint64_t expected)
{
	if (count == expected)
		return ERR_OK;
	log_eventf(LOG_ERROR, "keys-damaged",
		   "%s: bytes 32 to 39 or the table say that there are %" PRIu64
		   " keys, MANIFEST says %" PRIu64
		   "; restore the data directory from a backup",
		   keys_name, count, expected);
	return ERR_DAMAGED;
}

static enum err keys_make(int dir, struct table_id id, struct table *table,
			  uint64_t count, const char *name,
			  const char *keys_name)
{
	struct gathering all = { .name = name };
	struct keys_builder builder = KEYS_BUILDER_EMPTY;
	struct sums sums = SUMS_EMPTY;
	enum err err = table_scan(table, UINT64_MAX, gather, &all);

	if (!err)
		err = gathering_sort(&all, &builder);
	if (!err)
		err = count_is(keys_name, all.count, count);
	if (!err)
		err = table_checksum(table, &sums);
	if (!err)
		err = keys_builder_finish(&builder, id, &sums);
	if (!err)
		err = file_replace(dir, keys_name, buf_view(&builder.file),
				   FILE_MODE);
	keys_builder_release(&builder);
	buf_release(&sums.blocks);
	buf_release(&all.entries);
	buf_release(&all.bytes);
	return err;
}

enum err table_restore_keys(int dir, struct table_id id, uint64_t count)
{
	char name[TABLE_NAME_SIZE];
	char keys_name[TABLE_NAME_SIZE];
	struct table *table;
	struct keys keys;
	enum err err = keys_open(dir, id, &keys);

	table_name(id, name);
	table_keys_name(id, keys_name);
	if (!err) {
		keys_close(&keys);
		return count_is(keys_name, keys.count, count);
	}
	if (err != ERR_NOT_FOUND)
		return err;
	err = table_open(dir, id, &table);
	if (err)
		return err;
	err = keys_make(dir, id, table, count, name, keys_name);
	table_close(table);
	if (!err)
		log_event(LOG_WARN, "keys-restored", "file", keys_name, NULL);
	return err;
}

struct verification {
	struct table *table;
	struct keys *keys;
	char name[TABLE_NAME_SIZE];
	char keys_name[TABLE_NAME_SIZE];
	struct view lower;
	struct view upper;
	struct buf hold; /* a record's bytes */
	struct buf last; /* the key before */
	enum err result;
	void (*report)(void *arg, const char *file, const char *sentence);
	void *arg;
};

static void finding(struct verification *v, const char *file,
		    const char *sentence)
{
	v->result = ERR_DAMAGED;
	v->report(v->arg, file, sentence);
}

static void finding_at(struct verification *v, const char *file,
		       uint64_t position, const char *what)
{
	char sentence[SENTENCE_SIZE];

	snprintf(sentence, sizeof(sentence),
		 "the key at position %" PRIu64 " %s", position, what);
	finding(v, file, sentence);
}

/*
 * A failure that says the file is bad is a finding, and the next check goes
 * on; any other ends the verification.
 */
static enum err failure(struct verification *v, const char *file, enum err err)
{
	switch (err) {
	case ERR_OK:
		return ERR_OK;
	case ERR_NOT_FOUND:
		finding(v, file, "the file is missing");
		return ERR_OK;
	case ERR_DAMAGED:
	case ERR_FORMAT:
		finding(v, file, "the file is damaged; the log has the reason");
		return ERR_OK;
	default:
		return err;
	}
}

static bool same_fields(const struct record *entry, const struct record *record)
{
	return entry->revision == record->revision &&
	       entry->modified_ms == record->modified_ms &&
	       entry->expires_ms == record->expires_ms &&
	       entry->value.size == record->value.size &&
	       view_equal(entry->type, record->type);
}

/* One entry of the keys file against its neighbours, bounds and record. */
static enum err verify_entry(struct verification *v, uint64_t position,
			     struct view key, const struct record *entry)
{
	struct record record;

	if (position > 0 && view_compare(buf_view(&v->last), key) >= 0)
		finding_at(v, v->keys_name, position, "is out of order");
	if (view_compare(key, v->lower) < 0 ||
	    (v->upper.data && view_compare(key, v->upper) >= 0))
		finding_at(v, v->keys_name, position,
			   "is outside of the table's range");
	buf_clear(&v->last);
	buf_add_view(&v->last, key);
	if (v->last.err)
		return v->last.err;

	buf_clear(&v->hold);

	enum err err = table_get(v->table, key, &v->hold);

	if (err == ERR_NOT_FOUND)
		finding_at(v, v->name, position, "has no record");
	else if (err)
		return err;
	else if (record_decode(key, buf_view(&v->hold), &record))
		finding_at(v, v->name, position,
			   "has a record whose checksum is wrong");
	else if (!same_fields(entry, &record))
		finding_at(v, v->keys_name, position,
			   "has other fields than its record");
	return ERR_OK;
}

/* Ends at a record that GDBM can't read, since it reads nothing after that. */
static enum err verify_entries(struct verification *v)
{
	for (uint64_t i = 0; i < v->keys->count; i++) {
		struct view key;
		struct record record;
		enum err err = keys_entry(v->keys, i, &key, &record);

		if (err == ERR_DAMAGED) {
			finding_at(v, v->keys_name, i, "is not readable");
			continue;
		}
		if (!err)
			err = verify_entry(v, i, key, &record);
		if (err == ERR_DAMAGED)
			finding_at(v, v->name, i,
				   "has a record that GDBM "
				   "can't read");
		if (err)
			return err;
	}
	return ERR_OK;
}

static void finding_bytes(void *arg, uint64_t from, uint64_t end)
{
	struct verification *v = arg;
	char sentence[SENTENCE_SIZE];

	snprintf(sentence, sizeof(sentence),
		 "bytes %" PRIu64 " to %" PRIu64 " are not what was written",
		 from, end - 1);
	finding(v, v->name, sentence);
}

/* A key of the GDBM file has to be among the sorted keys. */
static enum err verify_record(void *arg, struct view key,
			      struct view record_bytes)
{
	struct verification *v = arg;
	uint64_t position;
	struct view found = { 0 };
	struct record record;

	(void)record_bytes;

	enum err err = keys_seek(v->keys, key, false, &position);

	if (!err && position < v->keys->count)
		err = keys_entry(v->keys, position, &found, &record);
	if (!err && !view_equal(found, key))
		finding(v, v->name, "a record is missing from the keys file");
	return err;
}

static enum err verify_files(struct verification *v, uint64_t expected)
{
	char sentence[SENTENCE_SIZE];
	enum err err = table_check_bytes(v->table, finding_bytes, v);

	if (err == ERR_DAMAGED && v->result == ERR_OK)
		err = failure(v, v->keys_name, err);
	if (err && err != ERR_DAMAGED)
		return err;
	if (v->keys->count != expected) {
		snprintf(sentence, sizeof(sentence),
			 "the file has %" PRIu64
			 " keys, the manifest says %" PRIu64,
			 v->keys->count, expected);
		finding(v, v->keys_name, sentence);
	}
	err = failure(v, v->keys_name, keys_verify_offsets(v->keys));
	if (err)
		return err;
	err = verify_entries(v);
	if (err)
		return err == ERR_DAMAGED ? ERR_OK : err;
	err = failure(v, v->name, table_verify_space(v->table));
	if (err)
		return err;
	return failure(v, v->name,
		       table_scan(v->table, v->keys->count + expected,
				  verify_record, v));
}

/* GDBM does not take the file: which bytes of it are not as written? */
static enum err verify_unopened(struct verification *v, int dir,
				struct table_id id)
{
	struct keys keys;
	int fd = -1;
	enum err err = keys_open(dir, id, &keys);

	if (err)
		return failure(v, v->keys_name, err);
	err = file_open(dir, v->name, O_RDONLY, 0, &fd);
	if (!err)
		err = blocks_check(fd, v->name, &keys, finding_bytes, v);
	file_close(&fd, v->name);
	keys_close(&keys);
	return err == ERR_DAMAGED ? ERR_OK : err;
}

enum err table_verify(int dir, struct table_id id, struct view lower,
		      struct view upper, uint64_t keys,
		      void (*report)(void *arg, const char *file,
				     const char *sentence),
		      void *arg)
{
	struct verification v = {
		.lower = lower,
		.upper = upper,
		.report = report,
		.arg = arg,
	};
	enum err err;

	table_name(id, v.name);
	table_keys_name(id, v.keys_name);
	err = table_open(dir, id, &v.table);
	if (err) {
		bool damaged = err == ERR_DAMAGED;

		err = failure(&v, v.name, err);
		if (damaged && !err)
			err = verify_unopened(&v, dir, id);
		return err ? err : v.result;
	}
	err = table_keys(v.table, &v.keys);
	if (err)
		err = failure(&v, v.keys_name, err);
	else
		err = verify_files(&v, keys);
	table_close(v.table);
	buf_release(&v.hold);
	buf_release(&v.last);
	return err ? err : v.result;
}
