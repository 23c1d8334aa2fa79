/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All that a program does to the files of one folder, written down in the
 * order in which it is done: what disk.c needs to say what a disk may hold
 * after a power cut.  A program that links trace.o has the functions of the C
 * library covered by these, as with fault.o.
 *
 * The trace lies in memory that is shared with the children of the process
 * that made it: usually one child records, and its parent looks at it.  One
 * process at a time, without threads.  Folders in the folder are passed over.
 */
#ifndef TESTS_TORTURE_TRACE_H
#define TESTS_TORTURE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_NAME_SIZE 64
#define TRACE_FILES_MAX 4096

enum trace_kind {
	TRACE_FOUND,  /* file `file` had this name at the beginning */
	TRACE_CREATE, /* a new, empty file of this name */
	TRACE_RENAME, /* `name` becomes `to`, in place of what had it */
	TRACE_UNLINK,
	TRACE_SYNC_FOLDER,
	TRACE_WRITE,    /* `data` of `size` bytes at `at` */
	TRACE_RESIZE,   /* to `size` */
	TRACE_ALLOCATE, /* `size` at least */
	TRACE_SYNC,
	TRACE_MARK, /* by the test; see trace_mark() */
};

struct trace_op {
	enum trace_kind kind;
	unsigned file;
	char name[TRACE_NAME_SIZE];
	char to[TRACE_NAME_SIZE];
	uint64_t at;
	uint64_t size;
	uint64_t marks[2];
	unsigned char data[];
};

struct trace;

/* An empty one; aborts without memory. */
struct trace *trace_new(void);

/* Record from here on what happens to the folder's files. */
void trace_begin(struct trace *trace, const char *folder);

/* A place that the test finds again, with what it has to say of it. */
void trace_mark(uint64_t first, uint64_t second);

size_t trace_count(const struct trace *trace);
const struct trace_op *trace_at(const struct trace *trace, size_t i);

#endif
