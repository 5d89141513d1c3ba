#!/bin/sh
# Installs what the end-to-end tests need on a Debian machine and is missing:
# chromium, curl, node and npm. nginx is used only by WSGATE_E2E_TARGET=nginx
# and is installed with `deps.sh nginx`. Nothing that is installed is started.
# Needs root when anything is missing. Exit code 0: everything is there.
set -eu

want=""
add() { # add COMMAND PACKAGE
	command -v "$1" >/dev/null 2>&1 || want="$want $2"
}
add chromium chromium
add curl curl
add node nodejs
add npm npm
[ "${1-}" != nginx ] || add nginx nginx-light

[ -n "$want" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "e2e: missing:$want, and no apt-get to install them with" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "e2e: missing:$want; run as root: $0 $*" >&2
	exit 1
fi

# policy-rc.d keeps package scripts from starting services.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # $want is a list of words
apt-get install -q -y --no-install-recommends $want
