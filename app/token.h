/* SPDX-License-Identifier: GPL-3.0-or-later */
/* librapi token new: make a token, and the line of the token file for it. */
#ifndef TOKEN_H
#define TOKEN_H

#include <stdbool.h>

/*
 * What stands behind `token` on the command line: "new --role ROLE
 * [--prefix PREFIX]".  Prints the token, which is kept nowhere, and its line.
 * False, with a sentence on stderr, when the command line is wrong.
 */
bool token_run(int argc, char *argv[]);

#endif
