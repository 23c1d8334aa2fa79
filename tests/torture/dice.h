/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Choices that a seed repeats: splitmix64 (Steele et al., OOPSLA 2014). */
#ifndef TESTS_TORTURE_DICE_H
#define TESTS_TORTURE_DICE_H

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* 0 to sides - 1. */
static inline uint64_t dice_roll(struct dice *dice, uint64_t sides)
{
	return dice_next(dice) % sides;
}

/* LIBRAPI_SEED, or one that differs from run to run. */
static inline uint64_t dice_seed(void)
{
	const char *given = getenv("LIBRAPI_SEED");

	return given ? strtoull(given, NULL, 10) : (uint64_t)getpid();
}

#endif
