/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The supervisor's children together: which roles there are, how many play
 * each, who is due, and how all of them are asked to leave or are replaced
 * one after another.
 */
#ifndef CREW_H
#define CREW_H

#include "child.h"

struct crew {
	struct child *children;
	size_t count;
	bool rolling; /* some children still have the settings of before */
};

/* Those who answer requests, and those who look after the store. */
enum crew_part { CREW_SERVING, CREW_KEEPING };

/* As many of each role as the settings want; ERR_NO_MEMORY. */
enum err crew_init(struct crew *crew, const struct conf *conf);
void crew_release(struct crew *crew);

/* Processes of a part that are there now. */
size_t crew_alive(const struct crew *crew, enum crew_part part);

/* Ask all of a part to leave because the service ends. */
void crew_drain(struct crew *crew, enum crew_part part, long timeout_ms);

/* Fill the positions that are due. */
void crew_start_due(struct crew *crew, const struct service *service);

/* See off whoever has died, and kill whoever should have. */
void crew_look_after(struct crew *crew, const struct service *service);

/*
 * Monotonic time at which one has to be killed or, when `starting`, is due;
 * 0 when there is no such time.
 */
int64_t crew_next_ms(const struct crew *crew, bool starting);

/*
 * The settings are new: crew_roll() replaces everybody who is there, but for
 * one who keeps the store in its memory.
 */
void crew_renew(struct crew *crew);

/*
 * Go on with that, one child at a time, when it is its turn: true once, when
 * the last one has been replaced.  Nobody is asked while somebody's place is
 * empty: where no process is to be had, those who are there stay.  It does not
 * wait for those of a patient role, which are replaced when they are done.
 */
bool crew_roll(struct crew *crew, long timeout_ms);

#endif
