/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What store_changes() and store_changes_fd() promise. */
#include "store/cases.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a look shows: "REV+KEY=VALUE", "REV-KEY", "REV!KEY", "." after last. */
struct shown {
	struct buf text;
	size_t limit; /* 0: none */
	size_t count;
};

static bool show(void *arg, const struct store_change *change)
{
	static const char marks[] = { '+', '-', '!' };
	struct shown *shown = arg;

	buf_addf(&shown->text, "%" PRIu64 "%c%.*s", change->revision,
		 marks[change->verb], (int)change->key.size,
		 (const char *)change->key.data);
	if (change->verb == STORE_PUT)
		buf_addf(&shown->text, "=%.*s", (int)change->record.value.size,
			 (const char *)change->record.value.data);
	if (change->verb == STORE_PUT &&
	    change->record.revision != change->revision)
		buf_add_string(&shown->text, "(another revision)");
	buf_add_string(&shown->text, change->last ? ". " : " ");
	return ++shown->count != shown->limit;
}

/* Whether the changes since then are these, and where to go on. */
static bool shows(struct store *store, uint64_t since, size_t limit,
		  const char *expected, uint64_t expected_next)
{
	struct shown shown = { .limit = limit };
	uint64_t next = UINT64_MAX;
	uint64_t oldest = UINT64_MAX;
	enum err err =
		store_changes(store, since, show, &shown, &next, &oldest);
	bool same = err == ERR_OK && oldest <= since && next == expected_next &&
		    view_equal_string(buf_view(&shown.text), expected);

	if (!same)
		printf("# err %d, next %" PRIu64 ", shown '%s'\n", err, next,
		       buf_string(&shown.text));
	buf_release(&shown.text);
	return same;
}

static bool is_gone(struct store *store, uint64_t since, uint64_t *oldest)
{
	struct shown shown = { 0 };
	uint64_t next = UINT64_MAX;
	enum err err = store_changes(store, since, show, &shown, &next, oldest);

	buf_release(&shown.text);
	return err == ERR_GONE && next == since && shown.count == 0;
}

void changes_come_in_order_with_all_there_is_to_know(void)
{
	struct store *store = contract_open();
	struct store_op ops[] = {
		op_put(view_of("b"), view_of("1")),
		op_put(view_of("a"), view_of("2")),
		op_delete(view_of("b")),
		op_put(view_of("b"), view_of("3")),
		op_delete(view_of("no")),
	};
	uint64_t revision;

	CU_ASSERT_TRUE(shows(store, 0, 0, "", 0));
	contract_put(store, "a", "1");
	contract_put(store, "a", "1");
	CU_ASSERT_EQUAL(contract_delete(store, "a"), 3);
	CU_ASSERT_EQUAL(contract_delete(store, "a"), 0);
	CU_ASSERT_EQUAL(contract_ops(store, ops, COUNT(ops), &revision),
			ERR_OK);
	CU_ASSERT_TRUE(
		shows(store, 0, 0, "1+a=1. 2+a=1. 3-a. 4+a=2 4+b=3. ", 4));
	CU_ASSERT_TRUE(shows(store, 2, 0, "3-a. 4+a=2 4+b=3. ", 4));
	CU_ASSERT_TRUE(shows(store, 4, 0, "", 4));
	contract_close(store);
}

void a_look_at_changes_goes_on_where_it_stopped(void)
{
	struct store *store = contract_open();
	struct store_op ops[] = {
		op_put(view_of("a"), view_of("1")),
		op_put(view_of("b"), view_of("1")),
	};
	uint64_t revision;

	contract_put(store, "x", "1");
	CU_ASSERT_EQUAL(contract_ops(store, ops, COUNT(ops), &revision),
			ERR_OK);
	contract_put(store, "y", "1");
	CU_ASSERT_TRUE(shows(store, 0, 1, "1+x=1. ", 1));
	/* In the middle of a revision: it comes again. */
	CU_ASSERT_TRUE(shows(store, 1, 1, "2+a=1 ", 1));
	CU_ASSERT_TRUE(shows(store, 1, 2, "2+a=1 2+b=1. ", 2));
	CU_ASSERT_TRUE(shows(store, 2, 0, "3+y=1. ", 3));
	contract_put(store, "z", "1");
	CU_ASSERT_TRUE(shows(store, 3, 0, "4+z=1. ", 4));
	CU_ASSERT_TRUE(shows(store, 0, 3, "1+x=1. 2+a=1 2+b=1. ", 2));
	contract_close(store);
}

void an_expiry_is_a_change_of_its_own(void)
{
	struct store *store = contract_open();

	contract_put_until(store, "a", contract_now_ms + 10);
	contract_put(store, "b", "1");
	contract_now_ms += 10;
	for (int i = 0; i < 100 && contract_revision(store) < 3; i++)
		CU_ASSERT_EQUAL(store_housekeep(store, 5), ERR_OK);
	CU_ASSERT_TRUE(shows(store, 0, 0, "1+a=mortal. 2+b=1. 3!a. ", 3));
	contract_close(store);
}

void deletes_by_prefix_are_one_revision_of_changes(void)
{
	struct store *store = contract_open();
	uint64_t deleted;
	uint64_t revision;
	uint64_t ticket;

	contract_put(store, "p2", "1");
	contract_put(store, "p1", "1");
	contract_put(store, "q", "1");
	CU_ASSERT_EQUAL(store_delete_prefix(store, view_of("p"), &deleted,
					    &revision, &ticket),
			ERR_OK);
	CU_ASSERT_EQUAL(store_sync(store, ticket), ERR_OK);
	CU_ASSERT_TRUE(shows(store, 3, 0, "4-p1 4-p2. ", 4));
	contract_close(store);
}

void changes_stay_through_housekeeping_and_a_reopen(void)
{
	struct store *store = contract_open();

	contract_put(store, "a", "1");
	contract_put(store, "b", "2");
	CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	contract_put(store, "c", "3");
	CU_ASSERT_TRUE(shows(store, 0, 0, "1+a=1. 2+b=2. 3+c=3. ", 3));
	if (contract_engine()->persists) {
		contract_close(store);
		store = contract_open();
		CU_ASSERT_TRUE(shows(store, 0, 0, "1+a=1. 2+b=2. 3+c=3. ", 3));
	}
	contract_put(store, "d", "4");
	CU_ASSERT_TRUE(shows(store, 1, 0, "2+b=2. 3+c=3. 4+d=4. ", 4));
	contract_close(store);
}

void a_since_of_another_time_is_gone(void)
{
	struct store *store = contract_open();
	uint64_t oldest = 99;

	CU_ASSERT_TRUE(is_gone(store, 1, &oldest));
	CU_ASSERT_EQUAL(oldest, 0);
	contract_put(store, "a", "1");
	CU_ASSERT_TRUE(is_gone(store, 2, &oldest));
	CU_ASSERT_TRUE(is_gone(store, UINT64_MAX, &oldest));
	contract_close(store);
}

static bool count_change(void *arg, const struct store_change *change)
{
	uint64_t *next = arg;

	if (change->revision != *next)
		CU_FAIL("a revision is missing");
	++*next;
	return true;
}

/* More is written than is kept: the oldest goes, the rest is without a gap. */
void only_so_much_history_is_kept(void)
{
	static char value[100000];
	struct store *store = contract_open();
	struct store_op op =
		op_put(view_of("a"), (struct view){ value, sizeof(value) });
	struct store_stats stats;
	uint64_t oldest = 0;
	uint64_t revision = 0;
	uint64_t next;

	for (int i = 0; i < 250; i++) {
		CU_ASSERT_EQUAL(contract_ops(store, &op, 1, &revision), ERR_OK);
		if (i % 20 == 0)
			CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
	}
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(store_housekeep(store, 5), ERR_OK);
	CU_ASSERT_TRUE(is_gone(store, 0, &oldest));
	CU_ASSERT(oldest > 0 && oldest < revision);
	store_stats(store, &stats);
	CU_ASSERT_EQUAL(stats.oldest, oldest);
	CU_ASSERT(stats.history_bytes > 0 &&
		  stats.history_bytes <= contract_conf().history_bytes);
	next = oldest + 1;
	CU_ASSERT_EQUAL(store_changes(store, oldest, count_change, &next,
				      &revision, &oldest),
			ERR_OK);
	CU_ASSERT_EQUAL(next, 251);
	CU_ASSERT_EQUAL(revision, 250);
	contract_close(store);
}

static bool readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

void a_descriptor_tells_that_there_is_something_new(void)
{
	struct store *store = contract_open();
	int fd = store_changes_fd(store, 0);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FALSE(readable(fd));
	contract_put(store, "a", "1");
	CU_ASSERT_TRUE(readable(fd));
	CU_ASSERT_EQUAL(store_changes_fd(store, 1), fd);
	CU_ASSERT_FALSE(readable(fd));
	CU_ASSERT_EQUAL(contract_delete(store, "no"), 0);
	CU_ASSERT_FALSE(readable(fd));
	contract_put(store, "b", "1");
	contract_put(store, "c", "1");
	CU_ASSERT_TRUE(readable(fd));
	/* At once, when there is something by now. */
	store_changes_fd(store, 2);
	CU_ASSERT_TRUE(readable(fd));
	store_changes_fd(store, 3);
	CU_ASSERT_FALSE(readable(fd));
	contract_close(store);
}

#define KEYS 30

/* What somebody knows who lists once and then only hears of changes. */
struct replica {
	uint64_t since;
	uint64_t revisions[KEYS]; /* of each key; 0 absent */
};

static size_t key_index(struct view key)
{
	return (size_t)((const unsigned char *)key.data)[0] - 'A';
}

static bool follow(void *arg, const struct store_change *change)
{
	struct replica *replica = arg;
	uint64_t *revision = &replica->revisions[key_index(change->key)];

	CU_ASSERT(change->revision > replica->since);
	*revision = change->verb == STORE_PUT ? change->revision : 0;
	return random_uint64() % 8 != 0;
}

static bool compare(void *arg, struct view key, const struct record *record)
{
	struct replica *replica = arg;
	uint64_t *revision = &replica->revisions[key_index(key)];

	CU_ASSERT_EQUAL(*revision, record->revision);
	*revision = 0;
	return true;
}

/* Follow to the end, and see that all and nothing else is there. */
static void check_replica(struct store *store, struct replica *replica)
{
	struct replica copy;
	uint64_t oldest;

	while (replica->since < contract_revision(store))
		CU_ASSERT_EQUAL_FATAL(store_changes(store, replica->since,
						    follow, replica,
						    &replica->since, &oldest),
				      ERR_OK);
	copy = *replica;
	CU_ASSERT_EQUAL(store_list(store, &(struct store_range){ 0 }, compare,
				   &copy, NULL),
			ERR_OK);
	for (size_t i = 0; i < KEYS; i++)
		CU_ASSERT_EQUAL(copy.revisions[i], 0);
}

static void change_something(struct store *store)
{
	static char keys[KEYS];
	struct store_op ops[4];
	size_t count = 1 + random_uint64() % COUNT(ops);
	uint64_t revision;

	for (size_t i = 0; i < count; i++) {
		size_t k = random_uint64() % KEYS;
		struct view key = { &keys[k], 1 };

		keys[k] = (char)('A' + (char)k);
		ops[i] = random_uint64() % 3 ? op_put(key, view_of("value"))
					     : op_delete(key);
	}
	CU_ASSERT_EQUAL(contract_ops(store, ops, count, &revision), ERR_OK);
}

void a_replica_that_follows_the_changes_equals_the_store(void)
{
	struct store *store = contract_open();
	struct replica replica = { 0 };

	for (int i = 0; i < 600; i++) {
		change_something(store);
		if (random_uint64() % 20 == 0)
			check_replica(store, &replica);
		if (random_uint64() % 30 == 0)
			CU_ASSERT_EQUAL(store_housekeep(store, 0), ERR_OK);
		if (random_uint64() % 60 == 0 && contract_engine()->persists) {
			contract_close(store);
			store = contract_open();
		}
	}
	check_replica(store, &replica);
	contract_close(store);
}
