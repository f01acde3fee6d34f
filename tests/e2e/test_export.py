#!/usr/bin/python3
"""weird export: what comes out is what is stored. IPFIX files go through our own import, through tshark
and (as datagrams) through nfcapd; CSV and JSON are compared with `weird records`. Filters and intervals
as everywhere."""
import collections
import csv
import io
import json
import os
import pathlib
import re
import socket
import struct
import subprocess

import lib
import lib_export as wire

TIME_FROM_RECEPTION = 3  # lib/flow/batch.h
CORPUS = pathlib.Path(os.environ.get("CORPUS", lib.ROOT.parent / "shared" / "corpus"))
SHAPE = ["--flows", "6000", "--duration", "20m", "--seed", "11", "--start", "2026-01-01T00:00:00Z"]
# What an export adds or can not carry (lib/wire/ipfix_write.h).
CHANGED = {"flowStartSysUpTime", "flowEndSysUpTime", "flowStartMilliseconds", "flowEndMilliseconds",
           "exporterIPv4Address", "exporterIPv6Address", "samplingInterval"}


def export(data, kind, *options):
    done = subprocess.run([lib.WEIRD, "export", "--data", data, "--format", kind, *options],
                          capture_output=True, timeout=2 * lib.PATIENCE, check=True)
    return done.stdout


def flows(data, *options):
    return [r for r in lib.records(data, *options) if r["type"] == "flow"]


def too_large(name):
    match = re.fullmatch(r"ie(\d+)(#\d+)?", name)
    return match is not None and int(match.group(1)) > 32767


def essence(record, untimed):
    """A record without its message: what an export has to keep."""
    w = record["_weir"]
    out = {k: v for k, v in record.items() if not k.startswith("_") and k not in CHANGED and not too_large(k)}
    for name in ("domain", "flowStart", "flowEnd", "octets", "packets"):
        out["_" + name] = w.get(name)
    if "flowEnd" in untimed:
        del out["_flowStart"], out["_flowEnd"]
    if float(w.get("samplingRate", 0)) > 1:
        out["_rate"] = float(w["samplingRate"])
    exporter = w["exporter"]
    stated = record.get("exporterIPv4Address") or record.get("exporterIPv6Address")
    out["_exporter"] = stated or exporter
    return json.dumps(out, sort_keys=True)


def essences(records, untimed=()):
    return collections.Counter(essence(r, untimed) for r in records)


def messages(file):
    at = 0
    while at < len(file):
        version, length = struct.unpack_from(">HH", file, at)
        assert version == 10 and length >= 16
        yield file[at:at + length]
        at += length
    assert at == len(file)


def through_ipfix(data, what):
    base = lib.folder()
    file = base / "export.ipfix"
    file.write_bytes(export(data, "ipfix"))
    before = flows(data)
    if not before:
        return
    report = lib.weird_import(base / "again", file)
    lib.equal(report["missing"], 0, f"{what}: missing after the way through IPFIX")
    lib.equal(report["undecodable"], 0, f"{what}: undecodable after the way through IPFIX")
    # An exporter whose clock was not believed: its records go out with their own times, and a file has no
    # reception to doubt them by.
    doubted = any(r["_weir"]["timeOrigin"] == TIME_FROM_RECEPTION for r in before)
    untimed = {"flowEnd"} if doubted else set()
    gone, new = essences(before, untimed), essences(flows(base / "again"), untimed)
    lib.check(gone == new, f"{what}: {sum((gone - new).values())} of {len(before)} records changed: "
                           f"{next(iter(gone - new), '')} became {next(iter(new - gone), '')}")


def test_ipfix():
    base = lib.folder()
    lib.weirgen("--pcap", base / "flows.pcap", *SHAPE)
    lib.weird_import(base / "data", base / "flows.pcap")
    through_ipfix(base / "data", "weirgen")


def test_corpus():
    if not CORPUS.is_dir():
        print("   (the corpus is not there)")
        return
    with open(CORPUS / "expected.jsonl", encoding="utf-8") as lines:
        captures = [json.loads(line)["capture"] for line in lines]
    for capture in captures:
        base = lib.folder()
        path = CORPUS / capture
        files = [path] if path.is_file() else path.rglob("*")
        if not path.exists() or sum(f.stat().st_size for f in files) > 4 << 20:
            continue
        lib.weird_import(base / "data", path)
        through_ipfix(base / "data", capture)


def test_tshark():
    base = lib.folder()
    truth = lib.weirgen("--pcap", base / "flows.pcap", *SHAPE)
    lib.weird_import(base / "data", base / "flows.pcap")
    file = base / "export.ipfix"
    file.write_bytes(export(base / "data", "ipfix"))
    text = lib.run("tshark", "-r", file, "-V", seconds=300)
    lib.equal(len(re.findall(r"^ *Flow \d+$", text, re.M)), 6000, "flows that tshark sees")
    lib.check("Malformed" not in text, "tshark finds something malformed")
    octets = sum(int(n) for n in re.findall(r"^ *Octets: (\d+)", text, re.M))
    lib.equal(octets, sum(r["octetDeltaCount"] for r in flows(base / "data")), "octets that tshark sees")
    lib.check(truth is not None, "weirgen's truth")


def test_nfcapd():
    base = lib.folder()
    lib.weirgen("--pcap", base / "flows.pcap", *SHAPE)
    lib.weird_import(base / "data", base / "flows.pcap")
    (base / "nf").mkdir()
    nfcapd = lib.Nfcapd(base / "nf")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for message in messages(export(base / "data", "ipfix")):
            s.sendto(message, ("127.0.0.1", nfcapd.port))
            lib.wait_read(nfcapd.port, 48 << 10)
    nfcapd.stop()
    summary = lib.run("nfdump", "-R", base / "nf", "-I")
    stored = flows(base / "data")
    lib.equal(int(re.search(r"^Flows: (\d+)", summary, re.M).group(1)), len(stored), "flows in nfdump")
    lib.equal(int(re.search(r"^Bytes: (\d+)", summary, re.M).group(1)),
              sum(r["octetDeltaCount"] for r in stored), "octets in nfdump")
    lib.equal(int(re.search(r"^Packets: (\d+)", summary, re.M).group(1)),
              sum(r["packetDeltaCount"] for r in stored), "packets in nfdump")


def test_csv_and_json():
    base = lib.folder()
    lib.weirgen("--pcap", base / "flows.pcap", *SHAPE)
    lib.weird_import(base / "data", base / "flows.pcap")
    first = min(r["_weir"]["flowEnd"] for r in flows(base / "data"))
    cases = [(), ("--filter", "proto udp and dst port 443"),
             ("--from", str(first + 60000), "--to", str(first + 300000)), ("--filter", "octets > 1g")]
    for options in cases:
        stored = flows(base / "data", *options)
        lines = export(base / "data", "json", *options).decode().splitlines()
        lib.equal([json.loads(line) for line in lines], stored, f"JSON of {options}")
        rows = list(csv.DictReader(io.StringIO(export(base / "data", "csv", *options).decode(), newline="")))
        lib.equal(len(rows), len(stored), f"rows of CSV of {options}")
        for row, record in zip(rows, stored):
            for name, value in record.items():
                if not name.startswith("_") and name != "type" and row.get(name) != str(value):
                    lib.check(False, f"CSV: {name} is {row.get(name)}, not {value}")
                    return
            for name in ("exporter", "flowStart", "flowEnd", "octets", "packets", "srcTag"):
                if row[name] != str(record["_weir"][name]):
                    lib.check(False, f"CSV: {name} is {row[name]}, not {record['_weir'][name]}")
                    return
            absent = [n for n, v in row.items() if v == "" and n in record]
            if absent:
                lib.check(False, f"CSV: {absent} are empty")
                return


def test_before_1970():
    """An exporter without a clock, ten seconds old as its clock says and a hundred as its sysUpTime does."""
    home = lib.folder()
    (home / "in").mkdir()
    record = struct.pack("!4s4s4sHHIIIIHHBBBBHHBBH", b"\x0a\0\0\x01", b"\x0a\0\0\x02", b"\0" * 4, 1, 2, 3, 300,
                         2000, 91000, 1024, 443, 0, 16, 6, 0, 0, 0, 0, 0, 0)
    (home / "in" / "1").write_bytes(struct.pack("!HHIIIIBBH", 5, 1, 100000, 10, 0, 0, 0, 0, 0) + record)
    lib.weird_import(home / "data", home / "in")
    own = flows(home / "data")[0]["_weir"]
    lib.equal((own["flowStart"], own["flowEnd"], own["exportTime"]), (-88000, 1000, 10000), "times")
    row = next(csv.DictReader(io.StringIO(export(home / "data", "csv").decode(), newline="")))
    lib.equal((row["flowStart"], row["flowEnd"]), ("-88000", "1000"), "times in CSV")
    (home / "out.ipfix").write_bytes(export(home / "data", "ipfix"))
    lib.weird_import(home / "again", home / "out.ipfix")
    again = flows(home / "again")[0]
    own = again["_weir"]
    lib.equal((own["flowStart"], own["flowEnd"], own["exportTime"]), (-88000, 1000, 10000), "times through IPFIX")
    lib.equal((again["flowDurationMilliseconds"], "flowStartMilliseconds" in again), (89000, False), "how it is said")


def times(record):
    w = record["_weir"]
    return w["flowStart"], w["flowEnd"], w["exportTime"], w["timeOrigin"]


def test_extreme_times():
    """Everything that elements for times can say comes out of IPFIX the same: files have no reception to doubt it by."""
    home = lib.folder()
    ms = (0, 1, 2**32 * 1000 - 1, 2**32 * 1000, 253402300799999, 2**60 - 1, 2**60, 2**63 - 1, 2**63, 2**64 - 1)
    seconds = (0, 1, 2**31, 2**32 - 1)
    ntp = (0, 1 << 32, 2**31 << 32, 2**63, 2**64 - 1)

    def pairs(id_, starts, ends, values, octets, secs=wire.SECS):
        rows = (wire.number(a, octets) + wire.number(b, octets) for a in values for b in values)
        return wire.ipfix(wire.template(id_, (starts, octets), (ends, octets)), wire.data(id_, *rows), secs=secs)

    wire.write(home / "in", pairs(300, 152, 153, ms, 8), pairs(301, 150, 151, seconds, 4), pairs(302, 154, 155, ntp, 8),
               pairs(303, 158, 159, seconds, 4, 100), pairs(304, 22, 21, seconds, 4, 2**32 - 1))
    lib.weird_import(home / "data", home / "in")
    (home / "out.ipfix").write_bytes(export(home / "data", "ipfix"))
    lib.weird_import(home / "again", home / "out.ipfix")
    before, after = ([times(r) for r in flows(home / d)] for d in ("data", "again"))
    lib.equal(collections.Counter(after), collections.Counter(before), "times through IPFIX")
    for at in (1, 2**32 * 1000, 253402300799999, (2**32 - 1) * 1000, 2**60 - 1):
        lib.check(any(t[1] == at for t in before), f"no flow ends at {at}")


def test_times_unsaid():
    """What IPFIX has no numbers for is told: the end before 1970 of a router without a clock, and messages past 2106."""
    home = lib.folder()
    wire.write(home / "in", wire.netflow5([("10.0.0.1", "10.0.0.2", 1, 100, 70000, 80000)], secs=10, up=100000))
    lib.weird_import(home / "data", home / "in")
    lib.equal(times(flows(home / "data")[0]), (-20000, -10000, 10000, 0), "times")
    done = subprocess.run([lib.WEIRD, "export", "--data", home / "data", "--format", "ipfix"], capture_output=True,
                          check=True, timeout=lib.PATIENCE)
    lib.check(b"1 records have times that IPFIX can not say" in done.stderr, f"it says: {done.stderr}")
    (home / "out.ipfix").write_bytes(done.stdout)
    lib.weird_import(home / "again", home / "out.ipfix")
    lib.equal(times(flows(home / "again")[0]), (10000, 10000, 10000, 2), "left out, and so the message's")

    (home / "late.pcapng").write_bytes(pcapng(sflow(3), 4_300_000_000_123_456))
    lib.weird_import(home / "late", home / "late.pcapng")
    before = [times(r) for r in flows(home / "late")]
    lib.check(before and min(t[1] for t in before) > 2**32 * 1000, f"ends past 2106: {before[:1]}")
    done = subprocess.run([lib.WEIRD, "export", "--data", home / "late", "--format", "ipfix"], capture_output=True,
                          check=True, timeout=lib.PATIENCE)
    lib.check(b"%d records have times" % len(before) in done.stderr, f"it says: {done.stderr}")
    lib.equal({struct.unpack_from(">I", m, 4)[0] for m in messages(done.stdout)}, {2**32 - 1}, "the nearest time")
    (home / "late.ipfix").write_bytes(done.stdout)
    lib.weird_import(home / "late-again", home / "late.ipfix")
    lib.equal(collections.Counter(times(r)[:2] for r in flows(home / "late-again")),
              collections.Counter(t[:2] for t in before), "the flows' own times are said")


def sflow(flows):
    """A datagram of sFlow 5 with so many samples of IPv4; it has no time but that of its reception."""
    record = struct.pack(">II4s4sIIII", 600, 6, wire.ip("10.0.0.1"), wire.ip("10.0.0.2"), 1024, 443, 16, 0)
    sample = struct.pack(">8I", 1, 1, 100, 1000, 0, 1, 2, 1) + struct.pack(">II", 3, len(record)) + record
    return struct.pack(">II4s4I", 5, 1, wire.ip("192.0.2.1"), 0, 1, 5000, flows) + flows * (
        struct.pack(">II", 1, len(sample)) + sample)


def pcapng(datagram, us):
    """A capture of one UDP datagram on port 6343, of a time that may need 64 bits."""
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    udp = struct.pack(">HHHH", 6343, 6343, len(datagram) + 8, 0) + datagram
    packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, len(udp) + 20, 0, 0, 64, 17, 0, wire.ip("192.0.2.1"),
                         wire.ip("192.0.2.9")) + udp
    return (block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) +
            block(1, struct.pack("<HHI", 101, 0, 0)) +  # 101: a packet begins with its IP header
            block(6, struct.pack("<IIIII", 0, us >> 32, us & 0xFFFFFFFF, len(packet), len(packet)) + packet))


def test_refusals():
    base = lib.folder()
    lib.weirgen("--pcap", base / "flows.pcap", "--flows", "10", "--duration", "1m", "--seed", "1")
    lib.weird_import(base / "data", base / "flows.pcap")
    lib.run(lib.WEIRD, "export", "--data", base / "data", "--format", "parquet", ok=(2,))
    lib.run(lib.WEIRD, "export", "--data", base / "data", "--filter", "src prot 5", ok=(2,))
    lib.run(lib.WEIRD, "export", "--data", base / "nothing", ok=(1,))


lib.main(test_ipfix, test_corpus, test_tshark, test_nfcapd, test_csv_and_json, test_before_1970, test_extreme_times,
         test_times_unsaid, test_refusals)
