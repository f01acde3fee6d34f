#!/bin/sh
# weirgen's three formats as Debian's nfcapd reads them: the same flows, packets and octets, no
# sequence error where nothing was lost, and some where datagrams were.
set -eu
: "${BUILD:=build}"
command -v nfcapd >/dev/null && command -v nfdump >/dev/null || { echo "no nfdump here"; exit 77; }
work=$(mktemp -d)
listener=
leave() {
    [ -z "$listener" ] || kill "$listener" 2>/dev/null || :
    rm -rf "$work"
}
trap leave EXIT
trap 'exit 1' INT TERM
fail() { echo "FAILED: $*"; cat "$work/log"; exit 1; }

# nfcapd can not choose a free port itself.
listen() {
    for try in 1 2 3 4 5 6 7 8; do
        port=$((20000 + ($$ * 7 + try * 1117) % 12000))
        nfcapd -b 127.0.0.1 -p $port -w "$1" -t 3600 >"$work/log" 2>&1 &
        listener=$!
        for wait in 1 2 3 4 5 6 7 8 9 10; do
            sleep 0.2
            kill -0 $listener 2>/dev/null || break
            grep -q 'Bound to' "$work/log" && return 0
        done
        kill $listener 2>/dev/null || :
    done
    fail "nfcapd found no port"
}

# compare NAME ERRORS EXPORTER…
compare() {
    name=$1 errors=$2
    shift 2
    mkdir "$work/$name"
    listen "$work/$name"
    "$BUILD/weirgen" --udp 127.0.0.1:$port --flows 30000 --rate 60000 --truth "$work/truth" "$@"
    sleep 1
    kill $listener
    wait $listener || :
    listener=
    expected=$(sed -n 's/.*"total":.*"received":{\([^}]*\)}.*/\1/p' "$work/truth" |
        tr -c '0-9\n' ' ' | awk '{ print $2, $4, $3 }') # datagrams, records, octets, packets
    got=$(nfdump -R "$work/$name" -I | awk '/^(Flows|Packets|Bytes): /{ printf "%s ", $2 }')
    [ "$expected " = "$got" ] || fail "$name: nfcapd read '$got', weirgen sent '$expected'"
    seen=$(sed -n 's/.*Sequence Errors: \([0-9]*\).*/\1/p' "$work/log" | tail -n 1)
    case $errors:$seen in
    none:0 | some:[1-9]*) ;;
    *) fail "$name: $seen sequence errors, expected $errors" ;;
    esac
    echo "$name: $got, $seen sequence errors"
}

compare plain none v5 v9,ipv6=40 ipfix,ipv6=40
compare sampled none v5,sampling=1 v9,sampling=1,domains=3 ipfix,sampling=1,domain=9
compare lossy some v5,loss=10 v9,loss=10 ipfix,loss=10
