# SPDX-License-Identifier: GPL-3.0-or-later
#
# awk -v status=404 -f errors.awk errors.txt: print the page of one status.

$1 == status {
	text = substr($0, length($1) + length($2) + 3)
	colon = index(text, ": ")
	printf "{\"type\":\"tag:librapi,2026:%s\",", $2
	printf "\"title\":\"%s\",", substr(text, 1, colon - 1)
	printf "\"status\":%d,\"code\":\"%s\",", status, $2
	printf "\"detail\":\"%s\"}\n", substr(text, colon + 2)
	found = 1
}

END { exit !found }
