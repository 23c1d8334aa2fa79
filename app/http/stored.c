/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A place is read without a lock, so it may change meanwhile: its turn is odd
 * while somebody writes, and another one afterwards (a seqlock; Boehm, "Can
 * seqlocks get along with programming language memory models?", MSPC 2012,
 * figure 6).  So everything in it is read and written by atomic words, first
 * into memory of one's own, and looked at only when the turn was the same.
 */
#include "http/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"

#define SHELVES    2
#define SMALL_SIZE 1024
#define LARGE_SIZE 16384
#define WORD       sizeof(uint64_t)

enum { RESPONSES, COUNTS };

struct place {
	_Atomic uint64_t turn; /* odd: being written */
	_Atomic uint64_t words[];
};

/* What the words are, the bytes of target, fields and body behind it. */
struct head {
	uint64_t revision;
	uint32_t mark;
	uint32_t hash; /* of the target */
	uint32_t target_size;
	uint32_t fields_size;
	uint32_t body_size;
	uint32_t edition;
};

#define HEAD_WORDS (sizeof(struct head) / WORD)
#define PLACES_AT                                                              \
	((sizeof(struct front) + SMALL_SIZE - 1) / SMALL_SIZE * SMALL_SIZE)

/*
 * Places of one size, and for each its tag: the hash of what is there, or 0
 * when nothing ever was.  So most looks end without touching a place.
 */
struct shelf {
	size_t place_size;
	size_t sets;
	_Atomic uint32_t *tags;
	char *places;
};

/* The beginning of the responses. */
struct front {
	struct marks marks;
	_Atomic uint32_t edition;
};

struct counts {
	_Atomic uint64_t given;
	_Atomic uint64_t bytes;
};

struct stored {
	int fds[STORED_FDS]; /* -1 each in lighttpd */
	size_t size;         /* of the mapping of responses */
	struct front *front; /* its beginning */
	struct counts *counts;
	struct shelf shelves[SHELVES];
	uint32_t edition; /* of what this process keeps */
	unsigned turn;    /* which way of a full set is next */
	struct buf bytes; /* of the response being kept */
};

/* How the bytes behind the front are divided. */
static void divide(struct stored *stored)
{
	static const struct {
		size_t place_size;
		size_t quarters;
	} parts[SHELVES] = { { SMALL_SIZE, 3 }, { LARGE_SIZE, 1 } };
	size_t quarter = (stored->size - PLACES_AT) / 4;
	char *at = (char *)stored->front + PLACES_AT;

	for (int i = 0; i < SHELVES; i++) {
		struct shelf *shelf = &stored->shelves[i];
		size_t size = parts[i].place_size + sizeof(*shelf->tags);
		size_t bytes = quarter * parts[i].quarters;

		shelf->place_size = parts[i].place_size;
		shelf->sets = bytes / (size * STORED_WAYS);
		shelf->places = at;
		at += shelf->sets * STORED_WAYS * shelf->place_size;
		shelf->tags = (void *)at;
		at += shelf->sets * STORED_WAYS * sizeof(*shelf->tags);
	}
}

/* The first of the places that a hash may be in. */
static size_t set_of(const struct shelf *shelf, uint32_t hash)
{
	return hash % shelf->sets * STORED_WAYS;
}

static struct place *place_at(const struct shelf *shelf, size_t number)
{
	return (void *)(shelf->places + number * shelf->place_size);
}

static uint32_t tag_at(const struct shelf *shelf, size_t number)
{
	return atomic_load_explicit(&shelf->tags[number], memory_order_relaxed);
}

static uint64_t turn_at(const struct shelf *shelf, size_t number)
{
	return atomic_load_explicit(&place_at(shelf, number)->turn,
				    memory_order_relaxed);
}

static size_t room_in(const struct shelf *shelf)
{
	return shelf->place_size - sizeof(struct place) - sizeof(struct head);
}

/* Never 0, which is the tag of a place where nothing ever was. */
static uint32_t hash_of(struct view target)
{
	uint32_t hash = crc32c(0, target.data, target.size);

	return hash ? hash : 1;
}

/* Reading */

static void load(void *to, const _Atomic uint64_t *from, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t word =
			atomic_load_explicit(&from[i], memory_order_relaxed);

		memcpy((char *)to + i * WORD, &word, WORD);
	}
}

static bool unchanged(const struct place *place, uint64_t turn)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&place->turn, memory_order_relaxed) == turn;
}

static size_t size_of(const struct head *head)
{
	return (size_t)head->target_size + head->fields_size + head->body_size;
}

/* What is kept there; false when it is being written. */
static bool read_head(const struct place *place, uint64_t *turn,
		      struct head *head)
{
	*turn = atomic_load_explicit(&place->turn, memory_order_acquire);
	if (*turn % 2)
		return false;
	load(head, place->words, HEAD_WORDS);
	return unchanged(place, *turn);
}

/* Made by the settings of today, and of a key that was not changed since. */
static bool is_true(const struct stored *stored, const struct head *head)
{
	const struct front *front = stored->front;

	return head->edition == atomic_load(&front->edition) &&
	       marks_agree(&front->marks, head->mark, head->revision);
}

static bool read_bytes(const struct shelf *shelf, const struct place *place,
		       uint64_t turn, const struct head *head, struct buf *hold)
{
	size_t words = (size_of(head) + WORD - 1) / WORD;

	if (size_of(head) > room_in(shelf))
		return false;
	buf_clear(hold);
	buf_reserve(hold, words * WORD);
	if (hold->err)
		return false;
	load(hold->data, place->words + HEAD_WORDS, words);
	hold->size = size_of(head);
	return unchanged(place, turn);
}

static bool find_in(const struct stored *stored, const struct shelf *shelf,
		    struct view target, uint32_t hash, struct buf *hold,
		    struct head *head)
{
	for (unsigned way = 0; shelf->sets && way < STORED_WAYS; way++) {
		size_t number = set_of(shelf, hash) + way;
		const struct place *place = place_at(shelf, number);
		uint64_t turn;

		if (tag_at(shelf, number) != hash ||
		    !read_head(place, &turn, head) || head->hash != hash ||
		    head->target_size != target.size ||
		    !read_bytes(shelf, place, turn, head, hold) ||
		    memcmp(hold->data, target.data, target.size) != 0)
			continue;
		return is_true(stored, head);
	}
	return false;
}

bool stored_find(struct stored *stored, struct view target, struct buf *hold,
		 struct stored_response *response)
{
	uint32_t hash = hash_of(target);
	struct head head;
	const char *at;

	for (int i = 0; i < SHELVES; i++) {
		if (!find_in(stored, &stored->shelves[i], target, hash, hold,
			     &head))
			continue;
		at = hold->data + head.target_size;
		*response = (struct stored_response){
			.target = target,
			.revision = head.revision,
			.mark = head.mark,
			.fields = { at, head.fields_size },
			.body = { at + head.fields_size, head.body_size },
		};
		return true;
	}
	return false;
}

/* Writing */

static void store_words(_Atomic uint64_t *to, const void *from, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, (const char *)from + i * WORD, WORD);
		atomic_store_explicit(&to[i], word, memory_order_relaxed);
	}
}

/* Nothing when somebody else is at it, or died there. */
static void write_place(const struct shelf *shelf, size_t number,
			const struct head *head, const struct buf *bytes)
{
	struct place *place = place_at(shelf, number);
	uint64_t turn =
		atomic_load_explicit(&place->turn, memory_order_relaxed);

	if (turn % 2 ||
	    !atomic_compare_exchange_strong(&place->turn, &turn, turn + 1))
		return;
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&shelf->tags[number], head->hash,
			      memory_order_relaxed);
	store_words(place->words, head, HEAD_WORDS);
	store_words(place->words + HEAD_WORDS, bytes->data, bytes->size / WORD);
	atomic_store_explicit(&place->turn, turn + 2, memory_order_release);
}

/*
 * Where it goes: over what has its hash, or into an empty place, or one whose
 * response is no longer true, or over any.  False when it is there.
 */
static bool choose(struct stored *stored, const struct shelf *shelf,
		   const struct head *head, size_t *number)
{
	size_t first = set_of(shelf, head->hash);
	bool empty = false;

	*number = first + stored->turn++ % STORED_WAYS;
	for (size_t i = first; i < first + STORED_WAYS; i++) {
		struct head there;
		uint64_t turn;

		if (!tag_at(shelf, i)) {
			if (!empty && !turn_at(shelf, i)) {
				empty = true;
				*number = i;
			}
			continue;
		}
		if (!read_head(place_at(shelf, i), &turn, &there))
			continue;
		if (!empty && !is_true(stored, &there))
			*number = i;
		if (there.hash != head->hash)
			continue;
		*number = i;
		return !is_true(stored, &there) ||
		       size_of(&there) != size_of(head);
	}
	return true;
}

static struct shelf *shelf_for(struct stored *stored, size_t size)
{
	for (int i = 0; i < SHELVES; i++) {
		struct shelf *shelf = &stored->shelves[i];

		if (shelf->sets && size <= room_in(shelf))
			return shelf;
	}
	return NULL;
}

/* In whole words. */
static void add_bytes(const struct stored_response *response, struct buf *out)
{
	static const char zeros[WORD] = { 0 };

	buf_clear(out);
	buf_add_view(out, response->target);
	buf_add_view(out, response->fields);
	buf_add_view(out, response->body);
	if (out->size % WORD)
		buf_add(out, zeros, WORD - out->size % WORD);
}

void stored_keep(struct stored *stored, const struct stored_response *response)
{
	const struct head head = {
		.revision = response->revision,
		.mark = response->mark,
		.hash = hash_of(response->target),
		.target_size = (uint32_t)response->target.size,
		.fields_size = (uint32_t)response->fields.size,
		.body_size = (uint32_t)response->body.size,
		.edition = stored->edition,
	};
	struct shelf *shelf;
	size_t number;

	if (response->target.size > STORED_TARGET_MAX ||
	    response->body.size > LARGE_SIZE)
		return;
	shelf = shelf_for(stored, size_of(&head));
	if (!shelf || !choose(stored, shelf, &head, &number))
		return;
	add_bytes(response, &stored->bytes);
	if (!stored->bytes.err)
		write_place(shelf, number, &head, &stored->bytes);
}

void stored_forget(struct stored *stored)
{
	if (stored)
		stored->edition =
			atomic_fetch_add(&stored->front->edition, 1) + 1;
}

void stored_count(struct stored *stored, size_t bytes)
{
	atomic_fetch_add_explicit(&stored->counts->given, 1,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&stored->counts->bytes, bytes,
				  memory_order_relaxed);
}

void stored_counts(const struct stored *stored, uint64_t *given,
		   uint64_t *bytes)
{
	*given = atomic_load(&stored->counts->given);
	*bytes = atomic_load(&stored->counts->bytes);
}

/* The memory */

/* NULL when it can't be had. */
static void *map(int fd, size_t size, int protection)
{
	void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static enum err map_both(struct stored *stored, const int fds[STORED_FDS],
			 int protection)
{
	stored->front = map(fds[RESPONSES], stored->size, protection);
	stored->counts =
		map(fds[COUNTS], sizeof(struct counts), PROT_READ | PROT_WRITE);
	if (!stored->front || !stored->counts)
		return ERR_SYSTEM;
	divide(stored);
	return ERR_OK;
}

static enum err make(const char *name, size_t size, int *fd)
{
	*fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0 || ftruncate(*fd, (off_t)size))
		return ERR_SYSTEM;
	return ERR_OK;
}

/*
 * What is mapped can still be written to, but is not mapped so again; before
 * Linux 5.1 it can.
 */
static enum err seal(const int fds[STORED_FDS])
{
	const int lasting = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int failed = fcntl(fds[RESPONSES], F_ADD_SEALS,
			   lasting | F_SEAL_FUTURE_WRITE);

	if (failed && errno == EINVAL)
		failed = fcntl(fds[RESPONSES], F_ADD_SEALS, lasting);
	if (failed || fcntl(fds[COUNTS], F_ADD_SEALS, lasting))
		return ERR_SYSTEM;
	return ERR_OK;
}

static struct stored *empty(void)
{
	struct stored *stored = calloc(1, sizeof(*stored));

	for (int i = 0; stored && i < STORED_FDS; i++)
		stored->fds[i] = -1;
	return stored;
}

enum err stored_new(size_t bytes, struct stored **out)
{
	struct stored *stored = empty();
	enum err err;

	*out = NULL;
	if (!stored)
		return log_errno("start-failed", "stored responses", ENOMEM);
	stored->size = PLACES_AT + bytes;
	err = make("librapi-responses", stored->size, &stored->fds[RESPONSES]);
	if (!err)
		err = make("librapi-counts", sizeof(struct counts),
			   &stored->fds[COUNTS]);
	if (!err)
		err = map_both(stored, stored->fds, PROT_READ | PROT_WRITE);
	if (!err)
		err = seal(stored->fds);
	if (err) {
		err = log_errno("start-failed", "stored responses", errno);
		stored_free(stored);
		return err;
	}
	*out = stored;
	return ERR_OK;
}

struct marks *stored_marks(struct stored *stored)
{
	return stored ? &stored->front->marks : NULL;
}

const int *stored_fds(const struct stored *stored)
{
	return stored->fds;
}

static enum err measure(const int fds[STORED_FDS], size_t *size)
{
	struct stat responses;
	struct stat counts;

	if (fstat(fds[RESPONSES], &responses) || fstat(fds[COUNTS], &counts))
		return ERR_SYSTEM;
	if (responses.st_size < (off_t)PLACES_AT ||
	    counts.st_size < (off_t)sizeof(struct counts))
		return ERR_FORMAT;
	*size = (size_t)responses.st_size;
	return ERR_OK;
}

enum err stored_map(const int fds[STORED_FDS], struct stored **out)
{
	struct stored *stored = empty();
	enum err err;

	*out = NULL;
	if (!stored)
		return ERR_NO_MEMORY;
	err = measure(fds, &stored->size);
	if (!err)
		err = map_both(stored, fds, PROT_READ);
	if (err) {
		stored_free(stored);
		return err;
	}
	*out = stored;
	return ERR_OK;
}

void stored_free(struct stored *stored)
{
	if (!stored)
		return;
	if (stored->front)
		munmap(stored->front, stored->size);
	if (stored->counts)
		munmap(stored->counts, sizeof(struct counts));
	for (int i = 0; i < STORED_FDS; i++)
		if (stored->fds[i] >= 0)
			close(stored->fds[i]);
	buf_release(&stored->bytes);
	free(stored);
}
