/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tests of app/stream.c over a pair of sockets: requests in pieces, requests
 * that are none, and answers that are taken slowly.
 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "peer.h"

#define BODY_MAX 100000

struct fixture {
	struct stream stream;
	int peer;
};

static void open_pair(struct fixture *f)
{
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   0, fds),
		0);
	stream_init(&f->stream, fds[0], BODY_MAX);
	f->peer = fds[1];
}

static void close_pair(struct fixture *f)
{
	stream_release(&f->stream);
	close(f->peer);
}

static bool feed(struct fixture *f, const void *data, size_t size)
{
	CU_ASSERT_EQUAL(send(f->peer, data, size, MSG_NOSIGNAL), (ssize_t)size);
	return stream_read(&f->stream);
}

static void a_request_may_come_byte_by_byte(void)
{
	struct fixture f;
	struct buf bytes = BUF_EMPTY;
	struct buf variables = BUF_EMPTY;

	open_pair(&f);
	peer_request(&bytes, "PUT", "/v1/kv/a", view_of("hello"));
	for (size_t i = 0; i < bytes.size; i++) {
		CU_ASSERT_EQUAL(feed(&f, bytes.data + i, 1),
				i == bytes.size - 1);
		CU_ASSERT_FALSE(f.stream.gone);
	}
	CU_ASSERT(view_equal_string(buf_view(&f.stream.body), "hello"));
	CU_ASSERT(stream_variables(&f.stream, &variables));
	CU_ASSERT(memmem(variables.data, variables.size, "REQUEST_URI=/v1/kv/a",
			 21) != NULL);
	buf_release(&bytes);
	buf_release(&variables);
	close_pair(&f);
}

static void cut_off_anywhere_it_is_no_request(void)
{
	struct buf bytes = BUF_EMPTY;

	peer_request(&bytes, "PUT", "/v1/kv/a", view_of("hello"));
	for (size_t size = 0; size < bytes.size; size++) {
		struct fixture f;

		open_pair(&f);
		CU_ASSERT_EQUAL(send(f.peer, bytes.data, size, 0),
				(ssize_t)size);
		shutdown(f.peer, SHUT_WR);
		CU_ASSERT_FALSE(stream_read(&f.stream));
		CU_ASSERT_TRUE(f.stream.gone);
		close_pair(&f);
	}
	buf_release(&bytes);
}

static void what_is_no_request_is_given_up(void)
{
	static const struct {
		int line;
		const char *bytes;
		size_t size;
	} cases[] = {
		{ __LINE__, "GET / HTTP/1.1\r\n\r\n", 18 },
		{ __LINE__, "\2\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0", 16 },
		{ __LINE__, "\1\1\0\1\0\10\0\0\0\2\0\0\0\0\0\0", 16 },
		{ __LINE__, "\1\1\0\1\0\7\0\0\0\1\0\0\0\0\0", 15 },
		{ __LINE__, "\1\4\0\1\0\0\0\0", 8 },
		{ __LINE__, "\1\5\0\1\0\0\0\0", 8 },
		{ __LINE__, "\1\11\0\0\0\0\0\0", 8 },
		/* begun twice; of another id; a body before the variables */
		{ __LINE__,
		  "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
		  "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0",
		  32 },
		{ __LINE__, "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\4\0\2\0\0\0\0",
		  24 },
		{ __LINE__, "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\5\0\1\0\0\0\0",
		  24 },
		/* aborted */
		{ __LINE__, "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\2\0\1\0\0\0\0",
		  24 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct fixture f;

		open_pair(&f);
		HARNESS_CASE(cases[i].line,
			     !feed(&f, cases[i].bytes, cases[i].size));
		HARNESS_CASE(cases[i].line, f.stream.gone);
		close_pair(&f);
	}
}

static void variables_have_short_and_long_lengths(void)
{
	static const struct {
		int line;
		const char *pairs;
		size_t size;
		const char *variables; /* NULL: malformed */
		size_t variables_size;
	} cases[] = {
		{ __LINE__, "", 0, "", 0 },
		{ __LINE__, "\1\1ab", 4, "a=b", 4 },
		{ __LINE__, "\1\0a\1\1bc", 7, "a=\0b=c", 7 },
		{ __LINE__, "\200\0\0\1\1ab", 7, "a=b", 4 },
		{ __LINE__, "\1\200\0\0\1ab", 7, "a=b", 4 },
		{ __LINE__, "\1", 1, NULL, 0 },
		{ __LINE__, "\200", 1, NULL, 0 },
		{ __LINE__, "\1\200\0\0", 4, NULL, 0 },
		{ __LINE__, "\2\1ab", 4, NULL, 0 },
		{ __LINE__, "\377\377\377\377\377\377\377\377a", 9, NULL, 0 },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct stream stream = { .fd = -1 };
		struct buf out = BUF_EMPTY;
		bool good;

		buf_add(&stream.params, cases[i].pairs, cases[i].size);
		good = stream_variables(&stream, &out);
		HARNESS_CASE(cases[i].line, good == !!cases[i].variables);
		if (good)
			HARNESS_CASE(cases[i].line,
				     view_equal(buf_view(&out),
						(struct view){
							cases[i].variables,
							cases[i].variables_size,
						}));
		buf_release(&out);
		stream_release(&stream);
	}
}

/* Send all of it, reading on the other side in between. */
static bool feed_long(struct fixture *f, const struct buf *bytes)
{
	size_t at = 0;

	while (at < bytes->size) {
		ssize_t sent = send(f->peer, bytes->data + at, bytes->size - at,
				    MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			break;
		if (sent > 0)
			at += (size_t)sent;
		if (stream_read(&f->stream))
			return true;
	}
	return stream_read(&f->stream);
}

static void of_a_body_that_is_too_large_nothing_is_kept(void)
{
	static const struct {
		int line;
		size_t size;
		bool too_large;
	} cases[] = {
		{ __LINE__, BODY_MAX, false },
		{ __LINE__, BODY_MAX + 1, true },
		{ __LINE__, 10 * BODY_MAX, true },
	};

	for (size_t i = 0; i < HARNESS_COUNT(cases); i++) {
		struct fixture f;
		struct buf bytes = BUF_EMPTY;
		char *body = calloc(1, cases[i].size);

		open_pair(&f);
		peer_request(&bytes, "PUT", "/v1/kv/a",
			     (struct view){ body, cases[i].size });
		HARNESS_CASE(cases[i].line, feed_long(&f, &bytes));
		HARNESS_CASE(cases[i].line,
			     f.stream.too_large == cases[i].too_large);
		HARNESS_CASE(cases[i].line,
			     f.stream.body.size ==
				     (cases[i].too_large ? 0 : cases[i].size));
		free(body);
		buf_release(&bytes);
		close_pair(&f);
	}
}

/* The content of all STDOUT records; true when END_REQUEST is the last. */
static bool take_apart(const struct buf *bytes, struct buf *content)
{
	const unsigned char *p = (const unsigned char *)bytes->data;
	size_t at = 0;
	bool ended = false;

	while (at + 8 <= bytes->size) {
		size_t size = (size_t)(p[at + 4] << 8 | p[at + 5]);

		CU_ASSERT_FALSE(ended);
		CU_ASSERT_EQUAL(p[at], 1);
		CU_ASSERT_EQUAL(p[at + 2] << 8 | p[at + 3], 1);
		if (p[at + 1] == 6)
			buf_add(content, p + at + 8, size);
		ended = p[at + 1] == 3;
		at += 8 + size + p[at + 6];
	}
	CU_ASSERT_EQUAL(at, bytes->size);
	return ended;
}

static size_t drain(int fd, struct buf *out)
{
	char piece[50000];
	ssize_t got;
	size_t size = 0;

	while ((got = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0) {
		buf_add(out, piece, (size_t)got);
		size += (size_t)got;
	}
	return size;
}

static void what_the_peer_does_not_take_is_kept_and_sent_later(void)
{
	enum { SIZE = 5000000 };
	struct fixture f;
	struct buf bytes = BUF_EMPTY;
	struct buf content = BUF_EMPTY;
	char *body = malloc(SIZE);

	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)(i * 7919 >> 8);
	open_pair(&f);
	peer_request(&bytes, "GET", "/", view_of(""));
	CU_ASSERT(feed(&f, bytes.data, bytes.size));
	buf_clear(&bytes);
	stream_write(&f.stream, (struct view){ body, SIZE });
	CU_ASSERT(stream_pending(&f.stream) > SIZE / 2);
	stream_end(&f.stream);
	while (drain(f.peer, &bytes))
		stream_flush(&f.stream);
	CU_ASSERT_FALSE(f.stream.gone);
	CU_ASSERT_EQUAL(stream_pending(&f.stream), 0);
	CU_ASSERT_EQUAL(f.stream.out.capacity, 0);
	CU_ASSERT_TRUE(take_apart(&bytes, &content));
	CU_ASSERT(view_equal(buf_view(&content), (struct view){ body, SIZE }));
	free(body);
	buf_release(&bytes);
	buf_release(&content);
	close_pair(&f);
}

static void a_peer_that_went_away_is_noticed_when_writing(void)
{
	struct fixture f;

	open_pair(&f);
	close(f.peer);
	stream_write(&f.stream, view_of("x"));
	CU_ASSERT_TRUE(f.stream.gone);
	stream_release(&f.stream);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_request_may_come_byte_by_byte),
	HARNESS_TEST(cut_off_anywhere_it_is_no_request),
	HARNESS_TEST(what_is_no_request_is_given_up),
	HARNESS_TEST(variables_have_short_and_long_lengths),
	HARNESS_TEST(of_a_body_that_is_too_large_nothing_is_kept),
	HARNESS_TEST(what_the_peer_does_not_take_is_kept_and_sent_later),
	HARNESS_TEST(a_peer_that_went_away_is_noticed_when_writing),
};

int main(void)
{
	return harness_run("stream", tests, HARNESS_COUNT(tests));
}
