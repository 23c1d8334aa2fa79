/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole API on a new store in memory.  The input is requests, separated
 * by a line "%%":
 *
 *   METHOD TARGET
 *   NAME=value        up to VARIABLES CGI variables
 *                     an empty line
 *   the body
 *
 * Every answer is complete, and a failure of the server only one that it may
 * have.
 */
#include <string.h>

#include "api/client.h"
#include "fuzz/fuzz.h"
#include "http/json.h"
#include "http/problem.h"

#define VARIABLES 8
#define TEXT_MAX  4096 /* of a line */

struct sent {
	char method[TEXT_MAX];
	char target[TEXT_MAX];
	char variables[VARIABLES][TEXT_MAX];
	const char *given[VARIABLES]; /* NULL where there is none */
	struct view body;
};

/* As a string, so that it ends at a NUL as it would in envp. */
static void copy(struct view from, char to[TEXT_MAX])
{
	if (from.size >= TEXT_MAX)
		from.size = TEXT_MAX - 1;
	if (from.size)
		memcpy(to, from.data, from.size);
	to[from.size] = '\0';
}

/* What stands before the separator; the rest may be nothing (data NULL). */
static struct view cut_at(struct view text, const char *separator,
			  struct view *rest)
{
	const char *at = text.size ? memmem(text.data, text.size, separator,
					    strlen(separator))
				   : NULL;
	const char *end = (const char *)text.data + text.size;

	*rest = (struct view){ 0 };
	if (!at)
		return text;
	*rest = (struct view){ at + strlen(separator), 0 };
	rest->size = (size_t)(end - (const char *)rest->data);
	return (struct view){ text.data,
			      text.size - rest->size - strlen(separator) };
}

static void read_sent(struct view text, struct sent *sent)
{
	struct view head = cut_at(text, "\n\n", &sent->body);
	struct view line = view_cut(head, '\n', &head);
	struct view target;
	size_t count = 0;

	copy(view_cut(line, ' ', &target), sent->method);
	copy(target, sent->target);
	while (head.data && count < VARIABLES) {
		copy(view_cut(head, '\n', &head), sent->variables[count]);
		sent->given[count] = sent->variables[count];
		count++;
	}
	while (count < VARIABLES)
		sent->given[count++] = NULL;
}

/* Lines that end in CRLF, an empty one at last, and no other CR or NUL. */
static void check_head(struct view head)
{
	const char *bytes = head.data;

	FUZZ_HOLDS(head.size > 4);
	FUZZ_HOLDS(!memcmp(bytes + head.size - 4, "\r\n\r\n", 4));
	for (size_t i = 0; i < head.size; i++) {
		FUZZ_HOLDS(bytes[i] != '\0');
		FUZZ_HOLDS(bytes[i] != '\n' || (i && bytes[i - 1] == '\r'));
		FUZZ_HOLDS(bytes[i] != '\r' || bytes[i + 1] == '\n');
	}
}

static void check_json(struct view text)
{
	struct json_error error;

	FUZZ_HOLDS(!json_check(text, &error));
}

/* A problem document has the status that was sent, and a code. */
static void check_problem(struct client *client, struct view body)
{
	struct json_object *root, *member;
	struct json_error error;
	uint64_t status;

	FUZZ_HOLDS(!json_parse(body, &root, &error));
	FUZZ_HOLDS(json_member(root, "status", &member));
	FUZZ_HOLDS(json_uint64(member, &status));
	FUZZ_HOLDS(status == (uint64_t)client->response.status);
	FUZZ_HOLDS(json_member(root, "code", &member));
	json_free(root);
}

/* The members of a listing and the results of a transaction are ours. */
static bool is_json_of_ours(const struct sent *sent)
{
	return !strcmp(sent->target, "/v1/kv") ||
	       !strncmp(sent->target, "/v1/kv?", 7) ||
	       !strcmp(sent->target, "/v1/txn");
}

static void check_answer(struct client *client, const struct sent *sent)
{
	struct view body = client_body(client);
	const char *type;
	int status = client->response.status;

	FUZZ_HOLDS(strcmp(status_phrase(status), "Unknown") != 0);
	FUZZ_HOLDS(status < 500 || status == 503 || status == 507);
	check_head(buf_view(&client->head));
	type = client_field(client, "Content-Type");
	FUZZ_HOLDS(!body.size || type);
	FUZZ_HOLDS(!client->stream_failed);
	if (client->response.no_body || status == 204 || status == 304)
		FUZZ_HOLDS(!body.size);
	else if (status >= 400 && type && !strcmp(type, PROBLEM_TYPE))
		check_problem(client, body);
	else if (status == 200 && is_json_of_ours(sent) && type &&
		 !strcmp(type, "application/json"))
		check_json(body);
	if (status == 405)
		FUZZ_HOLDS(client_field(client, "Allow"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client client;
	static struct sent sent;
	struct view rest = { data, size };

	client_open(&client);
	client.conf.data_dir = fuzz_path("");
	while (rest.data) {
		const char *const *v = sent.given;

		read_sent(cut_at(rest, "\n%%\n", &rest), &sent);
		client_send_bytes(&client, sent.method, sent.target, sent.body,
				  v[0], v[1], v[2], v[3], v[4], v[5], v[6],
				  v[7], NULL);
		check_answer(&client, &sent);
	}
	client_close(&client);
	return 0;
}
