#!/bin/sh
# bench.sh - Weir beside nfcapd and nfdump: the same records, in the same run; `make bench`.
# Environment: WEIR_BENCH_FLOWS (10000000), WEIR_BENCH_FOLDER (a temporary one; about 2 GB),
# WEIR_BENCH_BZ2 (set: nfcapd with BZ2 too; takes minutes), WEIR_BENCH_UDP_FLOWS,
# WEIR_BENCH_TRAFFIC and WEIR_BENCH_RECEIVERS (see bench_udp.py). questions.py: scans beside nfdump
# and DuckDB. bench_upkeep.py: what compaction and retention cost ingest.
# soap.py: SOAP calls a second.
set -eu
/usr/bin/python3 "$(dirname "$0")/bench.py" "$@"
/usr/bin/python3 "$(dirname "$0")/bench_udp.py"
/usr/bin/python3 "$(dirname "$0")/questions.py"
/usr/bin/python3 "$(dirname "$0")/bench_upkeep.py"
/usr/bin/python3 "$(dirname "$0")/soap.py"
