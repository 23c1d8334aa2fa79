/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/json.h"

#define VALUE_MAX 1000
#define PIECE     7

static void begin(struct client *client, const char *method, const char *target)
{
	request_reset(&client->request);
	response_reset(&client->response);
	buf_clear(&client->method);
	buf_addf(&client->method, "REQUEST_METHOD=%s", method);
	buf_clear(&client->uri);
	buf_addf(&client->uri, "REQUEST_URI=%s", target);
	request_param(&client->request, buf_string(&client->method));
	request_param(&client->request, buf_string(&client->uri));
}

/* A few bytes at a time, so that pieces end anywhere. */
static enum err take_piece(void *arg, void *data, size_t size, size_t *got)
{
	struct client *client = arg;
	const struct buf *body = &client->request.body;
	size_t end = client->cut ? client->cut : body->size;
	size_t left = end - client->taken;

	if (client->cut && !left)
		return ERR_INCOMPLETE;
	*got = left < client->piece ? left : client->piece;
	if (*got > size)
		*got = size;
	if (*got)
		memcpy(data, body->data + client->taken, *got);
	client->taken += *got;
	return ERR_OK;
}

static enum err collect(void *arg, struct view bytes)
{
	struct buf *body = arg;

	buf_add_view(body, bytes);
	return body->err;
}

static void stream(struct client *client)
{
	struct response *response = &client->response;
	const struct sink sink = { collect, &client->body };

	buf_clear(&client->body);
	if (response_streams(response))
		client->stream_failed =
			response->stream(response->stream_arg, &sink);
}

static int serve(struct client *client, struct view body, va_list variables)
{
	const char *variable;

	buf_add_view(&client->request.body, body);
	while ((variable = va_arg(variables, const char *)))
		request_param(&client->request, variable);
	client->taken = 0;
	client->request.read = take_piece;
	client->request.read_arg = client;
	if (request_ready(&client->request))
		api_settle(&client->api, &client->request, &client->response,
			   ERR_INVALID);
	else
		api_serve(&client->api, &client->request, &client->response);
	buf_clear(&client->head);
	response_head(&client->response, &client->head);
	stream(client);
	return client->response.status;
}

void client_open(struct client *client)
{
	struct store_conf conf = {
		.engine = "memory",
		.value_max_bytes = VALUE_MAX,
		.lock_timeout_ms = 1000,
		.history_bytes = 256 << 10,
	};

	*client = (struct client){
		.piece = PIECE,
		.conf = {
			.value_max_bytes = VALUE_MAX,
			.txn_max_ops = 20,
			.txn_max_bytes = 4000,
			.cors_origin = "*",
			.token_file = "",
		},
	};
	client->api.conf = &client->conf;
	if (store_open(&conf, &client->api.store)) {
		fprintf(stderr, "no store in memory\n");
		abort();
	}
}

void client_close(struct client *client)
{
	request_release(&client->request);
	response_release(&client->response);
	buf_release(&client->head);
	buf_release(&client->body);
	buf_release(&client->field);
	buf_release(&client->uri);
	buf_release(&client->method);
	buf_release(&client->code);
	store_close(client->api.store);
}

int client_send(struct client *client, const char *method, const char *target,
		const char *body, ...)
{
	va_list variables;
	int status;

	begin(client, method, target);
	va_start(variables, body);
	status = serve(client, view_of(body), variables);
	va_end(variables);
	return status;
}

int client_send_bytes(struct client *client, const char *method,
		      const char *target, struct view body, ...)
{
	va_list variables;
	int status;

	begin(client, method, target);
	va_start(variables, body);
	status = serve(client, body, variables);
	va_end(variables);
	return status;
}

const char *client_field(struct client *client, const char *name)
{
	struct view rest = buf_view(&client->head);

	while (rest.data) {
		struct view value;
		struct view line = view_cut(rest, '\n', &rest);

		if (!view_equal_nocase(view_cut(line, ':', &value), name))
			continue;
		value.size--; /* the CR */
		buf_clear(&client->field);
		buf_add_view(&client->field, view_trim(value));
		return buf_string(&client->field);
	}
	return NULL;
}

struct view client_body(const struct client *client)
{
	return response_streams(&client->response)
		       ? buf_view(&client->body)
		       : response_body(&client->response);
}

const char *client_code(struct client *client)
{
	const char *type = client_field(client, "Content-Type");
	struct json_object *root, *member;
	struct json_error error;
	struct view code;

	buf_clear(&client->code);
	if (!type || strcmp(type, "application/problem+json") != 0)
		return "";
	if (json_parse(buf_view(&client->response.text), &root, &error))
		return "";
	if (json_member(root, "code", &member) && json_string(member, &code))
		buf_add_view(&client->code, code);
	json_free(root);
	return buf_string(&client->code);
}

bool client_body_has(struct client *client, const char *text)
{
	struct view body = client_body(client);

	return body.data && memmem(body.data, body.size, text, strlen(text));
}
