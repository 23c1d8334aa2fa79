#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Run by common.conf: what is as usual unless the environment asks otherwise.
#
#   LIGHTTPD_TLS_DIR     a folder with tls.crt, the certificate and its chain,
#                        and tls.key, as a Kubernetes Secret has them
#   LIGHTTPD_ACCESS_LOG  a file, /dev/stderr for one (not stdout, which
#                        lighttpd closes), or "|" and a command;
#                        gets a line a request
#   LIGHTTPD_EVENT_HANDLER
#                        epoll, or poll: a tenth more requests a second while
#                        there are few connections, but each turn costs what
#                        there are, idle ones and watches too.  With 500 it is
#                        no faster, with 8,000 half as fast (app/docs/bench.md)

[ -z "${LIGHTTPD_TLS_DIR-}" ] || echo 'include "tls.conf"'
[ -z "${LIGHTTPD_ACCESS_LOG-}" ] || echo 'include "accesslog.conf"'

handler=${LIGHTTPD_EVENT_HANDLER:-epoll}
case $handler in
epoll | poll)
	echo "server.event-handler = \"$handler\""
	;;
*)
	echo "LIGHTTPD_EVENT_HANDLER=$handler:" \
		"not an event handler; epoll and poll are" >&2
	exit 1
	;;
esac
