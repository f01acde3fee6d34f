#!/usr/bin/python3
"""Records of both directions (RFC 5103, and initiator with responder): stored and counted once, answered
as two flows, each with its own counters, times, ends and tags."""
import json

import lib
from lib_export import REVERSE, SECS, data, ip, ipfix, number, template, write

BOTH_ENDS = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (10, 4), (14, 4), (16, 4), (17, 4))


def ends(source, destination, sport=1024, dport=443):
    return (ip(source) + ip(destination) + number(sport, 2) + number(dport, 2) + b"\x06"
            + number(1, 4) + number(2, 4) + number(64500, 4) + number(64501, 4))


def biflows():
    forward = ((1, 8), (2, 4), (6, 1), (152, 8), (153, 8))
    fields = BOTH_ENDS + forward + tuple(f + (REVERSE,) for f in forward)
    record = lambda a, b, there, back: (
        ends(a, b) + number(there, 8) + number(3, 4) + b"\x1b" + number(SECS * 1000 - 9000, 8)
        + number(SECS * 1000 - 5000, 8) + number(back, 8) + number(4 if back else 0, 4) + b"\x13"
        + number(SECS * 1000 - 8000, 8) + number(SECS * 1000 - 4000, 8))
    return ipfix(template(300, *fields),
                 data(300, record("10.1.0.1", "10.2.0.1", 100, 1000),
                      record("10.1.0.2", "10.2.0.2", 50, 0),  # nobody answered
                      record("10.1.0.3", "10.2.0.1", 7, 70)))


def ipv6_biflow():
    """Reduced sizes, no packets, times of the whole record only."""
    fields = ((27, 16), (28, 16), (4, 1), (150, 4), (151, 4), (1, 4), (1, 3, REVERSE))
    return ipfix(template(301, *fields),
                 data(301, ip("2001:db8:1::1"), ip("2001:db8:2::1"), b"\x11", number(SECS - 3, 4),
                      number(SECS - 2, 4), number(20, 4), number(30, 3)), sequence=3)


def initiator():
    """Counters of initiator and responder, no others (a firewall's)."""
    fields = BOTH_ENDS + ((231, 8), (232, 8), (298, 8), (299, 8))
    return ipfix(template(302, *fields),
                 data(302, ends("10.1.0.9", "10.2.0.9"), number(11, 8), number(13, 8), number(1, 8),
                      number(2, 8)), sequence=4)


def rows(server, *words):
    return lib.weir_json(server, "totals", "--source", "blocks", *words)["rows"]


def by(server, keys, *words):
    return {tuple(row.get(k) for k in keys): (row["octets"], row["packets"], row["flows"])
            for row in rows(server, "--by", ",".join(keys), *words)}


def test_biflow():
    home = lib.folder()
    folder = write(home / "in", biflows(), ipv6_biflow(), initiator())
    report = lib.weird_import(home / "data", folder)
    lib.equal((report["records"], report["octets"], report["packets"]), (5, 177, 9), "import")
    lib.equal(report["missing"], 0, "missing")
    stored = lib.records(home / "data")
    lib.equal(len(stored), 5, "records, each once")
    lib.equal(stored[0].get(f"e{REVERSE}.1", stored[0].get("reverseOctetDeltaCount")), 1000,
              f"a reverse counter is kept as such ({json.dumps(stored[0])})")
    server = lib.Server(home / "data")
    lib.weir(server, "tag", "add", "1", "one", "10.1.0.0/16", "2001:db8:1::/48")
    lib.weir(server, "tag", "add", "2", "two", "10.2.0.0/16", "2001:db8:2::/48")
    server.stop()
    lib.run(lib.WEIRD, "retag", "--data", home / "data")
    lib.run(lib.WEIRD, "verify", "--data", home / "data")
    server = lib.Server(home / "data")
    lib.equal(by(server, ("srcIP", "dstIP"), "--filter", "proto tcp"), {
        ("10.1.0.1", "10.2.0.1"): (100, 3, 1), ("10.2.0.1", "10.1.0.1"): (1000, 4, 1),
        ("10.1.0.2", "10.2.0.2"): (50, 3, 1),
        ("10.1.0.3", "10.2.0.1"): (7, 3, 1), ("10.2.0.1", "10.1.0.3"): (70, 4, 1),
        ("10.1.0.9", "10.2.0.9"): (11, 1, 1), ("10.2.0.9", "10.1.0.9"): (13, 2, 1)}, "both directions")
    lib.equal(by(server, ("srcIP", "dstIP"), "--filter", "proto udp"), {
        ("2001:db8:1::1", "2001:db8:2::1"): (20, 0, 1),
        ("2001:db8:2::1", "2001:db8:1::1"): (30, 0, 1)}, "IPv6")
    keys = ("sourceTransportPort", "destinationTransportPort", "ingressInterface", "egressInterface",
            "bgpSourceAsNumber", "bgpDestinationAsNumber", "tcpControlBits")
    lib.equal(by(server, keys, "--filter", "host 10.1.0.1"), {
        (1024, 443, 1, 2, 64500, 64501, 0x1b): (100, 3, 1),
        (443, 1024, 2, 1, 64501, 64500, 0x13): (1000, 4, 1)}, "what changes places")
    matrix = {("one", "two"): (188, 10, 5), ("two", "one"): (1113, 10, 4)}
    for source in ("blocks", "rollup"):
        got = {(row["srcTagName"], row["dstTagName"]) if "srcTagName" in row else
               (row["srcTag"], row["dstTag"]): (row["octets"], row["packets"], row["flows"])
               for row in lib.weir_json(server, "totals", "--by", "srcTag,dstTag", "--source", source)["rows"]}
        want = matrix if ("one", "two") in got else {(1, 2): matrix["one", "two"], (2, 1): matrix["two", "one"]}
        lib.equal(got, want, f"matrix from {source}")
    lib.equal(by(server, ("srcIP",), "--filter", "host 10.1.0.1", "--from", SECS * 1000 - 4500),
              {("10.2.0.1",): (1000, 4, 1)}, "the way back has its own times")
    account = lib.weir_json(server, "account")["account"]
    lib.equal(account["coverage"][0]["records"], 5, "the account counts records")
    server.stop()


if __name__ == "__main__":
    lib.main(test_biflow)
