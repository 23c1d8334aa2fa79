/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One loop: start whom is due, wait for a signal or a time, see who has died.
 * Signals are blocked and read (signalfd(2)), so none is missed and none comes
 * in the middle of something.
 *
 * Order at the start: folders, listening socket, store (which recovers; what
 * clients send meanwhile waits in the backlog), pid file, children.  At the
 * end the same backwards.
 */
#include "config.h"

#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "child.h"
#include "housekeeper.h"
#include "listener.h"
#include "worker.h"

#define PID_FILE "librapi.pid"

/* Without anything due, look after so long whether all is well. */
#define WAIT_MAX_MS 60000

static const struct role role_worker = { "worker", worker_run };
static const struct role role_housekeeper = { "housekeeper", housekeeper_run };

enum phase {
	SERVING,
	DRAINING, /* workers were asked to go */
	CLOSING,  /* they are gone; the housekeeper was asked */
	STOPPED,
};

struct supervisor {
	const struct conf *started; /* settings of the start */
	struct conf conf;           /* settings now */
	struct conf fresh;          /* owner of what was read since; or empty */
	reload_fn *reload;
	void *reload_arg;

	struct service service;
	struct child *children; /* workers, then the housekeeper */
	size_t count;
	enum phase phase;
	struct notify notify;
	bool rolling; /* some children still have the settings of before */
	int signal_fd;
	int lighttpd_fd;
	int run_dir;
	int64_t started_ms;
};

static bool is_worker(const struct child *child)
{
	return child->role == &role_worker;
}

/* Processes of the role in question that are still there. */
static size_t alive(const struct supervisor *s, bool workers)
{
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++)
		if (s->children[i].pid && is_worker(&s->children[i]) == workers)
			count++;
	return count;
}

static void ask_all(struct supervisor *s, bool workers)
{
	for (size_t i = 0; i < s->count; i++)
		if (is_worker(&s->children[i]) == workers)
			child_ask(&s->children[i], CHILD_DRAIN,
				  (long)s->conf.drain_timeout_ms);
}

/* Go on to the next phase as soon as the one we are in has done its work. */
static void advance(struct supervisor *s)
{
	if (s->phase == DRAINING && !alive(s, true)) {
		s->phase = CLOSING;
		ask_all(s, false);
	}
	if (s->phase == CLOSING && !alive(s, false))
		s->phase = STOPPED;
}

/*
 * From now on lighttpd answers 503 by itself; who has connected already is
 * served before the workers go.
 */
static void drain(struct supervisor *s, const char *why)
{
	if (s->phase != SERVING)
		return;
	log_event(LOG_INFO, "draining", "why", why, NULL);
	notify_send(&s->notify, "STOPPING=1\nSTATUS=Draining");
	s->phase = DRAINING;
	listener_refuse(s->service.listen_fd);
	ask_all(s, true);
}

/* SIGHUP: new settings, which the children get one after another. */
static void reload_settings(struct supervisor *s)
{
	struct conf fresh = { 0 };
	struct buf message = BUF_EMPTY;

	if (s->phase != SERVING)
		return;
	if (s->reload(s->reload_arg, &fresh, &message)) {
		log_event(LOG_ERROR, "reload-failed", "detail",
			  buf_string(&message), NULL);
		conf_release(&fresh);
		goto out;
	}
	conf_release(&s->fresh);
	s->fresh = fresh;
	s->conf = fresh;
	service_keep_start_only(&s->conf, s->started);
	service_log_setup(&s->conf, "supervisor");
	for (size_t i = 0; i < s->count; i++)
		s->children[i].stale = true;
	s->rolling = true;
	notify_reloading(&s->notify);
	log_event(LOG_INFO, "reloaded", NULL);
out:
	buf_release(&message);
}

/* Replace children with old settings, one at a time. */
static void roll(struct supervisor *s)
{
	struct child *next = NULL;

	for (size_t i = 0; i < s->count; i++) {
		struct child *child = &s->children[i];

		if (child->pid && child->kill_ms)
			return;
		if (child->pid && child->stale && !next)
			next = child;
	}
	if (next)
		child_ask(next, CHILD_YIELD, (long)s->conf.drain_timeout_ms);
	else if (s->rolling)
		notify_send(&s->notify, "READY=1");
	s->rolling = next;
}

static void start_due(struct supervisor *s)
{
	int64_t now_ms = clock_monotonic_ms();

	for (size_t i = 0; i < s->count; i++) {
		struct child *child = &s->children[i];

		if (!child->pid && child->due_ms <= now_ms)
			child_start(child, &s->service);
	}
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		size_t i = 0;

		while (i < s->count && s->children[i].pid != pid)
			i++;
		/* Others are orphans that we got as process 1. */
		if (i < s->count)
			child_ended(&s->children[i], s->service.store, status);
	}
}

/* Until a child is due, or has to be killed. */
static long wait_ms(const struct supervisor *s)
{
	int64_t now_ms = clock_monotonic_ms();
	int64_t ms = WAIT_MAX_MS;

	if (s->notify.watchdog_ms)
		ms = s->notify.watchdog_ms / 2;
	for (size_t i = 0; i < s->count; i++) {
		const struct child *child = &s->children[i];
		int64_t at_ms = child->pid ? child->kill_ms : child->due_ms;

		if (!child->pid && s->phase != SERVING)
			continue;
		if (at_ms && at_ms - now_ms < ms)
			ms = at_ms - now_ms;
	}
	return ms > 0 ? (long)ms : 0;
}

/* What a signal asks for. */
static void obey(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			drain(s, strsignal((int)info.ssi_signo));
		else if (info.ssi_signo == SIGHUP)
			reload_settings(s);
	}
}

static void wait_for_events(struct supervisor *s)
{
	struct pollfd events[] = {
		{ .fd = s->signal_fd, .events = POLLIN },
		{ .fd = s->lighttpd_fd, .events = POLLIN },
	};

	poll(events, 2, (int)wait_ms(s));
	obey(s);
	if (!events[1].revents)
		return;
	close(s->lighttpd_fd);
	s->lighttpd_fd = -1;
	drain(s, "lighttpd is gone");
}

/* Every turn of the loop says that it still turns. */
static void feed_watchdog(const struct supervisor *s)
{
	if (s->notify.watchdog_ms)
		notify_send(&s->notify, "WATCHDOG=1");
}

static void serve(struct supervisor *s)
{
	start_due(s);
	notify_send(&s->notify, "READY=1\nSTATUS=Serving");
	while (s->phase != STOPPED) {
		int64_t now_ms;

		if (s->phase == SERVING) {
			start_due(s);
			roll(s);
		}
		feed_watchdog(s);
		wait_for_events(s);
		reap(s);
		now_ms = clock_monotonic_ms();
		for (size_t i = 0; i < s->count; i++)
			child_hurry(&s->children[i], now_ms);
		advance(s);
	}
}

/* One a processor that we may use, and one more for while it syncs. */
static size_t worker_count(const struct conf *conf)
{
	cpu_set_t cpus;

	if (conf->workers)
		return conf->workers;
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return 2;
	return (size_t)CPU_COUNT(&cpus) + 1;
}

static enum err make_children(struct supervisor *s)
{
	size_t workers = worker_count(&s->conf);

	if (workers >= STORE_SLOTS_MAX)
		workers = STORE_SLOTS_MAX - 1;
	s->children = calloc(workers + 1, sizeof(*s->children));
	if (!s->children)
		return ERR_NO_MEMORY;
	s->count = workers + 1;
	for (size_t i = 0; i < s->count; i++) {
		s->children[i].role =
			i < workers ? &role_worker : &role_housekeeper;
		s->children[i].slot = (unsigned)i;
	}
	return ERR_OK;
}

/* A folder that we can make files in, or a sentence. */
static enum err make_folder(const char *setting, const char *path)
{
	enum err err = file_make_folder(path, SERVICE_FOLDER_MODE);

	if (!err && access(path, W_OK | X_OK))
		err = ERR_ACCESS;
	if (err)
		log_eventf(
			LOG_ERROR, "start-failed",
			"user %d can't write to the folder %s; give it to this user, or choose another one with the setting %s",
			(int)geteuid(), path, setting);
	return err;
}

static enum err write_pid_file(struct supervisor *s)
{
	struct buf pid = BUF_EMPTY;
	enum err err;

	buf_addf(&pid, "%d\n", (int)getpid());
	err = pid.err;
	if (!err)
		err = file_open(AT_FDCWD, s->conf.run_dir,
				O_RDONLY | O_DIRECTORY, 0, &s->run_dir);
	if (!err)
		err = file_replace(s->run_dir, PID_FILE, buf_view(&pid), 0644);
	buf_release(&pid);
	return err;
}

static void log_started(const struct supervisor *s)
{
	struct store_stats stats;
	char workers[24];
	char revision[24];
	char took_ms[24];

	store_stats(s->service.store, &stats);
	snprintf(workers, sizeof(workers), "%zu", s->count - 1);
	snprintf(revision, sizeof(revision), "%llu",
		 (unsigned long long)stats.revision);
	snprintf(took_ms, sizeof(took_ms), "%lld",
		 (long long)(clock_monotonic_ms() - s->started_ms));
	log_event(LOG_INFO, "started", "version", PACKAGE_VERSION, "engine",
		  s->conf.engine, "data_dir", s->conf.data_dir, "listen",
		  *s->conf.listen ? s->conf.listen : "descriptor 0", "workers",
		  workers, "revision", revision, "took_ms", took_ms, NULL);
}

static enum err open_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0) {
		log_errno("start-failed", "signalfd", errno);
		return ERR_SYSTEM;
	}
	return ERR_OK;
}

/* Everything that children inherit, and what it takes to look after them. */
static enum err open_service(struct supervisor *s)
{
	const struct store_conf store_conf = service_store_conf(&s->conf);
	enum err err = make_folder("data-dir", s->conf.data_dir);

	if (!err)
		err = make_folder("run-dir", s->conf.run_dir);
	if (!err)
		err = listener_open(s->conf.listen, &s->service.listen_fd);
	if (!err)
		err = store_open(&store_conf, &s->service.store);
	if (!err)
		err = write_pid_file(s);
	if (!err)
		err = open_signals(s);
	if (!err)
		err = make_children(s);
	return err;
}

static enum err close_service(struct supervisor *s)
{
	enum err err = ERR_OK;

	listener_close(s->conf.listen, &s->service.listen_fd);
	if (s->service.store)
		err = store_close(s->service.store);
	if (s->run_dir >= 0)
		file_remove(s->run_dir, PID_FILE);
	file_close(&s->run_dir, s->conf.run_dir);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	if (s->lighttpd_fd >= 0)
		close(s->lighttpd_fd);
	notify_release(&s->notify);
	free(s->children);
	conf_release(&s->fresh);
	return err;
}

enum err supervisor_run(const struct conf *conf, int lighttpd_fd,
			reload_fn *reload, void *arg)
{
	struct supervisor s = {
		.started = conf,
		.conf = *conf,
		.reload = reload,
		.reload_arg = arg,
		.service = { .listen_fd = -1 },
		.signal_fd = -1,
		.lighttpd_fd = lighttpd_fd,
		.run_dir = -1,
		.started_ms = clock_monotonic_ms(),
	};
	enum err err;
	enum err closed;

	s.service.conf = &s.conf;
	service_log_setup(&s.conf, "supervisor");
	child_block_signals();
	notify_init(&s.notify);
	err = open_service(&s);
	if (!err) {
		log_started(&s);
		serve(&s);
	}
	closed = close_service(&s);
	if (!err && !closed)
		log_event(LOG_INFO, "stopped", NULL);
	return err ? err : closed;
}
