/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"
#include "logged.h"

static void setting(char *out, size_t size, const char *path)
{
	snprintf(out, size, "unix:%s", path);
}

static void leave(const char *listen, int fd)
{
	listener_refuse(listen, fd);
	close(fd);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int failed;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	failed = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return failed;
}

static void a_socket_is_made_that_others_can_connect_to(void)
{
	const char *path = harness_path("s");
	char listen[256];
	struct stat st;
	int fd;

	setting(listen, sizeof(listen), path);
	CU_ASSERT_EQUAL_FATAL(listener_open(listen, &fd), ERR_OK);
	CU_ASSERT(fd > STDERR_FILENO);
	CU_ASSERT(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0660);
	CU_ASSERT_EQUAL(connect_to(path), 0);
	leave(listen, fd);
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
}

static void the_umask_is_left_as_it_was(void)
{
	char listen[256];
	mode_t before = umask(027);
	int fd;

	setting(listen, sizeof(listen), harness_path("s"));
	CU_ASSERT_EQUAL(listener_open(listen, &fd), ERR_OK);
	CU_ASSERT_EQUAL(umask(before), 027);
	leave(listen, fd);
}

static void a_socket_that_nobody_listens_on_is_replaced(void)
{
	const char *path = harness_path("s");
	char listen[256];
	int first;
	int second;

	setting(listen, sizeof(listen), path);
	CU_ASSERT_EQUAL_FATAL(listener_open(listen, &first), ERR_OK);
	close(first); /* as when the process is killed */
	CU_ASSERT_EQUAL_FATAL(listener_open(listen, &second), ERR_OK);
	CU_ASSERT_EQUAL(connect_to(path), 0);
	leave(listen, second);
}

static void a_socket_in_use_is_left_alone(void)
{
	const char *path = harness_path("s");
	char listen[256];
	int first;
	int second;

	setting(listen, sizeof(listen), path);
	CU_ASSERT_EQUAL_FATAL(listener_open(listen, &first), ERR_OK);
	CU_ASSERT_EQUAL(listener_open(listen, &second), ERR_OWNED);
	CU_ASSERT_EQUAL(second, -1);
	CU_ASSERT_EQUAL(connect_to(path), 0);
	leave(listen, first);
}

static void what_is_no_socket_is_left_alone(void)
{
	const char *path = harness_path("s");
	char listen[256];
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	struct stat st;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, "precious", 8), 8);
	close(fd);
	setting(listen, sizeof(listen), path);
	CU_ASSERT_EQUAL(listener_open(listen, &fd), ERR_ACCESS);
	CU_ASSERT_EQUAL(fd, -1);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, 8);
}

static void a_folder_that_is_missing_is_no_access(void)
{
	char listen[256];
	int fd;

	setting(listen, sizeof(listen), harness_path("missing/s"));
	CU_ASSERT_EQUAL(listener_open(listen, &fd), ERR_ACCESS);
	CU_ASSERT_EQUAL(fd, -1);
}

static void a_path_has_107_bytes_at_most(void)
{
	char name[200];
	char listen[512];
	int fd;

	for (size_t size = 107; size <= 108; size++) {
		size_t folder = strlen(harness_tmpdir());

		memset(name, 'x', sizeof(name));
		CU_ASSERT_FATAL(folder + 1 < size);
		name[size - folder - 1] = '\0';
		setting(listen, sizeof(listen), harness_path(name));
		CU_ASSERT_EQUAL(listener_open(listen, &fd),
				size == 107 ? ERR_OK : ERR_ACCESS);
		leave(listen, fd);
	}
}

static void a_successor_can_have_the_path_of_what_refuses(void)
{
	const char *path = harness_path("s");
	char listen[256];
	int first;
	int second;

	setting(listen, sizeof(listen), path);
	CU_ASSERT_EQUAL_FATAL(listener_open(listen, &first), ERR_OK);
	CU_ASSERT_EQUAL(connect_to(path), 0);
	listener_refuse(listen, first);
	CU_ASSERT_EQUAL(connect_to(path), -1);
	close(accept4(first, NULL, NULL, SOCK_CLOEXEC)); /* who was pending */
	CU_ASSERT_EQUAL(accept4(first, NULL, NULL, SOCK_CLOEXEC), -1);
	CU_ASSERT(errno == EAGAIN || errno == EINVAL);
	CU_ASSERT_EQUAL_FATAL(listener_open(listen, &second), ERR_OK);
	close(first);
	CU_ASSERT_EQUAL(connect_to(path), 0);
	leave(listen, second);
}

static void refusing_what_was_never_opened_removes_nothing(void)
{
	const char *path = harness_path("s");
	char listen[256];
	int fd;

	setting(listen, sizeof(listen), path);
	CU_ASSERT_EQUAL_FATAL(listener_open(listen, &fd), ERR_OK);
	listener_refuse(listen, -1);
	CU_ASSERT_EQUAL(connect_to(path), 0);
	leave(listen, fd);
}

/* As lighttpd makes one: a socket at a path of its own. */
static int made_at(const char *name)
{
	char listen[256];
	int fd;

	setting(listen, sizeof(listen), harness_path(name));
	CU_ASSERT_EQUAL_FATAL(listener_open(listen, &fd), ERR_OK);
	return fd;
}

/* Take it to "s", where it is then and nowhere else. */
static void take(int made)
{
	char listen[256];
	struct stat st;
	int fd;

	setting(listen, sizeof(listen), harness_path("s"));
	CU_ASSERT_EQUAL_FATAL(listener_take(made, listen, &fd), ERR_OK);
	CU_ASSERT_EQUAL(fd, made);
	CU_ASSERT_EQUAL(connect_to(harness_path("s")), 0);
	CU_ASSERT_EQUAL(lstat(harness_path("s"), &st), 0);
	CU_ASSERT(S_ISSOCK(st.st_mode));
	CU_ASSERT_EQUAL(lstat(harness_path("made"), &st), -1);
	CU_ASSERT_EQUAL(lstat(harness_path("made.new"), &st), -1);
	leave(listen, fd);
	CU_ASSERT_EQUAL(lstat(harness_path("s"), &st), -1);
}

static void a_socket_that_was_made_elsewhere_is_moved(void)
{
	take(made_at("made"));
}

static void a_link_to_the_socket_is_replaced_by_it(void)
{
	int made = made_at("made");

	CU_ASSERT_EQUAL(symlink("made", harness_path("s")), 0);
	CU_ASSERT_EQUAL(connect_to(harness_path("s")), 0);
	take(made);
}

static void a_move_that_was_cut_off_is_made_again(void)
{
	int made = made_at("made");

	CU_ASSERT_EQUAL(link(harness_path("made"), harness_path("made.new")),
			0);
	take(made);
}

static void a_socket_is_moved_over_one_that_nobody_listens_on(void)
{
	close(made_at("s"));
	take(made_at("made"));
}

/* Nobody has the socket then, and what is at the path is as it was. */
static void take_in_vain(enum err expected)
{
	int made = made_at("made");
	char listen[256];
	struct stat before;
	struct stat after;
	int fd;

	setting(listen, sizeof(listen), harness_path("s"));
	CU_ASSERT_EQUAL(lstat(harness_path("s"), &before), 0);
	CU_ASSERT_EQUAL(listener_take(made, listen, &fd), expected);
	CU_ASSERT_EQUAL(fd, -1);
	CU_ASSERT_EQUAL(connect_to(harness_path("made")), -1);
	CU_ASSERT_EQUAL(lstat(harness_path("s"), &after), 0);
	CU_ASSERT_EQUAL(before.st_ino, after.st_ino);
}

static void a_socket_is_not_moved_over_one_in_use(void)
{
	int used = made_at("s");

	take_in_vain(ERR_OWNED);
	CU_ASSERT_EQUAL(connect_to(harness_path("s")), 0);
	close(used);
}

static void a_socket_is_not_moved_over_what_is_none(void)
{
	int fd = open(harness_path("s"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	take_in_vain(ERR_ACCESS);
	close(fd);
	CU_ASSERT_EQUAL(unlink(harness_path("s")), 0);
	CU_ASSERT_EQUAL(symlink("/nowhere", harness_path("s")), 0);
	take_in_vain(ERR_ACCESS);
}

/* How many lines tell that none could be accepted, in three tries. */
static int told_in_vain(int fd, bool *failing)
{
	struct rlimit limit, none;
	struct logged logged;
	const char *text;
	int lines = 0;

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	logged_begin(&logged);
	none = (struct rlimit){ 0, limit.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(listener_accept(fd, 0, failing), -1);
	setrlimit(RLIMIT_NOFILE, &limit);
	text = logged_end(&logged);
	while ((text = strstr(text, "event=accept-failed"))) {
		text++;
		lines++;
	}
	return lines;
}

static void that_nobody_can_be_accepted_is_told_once_while_it_lasts(void)
{
	const char *path = harness_path("s");
	bool failing = false;
	char listen[256];
	int fd;

	setting(listen, sizeof(listen), path);
	CU_ASSERT_EQUAL_FATAL(listener_open(listen, &fd), ERR_OK);
	CU_ASSERT_EQUAL(listener_accept(fd, 0, &failing), -1);
	CU_ASSERT_FALSE(failing);
	for (int i = 0; i < 2; i++) {
		int got;

		CU_ASSERT_EQUAL(connect_to(path), 0);
		CU_ASSERT_EQUAL(told_in_vain(fd, &failing), 1);
		got = listener_accept(fd, 0, &failing);
		CU_ASSERT(got >= 0);
		CU_ASSERT_FALSE(failing);
		close(got);
	}
	leave(listen, fd);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_socket_is_made_that_others_can_connect_to),
	HARNESS_TEST(the_umask_is_left_as_it_was),
	HARNESS_TEST(a_socket_that_nobody_listens_on_is_replaced),
	HARNESS_TEST(a_socket_in_use_is_left_alone),
	HARNESS_TEST(what_is_no_socket_is_left_alone),
	HARNESS_TEST(a_folder_that_is_missing_is_no_access),
	HARNESS_TEST(a_path_has_107_bytes_at_most),
	HARNESS_TEST(a_successor_can_have_the_path_of_what_refuses),
	HARNESS_TEST(refusing_what_was_never_opened_removes_nothing),
	HARNESS_TEST(a_socket_that_was_made_elsewhere_is_moved),
	HARNESS_TEST(a_link_to_the_socket_is_replaced_by_it),
	HARNESS_TEST(a_move_that_was_cut_off_is_made_again),
	HARNESS_TEST(a_socket_is_moved_over_one_that_nobody_listens_on),
	HARNESS_TEST(a_socket_is_not_moved_over_one_in_use),
	HARNESS_TEST(a_socket_is_not_moved_over_what_is_none),
	HARNESS_TEST(that_nobody_can_be_accepted_is_told_once_while_it_lasts),
};

int main(void)
{
	return harness_run("listener", tests, HARNESS_COUNT(tests));
}
