#!/usr/bin/python3
"""A million exporters, as one who forges source addresses can make them: the longest idle leave, so the memory of
import and of the server that answers afterwards is bounded; and nothing that was counted leaves with them. A
third each speaks NetFlow v5, v9 and IPFIX; every fourth sends a second datagram, and what its sequence says
is missing was never sent.
"""
import os
import struct
import subprocess

import lib
import lib_soap

EXPORTERS = 1_000_000
A_SECOND = 10_000  # exporters
START = 1767225600
IMPORT_MIB = 320 if lib.SLOW == 1 else 3000  # the sanitizer keeps what was freed
# An account of a million rows beside a merge into a block of 393,216 rows, and 150 MiB of the file's mapping.
SERVER_MIB = 430 if lib.SLOW == 1 else 3000

TEMPLATE = struct.pack(">12H", 0, 24, 256, 4, 8, 4, 12, 4, 1, 4, 2, 4)
RECORDS = struct.pack(">HH4I", 256, 20, 0x0A000001, 0x0A000002, 300, 3)


def v5(seconds, sequence):
    record = struct.pack(">IIIHHIIIIHHBBBBHHBBH", 0x0A000001, 0x0A000002, 0, 1, 2, 3, 300, 999000, 999500, 1234, 80, 0,
                         0, 6, 0, 1, 2, 24, 24, 0)
    return struct.pack(">HHIIIIBBH", 5, 1, 1000000, seconds, 0, sequence, 0, 0, 0) + record


def v9(seconds, sequence):
    return struct.pack(">HHIIII", 9, 2, 1000000, seconds, sequence, 7) + TEMPLATE + RECORDS


def ipfix(seconds, sequence):
    sets = struct.pack(">H", 2) + TEMPLATE[2:] + RECORDS
    return struct.pack(">HHIII", 10, 16 + len(sets), seconds, sequence, 7) + sets


# (datagram, the second one's sequence, what is missing before it: records, datagrams)
PROTOCOLS = [(v5, 4, 3, 0), (v9, 3, 0, 2), (ipfix, 6, 5, 0)]


def frame(payload, second):
    """A packet of the capture, in two parts: the source address stands between them."""
    length = 28 + len(payload)
    head = struct.pack("<4I", START + second, 0, length, length) + struct.pack(
        ">BBHHHBBH", 0x45, 0, length, 0, 0, 64, 17, 0)
    return head, struct.pack(">IHHHH", 0x7F000001, 2055, 2055, 8 + len(payload), 0) + payload


def write_capture(path):
    with open(path, "wb", 1 << 20) as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for second in range(EXPORTERS // A_SECOND):
            first = [frame(p(START + second, 0), second) for p, *_ in PROTOCOLS]
            later = [frame(p(START + second, sequence), second) for p, sequence, *_ in PROTOCOLS]
            for i in range(second * A_SECOND, (second + 1) * A_SECOND):
                source = (0x0B000000 + i).to_bytes(4, "big")
                out.write(source.join(first[i % 3]))
                if i % 4 == 0:
                    out.write(source.join(later[i % 3]))


def import_bounded(data, capture):
    """Imports, and checks the most memory that it ever took."""
    process = subprocess.Popen([lib.WEIRD, "import", "--data", data, capture], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    lib.equal(process.returncode, 0, "exit code of the import")
    mib = usage.ru_maxrss // 1024
    lib.check(mib <= IMPORT_MIB, f"the import took {mib} MiB")
    return mib


def test_a_million_exporters():
    data, capture = lib.folder(), lib.folder() / "capture.pcap"
    write_capture(capture)
    mib = import_bounded(data, capture)
    capture.unlink()
    seconds = [sum(1 for i in range(0, EXPORTERS, 4) if i % 3 == n) for n in range(3)]
    server = lib.Server(data)
    account = lib_soap.account(server)
    counts = account["received"]
    lib.equal(counts["datagrams"], EXPORTERS + sum(seconds), "datagrams")
    lib.equal(counts["records"], EXPORTERS + sum(seconds), "records")
    lib.equal(counts["missingRecords"], sum(n * p[2] for n, p in zip(seconds, PROTOCOLS)), "missing records")
    lib.equal(counts["missingDatagrams"], sum(n * p[3] for n, p in zip(seconds, PROTOCOLS)), "missing datagrams")
    for name in ("restarts", "unknownGaps", "recoveredRecords", "undecodableDatagrams", "expiredSets"):
        lib.equal(counts[name], 0, name)
    rows = account["coverage"]
    lib.equal(len(rows), 16384 + 3, "rows of the account: the first to be heard, and all others by protocol")
    lib.equal(sum(row["counters"]["datagrams"] for row in rows), EXPORTERS + sum(seconds), "datagrams of the rows")
    others = {row["protocol"]: row for row in rows if row["exporter"] == "::"}
    lib.equal(sorted(others), [5, 9, 10], "rows without a name")
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        peak = int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024
    lib.check(peak <= SERVER_MIB, f"the server took {peak} MiB")
    server.stop()
    print(f"       {EXPORTERS:,} exporters: import {mib} MiB, server {peak} MiB")


if __name__ == "__main__":
    lib.main(test_a_million_exporters)
