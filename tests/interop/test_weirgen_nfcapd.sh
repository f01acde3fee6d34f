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

# Octets (hexadecimal) that wait in the socket of the port; fails when there is no such socket.
waiting() {
    awk -v port="$(printf :%04X $port)" 'substr($2, length($2) - 4) == port {
        split($5, queue, ":"); print queue[2]; found = 1 } END { exit !found }' /proc/net/udp
}

# Until nfcapd has read all.
all_read() {
    tries=600
    while [ "$(waiting)" != 00000000 ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "nfcapd does not read"
        sleep 0.1
    done
}

# nfcapd can not choose a free port itself.
listen() {
    for try in 1 2 3 4 5 6 7 8; do
        port=$((20000 + ($$ * 7 + try * 1117) % 12000))
        waiting >/dev/null && continue
        nfcapd -b 127.0.0.1 -p $port -w "$1" -t 3600 >"$work/log" 2>&1 &
        listener=$!
        tries=600
        while kill -0 $listener 2>/dev/null && [ $tries -gt 0 ]; do
            waiting >/dev/null && return 0
            tries=$((tries - 1))
            sleep 0.1
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
    "$BUILD/weirgen" --udp 127.0.0.1:$port --flows 30000 --rate 60000 --waiting 48K --truth "$work/truth" "$@"
    all_read
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
