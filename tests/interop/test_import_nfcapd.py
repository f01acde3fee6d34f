#!/usr/bin/python3
"""A file that Debian's nfcapd wrote, imported: the flows that weirgen sent, each with its exporter, and the totals that
nfdump reports. Without nfdump the import says in one line what to install."""
import collections
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import lib

FLOWS = 3000
EXPORTERS = ("v5", "v9,ipv6=40", "ipfix,ipv6=40")
KEYS = ("sourceIPv4Address", "sourceIPv6Address", "destinationIPv4Address", "destinationIPv6Address",
        "sourceTransportPort", "destinationTransportPort", "protocolIdentifier", "octetDeltaCount",
        "packetDeltaCount", "ingressInterface", "egressInterface", "bgpSourceAsNumber",
        "bgpDestinationAsNumber", "ipNextHopIPv4Address", "ipNextHopIPv6Address")


def flow(record):
    """ICMP has no ports, and exporters that send them anyway put its type there."""
    values = {k: record.get(k) for k in KEYS}
    if record["protocolIdentifier"] in (1, 58):
        values["sourceTransportPort"] = values["destinationTransportPort"] = None
    return (record["_weir"]["exporter"],) + tuple(values.values())


def nfcapd_files(folder):
    (folder / "files").mkdir()
    listener = lib.Nfcapd(folder / "files")
    lib.weirgen("--udp", f"127.0.0.1:{listener.port}", "--flows", str(FLOWS), "--rate", "60000", "--seed", "5",
                *EXPORTERS)
    listener.stop()
    files = sorted((folder / "files").glob("nfcapd.2*"))
    lib.check(files, "files of nfcapd")
    return files


def test_import():
    folder = lib.folder()
    files = nfcapd_files(folder)
    check_import(folder, files)
    check_refusals(folder, max(files, key=lambda file: file.stat().st_size))


def check_import(folder, files):
    report = lib.weird_import(folder / "data", *files)
    lines = lib.run("nfdump", "-R", folder / "files", "-I").splitlines()
    told = {line.split()[0]: int(line.split()[1]) for line in lines
            if line.startswith(("Flows:", "Packets:", "Bytes:"))}
    lib.equal((report["records"], report["packets"], report["octets"]),
              (told["Flows:"], told["Packets:"], told["Bytes:"]), "totals by nfdump")
    lib.weirgen("--pcap", folder / "same.pcap", "--flows", str(FLOWS), "--seed", "5", *EXPORTERS)
    lib.weird_import(folder / "sent", folder / "same.pcap")
    got = collections.Counter(flow(r) for r in lib.records(folder / "data"))
    sent = collections.Counter(flow(r) for r in lib.records(folder / "sent") if r["type"] == "flow")
    lib.equal(sum(got.values()), FLOWS, "flows")
    lib.check(got == sent, f"flows differ: sent {list((sent - got))[:2]}, got {list((got - sent))[:2]}")
    for record in lib.records(folder / "data")[:50]:
        lib.check(0 < record["flowEndMilliseconds"] - record["flowStartMilliseconds"] + 1 < 10**8 and
                  record["_weir"]["flowEnd"] == record["flowEndMilliseconds"], f"times of {record}")
    lib.run(lib.WEIRD, "verify", "--data", folder / "data")


def check_refusals(folder, file):
    """One line of what to do: without nfdump, and with a file that it can not read."""
    cut, empty = folder / "cut", folder / "empty"
    cut.write_bytes(file.read_bytes()[:file.stat().st_size // 2])
    empty.mkdir()
    for path, expected in ((str(empty), "apt-get install nfdump"), (os.environ["PATH"], "nfdump cannot read it")):
        done = subprocess.run([lib.WEIRD, "import", "--data", folder / "none", cut], capture_output=True,
                              env={**os.environ, "PATH": path}, timeout=lib.PATIENCE)
        errors = done.stderr.decode()
        lib.equal(done.returncode, 1, "exit code")
        lib.check(expected in errors and str(cut) in errors and errors.count("\n") == 1, errors)


if __name__ == "__main__":
    if not shutil.which("nfcapd") or not shutil.which("nfdump"):
        lib.skip("no nfdump here")
    lib.main(test_import)
