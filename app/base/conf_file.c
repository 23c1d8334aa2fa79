/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The settings file, line by line. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/conf_source.h"

enum { FILE_MAX_BYTES = 64 * 1024 };

static struct view strip_comment(struct view line)
{
	const char *p = line.data;

	for (size_t i = 0; i < line.size; i++)
		if (p[i] == '#' &&
		    (i == 0 || p[i - 1] == ' ' || p[i - 1] == '\t'))
			line.size = i;
	return line;
}

/* Also of files that were written on Windows. */
static struct view strip_return(struct view line)
{
	const char *p = line.data;

	if (line.size > 0 && p[line.size - 1] == '\r')
		line.size--;
	return line;
}

static enum err refuse_second(struct conf_loader *loader,
			      const struct conf_place *place, const char *name,
			      unsigned first)
{
	struct buf why = BUF_EMPTY;
	enum err err;

	buf_addf(&why, "%s is already set in line %u", name, first);
	err = conf_refuse(loader, place, buf_string(&why));
	buf_release(&why);
	return err;
}

static enum err read_line(struct conf_loader *loader,
			  const struct conf_place *place, struct view line)
{
	struct view value;
	struct view name = view_trim(view_cut(line, '=', &value));
	const struct setting *setting = setting_find(name);
	unsigned *set_in;

	if (!value.data)
		return conf_refuse(loader, place, "this is not name = value");
	if (view_equal_string(name, SETTING_CONFIG_FILE))
		return conf_refuse(loader, place,
				   SETTING_CONFIG_FILE
				   " says where this file is, and can't be in "
				   "it");
	if (!setting) {
		const char *similar = setting_nearest(name);

		return conf_refuse_name(loader, place, name,
					similar ? similar : "");
	}
	set_in = &loader->owned->values[setting - settings].line;
	if (*set_in)
		return refuse_second(loader, place, setting->name, *set_in);
	*set_in = place->line;
	return conf_set(loader, place, setting, view_trim(value));
}

static enum err read_lines(struct conf_loader *loader, const char *name,
			   struct view text)
{
	struct conf_place place = { .origin = CONF_FILE,
				    .name = view_of(name) };
	enum err err = ERR_OK;

	while (!err && text.data) {
		struct view line = view_cut(text, '\n', &text);

		place.line++;
		line = view_trim(strip_comment(strip_return(line)));
		if (line.size > 0)
			err = read_line(loader, &place, line);
	}
	return err;
}

static enum err refuse_file(struct conf_loader *loader, const char *name,
			    int errnum)
{
	buf_addf(loader->message, "can't read the settings file %s: %s", name,
		 strerror(errnum));
	return err_from_errno(errnum);
}

/* Not by base/file.h: it logs, and here the caller gets the sentence. */
static enum err read_text(struct conf_loader *loader, const char *name,
			  FILE *file, struct buf *text)
{
	buf_reserve(text, FILE_MAX_BYTES + 1);
	if (text->err)
		return conf_out_of_memory(loader);
	text->size = fread(text->data, 1, FILE_MAX_BYTES + 1, file);
	if (ferror(file))
		return refuse_file(loader, name, errno);
	if (text->size > FILE_MAX_BYTES)
		return refuse_file(loader, name, EFBIG);
	return ERR_OK;
}

enum err conf_read_file(struct conf_loader *loader, const char *name)
{
	FILE *file = fopen(name, "re");
	struct buf text = BUF_EMPTY;
	enum err err;

	if (!file)
		return refuse_file(loader, name, errno);
	err = read_text(loader, name, file, &text);
	fclose(file);
	if (!err)
		err = read_lines(loader, name, buf_view(&text));
	buf_release(&text);
	return err;
}
