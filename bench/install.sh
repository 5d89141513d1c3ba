#!/usr/bin/env bash
# Installs the Debian packages of programs that are missing, as root, and starts
# no service. An argument is a program, program:package, or :package for one
# that no program's name tells.
#
#   bench/install.sh strace nginx:nginx-light :busybox-static
set -euo pipefail
PATH+=:/usr/sbin:/usr/local/sbin

missing=()
for want in "$@"; do
	program=${want%%:*} package=${want##*:}
	if [[ -n $program ]]; then
		command -v "$program" >/dev/null || missing+=("$package")
	else
		dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
	fi
done
if ((${#missing[@]} == 0)); then exit 0; fi
if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
	echo "missing: ${missing[*]}; install them, or run this as root on Debian" >&2
	exit 1
fi
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
