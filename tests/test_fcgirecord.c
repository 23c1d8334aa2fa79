/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fcgirecord.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"

#define RECORDS 50
#define STOPS   25 /* long before it has sent all */
#define CONTENT 3000
#define WHOLE   (FCGI_HEADER_LEN + CONTENT)

/* Of as few bytes as there can be, so that each record waits for the peer. */
static void open_narrow(int ends[2])
{
	const struct timeval timeout = { .tv_sec = 20 };
	const int least = 1;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

static bool send_records(int fd)
{
	static char content[CONTENT];
	bool sent = true;

	for (int i = 0; sent && i < RECORDS; i++) {
		memset(content, i, sizeof(content));
		sent = fcgirecord_send(fd, FCGI_STDOUT, 1,
				       (struct view){ content, 100 },
				       (struct view){ content, CONTENT - 100 });
	}
	return sent;
}

static void stop_and_go_on(pid_t pid)
{
	int status;

	clock_sleep_ms(1); /* most often it waits by then */
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGCONT);
}

/* With a timeout its wait for the peer ends with EINTR then: signal(7). */
static void who_is_stopped_goes_on_where_it_was(void)
{
	char record[WHOLE];
	int status = -1;
	int ends[2];
	pid_t pid;

	open_narrow(ends);
	pid = fork();
	if (pid == 0)
		_exit(!send_records(ends[0]));
	close(ends[0]);
	for (int i = 0; i < RECORDS; i++) {
		if (i < STOPS)
			stop_and_go_on(pid);
		CU_ASSERT_EQUAL_FATAL(recv(ends[1], record, WHOLE, MSG_WAITALL),
				      WHOLE);
		CU_ASSERT_EQUAL(record[1], FCGI_STDOUT);
		CU_ASSERT_EQUAL(record[FCGI_HEADER_LEN], i);
		CU_ASSERT_EQUAL(record[WHOLE - 1], i);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	close(ends[1]);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(who_is_stopped_goes_on_where_it_was),
};

int main(void)
{
	return harness_run("fcgirecord", tests, HARNESS_COUNT(tests));
}
