#!/bin/sh
# bench.sh - Weir beside nfcapd and nfdump: the same records, in the same run; `make bench`.
# Environment: WEIR_BENCH_FLOWS (10000000), WEIR_BENCH_FOLDER (a temporary one; about 2 GB).
set -eu
exec /usr/bin/python3 "$(dirname "$0")/bench.py" "$@"
