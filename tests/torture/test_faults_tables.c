/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What checkpoints do besides, call by call (strike.h): a table that has
 * grown is split, one that was emptied is written anew and so compacted, and
 * history goes when it is more than is to be kept, or when its room is needed.
 * Each child looks whether that did take place, and fails when it did not.
 * What is left then has to hold what was acknowledged (acked.h).
 */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "harness.h"
#include "store/gdbm/engine.h"
#include "torture/acked.h"
#include "torture/strike.h"

/* Children that had to give up their history for want of room. */
static unsigned given_up;

static struct store_stats look(struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats;
}

/* Nothing waits for a checkpoint in what this leaves. */
static void end_closed(struct store *store)
{
	_exit(acked->in_flight || store_close(store) != ERR_OK);
}

/* One table, with fewer keys than it may have. */
static void prepare_small(void)
{
	struct store *store = acked_open();

	acked_commit(store, 0, 6, 1);
	end_closed(store);
}

static void split(void)
{
	struct store *store = acked_open();
	size_t before = look(store).tables;
	bool struck;

	acked_commit(store, 4, 40, 100);
	strike_arm();
	store_housekeep(store, 0);
	struck = strike_disarm();
	if (!struck && (before != 1 || look(store).tables < 5))
		_exit(1);
	acked_commit(store, 40, 3, 400);
	_exit(0);
}

static void begin_roomy(void)
{
	acked_begin();
	acked->conf.table_max_keys = ACKED_KEYS;
}

/* One table, as large as it may be. */
static void prepare_large(void)
{
	struct store *store = acked_open();

	acked_commit(store, 0, ACKED_KEYS, 1);
	end_closed(store);
}

static void compact(void)
{
	struct store *store = acked_open();
	struct store_stats before = look(store);
	struct store_stats after;
	bool struck;

	acked_commit(store, 1, ACKED_KEYS - 2, 0);
	strike_arm();
	store_housekeep(store, 0);
	struck = strike_disarm();
	after = look(store);
	if (!struck && (before.tables != 1 || after.tables != 1 ||
			after.table_bytes * 2 > before.table_bytes))
		_exit(1);
	acked_commit(store, 10, 3, 400);
	_exit(0);
}

static void begin_with_little_history(void)
{
	acked_begin();
	acked->conf.history_bytes = 12 << 10;
}

/* Several segments that are kept as history alone. */
static void prepare_history(void)
{
	struct store *store = acked_open();

	for (unsigned i = 0; i < 5; i++) {
		acked_commit(store, 0, 8, 10 * i + 1);
		if (store_housekeep(store, 0))
			_exit(1);
	}
	end_closed(store);
}

static void trim(void)
{
	struct store *store = acked_open();
	struct store_stats before = look(store);
	struct store_stats after;
	bool struck;

	acked_commit(store, 8, 8, 100);
	strike_arm();
	store_housekeep(store, 0);
	struck = strike_disarm();
	after = look(store);
	if (!struck && (after.oldest <= before.oldest || !after.history_bytes))
		_exit(1);
	acked_commit(store, 40, 3, 400);
	_exit(0);
}

/* The next segment needs room: only when there is none, history goes. */
static void rotate(void)
{
	struct store *store = acked_open();
	struct store_stats before = look(store);
	bool struck;

	acked_commit(store, 8, 8, 100);
	strike_arm();
	rotate_run((struct gdbm_store *)store);
	struck = strike_disarm();
	acked->gave_up = !look(store).history_bytes;
	if (!before.history_bytes || (!struck && acked->gave_up))
		_exit(1);
	acked_commit(store, 40, 3, 400);
	_exit(0);
}

static void give_up(void)
{
	struct store *store = acked_open();
	struct store_stats before = look(store);
	bool struck;

	acked_commit(store, 8, 8, 100);
	strike_arm();
	retain_give_up((struct gdbm_store *)store);
	struck = strike_disarm();
	if (!struck && (!before.history_bytes || look(store).history_bytes))
		_exit(1);
	acked_commit(store, 40, 3, 400);
	_exit(0);
}

static const char *wrong_after_rotation(void)
{
	given_up += acked->gave_up;
	return acked_wrong();
}

static void a_split_survives_every_fault(void)
{
	strike_walk(&(struct strike_phase){ .name = "split",
					    .step = 37,
					    .begin = acked_begin,
					    .prepare = prepare_small,
					    .live = split,
					    .wrong = acked_wrong });
}

static void a_compaction_survives_every_fault(void)
{
	strike_walk(&(struct strike_phase){ .name = "compaction",
					    .begin = begin_roomy,
					    .prepare = prepare_large,
					    .live = compact,
					    .wrong = acked_wrong });
}

static void the_end_of_history_survives_every_fault(void)
{
	strike_walk(&(struct strike_phase){
		.name = "history that is more than is kept",
		.begin = begin_with_little_history,
		.prepare = prepare_history,
		.live = trim,
		.wrong = acked_wrong });
}

static void history_that_is_given_up_survives_every_fault(void)
{
	strike_walk(&(struct strike_phase){ .name = "history given up",
					    .step = 3,
					    .begin = acked_begin,
					    .prepare = prepare_history,
					    .live = give_up,
					    .wrong = acked_wrong });
}

/* All of its calls, in make check too: one of them is the lack of room. */
static void a_segment_that_takes_the_room_of_history_survives(void)
{
	given_up = 0;
	strike_walk(&(struct strike_phase){
		.name = "history given up for a segment",
		.step = 1,
		.begin = acked_begin,
		.prepare = prepare_history,
		.live = rotate,
		.wrong = wrong_after_rotation });
	CU_ASSERT(given_up > 0);
	printf("# history was given up %u times\n", given_up);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_split_survives_every_fault),
	HARNESS_TEST(a_compaction_survives_every_fault),
	HARNESS_TEST(the_end_of_history_survives_every_fault),
	HARNESS_TEST(history_that_is_given_up_survives_every_fault),
	HARNESS_TEST(a_segment_that_takes_the_room_of_history_survives),
};

int main(void)
{
	if (!acked_share() || !strike_share())
		return 1;
	log_setup(LOG_ERROR, "");
	return harness_run("torture/faults_tables", tests,
			   HARNESS_COUNT(tests));
}
