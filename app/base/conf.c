/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sources are read in the order of their weight, each over the one
 * before: defaults, file, environment, flags.  Every value is checked where
 * it stands, also one that a later source covers.
 */
#include "base/conf.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_source.h"

enum { HELP_WIDTH = 79, HELP_INDENT = 8 };

static const char *const origins[] = {
	[CONF_DEFAULT] = "default",
	[CONF_FILE] = "file",
	[CONF_ENVIRONMENT] = "environment",
	[CONF_FLAG] = "flag",
};

/*
 * Variables that begin with LIBRAPI_ and are not ours: Kubernetes gives every
 * container of a namespace these of each Service, and librapi is the name of
 * our own.
 */
static const char *const foreign_variables[] = {
	"LIBRAPI_SERVICE_HOST=*",   "LIBRAPI_*_SERVICE_HOST=*",
	"LIBRAPI_SERVICE_PORT=*",   "LIBRAPI_*_SERVICE_PORT=*",
	"LIBRAPI_SERVICE_PORT_*=*", "LIBRAPI_*_SERVICE_PORT_*=*",
	"LIBRAPI_PORT=*://*",       "LIBRAPI_*_PORT=*://*",
	"LIBRAPI_PORT_[0-9]*=*",    "LIBRAPI_*_PORT_[0-9]*=*",
};

static enum err set_defaults(struct conf_loader *loader)
{
	const struct conf_place place = { .origin = CONF_DEFAULT };
	enum err err = ERR_OK;

	for (size_t i = 0; !err && i < SETTING_COUNT; i++)
		err = conf_set(loader, &place, &settings[i],
			       view_of(settings[i].initial));
	return err;
}

/* The last value of a variable, NULL when it is not there. */
static const char *variable_value(char *const environ[], const char *name)
{
	const size_t size = strlen(name);

	for (; *environ; environ++)
		if (!strncmp(*environ, name, size) && (*environ)[size] == '=')
			return *environ + size + 1;
	return NULL;
}

static bool is_foreign(const char *variable)
{
	const size_t count =
		sizeof(foreign_variables) / sizeof(foreign_variables[0]);

	for (size_t i = 0; i < count; i++)
		if (!fnmatch(foreign_variables[i], variable, 0))
			return true;
	return false;
}

static enum err refuse_variable(struct conf_loader *loader,
				const struct conf_place *place)
{
	const char *nearest = setting_nearest_variable(place->name);
	char similar[SETTING_NAME_SIZE] = "";

	if (nearest)
		setting_variable(nearest, similar);
	return conf_refuse_name(loader, place, place->name, similar);
}

static enum err read_variable(struct conf_loader *loader, const char *variable)
{
	struct view value;
	const struct conf_place place = {
		.origin = CONF_ENVIRONMENT,
		.name = view_cut(view_of(variable), '=', &value),
	};
	const struct setting *setting = setting_find_variable(place.name);
	char config_file[SETTING_NAME_SIZE];

	setting_variable(SETTING_CONFIG_FILE, config_file);
	if (view_equal_string(place.name, config_file))
		return ERR_OK;
	if (setting)
		return conf_set(loader, &place, setting, value);
	return is_foreign(variable) ? ERR_OK : refuse_variable(loader, &place);
}

static enum err read_environment(struct conf_loader *loader,
				 char *const environ[])
{
	const struct view prefix = VIEW_LITERAL(SETTING_PREFIX);
	enum err err = ERR_OK;

	for (; !err && *environ; environ++)
		if (view_starts_with(view_of(*environ), prefix))
			err = read_variable(loader, *environ);
	return err;
}

static bool is_flag(const char *argument)
{
	return !strncmp(argument, "--", 2) && argument[2];
}

struct flag {
	struct view name;
	struct view value; /* data is NULL when there is none */
};

/* The flag at argv[0]; returns how many arguments it is made of. */
static int parse_flag(int argc, char *const argv[], struct flag *flag)
{
	flag->name = view_cut(view_of(argv[0] + 2), '=', &flag->value);
	if (flag->value.data || argc < 2 || is_flag(argv[1]))
		return 1;
	flag->value = view_of(argv[1]);
	return 2;
}

static enum err refuse_flag(struct conf_loader *loader,
			    const struct conf_place *place)
{
	const char *nearest = setting_nearest(place->name);
	char similar[SETTING_NAME_SIZE + 2] = "";

	if (nearest) {
		strcpy(similar, "--");
		strcat(similar, nearest);
	}
	return conf_refuse_name(loader, place, place->name, similar);
}

static enum err read_flag(struct conf_loader *loader, struct flag flag)
{
	const struct conf_place place = {
		.origin = CONF_FLAG,
		.name = flag.name,
	};
	const struct setting *setting = setting_find(flag.name);
	const bool names_file =
		view_equal_string(flag.name, SETTING_CONFIG_FILE);

	if (!setting && !names_file)
		return refuse_flag(loader, &place);
	if (setting && setting->type == SETTING_SWITCH && !flag.value.data)
		flag.value = VIEW_LITERAL("true");
	if (!flag.value.data)
		return conf_refuse(loader, &place, "its value is missing");
	return names_file ? ERR_OK
			  : conf_set(loader, &place, setting, flag.value);
}

static enum err read_flags(struct conf_loader *loader, int argc,
			   char *const argv[])
{
	enum err err = ERR_OK;

	while (!err && argc > 0) {
		struct flag flag;
		int taken;

		if (!is_flag(*argv)) {
			buf_addf(loader->message,
				 "'%s' is not understood; settings are "
				 "given as --name=value",
				 *argv);
			return ERR_SETTING;
		}
		taken = parse_flag(argc, argv, &flag);
		err = read_flag(loader, flag);
		argc -= taken;
		argv += taken;
	}
	return err;
}

/* The file must be known before the flags are read in their turn. */
static struct view find_file_name(int argc, char *const argv[],
				  char *const environ[])
{
	char variable[SETTING_NAME_SIZE];
	struct view name;

	setting_variable(SETTING_CONFIG_FILE, variable);
	name = view_of(variable_value(environ, variable));
	while (argc > 0 && is_flag(*argv)) {
		struct flag flag;
		int taken = parse_flag(argc, argv, &flag);

		if (view_equal_string(flag.name, SETTING_CONFIG_FILE))
			name = flag.value;
		argc -= taken;
		argv += taken;
	}
	return name;
}

static enum err read_file(struct conf_loader *loader, struct view name)
{
	struct buf *file_name = &loader->owned->file_name;

	if (name.size == 0)
		return ERR_OK;
	buf_add_view(file_name, name);
	buf_string(file_name);
	if (file_name->err)
		return conf_out_of_memory(loader);
	return conf_read_file(loader, buf_string(file_name));
}

/* Text with line breaks at spaces, every line indented. */
static void print_wrapped(FILE *out, struct view text)
{
	size_t column = 0;

	while (text.data) {
		struct view word = view_cut(text, ' ', &text);

		if (column + 1 + word.size > HELP_WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		column += (size_t)fprintf(
			out, "%*s%.*s", column ? 1 : HELP_INDENT, "",
			(int)word.size, (const char *)word.data);
	}
	fputc('\n', out);
}

enum err conf_load(struct conf *conf, int argc, char *const argv[],
		   char *const environ[], struct buf *message)
{
	struct conf_loader loader = { .conf = conf, .message = message };
	enum err err;

	*conf = (struct conf){ .owned = NULL };
	buf_clear(message);
	loader.owned = calloc(1, sizeof(*loader.owned));
	if (!loader.owned)
		return conf_out_of_memory(&loader);
	conf->owned = loader.owned;
	err = set_defaults(&loader);
	if (!err)
		err = read_file(&loader, find_file_name(argc, argv, environ));
	if (!err)
		err = read_environment(&loader, environ);
	if (!err)
		err = read_flags(&loader, argc, argv);
	if (!err)
		err = setting_rules(conf, message);
	return message->err ? conf_out_of_memory(&loader) : err;
}

void conf_release(struct conf *conf)
{
	struct conf_owned *owned = conf->owned;

	if (!owned)
		return;
	buf_release(&owned->file_name);
	for (size_t i = 0; i < SETTING_COUNT; i++)
		buf_release(&owned->values[i].text);
	free(owned);
	*conf = (struct conf){ .owned = NULL };
}

void conf_print(const struct conf *conf, FILE *out)
{
	const struct conf_owned *owned = conf->owned;
	struct buf line = BUF_EMPTY;

	if (owned->file_name.size > 0)
		fprintf(out, "# file: %.*s\n", (int)owned->file_name.size,
			owned->file_name.data);
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		buf_clear(&line);
		buf_addf(&line, "%s = ", settings[i].name);
		setting_write(&settings[i], conf, &line);
		fprintf(out, "%s  # %s\n", buf_string(&line),
			origins[owned->values[i].origin]);
	}
	buf_release(&line);
}

void conf_help(FILE *out)
{
	fputs("  --config-file=FILE, LIBRAPI_CONFIG_FILE\n"
	      "        A file of settings, a line each: name = value\n",
	      out);
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = &settings[i];
		char variable[SETTING_NAME_SIZE];
		struct buf text = BUF_EMPTY;

		setting_variable(setting->name, variable);
		fprintf(out, "  --%s=%s, %s\n", setting->name,
			setting->type == SETTING_NUMBER ? "NUMBER" : "TEXT",
			variable);
		buf_addf(&text, "%s (", setting->about);
		setting_allowed(setting, &text);
		buf_addf(&text, "; default %s)",
			 *setting->initial ? setting->initial : "empty");
		print_wrapped(out, view_of(buf_string(&text)));
		buf_release(&text);
	}
}
