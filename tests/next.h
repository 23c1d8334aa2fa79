/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For programs that take the place of functions of the C library, as fault.c
 * does: NEXT(write) in a function of that name declares `next`, the function
 * that it stands in front of.
 */
#ifndef TESTS_NEXT_H
#define TESTS_NEXT_H

#include <dlfcn.h>

/* POSIX lets a function be found as an object; ISO C lacks the cast. */
#define NEXT(function)                                                         \
	static __typeof__(function) *next;                                     \
                                                                               \
	if (!next)                                                             \
	*(void **)&next = dlsym(RTLD_NEXT, #function)

#endif
