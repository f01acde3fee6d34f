#!/bin/sh
# bench.sh [all|scale] - Weir beside nfdump, DuckDB, ClickHouse and SQLite: the same records, in the same run. Prints the tables,
# goes through every part, lists the goals that were missed, and then fails when there is one.
#   all     `make bench`: every part, with WEIR_BENCH_FLOWS flows (10000000)
#   scale   `make bench-100m`: sizes and questions alone, with WEIR_BENCH_FLOWS flows (100000000)
# Environment: WEIR_BENCH_PARTS, the parts in their order (see below); WEIR_BENCH_VERBOSE (set: every command is shown);
# TMPDIR, where the data sets are made, in a folder that is removed at the end; and what each part has of its own.
set -u
here=$(dirname "$0")
how=${1:-all}
if [ "$how" = scale ]; then
    : "${WEIR_BENCH_FLOWS:=100000000}" "${WEIR_BENCH_PARTS:=sizes questions}"
else
    : "${WEIR_BENCH_FLOWS:=10000000}" "${WEIR_BENCH_PARTS:=ingest sizes traces questions soap year upkeep udp}"
fi
export WEIR_BENCH_FLOWS PYTHONPYCACHEPREFIX=/dev/null PYTHONDONTWRITEBYTECODE=1

# ---- what it will do ----
about() { # minutes that a part takes for 10 M flows on two cores, and what it is
    case $1 in
    ingest) echo 4 "import, compaction and nfcapd: CPU and octets a flow; decoder; tags" ;;
    sizes) echo 4 "octets a flow beside every peer" ;;
    traces) echo 1 "the same for the largest traces of the corpus" ;;
    questions) echo 3 "six questions by scans, one thread and two, beside every peer" ;;
    soap) echo 1 "SOAP calls a second from roll-ups" ;;
    year) echo 1 "a matrix over a year of minutes" ;;
    upkeep) echo 2 "what compaction and retention cost ingest" ;;
    udp) echo 9 "the highest UDP rates with nothing lost, and the account past them" ;;
    *) echo "bench: there is no part $1" >&2 && exit 2 ;;
    esac
}
scaled=$(((WEIR_BENCH_FLOWS + 9999999) / 10000000))
total=0
for part in $WEIR_BENCH_PARTS; do
    line=$(about "$part") || exit 2
    minutes=${line%% *}
    case $part in ingest | sizes | questions) minutes=$((minutes * scaled)) ;; esac
    total=$((total + minutes))
    printf '%-10s about %3d min   %s\n' "$part" "$minutes" "${line#* }"
done
need=$((scaled * 3))
room=$(($(df -Pk "${TMPDIR:-/tmp}" | awk 'NR == 2 { print $4 }') / 1048576))
echo "$WEIR_BENCH_FLOWS flows of weirgen's; about $total minutes"
echo "up to $need GB of ${TMPDIR:-/tmp}, where $room GB are free; all of it is given back"
if [ "$room" -lt "$need" ]; then
    echo "bench: set TMPDIR to a folder with $need GB" >&2
    exit 2
fi
lacking() { # COMMAND WORDS: what is not there is named now, and left out of the tables
    [ -e "$1" ] || command -v "$1" >/dev/null 2>&1 || echo "not here, so left out: $2"
}
lacking nfcapd "nfdump; to have it: apt-get install nfdump"
lacking /usr/sbin/clickhouse-server "ClickHouse; to have it: apt-get install clickhouse-server"
duckdb=@duckdb/node-bindings-linux-x64
[ -d "$BUILD/peers/node_modules/$duckdb" ] ||
    lacking npm "DuckDB; to have it: apt-get install npm && npm install --prefix $BUILD/peers --ignore-scripts $duckdb"

# ---- running: one part at a time; nothing stays, whatever the end ----
folder=$(mktemp -d "${TMPDIR:-/tmp}/weir-bench-XXXXXX") || exit 2
child=
# shellcheck disable=SC2317
leave() {
    trap - INT TERM EXIT
    [ -n "$child" ] && kill "$child" 2>/dev/null && wait "$child"
    rm -rf "$folder"
    exit "$1"
}
trap 'leave 130' INT
trap 'leave 143' TERM
trap 'leave 2' EXIT
export WEIR_BENCH_FOLDER="$folder/data" WEIR_BENCH_MISSED="$folder/missed"
: >"$WEIR_BENCH_MISSED"

year() { # from roll-ups of minutes alone, then with the coarser ones that upkeep makes
    printf '\nmatrix of 3 x 3 tags from roll-ups, a flow a pair, protocol and minute; wanted: <= 10 ms with the coarser ones\n'
    mkdir -p "$folder/year"
    "$BUILD/tests/dbcomponent/bench_year" "$folder/year" 3 >"$folder/year.out" &
    trap 'kill $!; wait $!; exit 143' TERM
    wait $! || return 2
    rm -rf "$folder/year"
    awk -v missed="$WEIR_BENCH_MISSED" '
        !(/ flows .* ms$/ || /^minutes|^upkeep/) { next }
        /^upkeep/ { coarse = 1 }
        coarse && / ms$/ {
            print $0 "   " ($(NF - 1) > 10 ? "MISSED" : "pass")
            if ($(NF - 1) > 10) { print "year: " $0 >> missed; slow = 1 }
            next
        }
        { print }
        END { exit slow ? 1 : coarse ? 0 : 2 }' "$folder/year.out"
}

part() {
    case $1 in
    ingest) set -- bench.py ;;
    sizes) set -- sizes.py --only generated ;;
    traces) set -- sizes.py --only traces ;;
    udp) set -- bench_udp.py ;;
    upkeep) set -- bench_upkeep.py ;;
    year)
        year
        return
        ;;
    *) set -- "$1.py" ;;
    esac
    script=$1
    shift
    exec /usr/bin/python3 "$here/$script" "$@" # a signal to the part is one to the script
}

for part in $WEIR_BENCH_PARTS; do
    before=$(wc -l <"$WEIR_BENCH_MISSED")
    began=$(date +%s)
    printf '\n== %s\n' "$part"
    part "$part" &
    child=$!
    wait "$child"
    status=$?
    child=
    if [ $status -ne 0 ] && [ "$(wc -l <"$WEIR_BENCH_MISSED")" -eq "$before" ]; then
        echo "$part: ended with $status, not measured to its end" >>"$WEIR_BENCH_MISSED"
    fi
    printf '(%s: %d s)\n' "$part" $(($(date +%s) - began))
done

if [ -s "$WEIR_BENCH_MISSED" ]; then
    printf '\ngoals that were missed:\n'
    sed 's/^/  /' "$WEIR_BENCH_MISSED"
    leave 1
fi
printf '\nevery goal was reached\n'
leave 0
