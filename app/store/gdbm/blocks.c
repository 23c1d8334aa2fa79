/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The blocks of a GDBM file against their checksums; see blocks.h. */
#include "store/gdbm/blocks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/log.h"
#include "store/store.h"

#define BLOCK GDBMFILE_BLOCK_SIZE

/* Whether the block is as it was written; one past the end is not. */
static enum err see_block(int fd, const char *name, const struct keys *keys,
			  uint64_t block, bool *sound)
{
	uint64_t at = block * BLOCK;
	uint8_t bytes[BLOCK];
	size_t want = BLOCK;
	size_t got = 0;
	enum err err;

	*sound = false;
	if (block >= sums_blocks(keys->gdbm_bytes))
		return ERR_OK;
	if (keys->gdbm_bytes - at < BLOCK)
		want = (size_t)(keys->gdbm_bytes - at);
	err = file_read_some(fd, name, bytes, want, (int64_t)at, &got);
	if (!err)
		*sound = got == want &&
			 crc32c(0, bytes, want) == keys_block_crc(keys, block);
	return err;
}

void blocks_log(const char *name, uint64_t from, uint64_t end)
{
	char bytes[48];

	snprintf(bytes, sizeof(bytes), "%" PRIu64 " to %" PRIu64, from,
		 end - 1);
	log_event(LOG_ERROR, "table-damaged", "file", name, "bytes", bytes,
		  "detail",
		  "not what was written; restore the data directory from a "
		  "backup",
		  NULL);
}

/* What see_part() looks into, and see_key() looks for. */
struct sight {
	struct gdbmfile *file;
	const struct keys *keys;
	struct view key;
	bool found;
};

static enum err see_part(void *arg, struct gdbmfile_part part)
{
	const struct sight *sight = arg;
	const char *name = gdbmfile_name(sight->file);
	uint64_t block = part.from / BLOCK;
	bool sound = true;
	enum err err = ERR_OK;

	for (; !err && block * BLOCK < part.end; block++) {
		err = see_block(gdbmfile_fd(sight->file), name, sight->keys,
				block, &sound);
		if (!sound)
			break;
	}
	if (err || sound)
		return err;
	blocks_log(name, block * BLOCK, (block + 1) * BLOCK);
	return ERR_DAMAGED;
}

static enum err see_directory(struct sight *sight)
{
	struct gdbmfile_part part = { 0, BLOCK };
	enum err err = see_part(sight, part);

	if (!err)
		err = gdbmfile_directory(sight->file, &part);
	return err ? err : see_part(sight, part);
}

/* A key that GDBM compares with. */
static enum err see_key(void *arg, struct gdbmfile_part part)
{
	struct sight *sight = arg;
	char bytes[STORE_KEY_MAX];
	enum err err = see_part(sight, part);

	if (err || part.end - part.from != sight->key.size)
		return err;
	err = file_read_at(gdbmfile_fd(sight->file), gdbmfile_name(sight->file),
			   bytes, sight->key.size, (int64_t)part.from);
	if (!err && !memcmp(bytes, sight->key.data, sight->key.size))
		sight->found = true;
	return err;
}

enum err blocks_absent(struct gdbmfile *file, struct keys *keys,
		       struct view key, bool *seen)
{
	struct sight sight = { .file = file, .keys = keys, .key = key };
	uint32_t hash = table_hash(key);
	struct gdbmfile_part bucket;
	enum err err = keys_load_blocks(keys);

	if (!err && !*seen)
		err = see_directory(&sight);
	if (err)
		return err;
	*seen = true;
	err = gdbmfile_bucket(file, hash, &bucket);
	if (!err)
		err = see_part(&sight, bucket);
	if (!err)
		err = gdbmfile_bucket_keys(file, &bucket, hash, see_key,
					   &sight);
	return err || sight.found ? err : ERR_NOT_FOUND;
}

/* Damaged bytes that lie side by side are told of as one run. */
struct run {
	uint64_t from;
	uint64_t end; /* 0: none yet */
	void (*each)(void *arg, uint64_t from, uint64_t end);
	void *arg;
	enum err result;
};

static void run_tell(struct run *run)
{
	if (run->end == 0)
		return;
	run->each(run->arg, run->from, run->end);
	run->result = ERR_DAMAGED;
}

static void run_add(struct run *run, uint64_t from, uint64_t end)
{
	if (run->end != from) {
		run_tell(run);
		run->from = from;
	}
	run->end = end;
}

enum err blocks_check(int fd, const char *name, struct keys *keys,
		      void (*each)(void *arg, uint64_t from, uint64_t end),
		      void *arg)
{
	struct run run = { .each = each, .arg = arg };
	uint64_t bytes = keys->gdbm_bytes;
	int64_t size = 0;
	enum err err = keys_load_blocks(keys);

	if (!err)
		err = file_size(fd, name, &size);
	for (uint64_t at = 0; !err && at < bytes; at += BLOCK) {
		bool sound;

		err = see_block(fd, name, keys, at / BLOCK, &sound);
		if (!err && !sound)
			run_add(&run, at,
				bytes - at < BLOCK ? bytes : at + BLOCK);
	}
	if (err)
		return err;
	if ((uint64_t)size > bytes)
		run_add(&run, bytes, (uint64_t)size);
	run_tell(&run);
	return run.result;
}
