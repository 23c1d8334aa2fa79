/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The linker prefers what the program defines, so these stand in front of the
 * C library's, also for shared libraries.  Each passes the call on to the
 * next one of its name.
 */
#undef _FORTIFY_SOURCE /* its inline functions have the same names */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "next.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FAULT_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FAULT_SANITIZED 1
#endif

static struct {
	enum fault fault;
	unsigned left; /* calls until it strikes; 0 when it does not */
	int errnum;
	bool struck;
} armed;

static bool counts(enum fault fault)
{
	if (armed.fault == FAULT_CALL)
		return fault != FAULT_MEMORY;
	return armed.fault == fault;
}

static bool strikes(enum fault fault)
{
	if (armed.left == 0 || !counts(fault) || --armed.left > 0)
		return false;
	armed.struck = true;
	if (armed.errnum == FAULT_KILL)
		raise(SIGKILL);
	if (armed.errnum == FAULT_STOP)
		raise(SIGSTOP);
	errno = armed.errnum;
	return armed.errnum != FAULT_SHORT && armed.errnum != FAULT_STOP;
}

/* How much of a transfer is made; 0 when it fails. */
static size_t part(enum fault fault, size_t size)
{
	bool before = armed.struck;

	if (strikes(fault))
		return 0;
	if (armed.errnum == FAULT_SHORT && armed.struck && !before && size > 1)
		return size / 2;
	return size;
}

#ifndef FAULT_SANITIZED

/* Not by dlsym(), which allocates. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
	return strikes(FAULT_MEMORY) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return strikes(FAULT_MEMORY) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
	return strikes(FAULT_MEMORY) ? NULL : __libc_realloc(p, size);
}

#endif

int openat(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	NEXT(openat);

	if (flags & O_CREAT) {
		va_list args;

		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	return strikes(FAULT_WRITE) ? -1 : next(dir, name, flags, mode);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t position)
{
	size_t made = part(FAULT_WRITE, size);
	NEXT(pwrite);

	if (size > 0 && made == 0)
		return -1;
	return next(fd, data, made, position);
}

ssize_t write(int fd, const void *data, size_t size)
{
	size_t made = part(FAULT_CALL, size);
	NEXT(write);

	return size > 0 && made == 0 ? -1 : next(fd, data, made);
}

int open(const char *name, int flags, ...)
{
	mode_t mode = 0;
	NEXT(open);

	if (flags & O_CREAT) {
		va_list args;

		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	return strikes(FAULT_CALL) ? -1 : next(name, flags, mode);
}

int unlinkat(int dir, const char *name, int flags)
{
	NEXT(unlinkat);
	return strikes(FAULT_CALL) ? -1 : next(dir, name, flags);
}

int linkat(int dir, const char *name, int to_dir, const char *to, int flags)
{
	NEXT(linkat);
	return strikes(FAULT_CALL) ? -1 : next(dir, name, to_dir, to, flags);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
	NEXT(mkdirat);
	return strikes(FAULT_CALL) ? -1 : next(dir, name, mode);
}

#ifndef FAULT_SANITIZED

void *mmap(void *at, size_t size, int protection, int flags, int fd,
	   off_t position)
{
	NEXT(mmap);
	if (strikes(FAULT_CALL))
		return MAP_FAILED;
	return next(at, size, protection, flags, fd, position);
}

#endif

int fsync(int fd)
{
	NEXT(fsync);
	return strikes(FAULT_SYNC) || strikes(FAULT_WRITE) ? -1 : next(fd);
}

int fdatasync(int fd)
{
	NEXT(fdatasync);
	return strikes(FAULT_SYNC) || strikes(FAULT_WRITE) ? -1 : next(fd);
}

int ftruncate(int fd, off_t size)
{
	NEXT(ftruncate);
	return strikes(FAULT_WRITE) ? -1 : next(fd, size);
}

int posix_fallocate(int fd, off_t from, off_t size)
{
	NEXT(posix_fallocate);
	return strikes(FAULT_WRITE) ? armed.errnum : next(fd, from, size);
}

int fallocate(int fd, int mode, off_t from, off_t size)
{
	NEXT(fallocate);
	return strikes(FAULT_WRITE) ? -1 : next(fd, mode, from, size);
}

int renameat(int dir, const char *name, int to_dir, const char *to)
{
	NEXT(renameat);
	return strikes(FAULT_WRITE) ? -1 : next(dir, name, to_dir, to);
}

int mkdir(const char *path, mode_t mode)
{
	NEXT(mkdir);
	return strikes(FAULT_WRITE) ? -1 : next(path, mode);
}

ssize_t read(int fd, void *data, size_t size)
{
	size_t made = part(FAULT_READ, size);
	NEXT(read);

	return size > 0 && made == 0 ? -1 : next(fd, data, made);
}

ssize_t pread(int fd, void *data, size_t size, off_t position)
{
	size_t made = part(FAULT_READ, size);
	NEXT(pread);

	if (size > 0 && made == 0)
		return -1;
	return next(fd, data, made, position);
}

bool fault_available(enum fault fault)
{
#ifdef FAULT_SANITIZED
	return fault != FAULT_MEMORY;
#else
	(void)fault;
	return true;
#endif
}

void fault_arm(enum fault fault, unsigned nth, int errnum)
{
	armed.fault = fault;
	armed.left = nth;
	armed.errnum = fault == FAULT_MEMORY ? ENOMEM : errnum;
	armed.struck = false;
}

bool fault_disarm(void)
{
	armed.left = 0;
	return armed.struck;
}
