/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The FastCGI stream: the input is all that a peer sends before it closes its
 * side, and goes the way that the worker lets a connection go.  In the end
 * the descriptor is closed, and an answer that was begun has a status.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/serve.h"
#include "exchange.h"
#include "fuzz/fuzz.h"

#define BODY_MAX  4096
#define INPUT_MAX 65536 /* that a socket holds without a reader */
#define HEADER    8     /* of a record */
#define STDOUT    6

static void open_api(struct api *api, struct conf *conf)
{
	const struct store_conf store_conf = {
		.engine = "memory",
		.value_max_bytes = BODY_MAX,
	};

	*conf = (struct conf){ .data_dir = fuzz_path(""),
			       .value_max_bytes = BODY_MAX,
			       .txn_max_ops = 20,
			       .txn_max_bytes = BODY_MAX,
			       .cors_origin = "*" };
	*api = (struct api){ .conf = conf };
	FUZZ_HOLDS(!store_open(&store_conf, &api->store));
}

/* As worker.c does it, for one. */
static bool serve(struct api *api, struct exchange *x)
{
	enum err err = request_ready(&x->request);
	bool pieces = !err && api_takes_pieces(&x->request);

	if (pieces)
		exchange_offer_body(x);
	else if (!exchange_read_body(x, BODY_MAX, &err))
		return false;
	if (err)
		api_settle(api, &x->request, &x->response, err);
	else
		api_serve(api, &x->request, &x->response);
	return !pieces || exchange_end_body(x);
}

static void answer(struct api *api, int fd)
{
	static struct exchange x;
	const struct timeval timeout = { .tv_sec = 5 };
	struct buf head = BUF_EMPTY;

	if (exchange_begin(&x, fd, timeout)) {
		if (!serve(api, &x)) {
			exchange_drop(&x, "the request ended early");
		} else {
			if (x.response.ticket)
				exchange_hold(&x);
			exchange_finish(&x, &head);
		}
	}
	exchange_release(&x);
	buf_release(&head);
}

/* What comes back ends; when it is an answer, it begins with its status. */
static void check_answer(int fd)
{
	struct buf answer = BUF_EMPTY;
	ssize_t got;

	do {
		buf_reserve(&answer, 4096);
		got = recv(fd, answer.data + answer.size, 4096, 0);
		if (got > 0)
			answer.size += (size_t)got;
	} while (got > 0);
	FUZZ_HOLDS(got == 0);
	if (answer.size > HEADER + 8 && answer.data[1] == STDOUT)
		FUZZ_HOLDS(!memcmp(answer.data + HEADER, "Status: ", 8));
	buf_release(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct timeval timeout = { .tv_sec = 5 };
	struct api api;
	struct conf conf;
	int fds[2];

	if (size > INPUT_MAX)
		return 0;
	/*
	 * libfcgi 2.4.2 takes the memory for a name or a value by the length
	 * that is told, up to 2 GiB, and aborts where there is none: only
	 * lengths below 16 MiB are tried, whose first byte is 0x80.
	 */
	for (size_t i = 0; i < size; i++)
		if (data[i] > 0x80)
			return 0;
	open_api(&api, &conf);
	FUZZ_HOLDS(!exchange_init());
	FUZZ_HOLDS(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	FUZZ_HOLDS(send(fds[0], data, size, MSG_NOSIGNAL) == (ssize_t)size);
	shutdown(fds[0], SHUT_WR);
	answer(&api, fds[1]);
	check_answer(fds[0]);
	close(fds[0]);
	store_close(api.store);
	return 0;
}
