/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Everything is read twice: what can't be imported is found before anything
 * is changed.
 */
#include "import_bolt.h"

#include "api/bulk.h"
#include "base/log.h"
#include "bolt/gob.h"

#define BUCKET "librapi"
#define TYPE   "text/plain; charset=utf-8" /* as /datas keeps strings */

struct import {
	uint64_t value_max_bytes;
	struct bulk *bulk; /* NULL: only check */
	struct buf *message;
};

static enum err refuse(struct import *import, enum err err, struct view key,
		       const char *what)
{
	struct view shown = { key.data, key.size < 64 ? key.size : 64 };

	buf_clear(import->message);
	buf_add_string(import->message, "key '");
	buf_add_view(import->message, shown);
	buf_add_string(import->message, "': ");
	buf_add_string(import->message, what);
	return err;
}

static enum err take_pair(void *arg, struct view key, struct view value)
{
	struct import *import = arg;
	struct view string;
	enum err err = gob_string(value, &string);

	if (err == ERR_FORMAT)
		return refuse(import, err, key, "its value is not a string");
	if (err)
		return refuse(import, err, key, "its value is not in gob");
	if (key.size == 0 || key.size > STORE_KEY_MAX)
		return refuse(import, ERR_KEY_TOO_LONG, key,
			      "a key has 1 to 1024 bytes");
	if (string.size > import->value_max_bytes)
		return refuse(import, ERR_VALUE_TOO_LARGE, key,
			      "the value is larger than the setting "
			      "value-max-bytes allows");
	if (!import->bulk)
		return ERR_OK;
	return bulk_put(import->bulk, key, VIEW_LITERAL(TYPE), string, 0);
}

static enum err read_all(struct bolt *bolt, struct import *import)
{
	return bolt_each(bolt, VIEW_LITERAL(BUCKET), take_pair, import,
			 import->message);
}

static void tell(const char *event, enum err err, struct buf *message)
{
	log_event(LOG_ERROR, event, "detail",
		  message->size > 0 ? buf_string(message) : err_string(err),
		  NULL);
}

enum err import_bolt_open(const char *path, uint64_t value_max_bytes,
			  struct bolt **out)
{
	struct buf message = BUF_EMPTY;
	struct import import = { .value_max_bytes = value_max_bytes,
				 .message = &message };
	enum err err = bolt_open(path, out, &message);

	if (!err)
		err = read_all(*out, &import);
	if (err) {
		tell("import-refused", err, &message);
		bolt_close(*out);
		*out = NULL;
	}
	buf_release(&message);
	return err;
}

enum err import_bolt_run(struct bolt *bolt, struct store *store,
			 uint64_t *count)
{
	struct buf message = BUF_EMPTY;
	struct bulk bulk;
	struct import import = { .value_max_bytes = store->value_max_bytes,
				 .bulk = &bulk,
				 .message = &message };
	enum err err;

	bulk_init(&bulk, store, true);
	err = read_all(bolt, &import);
	if (!err)
		err = bulk_flush(&bulk);
	*count = bulk.puts;
	bulk_release(&bulk);
	if (err)
		tell("import-stopped", err, &message);
	buf_release(&message);
	return err;
}
