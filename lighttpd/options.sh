#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Run by common.conf: what is off unless the environment asks for it.
#
#   LIGHTTPD_TLS_DIR     a folder with tls.crt, the certificate and its chain,
#                        and tls.key, as a Kubernetes Secret has them
#   LIGHTTPD_ACCESS_LOG  a file, /dev/stderr for one (not stdout, which
#                        lighttpd closes), or "|" and a command;
#                        gets a line a request

[ -z "${LIGHTTPD_TLS_DIR-}" ] || echo 'include "tls.conf"'
[ -z "${LIGHTTPD_ACCESS_LOG-}" ] || echo 'include "accesslog.conf"'
