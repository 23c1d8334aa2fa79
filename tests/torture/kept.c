/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files kept in memory, and what can happen to their bytes; see kept.h. */
#include "torture/kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

const char *const damage_names[DAMAGES] = { "flip",   "zero",   "cut",
					    "repeat", "insert", "append" };

void kept_slurp(int fd, struct buf *out)
{
	struct stat status;

	buf_clear(out);
	CU_ASSERT_EQUAL_FATAL(fstat(fd, &status), 0);
	buf_reserve(out, (size_t)status.st_size + 1);
	CU_ASSERT_EQUAL_FATAL(out->err, ERR_OK);
	CU_ASSERT_EQUAL_FATAL(pread(fd, out->data, (size_t)status.st_size, 0),
			      status.st_size);
	out->size = (size_t)status.st_size;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct kept_file *)a)->name,
		      ((const struct kept_file *)b)->name);
}

static DIR *open_folder(const char *folder)
{
	DIR *dir = opendir(folder);

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	return dir;
}

void kept_read(struct kept *kept, const char *folder)
{
	DIR *dir = open_folder(folder);
	struct dirent *entry;

	*kept = (struct kept){ 0 };
	while ((entry = readdir(dir))) {
		struct kept_file *file = &kept->files[kept->count];
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		CU_ASSERT_FATAL(kept->count < KEPT_FILES);
		snprintf(file->name, sizeof(file->name), "%s", entry->d_name);
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY);
		CU_ASSERT_FATAL(fd >= 0);
		kept_slurp(fd, &file->bytes);
		close(fd);
		kept->count++;
	}
	closedir(dir);
	qsort(kept->files, kept->count, sizeof(kept->files[0]), compare_names);
}

void kept_release(struct kept *kept)
{
	for (size_t i = 0; i < kept->count; i++)
		buf_release(&kept->files[i].bytes);
	kept->count = 0;
}

static void write_file(int dir, const char *name, struct view bytes)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0640);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(
		write(fd, bytes.size ? bytes.data : "", bytes.size),
		(ssize_t)bytes.size);
	close(fd);
}

void kept_write(const struct kept *kept, const char *folder, size_t other,
		struct view bytes)
{
	DIR *dir = open_folder(folder);
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	for (size_t i = 0; i < kept->count; i++)
		write_file(dirfd(dir), kept->files[i].name,
			   i == other ? bytes
				      : buf_view(&kept->files[i].bytes));
	closedir(dir);
}

static void change(enum damage damage, struct buf *out, size_t at, size_t size)
{
	size_t rest = out->size - at;
	size_t fits = rest - size < size ? rest - size : size;

	for (size_t i = at; damage == DAMAGE_FLIP && i < at + size; i++)
		out->data[i] ^= (char)(1 << i % 8);
	if (damage == DAMAGE_ZERO)
		memset(out->data + at, 0, size);
	if (damage == DAMAGE_CUT)
		out->size = at;
	if (damage == DAMAGE_REPEAT)
		memcpy(out->data + at + size, out->data + at, fits);
}

bool damage_do(enum damage damage, struct view original, size_t at, size_t size,
	       struct buf *out)
{
	const char *bytes = original.data;
	size_t rest = original.size - at;

	if (size > rest)
		size = rest;
	buf_clear(out);
	buf_add(out, bytes, at);
	if (damage == DAMAGE_INSERT)
		buf_add(out, bytes + at, size);
	buf_add(out, bytes + at, rest);
	for (size_t i = 0; damage == DAMAGE_APPEND && i < size; i++)
		buf_add_char(out, (char)(i * 151 + at));
	CU_ASSERT_EQUAL_FATAL(out->err, ERR_OK);
	change(damage, out, at, size);
	return !view_equal(buf_view(out), original);
}
