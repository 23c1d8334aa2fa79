# SPDX-License-Identifier: GPL-3.0-or-later

# LIBRAPI_MISSING(WHAT, PACKAGE, LIST)
#
# Note that WHAT was not found and that Debian has it in PACKAGE.  Nothing
# stops yet: configure names everything that is missing at once, at its end.
AC_DEFUN([LIBRAPI_MISSING], [
	AS_VAR_APPEND([$3_missing], [" $2"])
	AC_MSG_WARN([$1 is missing (Debian package: $2)])
])

# LIBRAPI_FLAGS(VARIABLE, FLAG...)
#
# Append to VARIABLE each FLAG, for compiler or linker, that is taken without
# a word.  Under -Werror, since clang only warns of a flag that it does not
# know; beside the user's CFLAGS, since _FORTIFY_SOURCE warns under -O0; and
# with a header, since that is where the warning comes from.
AC_DEFUN([LIBRAPI_FLAGS], [
	for librapi_flag in m4_normalize([$2]); do
		AC_MSG_CHECKING([whether $CC takes $librapi_flag])
		librapi_cflags=$CFLAGS
		CFLAGS="$CFLAGS -Werror $librapi_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM(
			[[#include <stdio.h>]], [[puts("");]])], [
			AS_VAR_APPEND([$1], [" $librapi_flag"])
			AC_MSG_RESULT([yes])
		], [AC_MSG_RESULT([no])])
		CFLAGS=$librapi_cflags
	done
])
