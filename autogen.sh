#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# From a fresh clone to a tree that can be built.
#
#   ./autogen.sh                   generate ./configure, nothing else
#   ./autogen.sh --deps [ARG]...   install Debian's packages for building,
#                                  running and testing, generate, and run
#                                  ./configure with the ARGs
#   ./autogen.sh --build-deps      install what building takes, nothing else
#
# Plain POSIX sh: it must run on a Debian that has nothing yet.

set -eu

# What each line is for: build; libraries.
build_packages="
	gcc libc6-dev make autoconf automake pkg-config
	libfcgi-dev libgdbm-dev libjson-c-dev liblua5.4-dev nettle-dev"
# ... run; test.
packages="$build_packages
	lighttpd lighttpd-modules-lua curl
	lighttpd-mod-openssl openssl
	libcunit1-dev gdbmtool clang-format
	python3 python3-jsonschema python3-hypothesis"

die()
{
	echo "autogen.sh: $*" >&2
	exit 1
}

installed()
{
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = \
		installed ]
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

deps()
{
	missing=
	for package in $packages; do
		installed "$package" || missing="$missing $package"
	done
	if [ -z "$missing" ]; then
		echo "autogen.sh: all packages are installed"
		return
	fi

	command -v apt-get >/dev/null ||
		die "no apt-get here; install the counterparts of" $missing \
			"and run ./autogen.sh && ./configure"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		die "installing packages needs root or sudo; as root, run:" \
			"apt-get install$missing"

	echo "autogen.sh: installing$missing"
	# A broken source of somebody else's must not stop us: what counts is
	# whether our packages can be had.
	as_root apt-get -q update || :
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends $missing ||
		die "apt-get could not install$missing"

	# Debian starts its own lighttpd on port 80 with the package.  Nobody
	# asked for a public web server; librapi starts one of its own.
	case $missing in
	*lighttpd*)
		if [ -d /run/systemd/system ]; then
			echo "autogen.sh: switching Debian's own lighttpd off"
			as_root systemctl disable --now lighttpd || :
		fi
		;;
	esac
}

cd "$(dirname "$0")"

case ${1-} in
'')
	;;
--deps)
	shift
	deps
	configure=yes
	;;
--build-deps)
	packages=$build_packages
	deps
	exit
	;;
*)
	die "unknown argument '$1'; usage: ./autogen.sh" \
		"[--build-deps | --deps [CONFIGURE-ARG]...]"
	;;
esac

command -v autoreconf >/dev/null && command -v aclocal >/dev/null ||
	die "autoconf and automake are missing; run ./autogen.sh --deps"

autoreconf --force --install

if [ "${configure-}" ]; then
	./configure "$@"
else
	echo "autogen.sh: done; now run ./configure"
fi
