/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files, so that nobody else has to think of EINTR, short reads and writes,
 * or of what must be synced for a name to survive a power cut.
 *
 * Every function but the quiet one logs its failure once, with the name, and
 * returns err_from_errno(errno); `name` is for that log line only where an fd
 * is given.  A short read where bytes were promised is ERR_DAMAGED.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* open(2) at folder fd `dir` with O_CLOEXEC; *fd is -1 after a failure. */
enum err file_open(int dir, const char *name, int flags, mode_t mode, int *fd);

/* The same, but a missing file is ERR_NOT_FOUND and not logged. */
enum err file_open_existing(int dir, const char *name, int flags, int *fd);

/*
 * A new file in the folder, to read and write, that has no name (O_TMPFILE):
 * it is gone with its last descriptor, however the process ends.  Where the
 * file system has no such files, it has the name for the moment until it is
 * removed.
 */
enum err file_open_unnamed(const char *folder, const char *name, int *fd);

/* close(2); *fd becomes -1.  A -1 is left alone. */
enum err file_close(int *fd, const char *name);

/* Write everything / read exactly size bytes, at a position. */
enum err file_write_at(int fd, const char *name, const void *data, size_t size,
		       int64_t position);
enum err file_read_at(int fd, const char *name, void *data, size_t size,
		      int64_t position);

/* The same up to the end of the file: *got may be less than size. */
enum err file_read_some(int fd, const char *name, void *data, size_t size,
			int64_t position, size_t *got);

/* Append all that can be read, up to max bytes, else ERR_FULL. */
enum err file_read_all(int fd, const char *name, size_t max, struct buf *out);

/* The same, with the telling left to the caller: errno is the reason. */
enum err file_read_quietly(int fd, size_t max, struct buf *out);

enum err file_size(int fd, const char *name, int64_t *size);
enum err file_sync(int fd, const char *name);      /* fsync(2) */
enum err file_sync_data(int fd, const char *name); /* fdatasync(2) */

/* Write zeros, size bytes of them, at a position. */
enum err file_write_zeros(int fd, const char *name, uint64_t size,
			  int64_t position);

/* Allocate blocks so that a later write up to size can't meet ENOSPC. */
enum err file_allocate(int fd, const char *name, int64_t size);

/*
 * The same to keep others from the room: blocks that nobody will write to.
 * Where the file system can't, that is ERR_OK, and nothing is allocated.
 */
enum err file_hold(int fd, const char *name, int64_t size);

/* Bytes on disk that the file takes. */
enum err file_held(int fd, const char *name, uint64_t *bytes);

/*
 * What this process may still allocate on the file system of fd, as far as
 * that tells: a quota may leave less; UINT64_MAX when it tells nothing.
 */
struct file_room {
	uint64_t bytes;
	uint64_t files;
};

enum err file_room(int fd, const char *name, struct file_room *room);

/* Whether nothing can be written on the file system of fd. */
bool file_is_read_only(int fd);

/* ftruncate(2): give back what lies beyond. */
enum err file_truncate(int fd, const char *name, int64_t size);

/*
 * Copy all of `from` into `to` from its start, both at position 0; a throttled
 * process (throttle.h) sleeps between pieces of it.
 */
enum err file_copy(int from, int to, const char *name);

/*
 * Replace `name` in folder fd `dir` by `data`, atomically and for good:
 * write NAME.tmp, fsync, rename, fsync of the folder (rename(2), fsync(2)).
 *
 * After a failure `name` is the old file, or, when it was the folder that could
 * not be synced, the new one; whole either way.  After a power cut it may then
 * be either, and a sync that succeeds later need not change that (fsync(2)
 * tells of a failure once): only to replace the file again does.
 */
enum err file_replace(int dir, const char *name, struct view data, mode_t mode);

/* unlinkat(2); a file that is already gone is no failure. */
enum err file_remove(int dir, const char *name);

/* The same file under the same name in another folder, linkat(2). */
enum err file_link(int from, const char *name, int to);

/* Remove a folder with the files in it; one that is gone is no failure. */
enum err file_remove_folder(int dir, const char *name);

/*
 * mkdir -p for one path; an existing folder is no failure.  errno is the reason
 * of one.
 */
enum err file_make_folder(const char *path, mode_t mode);

/*
 * Call `each` with the name of every entry of `dir` but "." and "..", in no
 * particular order, until it returns something else than ERR_OK.
 */
enum err file_each(int dir, enum err (*each)(void *arg, const char *name),
		   void *arg);

#endif
