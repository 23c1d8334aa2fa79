/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/spool.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "harness.h"

#define CHUNK (256 << 10) /* that a spool writes and reads at once */
#define HEAD  16          /* bytes of a record beside its own */

/* What the n-th record is, by dice that fall the same each time. */
struct rolled {
	size_t key, type, value;
	int64_t expires_ms;
};

static char bytes[4 * CHUNK];

static struct rolled roll(unsigned n, size_t value_max)
{
	return (struct rolled){
		.key = 1 + n * 7 % 1024,
		.type = n * 5 % 256,
		.value = n * (size_t)7919 % (value_max + 1),
		.expires_ms = n % 3 ? 0 : (int64_t)n << 32,
	};
}

/* So that a byte out of its place is seen. */
static void fill_bytes(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 31 >> 3);
}

static enum err add(struct spool *spool, const struct rolled *rolled)
{
	const struct spool_record record = {
		.key = { bytes + 1, rolled->key },
		.type = { bytes + 2, rolled->type },
		.value = { bytes + 3, rolled->value },
		.expires_ms = rolled->expires_ms,
	};

	return spool_add(spool, &record);
}

static bool is(const struct spool_record *record, const struct rolled *rolled)
{
	return view_equal(record->key,
			  (struct view){ bytes + 1, rolled->key }) &&
	       view_equal(record->type,
			  (struct view){ bytes + 2, rolled->type }) &&
	       view_equal(record->value,
			  (struct view){ bytes + 3, rolled->value }) &&
	       record->expires_ms == rolled->expires_ms;
}

/* The first error; or ERR_DAMAGED when other records came out than went in. */
static enum err there_and_back(struct spool *spool, unsigned count,
			       size_t value_max)
{
	struct spool_record record;
	bool end = false;
	enum err err = ERR_OK;

	for (unsigned n = 0; !err && n < count; n++) {
		const struct rolled rolled = roll(n, value_max);

		err = add(spool, &rolled);
	}
	if (!err)
		err = spool_rewind(spool);
	for (unsigned n = 0; !err && n < count; n++) {
		const struct rolled rolled = roll(n, value_max);

		err = spool_next(spool, &record, &end);
		if (!err && (end || !is(&record, &rolled)))
			err = ERR_DAMAGED;
	}
	if (!err)
		err = spool_next(spool, &record, &end);
	return err || (end && spool->taken == count) ? err : ERR_DAMAGED;
}

static void what_was_added_comes_out_in_order(void)
{
	static const struct {
		int line;
		unsigned count;
		size_t value_max;
		bool file;
	} cases[] = {
		{ __LINE__, 0, 0, false },
		{ __LINE__, 1, 0, false },
		{ __LINE__, 100, 100, false },
		{ __LINE__, 10000, 100, true },
		{ __LINE__, 500, CHUNK, true },
		{ __LINE__, 40, 3 * CHUNK, true },
	};

	fill_bytes();
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct spool spool;

		spool_init(&spool, harness_tmpdir());
		HARNESS_CASE(cases[i].line,
			     there_and_back(&spool, cases[i].count,
					    cases[i].value_max) == ERR_OK);
		HARNESS_CASE(cases[i].line, (spool.fd >= 0) == cases[i].file);
		spool_release(&spool);
	}
}

/* One record and a half of it that ends just there, before it or behind it. */
static void a_record_may_end_anywhere_at_the_end_of_a_chunk(void)
{
	fill_bytes();
	for (size_t size = CHUNK - 3 * HEAD; size <= CHUNK + HEAD; size++) {
		const struct rolled first = { .key = 1, .value = size };
		const struct rolled second = { .key = 2, .value = 5 };
		struct spool_record record;
		struct spool spool;
		bool end;

		spool_init(&spool, harness_tmpdir());
		CU_ASSERT_EQUAL(add(&spool, &first), ERR_OK);
		CU_ASSERT_EQUAL(add(&spool, &second), ERR_OK);
		CU_ASSERT_EQUAL(spool_rewind(&spool), ERR_OK);
		CU_ASSERT_EQUAL(spool_next(&spool, &record, &end), ERR_OK);
		CU_ASSERT(!end && is(&record, &first));
		CU_ASSERT_EQUAL(spool_next(&spool, &record, &end), ERR_OK);
		CU_ASSERT(!end && is(&record, &second));
		CU_ASSERT_EQUAL(spool_next(&spool, &record, &end), ERR_OK);
		CU_ASSERT(end);
		spool_release(&spool);
	}
}

static void an_error_of_the_file_is_told_and_no_file_stays(void)
{
	static const struct {
		enum fault fault;
		int errnum;
		enum err err;
	} faults[] = {
		{ FAULT_WRITE, ENOSPC, ERR_FULL },
		{ FAULT_WRITE, EIO, ERR_IO },
		{ FAULT_READ, EIO, ERR_IO },
	};

	fill_bytes();
	for (size_t i = 0; i < HARNESS_COUNT(faults); i++) {
		for (unsigned n = 1;; n++) {
			struct spool spool;
			enum err err;

			spool_init(&spool, harness_tmpdir());
			fault_arm(faults[i].fault, n, faults[i].errnum);
			err = there_and_back(&spool, 100, CHUNK / 10);
			spool_release(&spool);
			if (!fault_disarm()) {
				CU_ASSERT_EQUAL(err, ERR_OK);
				CU_ASSERT(n > 3);
				break;
			}
			CU_ASSERT_NOT_EQUAL(err, ERR_OK);
			CU_ASSERT_NOT_EQUAL(err, ERR_DAMAGED);
			if (n > 1)
				CU_ASSERT_EQUAL(err, faults[i].err);
		}
	}
	CU_ASSERT_EQUAL(rmdir(harness_tmpdir()), 0);
	CU_ASSERT_EQUAL(mkdir(harness_tmpdir(), 0700), 0);
}

static void without_memory_it_is_told(void)
{
	if (!fault_available(FAULT_MEMORY))
		return;
	fill_bytes();
	for (unsigned n = 1;; n++) {
		struct spool spool;
		enum err err;

		spool_init(&spool, harness_tmpdir());
		fault_arm(FAULT_MEMORY, n, ENOMEM);
		err = there_and_back(&spool, 100, CHUNK / 10);
		if (!fault_disarm()) {
			CU_ASSERT_EQUAL(err, ERR_OK);
			CU_ASSERT(n > 1);
			spool_release(&spool);
			break;
		}
		CU_ASSERT_EQUAL(err, ERR_NO_MEMORY);
		spool_release(&spool);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_was_added_comes_out_in_order),
	HARNESS_TEST(a_record_may_end_anywhere_at_the_end_of_a_chunk),
	HARNESS_TEST(an_error_of_the_file_is_told_and_no_file_stays),
	HARNESS_TEST(without_memory_it_is_told),
};

int main(void)
{
	return harness_run("api/spool", tests, HARNESS_COUNT(tests));
}
