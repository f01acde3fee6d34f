#!/bin/sh
# bench.sh - Weir beside nfcapd and nfdump: the same records, in the same run; `make bench`.
# Environment: WEIR_BENCH_FLOWS (10000000), WEIR_BENCH_FOLDER (a temporary one; about 2 GB),
# WEIR_BENCH_BZ2 (set: nfcapd with BZ2 too; takes minutes), WEIR_BENCH_UDP_FLOWS, WEIR_BENCH_TRAFFIC and
# WEIR_BENCH_RECEIVERS (see bench_udp.py). questions.py: scans beside nfdump, DuckDB and ClickHouse. soap.py: SOAP
# calls a second. bench_year: a matrix over a year of minutes. bench_upkeep.py: what compaction and retention cost
# ingest. sizes.py: octets a flow on disk.
set -eu
here=$(dirname "$0")

year() { # from roll-ups of minutes alone, then with the coarser ones that upkeep makes
    folder=$(mktemp -d)
    printf '\nmatrix of 3 x 3 tags from roll-ups, a flow a pair, protocol and minute\n'
    status=0
    "$BUILD/tests/dbcomponent/bench_year" "$folder" 3 | awk '
        / flows .* ms$/ || /^minutes|^upkeep/
        /^upkeep/ { coarse = 1 }
        coarse && / ms$/ && $(NF - 1) > 10 { slow = 1 }
        END { if (slow || !coarse) { print "bench: more than 10 ms"; exit 1 } }' || status=1
    rm -rf "$folder"
    return $status
}

/usr/bin/python3 "$here/bench.py" "$@"
/usr/bin/python3 "$here/bench_udp.py"
/usr/bin/python3 "$here/questions.py"
/usr/bin/python3 "$here/soap.py"
year
failed=0
/usr/bin/python3 "$here/bench_upkeep.py" || failed=1
/usr/bin/python3 "$here/sizes.py" || failed=1
exit $failed
