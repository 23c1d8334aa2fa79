/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commits by the dice, and what they come to; see ledger.h. */
#include "torture/ledger.h"

#include <sys/mman.h>

#include "torture/operation.h"

#define ENTRIES   (UINT64_C(1) << 23) /* and the head in their room */
#define SIZE      (ENTRIES * sizeof(struct ledger_entry))
#define BATCH_MAX 12

/* The store's wall_ms takes no argument, so the clock's state stands here. */
static struct {
	struct ledger *ledger;
	int64_t stopped_ms; /* 0: it goes */
} ticking;

static struct ledger *map(int fd)
{
	int kind = fd < 0 ? MAP_ANONYMOUS : 0;
	void *at;

	if (fd >= 0 && ftruncate(fd, SIZE))
		return NULL;
	at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_NORESERVE | kind, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

struct ledger *ledger_new(int fd, unsigned keys)
{
	struct ledger *ledger = map(fd);

	if (ledger)
		ledger->keys = keys;
	return ledger;
}

struct ledger *ledger_open(int fd)
{
	return map(fd);
}

void ledger_free(struct ledger *ledger)
{
	munmap(ledger, SIZE);
}

int64_t ledger_clock_ms(void)
{
	if (ticking.stopped_ms)
		return ticking.stopped_ms;
	return CLOCK_BEGIN_MS + (int64_t)atomic_load(&ticking.ledger->numbers);
}

void ledger_start_clock(struct ledger *ledger)
{
	ticking.ledger = ledger;
	ticking.stopped_ms = 0;
}

void ledger_stop_clock(void)
{
	ticking.stopped_ms = ledger_clock_ms();
}

static struct ledger_entry draw(struct ledger *ledger, struct dice *dice)
{
	uint64_t what = dice_roll(dice, 100);
	struct ledger_entry entry = {
		.from = (uint32_t)dice_roll(dice, ledger->keys),
		.count = 1,
		.kind = LEDGER_PUTS,
	};

	if (what < 45)
		return entry;
	entry.count = (uint16_t)(1 + dice_roll(dice, BATCH_MAX));
	if (what < 65)
		entry.kind = LEDGER_MIXED;
	else if (what < 80)
		entry.kind = LEDGER_DELETES;
	else if (what < 82 && dice_roll(dice, ledger->keys) < 48)
		entry.kind = LEDGER_PREFIX;
	return entry;
}

static void raise_to(_Atomic uint64_t *least, uint64_t revision)
{
	uint64_t now = atomic_load(least);

	while (now < revision &&
	       !atomic_compare_exchange_weak(least, &now, revision))
		continue;
}

static enum err commit(struct ledger *ledger, struct store *store,
		       const struct ledger_entry *entry, uint64_t number,
		       uint64_t *revision, uint64_t *ticket)
{
	char keys[BATCH_MAX][KEY_SIZE];
	char values[BATCH_MAX][VALUE_MAX];
	struct store_op ops[BATCH_MAX] = { 0 };
	struct store_batch batch = { .ops = ops, .op_count = entry->count };
	enum err err;

	for (unsigned i = 0; i < entry->count; i++) {
		ops[i].key = key_of((entry->from + i) % ledger->keys, keys[i]);
		ops[i].verb = STORE_DELETE;
		if (deletes(entry->kind, i))
			continue;
		ops[i].verb = STORE_PUT;
		ops[i].value = value_of(number + i, values[i]);
		ops[i].type = view_of("text/plain");
		ops[i].expires_ms = expiry_of(ledger, number + i);
	}
	err = store_commit(store, &batch, ticket);
	*revision = err ? 0 : batch.revision;
	return err;
}

enum err ledger_commit(struct ledger *ledger, struct store *store,
		       struct dice *dice, uint64_t *revision, uint64_t *ticket)
{
	struct ledger_entry entry = draw(ledger, dice);
	struct ledger_entry *place;
	uint64_t deleted;
	uint64_t this_one = 0;
	uint64_t number = 1 + atomic_fetch_add(&ledger->numbers, entry.count);
	enum err err;

	*revision = 0;
	if (entry.kind == LEDGER_PREFIX)
		err = store_delete_prefix(store, view_of(PREFIX), &deleted,
					  revision, &this_one);
	else
		err = commit(ledger, store, &entry, number, revision,
			     &this_one);
	if (*ticket < this_one)
		*ticket = this_one;
	if (err || *revision == 0)
		return err;
	if (*revision >= ENTRIES - sizeof(struct ledger))
		return ERR_FULL;
	place = &ledger->entries[*revision];
	place->from = entry.from;
	place->count = entry.count;
	place->kind = entry.kind;
	atomic_store(&place->number, number);
	raise_to(&ledger->last, *revision);
	return ERR_OK;
}

void ledger_ack(struct ledger *ledger, uint64_t revision)
{
	raise_to(&ledger->acked, revision);
}

void ledger_rewind(struct ledger *ledger, uint64_t revision)
{
	atomic_store(&ledger->acked, revision);
	for (uint64_t r = revision + 1; r <= ledger->last; r++)
		atomic_store(&ledger->entries[r].number, 0);
	atomic_store(&ledger->last, revision);
}
