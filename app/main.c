/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command line: a subcommand, then settings as flags (base/conf.h).
 *
 * Exit status: 0 when all went well, 1 when it did not (for `check`: the
 * store is damaged), 2 when the command line or a setting is wrong.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/lines.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/log.h"
#include "import_bolt.h"
#include "owner.h"
#include "ping.h"
#include "service.h"
#include "starter.h"
#include "store/store.h"
#include "supervisor.h"
#include "token.h"

enum { EXIT_USAGE = 2 };

extern char **environ;

/* Where the settings came from, to read them once more. */
struct source {
	int argc;
	char **argv;
	const char *file; /* what the command works on, when it takes one */
};

struct command {
	const char *name;
	const char *about;
	int (*run)(const struct conf *conf, struct source *source);
	bool takes_file;
	bool offline; /* it is about a store that nobody serves */
	bool (*run_words)(int argc, char *argv[]); /* without settings */
};

static enum err read_conf(void *arg, struct conf *conf, struct buf *message)
{
	const struct source *source = arg;

	return conf_load(conf, source->argc, source->argv, environ, message);
}

static int run_serve(const struct conf *conf, struct source *source)
{
	return supervisor_run(conf, starter_attach(), read_conf, source)
		       ? EXIT_FAILURE
		       : EXIT_SUCCESS;
}

static int run_running(const struct conf *conf, struct source *source)
{
	bool running = service_is_running(conf);

	(void)source;
	printf("librapi is %s\n", running ? "running" : "not running");
	return running ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_ping(const struct conf *conf, struct source *source)
{
	struct buf hold = BUF_EMPTY;
	const char *at = service_socket(conf, LISTEN_API, &hold);
	enum err err = hold.err;

	(void)source;
	if (!err)
		err = ping(at);
	if (!err)
		printf("%s: librapi answers\n", at);
	buf_release(&hold);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void print_finding(void *arg, const char *file, const char *sentence)
{
	size_t *count = arg;

	printf("%s: %s\n", file, sentence);
	++*count;
}

static int run_check(const struct conf *conf, struct source *source)
{
	const struct store_conf store_conf = service_store_conf(conf);
	size_t count = 0;
	enum err err = owner_become(conf->data_dir);

	(void)source;
	if (!err)
		err = store_check(&store_conf, print_finding, &count);
	if (!err)
		printf("%s: all is well\n", conf->data_dir);
	else if (err == ERR_DAMAGED)
		printf("%s: %zu finding(s)\n", conf->data_dir, count);
	else
		fprintf(stderr, "librapi: can't check %s: %s\n", conf->data_dir,
			err_string(err));
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Open the store for ourselves alone, work on it, and close it again. */
static int with_store(const struct conf *conf, bool existing,
		      enum err (*work)(const struct conf *conf,
				       struct store *store))
{
	struct store_conf store_conf = service_store_conf(conf);
	struct store *store;
	enum err err;
	enum err closed;

	store_conf.existing = existing;
	err = store_open(&store_conf, &store);
	if (err)
		return EXIT_FAILURE;
	err = work(conf, store);
	closed = store_close(store);
	return err || closed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static enum err print(void *arg, struct view bytes)
{
	if (fwrite(bytes.data, 1, bytes.size, arg) == bytes.size)
		return ERR_OK;
	return log_errno("dump-failed", "output", errno);
}

static enum err dump(const struct conf *conf, struct store *store)
{
	const struct sink sink = { print, stdout };
	uint64_t revision;
	enum err err;

	(void)conf;
	err = lines_dump(store, VIEW_LITERAL(""), &sink, &revision);

	if (!err && fflush(stdout))
		err = log_errno("dump-failed", "output", errno);
	return err;
}

static enum err load(const struct conf *conf, struct store *store)
{
	struct lines_load load = { .store = store,
				   .alone = true,
				   .folder = conf->data_dir,
				   .read = lines_read_stdio,
				   .read_arg = stdin };
	enum err err = lines_load(&load);

	if (err)
		log_event(LOG_ERROR,
			  load.begun ? "load-stopped" : "load-refused",
			  "detail", buf_string(&load.message), NULL);
	lines_load_free(&load);
	return err;
}

static int run_dump(const struct conf *conf, struct source *source)
{
	(void)source;
	if (owner_become(conf->data_dir))
		return EXIT_FAILURE;
	return with_store(conf, true, dump);
}

static int run_load(const struct conf *conf, struct source *source)
{
	(void)source;
	if (owner_become(conf->data_dir) ||
	    file_make_folder(conf->data_dir, SERVICE_FOLDER_MODE))
		return EXIT_FAILURE;
	return with_store(conf, false, load);
}

static int run_import_bolt(const struct conf *conf, struct source *source)
{
	const struct store_conf store_conf = service_store_conf(conf);
	struct bolt *bolt;
	struct store *store;
	uint64_t count = 0;
	enum err err =
		import_bolt_open(source->file, conf->value_max_bytes, &bolt);

	if (!err)
		err = owner_become(conf->data_dir);
	if (!err)
		err = file_make_folder(conf->data_dir, SERVICE_FOLDER_MODE);
	if (!err)
		err = store_open(&store_conf, &store);
	if (!err) {
		enum err closed;

		err = import_bolt_run(bolt, store, &count);
		closed = store_close(store);
		err = err ? err : closed;
	}
	bolt_close(bolt);
	if (err)
		return EXIT_FAILURE;
	printf("%s: %llu keys imported into %s\n", source->file,
	       (unsigned long long)count, conf->data_dir);
	return EXIT_SUCCESS;
}

static const struct command commands[] = {
	{ "serve", "run the service (this is what no command means)",
	  .run = run_serve },
	{ "running", "say whether the service runs; status 1 when it does not",
	  .run = run_running },
	{ "ping", "ask the service whether it answers", .run = run_ping },
	{ "check", "verify every file of a store that nobody serves",
	  .run = run_check, .offline = true },
	{ "dump", "print such a store as JSON lines", .run = run_dump,
	  .offline = true },
	{ "load", "put JSON lines from the standard input into such a store",
	  .run = run_load, .offline = true },
	{ "import-bolt",
	  "put the data of the first librapi, FILE, into such a store",
	  .run = run_import_bolt, .takes_file = true, .offline = true },
	{ "token", "new --role ROLE [--prefix PREFIX]: make an access token",
	  .run_words = token_run },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
	printf("Usage: librapi [COMMAND [FILE]] [--SETTING=VALUE]...\n"
	       "\nA durable key/value store over HTTP, behind lighttpd.\n"
	       "\nCommands:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-18s %s\n", commands[i].name, commands[i].about);
	printf("\nOptions:\n"
	       "  --help             print this\n"
	       "  --version          print name and version\n"
	       "  --check-config     read the settings and say whether they are right\n"
	       "  --print-config     print every setting and where it comes from\n"
	       "\nExit status: 0 when all went well; 1 when it did not, and for check\n"
	       "when something is damaged; 2 for a wrong command line or setting.\n"
	       "\nSettings:\n");
	conf_help(stdout);
	return EXIT_SUCCESS;
}

/* Whether the option is there; it is then taken out. */
static bool take_option(struct source *source, const char *option)
{
	for (int i = 0; i < source->argc; i++) {
		if (strcmp(source->argv[i], option) != 0)
			continue;
		source->argc--;
		memmove(&source->argv[i], &source->argv[i + 1],
			(size_t)(source->argc - i) * sizeof(char *));
		source->argv[source->argc] = NULL;
		return true;
	}
	return false;
}

/* The file that stands behind the command; taken out. */
static bool take_file(const struct command *command, struct source *source)
{
	if (!command->takes_file)
		return true;
	if (source->argc == 0 || source->argv[0][0] == '-') {
		fprintf(stderr, "librapi: %s takes a FILE: librapi %s FILE\n",
			command->name, command->name);
		return false;
	}
	source->file = *source->argv++;
	source->argc--;
	return true;
}

/* The command that stands first; taken out.  NULL for an unknown one. */
static const struct command *take_command(struct source *source)
{
	const char *name = "serve";

	if (source->argc > 0 && source->argv[0][0] != '-') {
		name = *source->argv++;
		source->argc--;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	fprintf(stderr,
		"librapi: there is no command '%s'; librapi --help lists them\n",
		name);
	return NULL;
}

/* What an engine keeps in memory is gone with the command. */
static bool has_store(const struct command *command, const struct conf *conf)
{
	if (!command->offline || !service_is_one_process(conf))
		return true;
	fprintf(stderr,
		"librapi: %s is for a store on disk, and the engine %s keeps nothing; set engine to gdbm\n",
		command->name, conf->engine);
	return false;
}

static int run(const struct command *command, struct source *source)
{
	bool check = take_option(source, "--check-config");
	bool print = take_option(source, "--print-config");
	struct conf conf = { 0 };
	struct buf message = BUF_EMPTY;
	int status = EXIT_SUCCESS;

	if (read_conf(source, &conf, &message)) {
		fprintf(stderr, "librapi: %s\n", buf_string(&message));
		status = EXIT_USAGE;
	} else if (print) {
		conf_print(&conf, stdout);
	} else if (!check && !has_store(command, &conf)) {
		status = EXIT_USAGE;
	} else if (!check) {
		service_log_setup(&conf, command->name);
		status = command->run(&conf, source);
	}
	buf_release(&message);
	conf_release(&conf);
	return status;
}

/* What was printed has to have arrived: a full disk is a failure. */
static int flush_output(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "librapi: can't write the output\n");
		return EXIT_FAILURE;
	}
	return status;
}

/*
 * The next file that we open would become a standard one that is closed, and
 * get what is printed or logged.  To write to this one fails: a dump that goes
 * nowhere is no success.
 */
static bool fill_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", O_RDONLY | O_NOCTTY) != fd)
			return false;
	return true;
}

int main(int argc, char *argv[])
{
	struct source source = { .argc = argc > 0 ? argc - 1 : 0,
				 .argv = argv + 1 };
	const struct command *command;

	if (!fill_standard_files()) {
		fprintf(stderr, "librapi: can't open /dev/null\n");
		return EXIT_FAILURE;
	}
	/* A file at the limit of its size is a full disk: EFBIG says so. */
	signal(SIGXFSZ, SIG_IGN);
	if (take_option(&source, "--help"))
		return flush_output(print_help());
	if (take_option(&source, "--version")) {
		printf("%s\n", PACKAGE_STRING);
		return flush_output(EXIT_SUCCESS);
	}
	command = take_command(&source);
	if (command && command->run_words)
		return flush_output(command->run_words(source.argc, source.argv)
					    ? EXIT_SUCCESS
					    : EXIT_USAGE);
	if (!command || !take_file(command, &source))
		return EXIT_USAGE;
	return flush_output(run(command, &source));
}
