#!/bin/sh
# layers.sh - the walls of the design, proven on what was built: no core object knows gSOAP or another
# room, by header (dependency files) or by symbol.
set -u
: "${BUILD:=build}"
bad=0
complain() { echo "wall broken: $1"; bad=1; }

headers() { # room forbidden-pattern
    for dep in $(find "$BUILD/obj/$1" -name '*.d' 2>/dev/null); do
        hit=$(tr ' \\' '\n\n' <"$dep" | grep -E "$2" | head -n 1)
        [ -z "$hit" ] || complain "$1: ${dep##*/} includes $hit"
    done
}
symbols() { # archive forbidden-pattern
    hit=$(nm -u "$1" 2>/dev/null | awk '{print $NF}' | grep -E "$2" | sort -u | head -n 3 | tr '\n' ' ')
    [ -z "$hit" ] || complain "${1##*/} uses $hit"
}
soap='stdsoap2|soapH|/soap/|^services/|^clients/'
headers lib "$soap|^collector/|^dbcomponent/|sqlite3\.h|pcap"
headers collector "$soap|^dbcomponent/|sqlite3\.h"
headers dbcomponent "$soap|^collector/|pcap"
headers services '^collector/[^i]|^collector/i[^n]|^dbcomponent/[^i]|sqlite3\.h|pcap'
headers clients '^collector/|^dbcomponent/|^services/|sqlite3\.h'
symbols "$BUILD/libweir.a" '^(soap_|sqlite3_|pcap_|printf$|puts$|store_|collector_)'
symbols "$BUILD/libcollector.a" '^(soap_|sqlite3_|store_)'
symbols "$BUILD/libdbcomponent.a" '^(soap_|pcap_|collector_)'
[ $bad = 0 ] && echo "layers: every wall stands"
exit $bad
