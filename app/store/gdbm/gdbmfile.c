/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A GDBM file, whose errors are ours.
 *
 * Reading is without mmap(2), so that a bad disk is an error and not a
 * SIGBUS, and with GDBM's own file lock, so that gdbmtool may read beside us
 * and is refused to write.  A file that is not as we write them is refused
 * before GDBM sees it, since GDBM takes the sizes of its buffers from the
 * header.  Other damage may reach GDBM 1.23: it checks every offset against
 * the size of the file and answers with an error, or with bytes whose own
 * checksum is wrong.
 *
 * Changing is only for files in memory, without lock and with mmap.
 * gdbm_store() can return 0 after a write that failed, so the state of the
 * handle is asked after every call.
 *
 * GDBM calls exit(3) after its fatal function, whatever that does, and
 * carries on with an error code when there is none: so there is none.
 */
#include "store/gdbm/gdbmfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

/* A bucket has 4 KiB; GDBM's own choice grows to 381 MB at 1e7 keys. */
#define CACHE_BUCKETS 16

#define HASH_BITS 31

/* What GDBM's header begins with, in the byte order of the machine. */
struct gdbm_head {
	int32_t magic;
	int32_t block_size;
	int64_t directory;
	int32_t directory_size;
	int32_t directory_bits;
	int32_t bucket_size;
	int32_t bucket_elements;
};

/* An element of a bucket, and how much of the bucket is before the first. */
struct gdbm_element {
	int32_t hash; /* -1: none */
	char key_start[4];
	int64_t place; /* of the key, and the value behind it */
	int32_t key_size;
	int32_t value_size;
};

#define BUCKET_HEAD 112

struct gdbmfile {
	GDBM_FILE gdbm;
	enum err failed; /* GDBM refuses the handle since then */
	struct gdbm_head head;
	char name[];
};

/* All that GDBM goes by to open a file, and refuses it for. */
#define HEADER_BYTES "0 to 4095"

static enum err err_of_gdbm(gdbm_error code)
{
	switch (code) {
	case GDBM_MALLOC_ERROR:
		return ERR_NO_MEMORY;
	case GDBM_CANT_BE_READER:
		return ERR_BUSY;
	default:
		return ERR_DAMAGED;
	}
}

/*
 * Turn GDBM's error code, and errno where the code goes with one, into ours.
 * `bytes`: where the damage is, if it is damage; NULL where that isn't known.
 */
static enum err gdbm_failure(const char *name, const char *bytes,
			     gdbm_error code, int errnum)
{
	enum err err;

	switch (code) {
	case GDBM_FILE_OPEN_ERROR:
	case GDBM_FILE_WRITE_ERROR:
	case GDBM_FILE_READ_ERROR:
	case GDBM_FILE_STAT_ERROR:
	case GDBM_FILE_CLOSE_ERROR:
	case GDBM_FILE_SYNC_ERROR:
	case GDBM_FILE_TRUNCATE_ERROR:
		return log_errno("gdbm-failed", name, errnum);
	default:
		break;
	}
	/* Where a bucket finds no memory, GDBM fails without a code. */
	if (code == GDBM_NO_ERROR)
		code = GDBM_MALLOC_ERROR;
	err = err_of_gdbm(code);
	log_event(LOG_ERROR, "gdbm-failed", "file", name, "bytes",
		  err == ERR_DAMAGED ? bytes : NULL, "error",
		  gdbm_strerror(code), NULL);
	return err;
}

/* What GDBM's last call met; the handle may be dead by it. */
static enum err call_failure(struct gdbmfile *file)
{
	enum err err =
		gdbm_failure(file->name, NULL, gdbm_last_errno(file->gdbm),
			     gdbm_last_syserr(file->gdbm));

	if (gdbm_needs_recovery(file->gdbm))
		file->failed = err;
	return err;
}

/* After a change: any failure leaves the file in doubt, so it is final. */
static enum err change_result(struct gdbmfile *file, int result)
{
	if (result == 0 && !gdbm_needs_recovery(file->gdbm) &&
	    gdbm_last_errno(file->gdbm) == GDBM_NO_ERROR)
		return ERR_OK;
	file->failed = call_failure(file);
	return file->failed;
}

/* GDBM opened the file although it found something wrong with it. */
static enum err opened_failure(struct gdbmfile *file)
{
	gdbm_error code = gdbm_last_errno(file->gdbm);

	if (code == GDBM_NO_ERROR)
		code = GDBM_NEED_RECOVERY;
	return gdbm_failure(file->name, HEADER_BYTES, code,
			    gdbm_last_syserr(file->gdbm));
}

static datum datum_of(struct view view)
{
	return (datum){
		.dptr = view.data ? (char *)view.data : "",
		.dsize = (int)view.size,
	};
}

static struct view view_of_datum(datum datum)
{
	return (struct view){ datum.dptr, (size_t)datum.dsize };
}

/* Sizes as we write them; anything else would only steer GDBM's malloc(3). */
static enum err head_check(int fd, const char *name, struct gdbm_head *head)
{
	int64_t size;
	enum err err = file_size(fd, name, &size);

	*head = (struct gdbm_head){ 0 };
	if (err)
		return err;
	if (size >= (int64_t)sizeof(*head)) {
		err = file_read_at(fd, name, head, sizeof(*head), 0);
		if (err)
			return err;
	}
	if (head->block_size == GDBMFILE_BLOCK_SIZE &&
	    head->bucket_size == GDBMFILE_BLOCK_SIZE)
		return ERR_OK;
	log_event(LOG_ERROR, "gdbm-failed", "file", name, "bytes", HEADER_BYTES,
		  "error",
		  "not a GDBM file with blocks of 4096 bytes in this machine's "
		  "byte order",
		  NULL);
	return ERR_DAMAGED;
}

/* Takes the fd over, also when it fails. */
static enum err handle_open(int fd, const char *name, int flags,
			    struct gdbmfile **out)
{
	size_t name_size = strlen(name) + 1;
	struct gdbmfile *file = malloc(sizeof(*file) + name_size);

	if (!file) {
		file_close(&fd, name);
		return ERR_NO_MEMORY;
	}
	file->failed = ERR_OK;
	file->head = (struct gdbm_head){ 0 };
	memcpy(file->name, name, name_size);
	file->gdbm = gdbm_fd_open(fd, name, GDBMFILE_BLOCK_SIZE,
				  flags | GDBM_CLOEXEC | GDBM_CLOERROR, NULL);
	if (!file->gdbm) {
		enum err err =
			gdbm_failure(name, HEADER_BYTES, gdbm_errno, errno);

		free(file);
		return err;
	}
	if (gdbm_needs_recovery(file->gdbm))
		file->failed = opened_failure(file);
	*out = file;
	return ERR_OK;
}

enum err gdbmfile_open(int fd, const char *name, struct gdbmfile **out)
{
	int buckets = CACHE_BUCKETS;
	struct gdbm_head head;
	struct gdbmfile *file;
	enum err err = head_check(fd, name, &head);

	if (err) {
		file_close(&fd, name);
		return err;
	}
	err = handle_open(fd, name, GDBM_READER | GDBM_NOMMAP, &file);
	if (err)
		return err;
	file->head = head;
	err = file->failed;
	if (!err && gdbm_setopt(file->gdbm, GDBM_SETCACHESIZE, &buckets,
				sizeof(buckets)))
		err = call_failure(file);
	if (err)
		gdbmfile_close(file);
	else
		*out = file;
	return err;
}

enum err gdbmfile_edit(int fd, const char *name, struct gdbmfile **out)
{
	struct gdbmfile *file;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return log_errno("dup-failed", name, errno);

	enum err err = handle_open(
		copy, name, GDBM_WRCREAT | GDBM_NOLOCK | GDBM_BSEXACT, &file);

	if (err)
		return err;
	err = file->failed;
	if (err)
		gdbmfile_close(file);
	else
		*out = file;
	return err;
}

enum err gdbmfile_close(struct gdbmfile *file)
{
	enum err err = ERR_OK;

	if (gdbm_close(file->gdbm))
		err = gdbm_failure(file->name, NULL, gdbm_errno, errno);
	free(file);
	return err;
}

int gdbmfile_fd(const struct gdbmfile *file)
{
	return gdbm_fdesc(file->gdbm);
}

const char *gdbmfile_name(const struct gdbmfile *file)
{
	return file->name;
}

enum err gdbmfile_get(struct gdbmfile *file, struct view key, struct buf *out)
{
	if (file->failed)
		return file->failed;

	datum value = gdbm_fetch(file->gdbm, datum_of(key));

	if (!value.dptr) {
		if (gdbm_last_errno(file->gdbm) == GDBM_ITEM_NOT_FOUND)
			return ERR_NOT_FOUND;
		return call_failure(file);
	}
	buf_add_view(out, view_of_datum(value));
	free(value.dptr);
	return out->err;
}

enum err gdbmfile_put(struct gdbmfile *file, struct view key, struct view value)
{
	assert(key.size < INT_MAX / 2 && value.size < INT_MAX / 2);

	if (file->failed)
		return file->failed;
	return change_result(file, gdbm_store(file->gdbm, datum_of(key),
					      datum_of(value), GDBM_REPLACE));
}

enum err gdbmfile_remove(struct gdbmfile *file, struct view key)
{
	if (file->failed)
		return file->failed;

	int result = gdbm_delete(file->gdbm, datum_of(key));

	if (result && gdbm_last_errno(file->gdbm) == GDBM_ITEM_NOT_FOUND)
		return ERR_OK;
	return change_result(file, result);
}

enum err gdbmfile_flush(struct gdbmfile *file)
{
	if (file->failed)
		return file->failed;
	return change_result(file, gdbm_sync(file->gdbm));
}

enum err gdbmfile_count(struct gdbmfile *file, uint64_t *count)
{
	gdbm_count_t number;

	if (file->failed)
		return file->failed;
	if (gdbm_count(file->gdbm, &number))
		return call_failure(file);
	*count = number;
	return ERR_OK;
}

static enum err scan_one(struct gdbmfile *file, datum key,
			 enum err (*each)(void *arg, struct view key,
					  struct view value),
			 void *arg)
{
	datum value = gdbm_fetch(file->gdbm, key);

	if (!value.dptr)
		return call_failure(file);

	enum err err = each(arg, view_of_datum(key), view_of_datum(value));

	free(value.dptr);
	return err;
}

enum err gdbmfile_scan(struct gdbmfile *file, uint64_t limit,
		       enum err (*each)(void *arg, struct view key,
					struct view value),
		       void *arg)
{
	uint64_t expected = 0;
	uint64_t count = 0;
	enum err err = gdbmfile_count(file, &expected);

	if (err)
		return err;
	if (expected > limit)
		return gdbm_failure(file->name, NULL, GDBM_BAD_HASH_TABLE, 0);

	datum key = gdbm_firstkey(file->gdbm);

	while (key.dptr && count < expected) {
		err = scan_one(file, key, each, arg);
		if (err)
			break;
		count++;

		datum next = gdbm_nextkey(file->gdbm, key);

		free(key.dptr);
		key = next;
	}

	bool more = key.dptr;

	free(key.dptr);
	if (err)
		return err;
	if (!more && gdbm_last_errno(file->gdbm) != GDBM_ITEM_NOT_FOUND)
		return call_failure(file);
	if (more || count != expected)
		return gdbm_failure(file->name, NULL, GDBM_BAD_HASH_TABLE, 0);
	return ERR_OK;
}

enum err gdbmfile_verify_space(struct gdbmfile *file)
{
	if (file->failed)
		return file->failed;
	if (gdbm_avail_verify(file->gdbm))
		return call_failure(file);
	return ERR_OK;
}

static enum err no_directory(const struct gdbmfile *file)
{
	return gdbm_failure(file->name, NULL, GDBM_BAD_HASH_TABLE, 0);
}

enum err gdbmfile_directory(struct gdbmfile *file, struct gdbmfile_part *part)
{
	const struct gdbm_head *head = &file->head;

	if (head->directory < GDBMFILE_BLOCK_SIZE || head->directory_bits < 0 ||
	    head->directory_bits > HASH_BITS ||
	    head->directory_size != INT64_C(8) << head->directory_bits)
		return no_directory(file);
	part->from = (uint64_t)head->directory;
	part->end = part->from + (uint64_t)head->directory_size;
	return ERR_OK;
}

enum err gdbmfile_bucket(struct gdbmfile *file, uint32_t hash,
			 struct gdbmfile_part *part)
{
	struct gdbmfile_part directory;
	int64_t place = 0;
	enum err err = gdbmfile_directory(file, &directory);

	if (err)
		return err;
	hash >>= HASH_BITS - file->head.directory_bits;
	err = file_read_at(gdbmfile_fd(file), file->name, &place, sizeof(place),
			   (int64_t)(directory.from + UINT64_C(8) * hash));
	if (err)
		return err;
	if (place < GDBMFILE_BLOCK_SIZE || place > INT64_MAX / 2)
		return no_directory(file);
	part->from = (uint64_t)place;
	part->end = part->from + GDBMFILE_BLOCK_SIZE;
	return ERR_OK;
}

enum err gdbmfile_bucket_keys(struct gdbmfile *file,
			      const struct gdbmfile_part *bucket, uint32_t hash,
			      enum err (*each)(void *arg,
					       struct gdbmfile_part part),
			      void *arg)
{
	char bytes[GDBMFILE_BLOCK_SIZE];
	struct gdbm_element element;
	enum err err = file_read_at(gdbmfile_fd(file), file->name, bytes,
				    sizeof(bytes), (int64_t)bucket->from);

	for (size_t at = BUCKET_HEAD;
	     !err && at + sizeof(element) <= sizeof(bytes);
	     at += sizeof(element)) {
		struct gdbmfile_part part;

		memcpy(&element, bytes + at, sizeof(element));
		if (element.hash != (int32_t)hash)
			continue;
		part.from = (uint64_t)element.place;
		part.end = part.from + (uint64_t)element.key_size;
		err = each(arg, part);
	}
	return err;
}
