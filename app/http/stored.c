/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The memory, how it is divided, and which of the places (http/places.h) a
 * response is in or goes to.
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
#include "http/places.h"

#define SHELVES    2
#define SMALL_SIZE 1024
#define LARGE_SIZE 16384

#define ASKED_COUNT 65536 /* hashes of targets; half of each is its place */

enum { RESPONSES, COUNTS };

/*
 * Of all that is in the memory, whatever says where it is: to be raised when
 * that changes, since lighttpd may still have the module of the version before.
 */
#define LAYOUT UINT64_C(0x6c69627261706901) /* "librapi", 1 */

/* The beginning of the responses. */
struct front {
	struct marks marks;
	uint64_t layout;
	_Atomic uint32_t edition;
	_Atomic uint16_t asked[ASKED_COUNT];
};

#define SHELVES_AT                                                             \
	((sizeof(struct front) + SMALL_SIZE - 1) / SMALL_SIZE * SMALL_SIZE)

struct counts {
	_Atomic uint64_t given;
	_Atomic uint64_t bytes;
};

struct stored {
	int fds[STORED_FDS]; /* -1 each in lighttpd */
	size_t size;         /* of the mapping of responses */
	struct front *front; /* its beginning */
	struct counts *counts;
	struct places shelves[SHELVES];
	uint32_t edition; /* of what this process keeps */
	unsigned turn;    /* which way of a full set is next */
	struct buf bytes; /* of the response being kept */
};

/* How the bytes behind the front are divided. */
static void divide(struct stored *stored)
{
	static const struct {
		size_t size;
		size_t quarters;
	} parts[SHELVES] = { { SMALL_SIZE, 3 }, { LARGE_SIZE, 1 } };
	size_t quarter = (stored->size - SHELVES_AT) / 4;
	char *at = (char *)stored->front + SHELVES_AT;

	quarter -= quarter % SMALL_SIZE;
	for (int i = 0; i < SHELVES; i++) {
		size_t bytes = quarter * parts[i].quarters;

		places_init(&stored->shelves[i], parts[i].size, at, bytes);
		at += bytes;
	}
}

/* Never PLACES_NO_TAG. */
static uint32_t hash_of(struct view target)
{
	uint32_t hash = crc32c(0, target.data, target.size);

	return hash == PLACES_NO_TAG ? 1 : hash;
}

/* Reading */

/* Made by the settings of today, and of a key that was not changed since. */
static bool is_true(const struct stored *stored, const struct place_head *head)
{
	const struct front *front = stored->front;

	return head->edition == atomic_load(&front->edition) &&
	       marks_agree(&front->marks, head->mark, head->revision);
}

static bool find_in(const struct stored *stored, const struct places *places,
		    struct view target, uint32_t hash, struct buf *hold,
		    struct place_head *head)
{
	for (unsigned way = 0; places->sets && way < PLACES_WAYS; way++) {
		size_t number = places_first(places, hash) + way;
		uint64_t turn;

		if (places_tag(places, number) != hash ||
		    !places_read_head(places, number, &turn, head) ||
		    head->hash != hash || head->target_size != target.size ||
		    !places_read_bytes(places, number, turn, head, hold) ||
		    memcmp(hold->data, target.data, target.size) != 0)
			continue;
		return is_true(stored, head);
	}
	return false;
}

bool stored_may_have(const struct stored *stored, struct view target)
{
	uint32_t hash = hash_of(target);

	for (int i = 0; i < SHELVES; i++) {
		if (places_have(&stored->shelves[i], hash, hash))
			return true;
	}
	return false;
}

bool stored_find(struct stored *stored, struct view target, struct buf *hold,
		 struct stored_response *response)
{
	uint32_t hash = hash_of(target);
	struct place_head head;
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

/*
 * Where it goes: over what has its hash, or into an empty place, or one whose
 * response is no longer true, or over any.  False when it is there.
 */
static bool choose(struct stored *stored, const struct places *places,
		   const struct place_head *head, size_t *number)
{
	size_t first = places_first(places, head->hash);
	bool empty = false;

	*number = first + stored->turn++ % PLACES_WAYS;
	for (size_t i = first; i < first + PLACES_WAYS; i++) {
		struct place_head there;
		uint64_t turn;

		if (places_tag(places, i) == PLACES_NO_TAG) {
			if (!empty && places_empty(places, i)) {
				empty = true;
				*number = i;
			}
			continue;
		}
		if (!places_read_head(places, i, &turn, &there))
			continue;
		if (!empty && !is_true(stored, &there))
			*number = i;
		if (there.hash != head->hash)
			continue;
		*number = i;
		return !is_true(stored, &there) ||
		       places_size(&there) != places_size(head);
	}
	return true;
}

/* NULL when it is too large. */
static const struct places *shelf_for(const struct stored *stored,
				      const struct stored_response *response)
{
	size_t size = response->target.size + response->fields.size +
		      response->body.size;

	if (response->target.size > STORED_TARGET_MAX)
		return NULL;
	for (int i = 0; i < SHELVES; i++) {
		const struct places *shelf = &stored->shelves[i];

		if (shelf->sets && size <= places_room(shelf))
			return shelf;
	}
	return NULL;
}

/*
 * It is from now on.  Multiplied (Knuth, The Art of Computer Programming 6.4),
 * since the CRCs of what differs in few digits share many of their bits.
 */
static bool was_asked_for(struct stored *stored, uint32_t hash)
{
	uint32_t mixed = hash * 2654435761U;
	_Atomic uint16_t *asked = &stored->front->asked[mixed >> 16];
	uint16_t low = (uint16_t)mixed;

	if (atomic_load_explicit(asked, memory_order_relaxed) == low)
		return true;
	atomic_store_explicit(asked, low, memory_order_relaxed);
	return false;
}

bool stored_wants(struct stored *stored, const struct stored_response *response)
{
	const struct places *shelf = shelf_for(stored, response);
	uint32_t hash = hash_of(response->target);

	return shelf &&
	       (places_have(shelf, hash, PLACES_NO_TAG) ||
		places_have(shelf, hash, hash) || was_asked_for(stored, hash));
}

/* In whole words. */
static void add_bytes(const struct stored_response *response, struct buf *out)
{
	static const char zeros[PLACES_WORD] = { 0 };

	buf_clear(out);
	buf_add_view(out, response->target);
	buf_add_view(out, response->fields);
	buf_add_view(out, response->body);
	if (out->size % PLACES_WORD)
		buf_add(out, zeros, PLACES_WORD - out->size % PLACES_WORD);
}

void stored_keep(struct stored *stored, const struct stored_response *response)
{
	const struct place_head head = {
		.revision = response->revision,
		.mark = response->mark,
		.hash = hash_of(response->target),
		.target_size = (uint32_t)response->target.size,
		.fields_size = (uint32_t)response->fields.size,
		.body_size = (uint32_t)response->body.size,
		.edition = stored->edition,
	};
	const struct places *shelf = shelf_for(stored, response);
	size_t number;

	if (!shelf || !choose(stored, shelf, &head, &number))
		return;
	add_bytes(response, &stored->bytes);
	if (!stored->bytes.err)
		places_write(shelf, number, &head, &stored->bytes);
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
	return stored->front && stored->counts ? ERR_OK : ERR_SYSTEM;
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
	stored->size = SHELVES_AT + bytes;
	err = make("librapi-responses", stored->size, &stored->fds[RESPONSES]);
	if (!err)
		err = make("librapi-counts", sizeof(struct counts),
			   &stored->fds[COUNTS]);
	if (!err)
		err = map_both(stored, stored->fds, PROT_READ | PROT_WRITE);
	if (!err) {
		stored->front->layout = LAYOUT;
		divide(stored);
		err = seal(stored->fds);
	}
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
	if (responses.st_size < (off_t)SHELVES_AT ||
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
	if (!err && stored->front->layout != LAYOUT)
		err = ERR_FORMAT;
	if (err) {
		stored_free(stored);
		return err;
	}
	divide(stored);
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
