/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One loop: start whom is due, wait for a signal or a time, see who has died.
 * Signals are blocked and read (signalfd(2)), so none is missed and none comes
 * in the middle of something.
 *
 * Order at the start: folders, listening sockets, store (which recovers; what
 * clients send meanwhile waits in the backlog), pid file, children.  At the
 * end the same backwards.
 */
#include "config.h"

#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "crew.h"
#include "owner.h"

#define PID_FILE     "librapi.pid"
#define PID_FILE_MAX 32 /* bytes */

/* That we are ready is not to be lost: who waits for it may wait for ever. */
#define READY_AGAIN_MS 1000

/* Without anything due, look after so long whether all is well. */
#define WAIT_MAX_MS 60000

/* With a token file: so that a new child has what the old ones had. */
#define WAIT_TOKENS_MS 1000

enum phase {
	SERVING,
	DRAINING, /* who serves was asked to go */
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
	struct crew crew;
	struct handout handout;
	enum phase phase;
	struct notify notify;
	bool ready_untold; /* that we are ready, by `notify` */
	int signal_fd;
	struct starter starter;
	int run_dir;
	int64_t started_ms;
};

static void ask_all(struct supervisor *s, enum crew_part part)
{
	crew_drain(&s->crew, part, (long)s->conf.drain_timeout_ms);
}

/* Go on to the next phase as soon as the one we are in has done its work. */
static void advance(struct supervisor *s)
{
	if (s->phase == DRAINING && !crew_alive(&s->crew, CREW_SERVING)) {
		s->phase = CLOSING;
		ask_all(s, CREW_KEEPING);
	}
	if (s->phase == CLOSING && !crew_alive(&s->crew, CREW_KEEPING))
		s->phase = STOPPED;
}

/*
 * From now on lighttpd answers 503 by itself; who has connected already is
 * served before who serves goes.
 */
static void drain(struct supervisor *s, const char *why)
{
	if (s->phase != SERVING)
		return;
	log_event(LOG_INFO, "draining", "why", why, NULL);
	notify_send(&s->notify, "STOPPING=1\nSTATUS=Draining");
	s->phase = DRAINING;
	service_refuse(&s->service);
	ask_all(s, CREW_SERVING);
}

static void look_at_tokens(struct supervisor *s)
{
	if (s->service.access)
		access_refresh(s->service.access, true);
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
	if (s->service.access)
		access_hurry(s->service.access);
	look_at_tokens(s);
	if (service_is_one_process(&s->conf))
		log_event(
			LOG_WARN, "restart-needed", "why",
			"what the engine memory keeps is lost with its process, which stays as it is",
			NULL);
	else
		stored_forget(s->service.stored);
	crew_renew(&s->crew);
	notify_reloading(&s->notify);
	log_event(LOG_INFO, "reloaded", NULL);
out:
	buf_release(&message);
}

/* Until a child is due, or has to be killed. */
static long wait_ms(const struct supervisor *s)
{
	int64_t now_ms = clock_monotonic_ms();
	int64_t next_ms = crew_next_ms(&s->crew, s->phase == SERVING);
	int64_t ms = s->service.access ? WAIT_TOKENS_MS : WAIT_MAX_MS;

	if (s->notify.watchdog_ms && s->notify.watchdog_ms / 2 < ms)
		ms = s->notify.watchdog_ms / 2;
	if (s->ready_untold && READY_AGAIN_MS < ms)
		ms = READY_AGAIN_MS;
	if (next_ms && next_ms - now_ms < ms)
		ms = next_ms - now_ms;
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
	const int stored_fd =
		s->phase == SERVING ? s->service.listen_fds[LISTEN_STORED] : -1;
	struct pollfd events[] = {
		{ .fd = s->signal_fd, .events = POLLIN },
		{ .fd = s->starter.lighttpd_fd, .events = POLLIN },
		{ .fd = stored_fd, .events = POLLIN },
	};

	poll(events, 3, (int)wait_ms(s));
	obey(s);
	if (events[2].revents)
		handout_serve(&s->handout, stored_fd,
			      stored_fds(s->service.stored), STORED_FDS);
	if (!events[1].revents)
		return;
	close(s->starter.lighttpd_fd);
	s->starter.lighttpd_fd = -1;
	drain(s, "lighttpd is gone");
}

/* Every turn of the loop says that it still turns. */
static void feed_watchdog(const struct supervisor *s)
{
	if (s->notify.watchdog_ms)
		notify_send(&s->notify, "WATCHDOG=1");
}

static void tell_ready(struct supervisor *s)
{
	if (s->ready_untold)
		s->ready_untold =
			!notify_send(&s->notify, "READY=1\nSTATUS=Serving");
}

static void serve(struct supervisor *s)
{
	crew_start_due(&s->crew, &s->service);
	s->ready_untold = true;
	while (s->phase != STOPPED) {
		long timeout_ms = (long)s->conf.drain_timeout_ms;

		if (s->phase == SERVING) {
			crew_start_due(&s->crew, &s->service);
			if (crew_roll(&s->crew, timeout_ms))
				s->ready_untold = true;
			tell_ready(s);
		}
		feed_watchdog(s);
		wait_for_events(s);
		look_at_tokens(s);
		crew_look_after(&s->crew, &s->service);
		advance(s);
	}
}

/* A folder that we can make files in, or a sentence. */
static enum err make_folder(const char *setting, const char *path)
{
	enum err err = file_make_folder(path, SERVICE_FOLDER_MODE);
	int errnum = errno;

	if (!err && !access(path, W_OK | X_OK))
		return ERR_OK;
	if (!err) {
		errnum = errno;
		err = ERR_ACCESS;
	}
	if (errnum == EACCES || errnum == EPERM)
		log_eventf(
			LOG_ERROR, "start-failed",
			"user %d can't write to the folder %s; give it to this user, or choose another one with the setting %s",
			(int)geteuid(), path, setting);
	else
		log_eventf(
			LOG_ERROR, "start-failed",
			"the folder %s can't be written to: %s; choose another one with the setting %s",
			path, strerror(errnum), setting);
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

/* A successor can have its own there since we let nobody connect any more. */
static void remove_pid_file(const struct supervisor *s)
{
	struct buf text = BUF_EMPTY;
	struct view rest;
	uint64_t pid;
	int fd;

	if (s->run_dir < 0 ||
	    file_open_existing(s->run_dir, PID_FILE, O_RDONLY, &fd))
		return;
	file_read_all(fd, PID_FILE, PID_FILE_MAX, &text);
	file_close(&fd, PID_FILE);
	if (view_to_uint64(view_cut(buf_view(&text), '\n', &rest), INT32_MAX,
			   &pid) &&
	    (pid_t)pid == getpid())
		file_remove(s->run_dir, PID_FILE);
	buf_release(&text);
}

static void log_started(const struct supervisor *s)
{
	struct store_stats stats;
	char processes[24];
	char revision[24];
	char took_ms[24];

	store_stats(s->service.store, &stats);
	snprintf(processes, sizeof(processes), "%zu", s->crew.count);
	snprintf(revision, sizeof(revision), "%llu",
		 (unsigned long long)stats.revision);
	snprintf(took_ms, sizeof(took_ms), "%lld",
		 (long long)(clock_monotonic_ms() - s->started_ms));
	log_event(LOG_INFO, "started", "version", PACKAGE_VERSION, "engine",
		  s->conf.engine, "data_dir", s->conf.data_dir, "run_dir",
		  s->conf.run_dir, "processes", processes, "revision", revision,
		  "took_ms", took_ms, NULL);
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

static enum err open_access(struct supervisor *s)
{
	struct buf message = BUF_EMPTY;
	enum err err;

	if (!*s->conf.token_file)
		return ERR_OK;
	err = access_open(s->conf.token_file, &s->service.access, &message);
	if (err)
		log_event(LOG_ERROR, "start-failed", "detail",
			  buf_string(&message), NULL);
	buf_release(&message);
	return err;
}

/* With tokens no response is everybody's. */
static enum err open_stored(struct supervisor *s)
{
	if (!s->conf.stored_bytes || s->service.access)
		return ERR_OK;
	return stored_new(s->conf.stored_bytes, &s->service.stored);
}

/* Of what another librapi kept, whether or not this one keeps anything. */
static void outlast_former_memory(void)
{
	clock_sleep_ms(2 * STORED_TRUST_MS);
}

static enum err open_store(struct supervisor *s)
{
	struct store_conf conf = service_store_conf(&s->conf);

	conf.marks = stored_marks(s->service.stored);
	return store_open(&conf, &s->service.store);
}

/* Everything that children inherit, and what it takes to look after them. */
static enum err open_service(struct supervisor *s)
{
	enum err err = open_access(s);

	if (!err)
		err = metrics_open(&s->service.metrics);
	if (!err && !service_is_one_process(&s->conf))
		err = owner_refuse(s->conf.data_dir);
	if (!err)
		err = make_folder("data-dir", s->conf.data_dir);
	if (!err)
		err = make_folder("run-dir", s->conf.run_dir);
	if (!err)
		err = open_stored(s);
	if (!err)
		err = service_listen(&s->service, s->starter.socket_fd);
	if (!err)
		outlast_former_memory();
	if (!err)
		err = open_store(s);
	if (!err)
		err = write_pid_file(s);
	if (!err)
		err = open_signals(s);
	if (!err)
		err = crew_init(&s->crew, &s->conf);
	return err;
}

static enum err close_service(struct supervisor *s)
{
	enum err err = ERR_OK;

	if (s->phase == SERVING)
		service_refuse(&s->service);
	service_close_listeners(&s->service);
	if (s->service.store)
		err = store_close(s->service.store);
	remove_pid_file(s);
	file_close(&s->run_dir, s->conf.run_dir);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	if (s->starter.lighttpd_fd >= 0)
		close(s->starter.lighttpd_fd);
	access_close(s->service.access);
	metrics_close(s->service.metrics);
	handout_release(&s->handout);
	stored_free(s->service.stored);
	notify_release(&s->notify);
	crew_release(&s->crew);
	conf_release(&s->fresh);
	return err;
}

enum err supervisor_run(const struct conf *conf, struct starter starter,
			reload_fn *reload, void *arg)
{
	struct supervisor s = {
		.started = conf,
		.conf = *conf,
		.reload = reload,
		.reload_arg = arg,
		.service = { .listen_fds = { -1, -1, -1, -1 } },
		.signal_fd = -1,
		.starter = starter,
		.run_dir = -1,
		.started_ms = clock_monotonic_ms(),
	};
	enum err err;
	enum err closed;

	s.service.conf = &s.conf;
	s.service.handout = &s.handout;
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
