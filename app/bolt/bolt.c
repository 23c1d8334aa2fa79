/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The layout, all little-endian.  A page begins with
 *
 *    0  8  its number       10  2  number of elements
 *    8  2  kind             12  4  overflow: pages that it goes on for
 *
 * and then has elements, whose keys and values follow at `position`, counted
 * from the beginning of the element.
 *
 *   branch   0 4 position   4 4 key size   8 8 page
 *   leaf     0 4 1: a bucket   4 4 position   8 4 key size   12 4 value size
 *   meta     0 4 magic  4 4 version  8 4 page size  12 4 flags
 *            16 8 root page  24 8 root sequence  32 8 free list
 *            40 8 pages in all  48 8 transaction  56 8 FNV-1a of these 56
 *
 * A bucket's value is its root page (8) and a sequence (8); where the root is
 * 0, a leaf page follows.
 */
#include "bolt/bolt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

#define MAGIC         0xED0CDAEDu
#define VERSION       2
#define HEAD_SIZE     16
#define META_SIZE     64
#define ELEMENT_SIZE  16 /* of branch and leaf alike */
#define BUCKET_SIZE   16
#define PAGE_SIZE_MIN 512
#define PAGE_SIZE_MAX (1u << 20)
#define DEPTH_MAX     64
#define KEY_MAX       32768 /* bolt's MaxKeySize */

enum kind { KIND_BRANCH = 1, KIND_LEAF = 2, KIND_META = 4 };

struct meta {
	uint64_t page_size;
	uint64_t root;
	uint64_t page_count;
	uint64_t transaction;
};

struct bolt {
	int fd;
	const char *path;
	struct meta meta;
	struct buf *message;
	unsigned char *seen; /* a bit a page: it has been read */
};

/* A walk through one tree. */
struct walk {
	struct bolt *bolt;
	enum err (*pair)(struct walk *walk, struct view key, struct view value,
			 bool bucket);
	struct buf last; /* the key before */
	bool any;

	enum err (*each)(void *arg, struct view key, struct view value);
	void *arg;
	struct view name; /* of the bucket that is looked for */
	struct buf found; /* its value */
};

static enum err damaged(struct bolt *bolt, uint64_t page, const char *what)
{
	buf_clear(bolt->message);
	buf_addf(bolt->message, "%s: page %" PRIu64 " %s", bolt->path, page,
		 what);
	return ERR_DAMAGED;
}

static enum err failed(struct bolt *bolt, enum err err, const char *what)
{
	buf_clear(bolt->message);
	buf_addf(bolt->message, "%s: %s", bolt->path, what);
	return err;
}

/* FNV-1a with 64 bits. */
static uint64_t fnv(const unsigned char *p, size_t size)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * UINT64_C(1099511628211);
	return hash;
}

/* The meta block of the page at a position, if it is a sound one. */
static bool read_meta(const struct bolt *bolt, int64_t at, struct meta *meta)
{
	unsigned char page[HEAD_SIZE + META_SIZE];
	const unsigned char *p = page + HEAD_SIZE;
	ssize_t got = pread(bolt->fd, page, sizeof(page), (off_t)at);

	if (got != (ssize_t)sizeof(page))
		return false;
	if (le32_get(p) != MAGIC || le32_get(p + 4) != VERSION)
		return false;
	/* bolt itself takes 0 for a checksum that nobody has made yet */
	if (le64_get(p + 56) != 0 && le64_get(p + 56) != fnv(p, 56))
		return false;
	meta->page_size = le32_get(p + 8);
	meta->root = le64_get(p + 16);
	meta->page_count = le64_get(p + 40);
	meta->transaction = le64_get(p + 48);
	return meta->page_size >= PAGE_SIZE_MIN &&
	       meta->page_size <= PAGE_SIZE_MAX &&
	       !(meta->page_size & (meta->page_size - 1));
}

/*
 * The newer of the two meta blocks.  Where the first is torn, the page size,
 * and with it the place of the second, has to be guessed.
 */
static bool find_meta(struct bolt *bolt)
{
	struct meta second;
	bool found = read_meta(bolt, 0, &bolt->meta);
	uint64_t size = found ? bolt->meta.page_size : PAGE_SIZE_MIN;
	uint64_t last = found ? size : PAGE_SIZE_MAX;

	for (; size <= last; size *= 2) {
		if (!read_meta(bolt, (int64_t)size, &second) ||
		    second.page_size != size)
			continue;
		if (!found || second.transaction > bolt->meta.transaction)
			bolt->meta = second;
		return true;
	}
	return found;
}

/* No page lies behind the file's end, so that a size is never a surprise. */
static enum err check_length(struct bolt *bolt)
{
	const struct meta *meta = &bolt->meta;
	int64_t size;
	enum err err = file_size(bolt->fd, bolt->path, &size);

	if (err)
		return failed(bolt, err, err_string(err));
	if (meta->page_count > (uint64_t)size / meta->page_size)
		return failed(bolt, ERR_DAMAGED,
			      "the file is shorter than its pages; it was cut "
			      "off");
	bolt->seen = calloc(1, (size_t)(meta->page_count / 8 + 1));
	return bolt->seen
		       ? ERR_OK
		       : failed(bolt, ERR_NO_MEMORY, err_string(ERR_NO_MEMORY));
}

static bool visit(struct bolt *bolt, uint64_t id)
{
	unsigned char bit = (unsigned char)(1 << id % 8);

	if (bolt->seen[id / 8] & bit)
		return false;
	bolt->seen[id / 8] |= bit;
	return true;
}

/* A page with those that it goes on for, to be freed by the caller. */
static enum err read_page(struct bolt *bolt, uint64_t id, unsigned char **out,
			  size_t *size)
{
	const struct meta *meta = &bolt->meta;
	unsigned char head[HEAD_SIZE];
	uint64_t count;
	enum err err;

	*out = NULL;
	if (id < 2 || id >= meta->page_count)
		return damaged(bolt, id, "is not in the file");
	if (!visit(bolt, id))
		return damaged(bolt, id, "is referred to twice");
	err = file_read_at(bolt->fd, bolt->path, head, sizeof(head),
			   (int64_t)(id * meta->page_size));
	if (err)
		return failed(bolt, err, "can't be read");
	count = 1 + (uint64_t)le32_get(head + 12);
	if (le64_get(head) != id)
		return damaged(bolt, id, "has another number");
	if (count > meta->page_count - id)
		return damaged(bolt, id, "is longer than the file");
	*size = (size_t)(count * meta->page_size);
	*out = malloc(*size);
	if (!*out)
		return failed(bolt, ERR_NO_MEMORY, err_string(ERR_NO_MEMORY));
	err = file_read_at(bolt->fd, bolt->path, *out, *size,
			   (int64_t)(id * meta->page_size));
	return err ? failed(bolt, err, "can't be read") : ERR_OK;
}

/* Keys and values of an element, which must lie within the page. */
static bool cut(const unsigned char *page, size_t size, size_t element,
		uint32_t position, uint32_t key_size, uint32_t value_size,
		struct view *key, struct view *value)
{
	uint64_t at = (uint64_t)element + position;

	if (key_size > KEY_MAX || at > size ||
	    (uint64_t)key_size + value_size > size - at)
		return false;
	*key = (struct view){ page + at, key_size };
	*value = (struct view){ page + at + key_size, value_size };
	return true;
}

static enum err walk_leaf(struct walk *walk, uint64_t id,
			  const unsigned char *page, size_t size, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t at = HEAD_SIZE + i * ELEMENT_SIZE;
		const unsigned char *p = page + at;
		struct view key, value;
		enum err err;

		if (!cut(page, size, at, le32_get(p + 4), le32_get(p + 8),
			 le32_get(p + 12), &key, &value))
			return damaged(walk->bolt, id,
				       "has an element that it does not hold");
		if (walk->any && view_compare(key, buf_view(&walk->last)) <= 0)
			return damaged(walk->bolt, id,
				       "has keys that are not in order");
		walk->any = true;
		buf_clear(&walk->last);
		buf_add_view(&walk->last, key);
		err = walk->last.err
			      ? failed(walk->bolt, ERR_NO_MEMORY,
				       err_string(ERR_NO_MEMORY))
			      : walk->pair(walk, key, value, le32_get(p) & 1);
		if (err)
			return err;
	}
	return ERR_OK;
}

/* Checked: the elements themselves are within the page. */
static enum err check_page(struct bolt *bolt, uint64_t id,
			   const unsigned char *page, size_t size,
			   unsigned *kind, size_t *count)
{
	if (size < HEAD_SIZE)
		return damaged(bolt, id, "is shorter than its head");
	*kind = le16_get(page + 8);
	*count = le16_get(page + 10);
	if (*kind != KIND_BRANCH && *kind != KIND_LEAF)
		return damaged(bolt, id, "is neither a branch nor a leaf");
	if (*count > (size - HEAD_SIZE) / ELEMENT_SIZE)
		return damaged(bolt, id, "has more elements than it holds");
	return ERR_OK;
}

static enum err walk_page(struct walk *walk, uint64_t id, int depth)
{
	unsigned char *page;
	unsigned kind = 0;
	size_t count = 0;
	size_t size = 0;
	enum err err = read_page(walk->bolt, id, &page, &size);

	if (!err)
		err = check_page(walk->bolt, id, page, size, &kind, &count);
	if (!err && depth > DEPTH_MAX)
		err = damaged(walk->bolt, id, "is too deep in the tree");
	if (!err && kind == KIND_LEAF)
		err = walk_leaf(walk, id, page, size, count);
	for (size_t i = 0; !err && kind == KIND_BRANCH && i < count; i++)
		err = walk_page(
			walk, le64_get(page + HEAD_SIZE + i * ELEMENT_SIZE + 8),
			depth + 1);
	free(page);
	return err;
}

/* A bucket by its value: a tree of its own, or a page within it. */
static enum err walk_bucket(struct walk *walk, struct view bucket)
{
	const unsigned char *p = bucket.data;
	unsigned kind;
	size_t count;
	enum err err;

	if (bucket.size < BUCKET_SIZE)
		return failed(walk->bolt, ERR_DAMAGED,
			      "the bucket's value is cut off");
	if (le64_get(p) != 0)
		return walk_page(walk, le64_get(p), 0);
	p += BUCKET_SIZE;
	bucket.size -= BUCKET_SIZE;
	err = check_page(walk->bolt, 0, p, bucket.size, &kind, &count);
	if (!err && kind != KIND_LEAF)
		err = damaged(walk->bolt, 0, "in the bucket is no leaf");
	return err ? err : walk_leaf(walk, 0, p, bucket.size, count);
}

static enum err look_for(struct walk *walk, struct view key, struct view value,
			 bool bucket)
{
	if (bucket && view_equal(key, walk->name))
		buf_add_view(&walk->found, value);
	return walk->found.err;
}

static enum err pass_on(struct walk *walk, struct view key, struct view value,
			bool bucket)
{
	if (bucket)
		return failed(walk->bolt, ERR_FORMAT,
			      "there is a bucket within the bucket");
	return walk->each(walk->arg, key, value);
}

enum err bolt_each(struct bolt *bolt, struct view bucket,
		   enum err (*each)(void *arg, struct view key,
				    struct view value),
		   void *arg, struct buf *message)
{
	struct walk root = { .bolt = bolt, .pair = look_for, .name = bucket };
	struct walk tree = {
		.bolt = bolt, .pair = pass_on, .each = each, .arg = arg
	};
	enum err err;

	bolt->message = message;
	for (uint64_t i = 0; i <= bolt->meta.page_count / 8; i++)
		bolt->seen[i] = 0;
	err = walk_page(&root, bolt->meta.root, 0);
	if (!err && root.found.size == 0)
		err = failed(bolt, ERR_NOT_FOUND,
			     "there is no bucket of that name in it");
	if (!err)
		err = walk_bucket(&tree, buf_view(&root.found));
	buf_release(&root.found);
	buf_release(&root.last);
	buf_release(&tree.last);
	return err;
}

static enum err open_file(struct bolt *bolt)
{
	enum err err = file_open(AT_FDCWD, bolt->path, O_RDONLY, 0, &bolt->fd);

	if (err)
		return failed(bolt, err, "can't be opened");
	if (flock(bolt->fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK)
		return failed(bolt, ERR_OWNED,
			      "a running program has it open; stop that first");
	if (!find_meta(bolt))
		return failed(bolt, ERR_FORMAT,
			      "is not a file of BoltDB, or was made on a "
			      "big-endian machine");
	return check_length(bolt);
}

enum err bolt_open(const char *path, struct bolt **out, struct buf *message)
{
	struct bolt *bolt = calloc(1, sizeof(*bolt));
	enum err err;

	*out = NULL;
	if (!bolt)
		return ERR_NO_MEMORY;
	bolt->fd = -1;
	bolt->path = path;
	bolt->message = message;
	err = open_file(bolt);
	if (err) {
		bolt_close(bolt);
		return err;
	}
	*out = bolt;
	return ERR_OK;
}

void bolt_close(struct bolt *bolt)
{
	if (!bolt)
		return;
	file_close(&bolt->fd, bolt->path);
	free(bolt->seen);
	free(bolt);
}
