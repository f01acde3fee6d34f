#!/bin/sh
# The demo is a test as well: it ends with 1 when matrix or account are not what weirgen knows.
set -eu
cd "$(dirname "$0")/../.."
for tool in softflowd tcpdump; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || { echo "no $tool here"; exit 77; }
done
exec sh tests/demo.sh
