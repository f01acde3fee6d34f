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
import signal
import socket
import struct
import subprocess
import time

import lib

TIME_FROM_RECEPTION = 3  # lib/flow/batch.h
CORPUS = pathlib.Path(os.environ.get("CORPUS", lib.ROOT.parent / "shared" / "corpus"))
SHAPE = ["--flows", "6000", "--duration", "20m", "--seed", "11", "--start", "2026-01-01T00:00:00Z"]
# What an export adds or can not carry (lib/wire/ipfix_write.h).
CHANGED = {"flowStartSysUpTime", "flowEndSysUpTime", "flowStartMilliseconds", "flowEndMilliseconds",
           "exporterIPv4Address", "exporterIPv6Address", "samplingInterval"}


def export(data, kind, *options):
    done = subprocess.run([lib.WEIRD, "export", "--data", data, "--format", kind, *options],
                          capture_output=True, timeout=120 * lib.SLOW, check=True)
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
    # A capture without a clock: 1970 is no time that IPFIX can say. An exporter whose clock was not
    # believed: its records go out with their own times, and a file has no reception to doubt them by.
    unsaid = all(r["_weir"]["flowEnd"] < 10**6 for r in before)
    doubted = any(r["_weir"]["timeOrigin"] == TIME_FROM_RECEPTION for r in before)
    untimed = {"flowEnd"} if unsaid or doubted else set()
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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    nfcapd = subprocess.Popen(["nfcapd", "-w", base / "nf", "-p", str(port), "-b", "127.0.0.1", "-B", "16777216"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        lib.wait_for("nfcapd", lambda: f":{port:04X} " in pathlib.Path("/proc/net/udp").read_text())
        time.sleep(0.5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for i, message in enumerate(messages(export(base / "data", "ipfix"))):
                s.sendto(message, ("127.0.0.1", port))
                if i % 50 == 0:
                    time.sleep(0.01)
        time.sleep(2)
        nfcapd.send_signal(signal.SIGTERM)
        nfcapd.wait(30)
    finally:
        if nfcapd.poll() is None:
            nfcapd.kill()
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
    lib.equal(flows(home / "again")[0]["_weir"]["flowEnd"], 1000, "end through IPFIX, which has no times before 1970")


def test_refusals():
    base = lib.folder()
    lib.weirgen("--pcap", base / "flows.pcap", "--flows", "10", "--duration", "1m", "--seed", "1")
    lib.weird_import(base / "data", base / "flows.pcap")
    lib.run(lib.WEIRD, "export", "--data", base / "data", "--format", "parquet", ok=(2,))
    lib.run(lib.WEIRD, "export", "--data", base / "data", "--filter", "src prot 5", ok=(2,))
    lib.run(lib.WEIRD, "export", "--data", base / "nothing", ok=(1,))


lib.main(test_ipfix, test_corpus, test_tshark, test_nfcapd, test_csv_and_json, test_before_1970, test_refusals)
