#!/usr/bin/python3
"""The same filter, the same records, two programs: nfdump and Weir select the same number of flows.

weirgen sends the flows to nfcapd over UDP, and writes them (same seed, same times) into a pcap that Weir
imports. Filters are nfdump's own language, so each text goes to both as it is.

Not asked: AS numbers, for which nfdump 1.7.1 wants a geo database; ports of ICMP, where nfdump has type and
code in the destination port; lists with an address inside one of their networks, of which it forgets one.
"""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lib

FLOWS = 6000
FILTERS = """
any
inet
inet6
src ip {src}
ip {src}
host {dst} and not src ip {src}
src net 10.0.0.0/14
net 10.4.0.0/14
src net 10.0.0.0/14 and dst net 10.4.0.0/14
net 10.0.0.0 255.252.0.0
net 2001:db8:1::/48
src net 2001:db8::/32 or dst net 2001:db8:2::/48
ip in [ 192.0.2.1 10.8.0.0/14 ]
src ip in [ {src} {dst} ]
port 443
src port > 50000
proto tcp and dst port < 1024
dst port in [ 53 80 443 8080 ]
proto udp and src port >= 1024 and dst port <= 1024
src or dst port 53
src and dst port 53
proto tcp
proto udp and not port 53
proto 47
proto icmp
proto icmp6
tos 0
tos 184
flags S
flags SA
flags F and not flags R
not flags S
not flags SF
flags S and not flags AFRPU
flags X
packets > 10
packets = 1
bytes > 10k
bytes < 1k
bytes > 1m or packets > 100
duration > 1000
duration = 0
pps > 5
pps = 0
bps > 100k
bps < 1m and bps > 10k
bpp > 500
bpp < 100
in if 1
out if 101
if 2
src mask 24
mask 16
next ip 192.168.0.2
proto tcp and (dst port 443 or dst port 80) and bytes > 5000
not (proto tcp or proto udp)
(src net 10.0.0.0/14 and proto tcp) or (dst net 10.0.0.0/14 and proto udp) and packets > 2
not src net 10.0.0.0/14 and not dst net 10.0.0.0/14
proto tcp # a comment
""".strip().splitlines()


def collect_with_nfcapd(home, exporters):
    """The truth; nfcapd's files are in the folder then."""
    nfcapd = lib.Nfcapd(home)
    truth = lib.weirgen("--udp", f"127.0.0.1:{nfcapd.port}", "--rate", 20000, *exporters)
    nfcapd.stop()
    return truth


def by_nfdump(folder, text):
    out = lib.run("nfdump", "-q", "-R", folder, "-o", "fmt:%pr", text)
    return len([line for line in out.splitlines() if line.strip() and "No matching" not in line])


def by_weir(data, text):
    return len(lib.run(lib.WEIRD, "records", "--data", data, "--filter", text).splitlines())


def test_filters():
    home = lib.folder()
    (home / "nf").mkdir()
    exporters = ("--flows", FLOWS, "--seed", 3, "--start", "2026-03-01T00:00:00Z", "v5", "v9,ipv6=40")
    truth = collect_with_nfcapd(home / "nf", exporters)
    lib.weirgen("--pcap", home / "t.pcap", *exporters)
    lib.weird_import(home / "data", home / "t.pcap")
    sent = sum(e["received"]["records"] for e in truth["exporters"])
    lib.equal(by_nfdump(home / "nf", "any"), sent, "flows that nfcapd heard")
    record = next(r for r in lib.records(home / "data") if "sourceIPv4Address" in r)
    names = {"src": record["sourceIPv4Address"], "dst": record["destinationIPv4Address"]}
    selected = 0
    for text in FILTERS:
        text = text.format(**names)
        want, got = by_nfdump(home / "nf", text), by_weir(home / "data", text)
        lib.equal(got, want, f"filter {text!r}")
        selected += 0 < want < sent
    print(f"       {len(FILTERS)} filters, {selected} of them select some flows and not all")
    lib.check(selected > len(FILTERS) * 2 // 3, f"only {selected} filters select anything")


if __name__ == "__main__":
    if not shutil.which("nfcapd") or not shutil.which("nfdump"):
        lib.skip("nfdump is not installed")
    lib.main(test_filters)
