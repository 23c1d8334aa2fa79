/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Make the n-th call fail.  The usual test walks through all of them:
 *
 *   for (unsigned n = 1;; n++) {
 *           fault_arm(FAULT_WRITE, n, ENOSPC);
 *           err = file_replace(...);
 *           if (!fault_disarm())
 *                   break;
 *           CU_ASSERT_EQUAL(err, ERR_FULL);
 *   }
 *
 * after which n is one more than there are such calls.  A program that links
 * fault.o has the functions of the C library covered by these: calls of ours
 * and of libraries reach them, calls inside the C library do not.
 */
#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#include <stdbool.h>

enum fault {
	FAULT_MEMORY, /* malloc, calloc, realloc; errno is ENOMEM */
	FAULT_WRITE,  /* openat, pwrite, fsync, fdatasync, ftruncate,
			 posix_fallocate, fallocate, renameat, mkdir */
	FAULT_SYNC,   /* fsync, fdatasync */
	FAULT_READ,   /* read, pread */
	FAULT_CALL,   /* all but memory, and write, open, mmap, unlinkat,
			 linkat, mkdirat, which GDBM and the log use too */
};

/* Instead of an errno: */
#define FAULT_KILL  (-1) /* SIGKILL to the process, the call is not made */
#define FAULT_STOP  (-3) /* SIGSTOP to the process, then the call is made */
#define FAULT_SHORT (-2) /* a write or read does half; others do as always */

/* Under AddressSanitizer, whose memory functions stay, FAULT_MEMORY is not. */
bool fault_available(enum fault fault);

/* The nth call from now, from 1, fails with errnum, once. */
void fault_arm(enum fault fault, unsigned nth, int errnum);

/* Calls are as always again.  True when one was made to fail. */
bool fault_disarm(void);

#endif
