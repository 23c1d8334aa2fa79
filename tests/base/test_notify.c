/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "harness.h"

static void forget_manager(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* The manager's end; a name that begins with @ is an abstract one. */
static int manager_open(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t length = strlen(name);

	memcpy(address.sun_path, name, length);
	if (*name == '@')
		address.sun_path[0] = '\0';
	CU_ASSERT_EQUAL_FATAL(
		bind(fd, (struct sockaddr *)&address,
		     (socklen_t)(sizeof(address.sun_family) + length)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *heard(int manager)
{
	static char lines[256];
	ssize_t size = recv(manager, lines, sizeof(lines) - 1, 0);

	lines[size < 0 ? 0 : size] = '\0';
	return lines;
}

static void without_a_manager_nothing_is_said(void)
{
	struct notify notify;

	forget_manager();
	notify_init(&notify);
	CU_ASSERT_EQUAL(notify.fd, -1);
	CU_ASSERT_EQUAL(notify.watchdog_ms, 0);
	notify_send(&notify, "READY=1");
	notify_release(&notify);
}

static void each_message_is_one_datagram(void)
{
	static const char *const kinds[] = { "path", "abstract" };

	for (size_t i = 0; i < HARNESS_COUNT(kinds); i++) {
		char name[100];
		struct notify notify;
		int manager;

		forget_manager();
		if (i == 0)
			snprintf(name, sizeof(name), "%s", harness_path("n"));
		else
			snprintf(name, sizeof(name), "@librapi-test-%d",
				 (int)getpid());
		manager = manager_open(name);
		notify_init(&notify);
		notify_send(&notify, "READY=1\nSTATUS=Serving");
		notify_send(&notify, "STOPPING=1");
		CU_ASSERT_STRING_EQUAL(heard(manager),
				       "READY=1\nSTATUS=Serving");
		CU_ASSERT_STRING_EQUAL(heard(manager), "STOPPING=1");
		notify_release(&notify);
		CU_ASSERT_EQUAL(notify.fd, -1);
		close(manager);
	}
}

static void a_reload_bears_the_time_that_the_manager_measures_by(void)
{
	int64_t before_us = clock_monotonic_us();
	struct notify notify;
	int64_t at_us = 0;
	int manager;

	forget_manager();
	manager = manager_open(harness_path("n"));
	notify_init(&notify);
	notify_reloading(&notify);
	CU_ASSERT_EQUAL(sscanf(heard(manager),
			       "RELOADING=1\nMONOTONIC_USEC=%" SCNd64, &at_us),
			1);
	CU_ASSERT(at_us >= before_us && at_us <= clock_monotonic_us());
	notify_release(&notify);
	close(manager);
}

static void a_manager_that_can_not_be_reached_is_as_none(void)
{
	char too_long[200];
	const char *const names[] = { "nonsense", "/",
				      "@",        "",
				      too_long,   harness_path("absent") };

	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[0] = '/';
	too_long[sizeof(too_long) - 1] = '\0';
	log_setup(LOG_ERROR, "test");
	for (size_t i = 0; i < HARNESS_COUNT(names); i++) {
		struct notify notify;

		forget_manager();
		setenv("NOTIFY_SOCKET", names[i], 1);
		setenv("WATCHDOG_USEC", "1000000", 1);
		notify_init(&notify);
		CU_ASSERT_EQUAL(notify.fd, -1);
		CU_ASSERT_EQUAL(notify.watchdog_ms, 0);
		notify_send(&notify, "READY=1");
	}
}

static void a_manager_that_went_away_is_not_waited_for(void)
{
	struct notify notify;

	forget_manager();
	close(manager_open(harness_path("n")));
	notify_init(&notify);
	for (int i = 0; i < 1000; i++)
		CU_ASSERT(notify_send(&notify, "WATCHDOG=1"));
	notify_release(&notify);
}

static void the_watchdog_is_for_the_process_that_is_named(void)
{
	char me[16], other[16];
	const struct {
		unsigned line;
		const char *usec, *pid;
		long ms;
	} cases[] = {
		{ __LINE__, "30000000", NULL, 30000 },
		{ __LINE__, "30000000", me, 30000 },
		{ __LINE__, "30000000", other, 0 },
		{ __LINE__, "30000000", "x", 0 },
		{ __LINE__, NULL, me, 0 },
		{ __LINE__, "", me, 0 },
		{ __LINE__, "-1", me, 0 },
		{ __LINE__, "12s", me, 0 },
		{ __LINE__, "99999999999999999999", me, 0 },
		{ __LINE__, "9223372036854775807", me, INT32_MAX },
	};
	int manager;

	snprintf(me, sizeof(me), "%d", (int)getpid());
	snprintf(other, sizeof(other), "%d", (int)getppid());
	manager = manager_open(harness_path("n"));
	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct notify notify;

		unsetenv("WATCHDOG_USEC");
		unsetenv("WATCHDOG_PID");
		if (cases[i].usec)
			setenv("WATCHDOG_USEC", cases[i].usec, 1);
		if (cases[i].pid)
			setenv("WATCHDOG_PID", cases[i].pid, 1);
		notify_init(&notify);
		HARNESS_CASE(cases[i].line, notify.watchdog_ms == cases[i].ms);
		notify_release(&notify);
	}
	close(manager);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(without_a_manager_nothing_is_said),
	HARNESS_TEST(each_message_is_one_datagram),
	HARNESS_TEST(a_reload_bears_the_time_that_the_manager_measures_by),
	HARNESS_TEST(a_manager_that_can_not_be_reached_is_as_none),
	HARNESS_TEST(a_manager_that_went_away_is_not_waited_for),
	HARNESS_TEST(the_watchdog_is_for_the_process_that_is_named),
};

int main(void)
{
	return harness_run("base/notify", tests, HARNESS_COUNT(tests));
}
