/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of app/front/receiver.c: whose memory lighttpd looks into, while the
 * librapi behind it comes and goes.
 */
#include "front/receiver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "handout.h"
#include "harness.h"
#include "listener.h"

#define AGAIN_MS 150 /* somewhat more than what it waits */
#define MEMORY   ((size_t)1 << 20)
#define LISTEN   "LIBRAPI_STORED_LISTEN"
#define RUN_DIR  "LIBRAPI_RUN_DIR"

/* A librapi: a socket, and memory that tells whose it is. */
struct server {
	char listen[256];
	int listen_fd;
	struct stored *stored;
	struct handout handout;
};

static struct receiver receiver;

static void keep_name(struct stored *stored, const char *name)
{
	const struct stored_response response = { .target = view_of("/who"),
						  .revision = 1,
						  .body = view_of(name) };

	stored_keep(stored, &response);
}

static void start_at(struct server *s, const char *socket, const char *name)
{
	snprintf(s->listen, sizeof(s->listen), "unix:%s", harness_path(socket));
	s->handout = (struct handout){ 0 };
	CU_ASSERT_EQUAL_FATAL(stored_new(MEMORY, &s->stored), ERR_OK);
	keep_name(s->stored, name);
	CU_ASSERT_EQUAL_FATAL(listener_open(s->listen, &s->listen_fd), ERR_OK);
}

static void start(struct server *s, const char *name)
{
	start_at(s, "stored.sock", name);
}

static void serve(struct server *s)
{
	handout_serve(&s->handout, s->listen_fd, stored_fds(s->stored),
		      STORED_FDS);
}

/* As a kill does it: the socket's name stays. */
static void die(struct server *s)
{
	close(s->listen_fd);
	handout_release(&s->handout);
	stored_free(s->stored);
}

static void stop(struct server *s)
{
	listener_refuse(s->listen, s->listen_fd);
	die(s);
}

static void begin(void)
{
	unsetenv(LISTEN);
	unsetenv(RUN_DIR);
	CU_ASSERT_TRUE(receiver_init(&receiver, harness_tmpdir()));
}

static void end(void)
{
	receiver_release(&receiver);
}

/* The name in the memory that is gone by; "-" for none. */
static const char *trusted(void)
{
	static char name[32];
	struct stored *stored = receiver_look(&receiver);
	struct stored_response response;
	struct buf hold = BUF_EMPTY;

	strcpy(name, "-");
	if (stored && stored_find(stored, view_of("/who"), &hold, &response))
		snprintf(name, sizeof(name), "%.*s", (int)response.body.size,
			 (const char *)response.body.data);
	buf_release(&hold);
	return name;
}

/* The same once the last look is too old. */
static const char *seen(void)
{
	clock_sleep_ms(STORED_TRUST_MS);
	return trusted();
}

/* A librapi and a receiver that has its memory. */
static void start_and_have(struct server *s, const char *name)
{
	start(s, name);
	begin();
	seen();
	serve(s);
	CU_ASSERT_STRING_EQUAL(seen(), name);
}

static size_t open_fds(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1000; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void without_a_socket_there_is_no_memory(void)
{
	size_t before = open_fds();

	begin();
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_STRING_EQUAL(seen(), "-");
		CU_ASSERT_EQUAL(open_fds(), before);
		clock_sleep_ms(i * AGAIN_MS);
	}
	end();
}

static void where_nobody_listens_there_is_no_memory(void)
{
	struct server s;
	size_t before = open_fds();

	start(&s, "dead");
	die(&s);
	begin();
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_STRING_EQUAL(seen(), "-");
		CU_ASSERT_EQUAL(open_fds(), before);
		clock_sleep_ms(i * AGAIN_MS);
	}
	end();
}

static void memory_is_had_once_the_server_gives_it(void)
{
	struct server s;
	int64_t begun_ms;

	start(&s, "first");
	begin();
	begun_ms = clock_monotonic_ms();
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	CU_ASSERT(clock_monotonic_ms() - begun_ms < 5000);
	serve(&s);
	CU_ASSERT_STRING_EQUAL(seen(), "first");
	CU_ASSERT_STRING_EQUAL(seen(), "first");
	/* Without another word of the server's. */
	CU_ASSERT_EQUAL(accept4(s.listen_fd, NULL, NULL, SOCK_CLOEXEC), -1);
	stop(&s);
	end();
}

static void what_the_server_keeps_and_changes_later_is_seen(void)
{
	struct server s;

	start_and_have(&s, "first");
	stored_forget(s.stored);
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	keep_name(s.stored, "later");
	CU_ASSERT_STRING_EQUAL(seen(), "later");
	stop(&s);
	end();
}

/* Not after it was stopped or killed, nor when there is another. */
static void the_memory_of_one_before_is_never_looked_into(void)
{
	static const struct {
		int line;
		bool killed, looked;
	} cases[] = {
		{ __LINE__, false, false },
		{ __LINE__, false, true },
		{ __LINE__, true, false },
		{ __LINE__, true, true },
	};
	size_t before = open_fds();

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct server first, second;

		start_and_have(&first, "first");
		if (cases[i].killed)
			die(&first);
		else
			stop(&first);
		if (cases[i].looked)
			HARNESS_CASE(cases[i].line, !strcmp(seen(), "-"));
		start(&second, "second");
		HARNESS_CASE(cases[i].line, !strcmp(seen(), "-"));
		clock_sleep_ms(cases[i].looked ? AGAIN_MS : 0);
		HARNESS_CASE(cases[i].line, !strcmp(seen(), "-"));
		serve(&second);
		HARNESS_CASE(cases[i].line, !strcmp(seen(), "second"));
		stop(&second);
		HARNESS_CASE(cases[i].line, !strcmp(seen(), "-"));
		end();
		HARNESS_CASE(cases[i].line, open_fds() == before);
	}
}

/* The old one gave it away before it went. */
static void what_is_taken_too_late_is_not_looked_into(void)
{
	struct server first, second;

	start(&first, "first");
	begin();
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	serve(&first);
	stop(&first);
	start(&second, "second");
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	serve(&second);
	CU_ASSERT_STRING_EQUAL(seen(), "second");
	stop(&second);
	end();
}

/* While the old one lives on, at no name. */
static void a_socket_that_is_moved_over_the_old_one_is_noticed(void)
{
	struct server first, second;

	start(&first, "first");
	start_at(&second, "other.sock", "second");
	begin();
	seen();
	serve(&first);
	CU_ASSERT_STRING_EQUAL(seen(), "first");
	CU_ASSERT_EQUAL(
		rename(harness_path("other.sock"), harness_path("stored.sock")),
		0);
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	serve(&second);
	CU_ASSERT_STRING_EQUAL(seen(), "second");
	die(&first);
	CU_ASSERT_STRING_EQUAL(seen(), "second");
	die(&second);
	end();
}

static void without_its_name_a_socket_is_forgotten(void)
{
	struct server s;
	size_t before;

	start(&s, "first");
	before = open_fds();
	begin();
	seen();
	serve(&s);
	CU_ASSERT_STRING_EQUAL(seen(), "first");
	CU_ASSERT_EQUAL(unlink(harness_path("stored.sock")), 0);
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	CU_ASSERT_EQUAL(open_fds(), before + s.handout.count);
	clock_sleep_ms(AGAIN_MS);
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	die(&s);
	end();
}

/* It has closed the connection only, or says what nobody has asked for. */
static void one_who_breaks_off_is_asked_anew(void)
{
	for (int talks = 0; talks < 2; talks++) {
		struct server s;

		start_and_have(&s, "first");
		CU_ASSERT_EQUAL_FATAL(s.handout.count, 1);
		if (talks) {
			CU_ASSERT_EQUAL(write(s.handout.peers[0], "x", 1), 1);
		} else {
			handout_release(&s.handout);
		}
		CU_ASSERT_STRING_EQUAL(seen(), "-");
		clock_sleep_ms(AGAIN_MS);
		seen();
		serve(&s);
		CU_ASSERT_STRING_EQUAL(seen(), "first");
		stop(&s);
		end();
	}
}

/* It died between giving its memory and the request that looks for it. */
static void what_a_dead_server_has_sent_is_not_looked_into(void)
{
	struct server s;

	start(&s, "first");
	begin();
	seen();
	serve(&s);
	handout_release(&s.handout);
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	stop(&s);
	end();
}

/* Servers that are none */

static void send_with(int fd, const void *bytes, size_t size, const int *fds,
		      size_t count)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(HANDOUT_FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec piece = { (void *)bytes, size };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (count) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
	}
	CU_ASSERT_EQUAL(sendmsg(fd, &message, 0), (ssize_t)size);
}

static void close_it(int fd, const int *fds)
{
	(void)fd, (void)fds;
}

static void send_rubbish(int fd, const int *fds)
{
	(void)fds;
	send_with(fd, "HTTP/1.1 400 Bad Request\r\n", 26, NULL, 0);
}

static void send_no_descriptors(int fd, const int *fds)
{
	send_with(fd, "", 1, fds, 0);
}

static void send_one_descriptor(int fd, const int *fds)
{
	send_with(fd, "", 1, fds, 1);
}

static void send_short_memory(int fd, const int *fds)
{
	const int swapped[] = { fds[1], fds[0] };

	send_with(fd, "", 1, swapped, 2);
}

static void send_no_memory(int fd, const int *fds)
{
	const int sockets[] = { fd, fd };

	(void)fds;
	send_with(fd, "", 1, sockets, 2);
}

/* After it, another try is made, but not at once. */
static void a_server_that_is_none_gives_nothing(void)
{
	static const struct {
		int line;
		void (*answer)(int fd, const int *fds);
	} cases[] = {
		{ __LINE__, close_it },
		{ __LINE__, send_rubbish },
		{ __LINE__, send_no_descriptors },
		{ __LINE__, send_one_descriptor },
		{ __LINE__, send_short_memory },
		{ __LINE__, send_no_memory },
	};
	struct server s;

	start(&s, "good");
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		size_t before = open_fds();
		int64_t failed_ms;
		int fd;

		begin();
		CU_ASSERT_STRING_EQUAL(seen(), "-");
		fd = accept4(s.listen_fd, NULL, NULL, SOCK_CLOEXEC);
		CU_ASSERT_FATAL(fd >= 0);
		cases[i].answer(fd, stored_fds(s.stored));
		close(fd);
		HARNESS_CASE(cases[i].line, !receiver_look(&receiver));
		failed_ms = clock_monotonic_ms();
		HARNESS_CASE(cases[i].line, open_fds() == before);
		HARNESS_CASE(cases[i].line, !receiver_look(&receiver));
		fd = accept4(s.listen_fd, NULL, NULL, SOCK_CLOEXEC);
		HARNESS_CASE(cases[i].line,
			     fd < 0 || clock_monotonic_ms() - failed_ms >= 100);
		if (fd >= 0)
			close(fd);
		clock_sleep_ms(AGAIN_MS);
		receiver_look(&receiver);
		serve(&s);
		clock_sleep_ms(fd >= 0 ? AGAIN_MS : 0);
		HARNESS_CASE(cases[i].line, !strcmp(seen(), "good"));
		end();
		handout_release(&s.handout);
		HARNESS_CASE(cases[i].line, open_fds() == before);
	}
	stop(&s);
}

static void a_server_with_a_full_queue_is_not_waited_for(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t begun_ms;
	int waiting;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		 harness_path("stored.sock"));
	CU_ASSERT_EQUAL(
		bind(listen_fd, (struct sockaddr *)&address, sizeof(address)),
		0);
	CU_ASSERT_EQUAL(listen(listen_fd, 0), 0);
	waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(
		connect(waiting, (struct sockaddr *)&address, sizeof(address)),
		0);
	begin();
	begun_ms = clock_monotonic_ms();
	for (int i = 0; i < 10; i++)
		CU_ASSERT_STRING_EQUAL(seen(), "-");
	CU_ASSERT(clock_monotonic_ms() - begun_ms < 5000);
	end();
	close(waiting);
	close(listen_fd);
}

/* Where */

static const char *path_for(const char *listen, const char *run_dir,
			    const char *folder)
{
	bool good;

	if (listen)
		setenv(LISTEN, listen, 1);
	else
		unsetenv(LISTEN);
	if (run_dir)
		setenv(RUN_DIR, run_dir, 1);
	else
		unsetenv(RUN_DIR);
	good = receiver_init(&receiver, folder);
	unsetenv(LISTEN);
	unsetenv(RUN_DIR);
	return good ? receiver.address.sun_path : "-";
}

static void the_environment_says_where_the_socket_is(void)
{
	static const struct {
		int line;
		const char *listen, *run_dir, *path;
	} cases[] = {
		{ __LINE__, NULL, NULL, "/d/stored.sock" },
		{ __LINE__, "", "", "/d/stored.sock" },
		{ __LINE__, NULL, "/run/x", "/run/x/stored.sock" },
		{ __LINE__, "", "relative", "relative/stored.sock" },
		{ __LINE__, "unix:/a/b", NULL, "/a/b" },
		{ __LINE__, "unix:/a/b", "/run/x", "/a/b" },
		{ __LINE__, "/a/b", "/run/x", "-" },
		{ __LINE__, "unix:", NULL, "-" },
		{ __LINE__, "unix", NULL, "-" },
		{ __LINE__, "tcp:1", "/run/x", "-" },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++)
		HARNESS_CASE(cases[i].line,
			     !strcmp(path_for(cases[i].listen, cases[i].run_dir,
					      "/d"),
				     cases[i].path));
}

static void a_path_has_107_bytes_at_most(void)
{
	char listen[] = "unix:/23456789012345678901234567890123456789012345678"
			"9012345678901234567890123456789012345678901234567890"
			"123456789";
	char *path = listen + 5;

	path[107] = '\0';
	CU_ASSERT_STRING_EQUAL(path_for(listen, NULL, "/d"), path);
	path[107] = '8';
	CU_ASSERT_STRING_EQUAL(path_for(listen, NULL, "/d"), "-");
	path[108] = '\0';
	CU_ASSERT_STRING_EQUAL(path_for(listen, NULL, "/d"), "-");
	path[95] = '\0'; /* and "/stored.sock" */
	CU_ASSERT_EQUAL(strlen(path_for(NULL, path, "/d")), 107);
	CU_ASSERT_EQUAL(strlen(path_for(NULL, NULL, path)), 107);
	path[95] = '6';
	path[96] = '\0';
	CU_ASSERT_STRING_EQUAL(path_for(NULL, path, "/d"), "-");
	CU_ASSERT_STRING_EQUAL(path_for(NULL, NULL, path), "-");
}

static void what_the_last_look_gave_is_good_for_a_while(void)
{
	struct server s;
	int64_t begun_ms;
	struct stored *last;

	start(&s, "first");
	begin();
	CU_ASSERT_PTR_NULL(receiver_last(&receiver));
	seen();
	CU_ASSERT_PTR_NULL(receiver_last(&receiver));
	serve(&s);
	do {
		begun_ms = clock_monotonic_ms();
		CU_ASSERT_STRING_EQUAL(seen(), "first");
		last = receiver_last(&receiver);
	} while (clock_monotonic_ms() - begun_ms >= RECEIVER_LAST_MS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(last);
	CU_ASSERT_TRUE(stored_may_have(last, view_of("/who")));
	CU_ASSERT_FALSE(stored_may_have(last, view_of("/other")));
	clock_sleep_ms(RECEIVER_LAST_MS);
	CU_ASSERT_PTR_NULL(receiver_last(&receiver));
	CU_ASSERT_STRING_EQUAL(seen(), "first");
	stop(&s);
	CU_ASSERT_STRING_EQUAL(seen(), "-");
	CU_ASSERT_PTR_NULL(receiver_last(&receiver));
	end();
}

/* And no longer.  Tried until both looks fall into the same millisecond. */
static void a_look_is_trusted_for_a_millisecond(void)
{
	bool at_once = false;

	for (int i = 0; i < 1000 && !at_once; i++) {
		struct server s;

		start_and_have(&s, "first");
		handout_release(&s.handout);
		at_once = !strcmp(trusted(), "first");
		CU_ASSERT_STRING_EQUAL(seen(), "-");
		stop(&s);
		end();
	}
	CU_ASSERT_TRUE(at_once);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(without_a_socket_there_is_no_memory),
	HARNESS_TEST(where_nobody_listens_there_is_no_memory),
	HARNESS_TEST(memory_is_had_once_the_server_gives_it),
	HARNESS_TEST(what_the_server_keeps_and_changes_later_is_seen),
	HARNESS_TEST(the_memory_of_one_before_is_never_looked_into),
	HARNESS_TEST(what_is_taken_too_late_is_not_looked_into),
	HARNESS_TEST(a_socket_that_is_moved_over_the_old_one_is_noticed),
	HARNESS_TEST(without_its_name_a_socket_is_forgotten),
	HARNESS_TEST(one_who_breaks_off_is_asked_anew),
	HARNESS_TEST(what_a_dead_server_has_sent_is_not_looked_into),
	HARNESS_TEST(a_server_that_is_none_gives_nothing),
	HARNESS_TEST(a_server_with_a_full_queue_is_not_waited_for),
	HARNESS_TEST(what_the_last_look_gave_is_good_for_a_while),
	HARNESS_TEST(a_look_is_trusted_for_a_millisecond),
	HARNESS_TEST(the_environment_says_where_the_socket_is),
	HARNESS_TEST(a_path_has_107_bytes_at_most),
};

int main(void)
{
	return harness_run("front/receiver", tests, HARNESS_COUNT(tests));
}
