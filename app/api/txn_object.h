/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One object in a list of a transaction: which members it has, and what is
 * wrong with one, told to the client by a JSON pointer.
 */
#ifndef API_TXN_OBJECT_H
#define API_TXN_OBJECT_H

#include "api/txn.h"

enum member {
	MEMBER_VERB,
	MEMBER_VALUE,
	MEMBER_TYPE,
	MEMBER_TTL,
	MEMBER_BY,
	MEMBER_KEY,
	MEMBER_REV,
	MEMBER_COUNT
};

/* How a member is written. */
enum form { FORM_PLAIN, FORM_BASE64, FORM_JSON };

/* A member may have several names; a table of them ends with a NULL. */
struct txn_name {
	const char *name;
	enum member member;
	enum form form;
	enum txn_verb verb;
};

struct txn_object {
	const char *list; /* "if" or "do", and the place in it */
	size_t index;
	size_t at[MEMBER_COUNT]; /* the node of the value, 0 when absent */
	const struct txn_name *names[MEMBER_COUNT];
};

/*
 * Note the members of the object at `node`.  ERR_INVALID, and the faults tell
 * why: it is no object, has a name that is not in the table, or one member
 * twice.  ERR_NO_MEMORY.
 */
enum err txn_object_read(struct txn *txn, size_t node,
			 const struct txn_name *names,
			 struct txn_object *object);

/*
 * The bytes of a member that is there and has to be a string, decoded where
 * its name says base64; they live as long as the transaction.  ERR_INVALID
 * and ERR_NO_MEMORY.
 */
enum err txn_object_string(struct txn *txn, const struct txn_object *object,
			   enum member member, struct view *bytes);

/*
 * Tell the client what is wrong with the member of a name; without one
 * (data NULL), with the whole object.  Returns `err`.
 */
enum err txn_object_wrong(struct txn *txn, const struct txn_object *object,
			  struct view name, enum err err, const char *what);

/* The same with ERR_INVALID, for a member that is there. */
enum err txn_member_wrong(struct txn *txn, const struct txn_object *object,
			  enum member member, const char *what);

/* The same for the object, which lacks a member that it needs. */
enum err txn_member_lacks(struct txn *txn, const struct txn_object *object,
			  enum member member);

#endif
