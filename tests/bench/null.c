/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ceiling: FastCGI responders that do nothing but answer 100 bytes, behind
 * the same lighttpd configuration as librapi.
 *
 *   null plain SOCKET PROCESSES   FCGX_Accept_r and FCGX_Finish_r, as in the
 *                                 examples that come with libfcgi
 *   null best SOCKET PROCESSES    accept by itself, close plainly, and let
 *                                 lighttpd go first
 *
 * The best form spares libfcgi's poll before the first read, and its shutdown
 * and drain at the end: see app/exchange.c for what that relies on.  It runs
 * under SCHED_BATCH, see app/pace.h.  Both read the body of a request to its
 * end.
 */
#include <fcgiapp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG 1024

static const char answer[] =
	"Content-Type: application/octet-stream\r\n"
	"Content-Length: 100\r\n\r\n"
	"01234567890123456789012345678901234567890123456789"
	"01234567890123456789012345678901234567890123456789";

static void respond(FCGX_Request *request)
{
	char piece[8192];

	while (FCGX_GetStr(piece, sizeof(piece), request->in) > 0)
		;
	FCGX_PutStr(answer, sizeof(answer) - 1, request->out);
	FCGX_Finish_r(request);
}

static void serve_plainly(int listen_fd)
{
	FCGX_Request request;

	FCGX_InitRequest(&request, listen_fd, 0);
	while (!FCGX_Accept_r(&request))
		respond(&request);
}

static void serve_best(int listen_fd)
{
	const struct sched_param param = { .sched_priority = 0 };

	if (sched_getscheduler(0) == SCHED_OTHER)
		sched_setscheduler(0, SCHED_BATCH, &param);
	for (;;) {
		FCGX_Request request;
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		FCGX_InitRequest(&request, -1, 0);
		request.ipcFd = fd;
		request.keepConnection = 1;
		FCGX_Detach(&request);
		if (FCGX_Accept_r(&request))
			continue;
		request.keepConnection = 0;
		respond(&request);
	}
}

int main(int argc, char **argv)
{
	int listen_fd;

	if (argc != 4 || FCGX_Init()) {
		fprintf(stderr, "usage: null plain|best SOCKET PROCESSES\n");
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	listen_fd = FCGX_OpenSocket(argv[2], BACKLOG);
	if (listen_fd < 0)
		return EXIT_FAILURE;
	for (int i = atoi(argv[3]); i > 0; i--) {
		if (fork() > 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!strcmp(argv[1], "best"))
			serve_best(listen_fd);
		else
			serve_plainly(listen_fd);
		return EXIT_SUCCESS;
	}
	while (wait(NULL) > 0)
		;
	return EXIT_SUCCESS;
}
