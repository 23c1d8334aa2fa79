/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The average goes by the last couple of dozen rounds, and the bound for
 * becoming patient is above that for being eager again, so that policies
 * don't take turns.
 */
#include "pace.h"

#include <sched.h>

#define ONE         256 /* request */
#define MEMORY      16  /* rounds */
#define TAKEN_MAX   16  /* more say nothing new, and are forgotten late */
#define PATIENT_MIN (ONE * 3 / 2)
#define EAGER_MAX   (ONE * 9 / 8)

void pace_init(struct pace *pace)
{
	*pace = (struct pace){ .fixed = sched_getscheduler(0) != SCHED_OTHER };
}

static void become(struct pace *pace, bool patient)
{
	const struct sched_param param = { .sched_priority = 0 };

	if (sched_setscheduler(0, patient ? SCHED_BATCH : SCHED_OTHER, &param))
		pace->fixed = true;
	else
		pace->patient = patient;
}

void pace_round(struct pace *pace, size_t taken, bool syncs)
{
	if (!taken || pace->fixed)
		return;
	if (syncs)
		taken = 1;
	if (taken > TAKEN_MAX)
		taken = TAKEN_MAX;
	pace->company -= pace->company / MEMORY;
	pace->company += (unsigned)taken * ONE / MEMORY;
	if (!pace->patient && pace->company >= PATIENT_MIN)
		become(pace, true);
	else if (pace->patient && pace->company <= EAGER_MAX)
		become(pace, false);
}
