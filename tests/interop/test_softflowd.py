#!/usr/bin/python3
"""Debian's softflowd meters a capture and exports over loopback to a running weird: NetFlow v1, v5, v9, IPFIX
with every time format and in both directions, PSAMP; over UDP and, where softflowd can, TCP. What Weir
answers equals the capture, pair by pair; nothing is missing, nothing unread."""
import pathlib
import shutil
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lib
import lib_traffic

SOFTFLOWD = shutil.which("softflowd", path="/usr/sbin:/usr/bin:/sbin:/bin")
TIMES = ("sec", "milli", "micro", "nano")
# name, protocol number, IPv6, options
WAYS = [("v1", 1, False, ["-v", "1"]), ("v5", 5, False, ["-v", "5"]), ("v9", 9, True, ["-v", "9"]),
        ("ipfix", 10, True, ["-v", "10"]), ("ipfix both ways", 10, True, ["-v", "10", "-b"])]
WAYS += [(f"ipfix {t}", 10, True, ["-v", "10", "-A", t]) for t in TIMES]
WAYS += [("ipfix both ways milli", 10, True, ["-v", "10", "-b", "-A", "milli"])]
STREAMS = [("ipfix over tcp", 10, True, ["-v", "10", "-P", "tcp"]),
           ("ipfix both ways over tcp", 10, True, ["-v", "10", "-b", "-P", "tcp"])]


def meter(home, capture, port, options):
    lib.run(SOFTFLOWD, "-d", "-r", capture, "-n", f"127.0.0.1:{port}", "-c", "none",
            "-p", home / "softflowd.pid", "-6", "-a", *options)


def pairs(server):
    answer = lib.weir_json(server, "totals", "--by", "srcIP,dstIP", "--source", "blocks")
    return {(row["srcIP"], row["dstIP"]): (row["octets"], row["packets"]) for row in answer["rows"]}


def settle(server, want):
    """Waits until all is there, or nothing changes any more; what there is."""
    try:
        lib.wait_for("all flows", lambda: pairs(server) == want, step=0.2)
    except TimeoutError:
        pass
    return pairs(server)


def differences(got, want):
    keys = [k for k in sorted(set(got) | set(want)) if got.get(k) != want.get(k)]
    return f"{len(keys)} pairs differ: " + "; ".join(
        f"{k}: metered {got.get(k)}, sent {want.get(k)}" for k in keys[:4])


def metered(home, meter, truth):
    """A server that the meter has exported to, and what it answers. A meter does not wait for who reads: when the
    kernel says that it dropped a datagram, it is the machine's fault, and all is done again."""
    for attempt in range(3):
        server = lib.Server(home / f"data{attempt}")
        meter(server)
        got = settle(server, truth)
        drops = lib.weir_json(server, "account")["account"]["received"]["kernelDrops"]
        if got == truth or not drops:
            break
        print(f"       the kernel dropped {drops} datagrams: once more")
    return server, got


def check_account(server, protocol, what):
    account = lib.weir_json(server, "account")["account"]
    rows = [row for row in account["coverage"] if row["exporter"] != "::"]
    lib.equal([row["protocol"] for row in rows], [protocol], f"{what}: protocols")
    for row in rows:
        lib.equal(row["missing"], 0, f"{what}: missing")
        for counter in ("undecodableOctets", "undecodableDatagrams", "expiredSets", "undecodedLists"):
            lib.equal(row["counters"][counter] if "counters" in row else account["received"][counter], 0,
                      f"{what}: {counter}")


def check_times(server, what):
    """Flows lie where the capture does; v1 to v9 and IPFIX alike."""
    begin, end = lib_traffic.START * 1000, (lib_traffic.START + 60) * 1000
    inside = lib.weir_json(server, "totals", "--from", begin, "--to", end)["rows"]
    everything = lib.weir_json(server, "totals")["rows"]
    lib.equal(inside, everything, f"{what}: flows between {begin} and {end}")


def check_way(name, protocol, ipv6, options, where="netflow"):
    home = lib.folder()
    truth = lib_traffic.write_capture(home / "traffic.pcap", ipv6)
    server, got = metered(home, lambda server: meter(home, home / "traffic.pcap", server.port(where), options), truth)
    lib.check(got == truth, f"{name}: {differences(got, truth)}")
    check_account(server, protocol, name)
    check_times(server, name)
    server.stop()
    lib.run(lib.WEIRD, "verify", "--data", server.data)


def test_udp():
    for way in WAYS:
        check_way(*way)


def test_tcp():
    for way in STREAMS:
        check_way(*way, where="ipfix")


def test_psamp():
    """A record a packet, and the packet is all that it says."""
    check_way("psamp", 10, True, ["-v", "psamp"])
    home = lib.folder()
    lib_traffic.write_capture(home / "traffic.pcap")
    server = lib.Server(home / "data")
    meter(home, home / "traffic.pcap", server.port(), ["-v", "psamp", "-s", "5"])
    lib.wait_for("packets", lambda: sum(row["packets"] for row in lib.weir_json(
        server, "totals", "--source", "blocks")["rows"]) > 100)
    server.stop()
    packets = sum(r["_weir"]["packets"] for r in lib.records(home / "data") if r["type"] == "flow")
    lib.check(100 < packets < 300, f"psamp, one in 5 of 930: {packets} packets")


if __name__ == "__main__":
    if not SOFTFLOWD:
        lib.skip("softflowd is not installed")
    lib.main(test_udp, test_tcp, test_psamp)
