#!/bin/sh
# demo.sh - three points of presence export at once, one of them loses 2 % of its datagrams, and
# Debian's softflowd meters a capture made on the spot; then the traffic matrix through the SOAP
# service, with the account beside it.
#
#   demo.sh          ends everything it started
#   demo.sh --stay   leaves the server running, and says how to stop it
#
# Exit 0 when what Weir stored is what the exporters sent and the network did not lose; 1 otherwise.
set -eu
: "${BUILD:=build}"
stay=no
[ "${1:-}" != --stay ] || stay=yes
PATH=$PATH:/usr/sbin:/sbin
flows=60000

if [ "$stay" = yes ]; then
    work=$BUILD/demo
    if [ -f "$work/weird.pid" ] && kill -0 "$(cat "$work/weird.pid")" 2>/dev/null; then
        echo "the demo is running already; stop it with: kill $(cat "$work/weird.pid")" >&2
        exit 1
    fi
    rm -rf "$work"
    mkdir -p "$work"
else
    work=$(mktemp -d)
fi

started=
leave() {
    code=$?
    trap - EXIT INT TERM
    [ $code = 0 ] && [ "$stay" = yes ] || {
        for pid in $started; do kill "$pid" 2>/dev/null || :; done
        for pid in $started; do wait "$pid" 2>/dev/null || :; done
        [ $code = 0 ] || [ ! -s "$work/weird.log" ] ||
            { echo "--- weird said:" && tail -n 20 "$work/weird.log"; } >&2
        [ "$stay" = yes ] || rm -rf "$work"
    }
    exit $code
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

title() { printf '\n== %s\n\n' "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }
weir() { echo "\$ weir $*"; "$BUILD/weir" "$@"; }
# until SECONDS COMMAND…: asks again until it is true
until_true() {
    tries=$(($1 * 10))
    shift
    while ! "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# ---- the server --------------------------------------------------------------------------------

title "weird: collector, DB component and services in one program"
"$BUILD/weird" --data "$work/data" --http 127.0.0.1:0 --netflow 127.0.0.1:0 --sflow 127.0.0.1:0 \
    --ipfix 127.0.0.1:0 >"$work/ready" 2>"$work/weird.log" </dev/null &
server=$!
started=$server
echo $server >"$work/weird.pid"
ready() {
    kill -0 $server 2>/dev/null || fail "weird did not start"
    grep -qs '^ready ' "$work/ready"
}
until_true 60 ready || fail "weird was not ready after 60 s"
cat "$work/ready"
where() { sed -n "s/^ready .*$1=\([^ ]*\).*/\1/p" "$work/ready"; }
WEIR_URL=http://$(where http)
netflow=$(where netflow)
export WEIR_URL

# Everything from here on is captured, for softflowd: service calls and export datagrams alike.
capture=$work/traffic.pcap
tcpdump -i lo -U -w "$capture" "udp port ${netflow##*:} or tcp port ${WEIR_URL##*:}" \
    >"$work/tcpdump.log" 2>&1 &
tcpdump=$!
started="$started $tcpdump"
listening() { grep -qs 'listening on' "$work/tcpdump.log" || ! kill -0 $tcpdump 2>/dev/null; }
until_true 5 listening || :

# ---- what the network is called: service calls -------------------------------------------------

title "name the parts of the network: tags are added through the collector's service"
weir tag add 1 PoP-BA 10.0.0.0/14 2001:db8:1::/48 10.8.250.0/24 2001:db8:3:ff00::/56
weir tag add 2 PoP-PE 10.4.0.0/14 2001:db8:2::/48 10.0.250.0/24 2001:db8:1:ff00::/56
weir tag add 3 PoP-RN 10.8.0.0/14 2001:db8:3::/48 10.4.250.0/24 2001:db8:2:ff00::/56
weir tag add 4 this-host 127.0.0.0/8
weir device add 127.0.0.11 PoP-BA-edge
weir device add 127.0.0.12 PoP-PE-edge
weir device add 127.0.0.13 PoP-RN-edge

# ---- exporters ---------------------------------------------------------------------------------

sleep 1.5 # what administrators change takes effect between two batches, within a second

title "three points of presence export at once: NetFlow v5, NetFlow v9 and IPFIX"
set -- name=PoP-BA,v5 name=PoP-PE,v9,ipv6=20 name=PoP-RN,ipfix,ipv6=20,loss=2
echo "\$ weirgen --udp $netflow --flows $flows --duration 10m $*"
"$BUILD/weirgen" --udp "$netflow" --flows $flows --rate 30000 --duration 10m --waiting 48K \
    --truth "$work/truth" "$@"
sed -n 's/.*"total":.*"generated":{\(.*\)},"received":{\(.*\)}},/generated \1\nreceived  \2/p' \
    "$work/truth" | tr -d '"' | sed 's/:/ /g; s/,/, /g'
kill -INT $tcpdump 2>/dev/null && wait $tcpdump || :

title "and softflowd meters a capture made on the spot"
if [ -s "$capture" ]; then
    echo "(tcpdump listened meanwhile: the service calls and the export datagrams are the traffic)"
else
    echo "(tcpdump may not listen here: a written capture of export traffic takes its place)"
    "$BUILD/weirgen" --pcap "$capture" --truth /dev/null --flows 2000
fi
echo "\$ softflowd -r traffic.pcap -v 9 -n $netflow"
softflowd -d -r "$capture" -v 9 -n "$netflow" -c none -p "$work/softflowd.pid" \
    >"$work/softflowd.log" 2>&1 || { cat "$work/softflowd.log" >&2; fail "softflowd failed"; }
sed -n 's/^\(Number of.*\|Packets.*\|Flows.*\)/\1/p' "$work/softflowd.log" | head -n 4

# ---- answers -----------------------------------------------------------------------------------

received=$(sed -n 's/.*"total":.*"received":{[^}]*"records":\([0-9]*\).*/\1/p' "$work/truth")
octets=$(sed -n 's/.*"total":.*"received":{[^}]*"octets":\([0-9]*\).*/\1/p' "$work/truth")
# columns NAME… : those columns of a CSV with a heading, a line a row
columns() {
    awk -F, -v names="$*" 'BEGIN { n = split(names, name, " ") }
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { for (i = 1; i <= n; i++) printf "%s%s", $at[name[i]], i < n ? " " : "\n" }'
}
stored() { # what the three exporters sent, without softflowd's
    "$BUILD/weir" totals --format csv --filter 'not net 127.0.0.0/8' 2>/dev/null |
        columns flows octets
}
complete() { [ "$(stored)" = "$received $octets" ]; }
until_true 60 complete ||
    fail "stored are (flows, octets) $(stored), but arrived are $received $octets"

title "the traffic matrix, by the SOAP service"
weir matrix
title "what it is worth: the account"
weir account

title "is that true? weirgen knows what it dropped"
dropped=$(sed -n '/"name":"PoP-RN","address"/,$p' "$work/truth" |
    sed -n 's/.*"missing_knowable":\([0-9]*\).*/\1/p' | head -n 1)
missing=$("$BUILD/weir" account --format csv | columns exporter missing |
    awk '$1 == "127.0.0.13" { print $2 }')
echo "records of PoP-RN dropped on the way:   $dropped; missing in the account: $missing"
echo "flows and octets that arrived:          $received and $octets; stored: $(stored | tr ' ' ,)"
sed -n '/^"total"/,$s/^{"srcTag":\([0-9]*\),"dstTag":\([0-9]*\),"octets":\([0-9]*\).*/\1 \2 \3/p' \
    "$work/truth" >"$work/matrix.true"
"$BUILD/weir" totals --by srcTag,dstTag --format csv --filter 'not net 127.0.0.0/8' |
    columns srcTag dstTag octets | sort -n -k1,1 -k2,2 >"$work/matrix.stored"
[ "$dropped" = "$missing" ] || fail "the account does not say what was dropped"
cmp -s "$work/matrix.true" "$work/matrix.stored" ||
    { diff "$work/matrix.true" "$work/matrix.stored" >&2 || :; fail "the matrix is wrong"; }
echo "the matrix, $(wc -l <"$work/matrix.true") cells:                   as it arrived, to the octet"

title "explore further"
[ "$stay" = yes ] || echo "(\`make run\` does the same and leaves the server running)"
cat <<END
  export WEIR_URL=$WEIR_URL PATH=$(cd "$BUILD" && pwd):\$PATH
  weir totals --by exporter                          who sent how much
  weir totals --by srcIP --top 10                    the busiest sources, IPv4 and IPv6 alike
  weir totals --by srcTag,dstTag --filter 'dst port 443 and proto tcp'
  weir matrix --measure flows --format json
  weir call '$WEIR_URL/db?wsdl'     every operation, from the WSDL alone
  weirgen --udp $netflow --realtime --duration 10m v9,loss=5   more traffic, live
END
if [ "$stay" = yes ]; then
    printf '\nweird is running (log: %s); stop it with:\n\n  kill %s\n' "$work/weird.log" "$server"
fi
