/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One value is taken over, or refused in a sentence. */
#include "base/conf_source.h"

#include <string.h>

static void add_place(struct buf *out, const struct conf_place *place)
{
	const int size = (int)place->name.size;
	const char *name = place->name.data;

	switch (place->origin) {
	case CONF_FILE:
		buf_addf(out, "%.*s, line %u", size, name, place->line);
		break;
	case CONF_ENVIRONMENT:
		buf_addf(out, "%.*s in the environment", size, name);
		break;
	case CONF_FLAG:
		buf_addf(out, "--%.*s on the command line", size, name);
		break;
	case CONF_DEFAULT:
		buf_add_string(out, "default");
		break;
	}
}

static enum err refuse_value(struct conf_loader *loader,
			     const struct conf_place *place,
			     const struct setting *setting, const char *text)
{
	struct buf *message = loader->message;

	buf_addf(message, "%s must be ", setting->name);
	setting_allowed(setting, message);
	buf_addf(message, ", not '%s' (", text);
	add_place(message, place);
	buf_add_char(message, ')');
	return ERR_SETTING;
}

/*
 * Whether a line of a settings file could say it: what conf_print() writes is
 * read back as it was, wherever it came from.
 */
static bool fits_a_line(struct view value)
{
	const char *p = value.data;

	if (view_trim(value).size != value.size)
		return false;
	for (size_t i = 0; i < value.size; i++)
		if (p[i] == '\n' ||
		    (p[i] == '#' &&
		     (i == 0 || p[i - 1] == ' ' || p[i - 1] == '\t')))
			return false;
	return true;
}

enum err conf_set(struct conf_loader *loader, const struct conf_place *place,
		  const struct setting *setting, struct view value)
{
	const size_t index = (size_t)(setting - settings);
	struct buf text = BUF_EMPTY;
	const char *string;

	if (value.size > 0 && memchr(value.data, '\0', value.size))
		return conf_refuse(loader, place, "the value has a NUL byte");
	if (!fits_a_line(value))
		return conf_refuse(loader, place,
				   "the value has a line break, a blank at an "
				   "end, or a '#' where a comment begins");
	buf_add_view(&text, value);
	string = buf_string(&text);
	if (text.err)
		return conf_out_of_memory(loader);
	if (!setting_read(setting, string, loader->conf)) {
		refuse_value(loader, place, setting, string);
		buf_release(&text);
		return ERR_SETTING;
	}
	buf_release(&loader->owned->values[index].text);
	loader->owned->values[index].text = text;
	loader->owned->values[index].origin = place->origin;
	return ERR_OK;
}

enum err conf_refuse(struct conf_loader *loader, const struct conf_place *place,
		     const char *why)
{
	add_place(loader->message, place);
	buf_addf(loader->message, ": %s", why);
	return ERR_SETTING;
}

enum err conf_refuse_name(struct conf_loader *loader,
			  const struct conf_place *place, struct view name,
			  const char *similar)
{
	struct buf *message = loader->message;

	add_place(message, place);
	if (place->origin == CONF_FILE)
		buf_addf(message, ": '%.*s'", (int)name.size,
			 (const char *)name.data);
	buf_add_string(message, " is not a setting");
	if (*similar)
		buf_addf(message, "; did you mean %s?", similar);
	else
		buf_add_string(message, "; librapi --help lists them");
	return ERR_SETTING;
}

enum err conf_out_of_memory(struct conf_loader *loader)
{
	buf_clear(loader->message);
	buf_add_string(loader->message,
		       "out of memory while reading the settings");
	return ERR_NO_MEMORY;
}
