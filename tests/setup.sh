#!/bin/sh
# setup.sh need|install PACKAGE… - what this machine lacks of the named Debian packages.
#   need     says in one line what to install, and fails, when something is missing
#   install  installs it with apt-get (as root, or through sudo); fails with that line when it cannot
set -eu
how=$1
shift
missing=
for package; do
    if command -v dpkg-query >/dev/null 2>&1; then
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    fi
done
[ -z "$missing" ] && exit 0

tell() {
    echo "missing packages; install them with: apt-get install$missing" >&2
    exit 1
}
[ "$how" = install ] || tell
run=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null || tell
    run=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ $run apt-get update && $run apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    tell
}
