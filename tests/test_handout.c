/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "handout.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"
#include "listener.h"
#include "peer.h"

#define MANY (HANDOUT_PEERS_MAX + 36)

struct fixture {
	char listen[256];
	int listen_fd;
	int fds[HANDOUT_FDS_MAX];
	size_t count; /* of them that are handed out */
	struct handout handout;
};

/* Descriptor number i is of a file of i + 1 bytes. */
static void begin(struct fixture *f, size_t count)
{
	snprintf(f->listen, sizeof(f->listen), "unix:%s", harness_path("s"));
	CU_ASSERT_EQUAL_FATAL(listener_open(f->listen, &f->listen_fd), ERR_OK);
	f->count = count;
	f->handout = (struct handout){ 0 };
	for (size_t i = 0; i < count; i++) {
		f->fds[i] = memfd_create("handout", MFD_CLOEXEC);
		CU_ASSERT_FATAL(f->fds[i] >= 0);
		CU_ASSERT_EQUAL(ftruncate(f->fds[i], (off_t)i + 1), 0);
	}
}

static void end(struct fixture *f)
{
	handout_release(&f->handout);
	for (size_t i = 0; i < f->count; i++)
		CU_ASSERT_EQUAL(close(f->fds[i]), 0);
	listener_refuse(f->listen, f->listen_fd);
	close(f->listen_fd);
}

static void serve(struct fixture *f)
{
	handout_serve(&f->handout, f->listen_fd, f->fds, f->count);
}

/* How many descriptors came, which are closed; they have to be the right. */
static size_t take(int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(HANDOUT_FDS_MAX * sizeof(int))];
	} control;
	char bytes[8];
	struct iovec piece = { bytes, sizeof(bytes) };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *rights;
	int fds[HANDOUT_FDS_MAX];
	size_t count = 0;

	if (recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return 0;
	CU_ASSERT_EQUAL(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC), 0);
	rights = CMSG_FIRSTHDR(&message);
	if (rights && rights->cmsg_type == SCM_RIGHTS) {
		count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(rights), count * sizeof(int));
	}
	for (size_t i = 0; i < count; i++) {
		struct stat st = { 0 };

		CU_ASSERT_EQUAL(fstat(fds[i], &st), 0);
		CU_ASSERT_EQUAL(st.st_size, (off_t)i + 1);
		close(fds[i]);
	}
	return count;
}

/* There is nothing to be read, and no end: whoever has served it lives. */
static bool is_held(int fd)
{
	char byte;

	errno = 0;
	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool is_at_its_end(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool anybody_pending(const struct fixture *f)
{
	struct pollfd event = { .fd = f->listen_fd, .events = POLLIN };

	return poll(&event, 1, 0) != 0;
}

static size_t open_fds(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1000; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void who_connects_is_given_the_descriptors(void)
{
	struct fixture f;

	for (size_t count = 1; count <= HANDOUT_FDS_MAX; count++) {
		int fd;

		begin(&f, count);
		fd = peer_dial(f.listen);
		serve(&f);
		CU_ASSERT_EQUAL(take(fd), count);
		close(fd);
		end(&f);
	}
}

/* What is written to one is there for who gave it: no copy of the file. */
static void they_are_of_the_same_files(void)
{
	struct fixture f;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec piece = { &byte, 1 };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd, received;

	begin(&f, 1);
	fd = peer_dial(f.listen);
	serve(&f);
	CU_ASSERT_EQUAL_FATAL(recvmsg(fd, &message, 0), 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(CMSG_FIRSTHDR(&message));
	memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	CU_ASSERT_EQUAL(pwrite(received, "!", 1, 0), 1);
	CU_ASSERT_EQUAL(pread(f.fds[0], &byte, 1, 0), 1);
	CU_ASSERT_EQUAL(byte, '!');
	close(received);
	close(fd);
	end(&f);
}

static void all_who_are_pending_are_served_at_once(void)
{
	struct fixture f;
	int peers[HANDOUT_PEERS_MAX];

	begin(&f, 2);
	for (size_t i = 0; i < HANDOUT_PEERS_MAX; i++)
		peers[i] = peer_dial(f.listen);
	serve(&f);
	CU_ASSERT_FALSE(anybody_pending(&f));
	for (size_t i = 0; i < HANDOUT_PEERS_MAX; i++) {
		HARNESS_CASE((unsigned)i, take(peers[i]) == 2);
		HARNESS_CASE((unsigned)i, is_held(peers[i]));
		close(peers[i]);
	}
	end(&f);
}

static void where_there_are_too_many_the_oldest_is_closed(void)
{
	struct fixture f;
	int peers[MANY];
	size_t before;

	begin(&f, 2);
	for (size_t i = 0; i < MANY; i++)
		peers[i] = peer_dial(f.listen);
	before = open_fds();
	serve(&f);
	CU_ASSERT_EQUAL(open_fds(), before + HANDOUT_PEERS_MAX);
	CU_ASSERT_FALSE(anybody_pending(&f));
	for (size_t i = 0; i < MANY; i++) {
		HARNESS_CASE((unsigned)i, take(peers[i]) == 2);
		HARNESS_CASE((unsigned)i, i < MANY - HANDOUT_PEERS_MAX
						  ? is_at_its_end(peers[i])
						  : is_held(peers[i]));
		close(peers[i]);
	}
	end(&f);
}

static void who_has_gone_makes_room_for_others(void)
{
	struct fixture f;
	int peers[2 * HANDOUT_PEERS_MAX];

	begin(&f, 1);
	for (size_t i = 0; i < HANDOUT_PEERS_MAX; i++)
		peers[i] = peer_dial(f.listen);
	serve(&f);
	for (size_t i = 1; i < HANDOUT_PEERS_MAX; i += 2)
		close(peers[i]);
	for (size_t i = 1; i < HANDOUT_PEERS_MAX; i += 2)
		peers[i] = peer_dial(f.listen);
	serve(&f);
	for (size_t i = 0; i < HANDOUT_PEERS_MAX; i++) {
		HARNESS_CASE((unsigned)i, take(peers[i]) == 1);
		HARNESS_CASE((unsigned)i, is_held(peers[i]));
		close(peers[i]);
	}
	end(&f);
}

static void one_who_has_gone_does_no_harm_to_the_others(void)
{
	struct fixture f;
	int first, last;

	begin(&f, 2);
	first = peer_dial(f.listen);
	for (int i = 0; i < 10; i++)
		close(peer_dial(f.listen));
	last = peer_dial(f.listen);
	serve(&f);
	CU_ASSERT_EQUAL(take(first), 2);
	CU_ASSERT_EQUAL(take(last), 2);
	CU_ASSERT_TRUE(is_held(first) && is_held(last));
	close(first);
	close(last);
	end(&f);
}

static void they_are_at_their_end_when_all_are_released(void)
{
	struct fixture f;
	size_t before;
	int peers[3];

	begin(&f, 2);
	before = open_fds();
	for (int i = 0; i < 3; i++)
		peers[i] = peer_dial(f.listen);
	serve(&f);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(take(peers[i]), 2);
		CU_ASSERT_TRUE(is_held(peers[i]));
	}
	handout_release(&f.handout);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(is_at_its_end(peers[i]));
		close(peers[i]);
	}
	CU_ASSERT_EQUAL(open_fds(), before);
	handout_release(&f.handout);
	handout_release(NULL);
	end(&f);
}

static void they_find_nothing_when_a_child_releases_them(void)
{
	struct fixture f;
	pid_t pid;
	int fd;

	begin(&f, 2);
	fd = peer_dial(f.listen);
	serve(&f);
	CU_ASSERT_EQUAL(take(fd), 2);
	pid = fork();
	if (pid == 0) {
		handout_release(&f.handout);
		_exit(0);
	}
	CU_ASSERT_FATAL(pid > 0);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT_TRUE(is_held(fd));
	close(fd);
	end(&f);
}

/* Killed, it closes nothing itself. */
static void they_are_at_their_end_when_who_served_them_dies(void)
{
	struct fixture f;
	int status = -1;
	pid_t pid;
	int fd;

	begin(&f, 2);
	fd = peer_dial(f.listen);
	pid = fork();
	if (pid == 0) {
		serve(&f);
		raise(SIGKILL);
	}
	CU_ASSERT_FATAL(pid > 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFSIGNALED(status));
	CU_ASSERT_EQUAL(take(fd), 2);
	CU_ASSERT_TRUE(is_at_its_end(fd));
	close(fd);
	end(&f);
}

static void who_says_something_or_hears_nothing_is_not_waited_for(void)
{
	struct fixture f;
	struct buf bytes = BUF_EMPTY;
	int talker, deaf, last;

	begin(&f, 2);
	buf_add_string(&bytes, "GET / HTTP/1.1\r\n\r\n");
	talker = peer_dial(f.listen);
	peer_send(talker, &bytes);
	deaf = peer_dial(f.listen);
	shutdown(deaf, SHUT_RD);
	last = peer_dial(f.listen);
	serve(&f);
	CU_ASSERT_EQUAL(take(last), 2);
	CU_ASSERT_FALSE(anybody_pending(&f));
	close(talker);
	close(deaf);
	close(last);
	buf_release(&bytes);
	end(&f);
}

static void where_nobody_is_pending_it_returns_at_once(void)
{
	struct fixture f;
	int64_t begun_ms;

	begin(&f, 2);
	begun_ms = clock_monotonic_ms();
	for (int i = 0; i < 100; i++)
		serve(&f);
	CU_ASSERT(clock_monotonic_ms() - begun_ms < 5000);
	end(&f);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(who_connects_is_given_the_descriptors),
	HARNESS_TEST(they_are_of_the_same_files),
	HARNESS_TEST(all_who_are_pending_are_served_at_once),
	HARNESS_TEST(where_there_are_too_many_the_oldest_is_closed),
	HARNESS_TEST(who_has_gone_makes_room_for_others),
	HARNESS_TEST(one_who_has_gone_does_no_harm_to_the_others),
	HARNESS_TEST(they_are_at_their_end_when_all_are_released),
	HARNESS_TEST(they_find_nothing_when_a_child_releases_them),
	HARNESS_TEST(they_are_at_their_end_when_who_served_them_dies),
	HARNESS_TEST(who_says_something_or_hears_nothing_is_not_waited_for),
	HARNESS_TEST(where_nobody_is_pending_it_returns_at_once),
};

int main(void)
{
	return harness_run("handout", tests, HARNESS_COUNT(tests));
}
