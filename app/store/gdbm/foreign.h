/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of the data directory that this user may not use. */
#ifndef STORE_GDBM_FOREIGN_H
#define STORE_GDBM_FOREIGN_H

/*
 * After an ERR_ACCESS: log a sentence that names the folder, whose it is and
 * what to do, when permissions are the reason; otherwise nothing.
 */
void foreign_tell(const char *folder);

#endif
