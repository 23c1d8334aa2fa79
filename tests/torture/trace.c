/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Functions that stand in front of the C library's: each makes the call and
 * writes it down when it succeeded and its file is in the folder.  A call of
 * another kind that would change such a file ends the program.
 */
#undef _FORTIFY_SOURCE /* its inline functions have the same names */
#include "torture/trace.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "next.h"

#define BYTES_MAX (size_t)(256 << 20)
#define OPS_MAX   (size_t)(1 << 18)
#define FDS_MAX   1024
#define NAMES_MAX 512

struct trace {
	size_t count;
	size_t used;
	size_t places[OPS_MAX];
	_Alignas(16) char bytes[BYTES_MAX];
};

enum { NOT_OURS = -1, THE_FOLDER = -2 };

static struct {
	struct trace *trace; /* NULL: nothing is recorded */
	struct stat folder;
	unsigned files; /* numbers given */
	int fds[FDS_MAX];
	struct {
		char name[TRACE_NAME_SIZE]; /* empty: a free place */
		unsigned file;
	} names[NAMES_MAX];
} now;

static void die(const char *what)
{
	printf("Bail out! trace: %s\n", what);
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

struct trace *trace_new(void)
{
	struct trace *trace =
		mmap(NULL, sizeof(*trace), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (trace == MAP_FAILED)
		die("no memory");
	return trace;
}

static struct trace_op *add(enum trace_kind kind, unsigned file,
			    const void *data, size_t size)
{
	struct trace *trace = now.trace;
	size_t needed = (sizeof(struct trace_op) + size + 15) / 16 * 16;
	struct trace_op *op;

	if (trace->count == OPS_MAX || needed > BYTES_MAX - trace->used)
		die("too much to record");
	op = (struct trace_op *)(trace->bytes + trace->used);
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->file = file;
	op->size = size;
	if (size)
		memcpy(op->data, data, size);
	trace->places[trace->count++] = trace->used;
	trace->used += needed;
	return op;
}

/* The place of a name, or NULL. */
static unsigned *find(const char *name)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (strcmp(now.names[i].name, name) == 0)
			return &now.names[i].file;
	}
	return NULL;
}

static void forget(const char *name)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (strcmp(now.names[i].name, name) == 0)
			now.names[i].name[0] = '\0';
	}
}

static void learn(const char *name, unsigned file)
{
	size_t i = 0;

	forget(name);
	while (i < NAMES_MAX && now.names[i].name[0])
		i++;
	if (i == NAMES_MAX || strlen(name) >= TRACE_NAME_SIZE)
		die("too many names, or too long a one");
	strcpy(now.names[i].name, name);
	now.names[i].file = file;
}

static unsigned begin_file(enum trace_kind kind, const char *name)
{
	if (now.files == TRACE_FILES_MAX)
		die("too many files");
	learn(name, now.files);
	strcpy(add(kind, now.files, NULL, 0)->name, name);
	return now.files++;
}

static bool is_the_folder(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && status.st_dev == now.folder.st_dev &&
	       status.st_ino == now.folder.st_ino;
}

static int *slot(int fd)
{
	static int nothing = NOT_OURS;

	if (!now.trace || fd < 0)
		return &nothing;
	if (fd >= FDS_MAX)
		die("too many descriptors");
	return &now.fds[fd];
}

static bool in_folder(int dir)
{
	return *slot(dir) == THE_FOLDER;
}

void trace_begin(struct trace *trace, const char *folder)
{
	const struct dirent *entry;
	DIR *dir = opendir(folder);

	if (!dir || stat(folder, &now.folder))
		die("no folder to record");
	trace->count = 0;
	trace->used = 0;
	now.trace = trace;
	for (size_t i = 0; i < FDS_MAX; i++)
		now.fds[i] = NOT_OURS;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			begin_file(TRACE_FOUND, entry->d_name);
	}
	closedir(dir);
}

void trace_mark(uint64_t first, uint64_t second)
{
	struct trace_op *op = add(TRACE_MARK, 0, NULL, 0);

	op->marks[0] = first;
	op->marks[1] = second;
}

size_t trace_count(const struct trace *trace)
{
	return trace->count;
}

const struct trace_op *trace_at(const struct trace *trace, size_t i)
{
	return (const struct trace_op *)(trace->bytes + trace->places[i]);
}

/* A file that is opened: which one is it, and is it new or emptied? */
static void note_open(int dir, const char *name, int flags, int fd)
{
	const unsigned *known;

	if (is_the_folder(fd)) {
		*slot(fd) = THE_FOLDER;
		return;
	}
	*slot(fd) = NOT_OURS;
	if (!in_folder(dir) || strchr(name, '/'))
		return;
	known = find(name);
	if (known) {
		*slot(fd) = (int)*known;
		if (flags & O_TRUNC)
			add(TRACE_RESIZE, *known, NULL, 0);
	} else if ((flags & O_TMPFILE) == O_TMPFILE) {
		die("a file without a name");
	} else if (flags & O_CREAT) {
		*slot(fd) = (int)begin_file(TRACE_CREATE, name);
	}
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int openat(int dir, const char *name, int flags, ...)
{
	va_list args;
	mode_t mode;
	int fd;
	NEXT(openat);

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	fd = next(dir, name, flags, mode);
	if (now.trace && fd >= 0)
		note_open(dir, name, flags, fd);
	return fd;
}

int close(int fd)
{
	NEXT(close);
	*slot(fd) = NOT_OURS;
	return next(fd);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t position)
{
	ssize_t written;
	NEXT(pwrite);

	written = next(fd, data, size, position);
	if (written > 0 && *slot(fd) >= 0)
		add(TRACE_WRITE, (unsigned)*slot(fd), data, (size_t)written)
			->at = (uint64_t)position;
	return written;
}

ssize_t write(int fd, const void *data, size_t size)
{
	NEXT(write);
	if (*slot(fd) >= 0)
		die("write() to a file of the folder");
	return next(fd, data, size);
}

static int note_size(int result, int fd, enum trace_kind kind, off_t size)
{
	if (result == 0 && *slot(fd) >= 0)
		add(kind, (unsigned)*slot(fd), NULL, 0)->size = (uint64_t)size;
	return result;
}

int ftruncate(int fd, off_t size)
{
	NEXT(ftruncate);
	return note_size(next(fd, size), fd, TRACE_RESIZE, size);
}

int posix_fallocate(int fd, off_t from, off_t size)
{
	NEXT(posix_fallocate);
	return note_size(next(fd, from, size), fd, TRACE_ALLOCATE, from + size);
}

static int note_sync(int result, int fd)
{
	if (result == 0 && *slot(fd) >= 0)
		add(TRACE_SYNC, (unsigned)*slot(fd), NULL, 0);
	else if (result == 0 && *slot(fd) == THE_FOLDER)
		add(TRACE_SYNC_FOLDER, 0, NULL, 0);
	return result;
}

int fsync(int fd)
{
	NEXT(fsync);
	return note_sync(next(fd), fd);
}

int fdatasync(int fd)
{
	NEXT(fdatasync);
	return note_sync(next(fd), fd);
}

static void note_rename(const char *name, const char *to)
{
	const unsigned *file = find(name);
	struct trace_op *op;

	if (!file)
		die("a rename of a file that is not there");
	op = add(TRACE_RENAME, *file, NULL, 0);
	strcpy(op->name, name);
	strcpy(op->to, to);
	forget(name);
	learn(to, op->file);
}

int renameat(int dir, const char *name, int to_dir, const char *to)
{
	int result;
	NEXT(renameat);

	result = next(dir, name, to_dir, to);
	if (result == 0 && in_folder(dir))
		note_rename(name, to);
	return result;
}

int unlinkat(int dir, const char *name, int flags)
{
	int result;
	NEXT(unlinkat);

	result = next(dir, name, flags);
	if (result == 0 && in_folder(dir) && !(flags & AT_REMOVEDIR)) {
		strcpy(add(TRACE_UNLINK, 0, NULL, 0)->name, name);
		forget(name);
	}
	return result;
}

int linkat(int dir, const char *name, int to_dir, const char *to, int flags)
{
	NEXT(linkat);
	if (in_folder(to_dir))
		die("linkat() into the folder");
	return next(dir, name, to_dir, to, flags);
}
