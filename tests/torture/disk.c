/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A trace played up to a place.  Each file has the bytes that are on disk for
 * certain and a list of changes that may be; a sync moves those over.  How
 * much of the rest survives is drawn for the whole cut at first (nothing, all,
 * a beginning, a mixture), so that the extremes are common.
 */
#include "torture/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR    512
#define NAMES_MAX 512

struct bytes {
	unsigned char *data;
	size_t size;
	size_t room;
};

struct change {
	const struct trace_op *op;
	struct change *next;
};

struct changes {
	struct change *first;
	struct change **end;
	size_t count;
};

struct names {
	struct {
		char name[TRACE_NAME_SIZE];
		int file;
	} at[NAMES_MAX];
	size_t count;
};

/* What was there at first; the files by their names, in no order. */
struct disk {
	struct names names;
	struct bytes files[NAMES_MAX];
};

struct play {
	struct bytes *files; /* TRACE_FILES_MAX */
	struct changes *pending;
	struct names names;
	struct changes renames;
	struct dice *dice;
};

enum survival { NOTHING, ALL, BEGINNING, WHOLE_WRITES, SECTORS, SURVIVALS };

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

static void *new_zeros(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	check(p != NULL, "calloc");
	return p;
}

/* A file's bytes. */

static void resize(struct bytes *file, size_t size)
{
	if (size > file->room) {
		file->room = size * 2;
		file->data = realloc(file->data, file->room);
		check(file->data != NULL, "realloc");
	}
	if (size > file->size)
		memset(file->data + file->size, 0, size - file->size);
	file->size = size;
}

static void put(struct bytes *file, const unsigned char *data, size_t size,
		size_t at)
{
	if (at + size > file->size)
		resize(file, at + size);
	if (size > 0)
		memcpy(file->data + at, data, size);
}

static void apply(struct bytes *file, const struct trace_op *op)
{
	if (op->kind == TRACE_WRITE)
		put(file, op->data, op->size, op->at);
	else if (op->kind == TRACE_RESIZE || op->size > file->size)
		resize(file, op->size);
}

/* Of the sectors of a write those that `taken` says. */
static void apply_sectors(struct bytes *file, const struct trace_op *op,
			  struct dice *dice, unsigned percent, size_t *left)
{
	size_t size;

	for (size_t done = 0; done < op->size; done += size) {
		size = SECTOR - (op->at + done) % SECTOR;
		if (size > op->size - done)
			size = op->size - done;
		if (left ? *left == 0 : dice_roll(dice, 100) >= percent)
			continue;
		if (left)
			--*left;
		put(file, op->data + done, size, op->at + done);
	}
}

/* Changes that wait for a sync. */

static void wait_for_sync(struct changes *changes, const struct trace_op *op)
{
	struct change *change = new_zeros(1, sizeof(*change));

	change->op = op;
	if (!changes->first)
		changes->end = &changes->first;
	*changes->end = change;
	changes->end = &change->next;
	changes->count++;
}

static void drop(struct changes *changes)
{
	while (changes->first) {
		struct change *change = changes->first;

		changes->first = change->next;
		free(change);
	}
	changes->count = 0;
}

/* Names. */

static void set_name(struct names *names, const char *name, int file)
{
	size_t i = 0;

	while (i < names->count && strcmp(names->at[i].name, name))
		i++;
	check(i < NAMES_MAX, "names");
	snprintf(names->at[i].name, TRACE_NAME_SIZE, "%s", name);
	names->at[i].file = file;
	if (i == names->count)
		names->count++;
}

static void apply_name(struct names *names, const struct trace_op *op)
{
	switch (op->kind) {
	case TRACE_CREATE:
		set_name(names, op->name, (int)op->file);
		break;
	case TRACE_RENAME:
		set_name(names, op->name, -1);
		set_name(names, op->to, (int)op->file);
		break;
	default:
		set_name(names, op->name, -1);
	}
}

/* Playing. */

static void found(struct play *p, const struct disk *disk,
		  const struct trace_op *op)
{
	size_t i = 0;

	while (i < disk->names.count &&
	       strcmp(disk->names.at[i].name, op->name))
		i++;
	check(i < disk->names.count, "a file that nobody read");
	set_name(&p->names, op->name, (int)op->file);
	put(&p->files[op->file], disk->files[i].data, disk->files[i].size, 0);
}

static void step(struct play *p, const struct disk *disk,
		 const struct trace_op *op)
{
	const struct change *change;

	switch (op->kind) {
	case TRACE_FOUND:
		found(p, disk, op);
		break;
	case TRACE_CREATE:
	case TRACE_RENAME:
	case TRACE_UNLINK:
		wait_for_sync(&p->renames, op);
		break;
	case TRACE_SYNC_FOLDER:
		for (change = p->renames.first; change; change = change->next)
			apply_name(&p->names, change->op);
		drop(&p->renames);
		break;
	case TRACE_WRITE:
	case TRACE_RESIZE:
	case TRACE_ALLOCATE:
		wait_for_sync(&p->pending[op->file], op);
		break;
	case TRACE_SYNC:
		change = p->pending[op->file].first;
		for (; change; change = change->next)
			apply(&p->files[op->file], change->op);
		drop(&p->pending[op->file]);
		break;
	case TRACE_MARK:
		break;
	}
}

static size_t count_sectors(const struct changes *changes)
{
	size_t count = 0;

	for (const struct change *c = changes->first; c; c = c->next)
		count += c->op->size / SECTOR + 2;
	return count;
}

static void survive(struct play *p, unsigned file, enum survival survival)
{
	const struct changes *changes = &p->pending[file];
	size_t left = dice_roll(p->dice, count_sectors(changes) + 1);
	unsigned percent = (unsigned)dice_roll(p->dice, 101);

	for (const struct change *c = changes->first; c; c = c->next) {
		bool is_write = c->op->kind == TRACE_WRITE;

		if (survival == NOTHING)
			continue;
		if (survival == SECTORS && is_write)
			apply_sectors(&p->files[file], c->op, p->dice, percent,
				      NULL);
		else if (survival == BEGINNING && is_write)
			apply_sectors(&p->files[file], c->op, p->dice, 0,
				      &left);
		else if (survival == ALL || survival == BEGINNING ||
			 dice_roll(p->dice, 100) < percent)
			apply(&p->files[file], c->op);
	}
}

static void survive_names(struct play *p, enum survival survival)
{
	size_t left = dice_roll(p->dice, p->renames.count + 1);
	unsigned percent = (unsigned)dice_roll(p->dice, 101);

	for (const struct change *c = p->renames.first; c; c = c->next) {
		bool taken = survival == ALL;

		if (survival == BEGINNING)
			taken = left-- > 0;
		else if (survival > BEGINNING)
			taken = dice_roll(p->dice, 100) < percent;
		if (!taken && survival == BEGINNING)
			break;
		if (taken)
			apply_name(&p->names, c->op);
	}
}

/* From memory to a folder and back. */

static void write_file(int dir, const char *name, const struct bytes *file)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0640);
	ssize_t written;

	check(fd >= 0, name);
	written = pwrite(fd, file->data, file->size, 0);
	check(written == (ssize_t)file->size, name);
	close(fd);
}

static void empty(const char *folder)
{
	const struct dirent *entry;
	DIR *dir = opendir(folder);

	check(dir != NULL, folder);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			check(unlinkat(dirfd(dir), entry->d_name, 0) == 0,
			      entry->d_name);
	}
	closedir(dir);
}

static void write_folder(const struct play *p, const char *folder)
{
	int dir;

	empty(folder);
	dir = open(folder, O_RDONLY | O_DIRECTORY);
	check(dir >= 0, folder);
	for (size_t i = 0; i < p->names.count; i++) {
		int file = p->names.at[i].file;

		if (file >= 0)
			write_file(dir, p->names.at[i].name, &p->files[file]);
	}
	close(dir);
}

static void read_file(int dir, const char *name, struct bytes *file)
{
	int fd = openat(dir, name, O_RDONLY);
	struct stat status;

	check(fd >= 0 && fstat(fd, &status) == 0, name);
	resize(file, (size_t)status.st_size);
	check(pread(fd, file->data, file->size, 0) == (ssize_t)file->size,
	      name);
	close(fd);
}

struct disk *disk_read(const char *folder)
{
	struct disk *disk = new_zeros(1, sizeof(*disk));
	const struct dirent *entry;
	DIR *dir = opendir(folder);

	check(dir != NULL, folder);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		set_name(&disk->names, entry->d_name, 0);
		read_file(dirfd(dir), entry->d_name,
			  &disk->files[disk->names.count - 1]);
	}
	closedir(dir);
	return disk;
}

void disk_free(struct disk *disk)
{
	for (size_t i = 0; i < disk->names.count; i++)
		free(disk->files[i].data);
	free(disk);
}

static void play_release(struct play *p)
{
	for (size_t i = 0; i < TRACE_FILES_MAX; i++) {
		free(p->files[i].data);
		drop(&p->pending[i]);
	}
	drop(&p->renames);
	free(p->files);
	free(p->pending);
}

void disk_cut(const struct disk *disk, const struct trace *trace, size_t at,
	      struct dice *dice, const char *folder)
{
	struct play p = { .dice = dice };
	enum survival of_data = dice_roll(dice, SURVIVALS);
	enum survival of_names = dice_roll(dice, SURVIVALS);

	p.files = new_zeros(TRACE_FILES_MAX, sizeof(*p.files));
	p.pending = new_zeros(TRACE_FILES_MAX, sizeof(*p.pending));
	for (size_t i = 0; i < at; i++)
		step(&p, disk, trace_at(trace, i));
	for (unsigned file = 0; file < TRACE_FILES_MAX; file++)
		survive(&p, file, of_data);
	survive_names(&p, of_names);
	write_folder(&p, folder);
	play_release(&p);
}
