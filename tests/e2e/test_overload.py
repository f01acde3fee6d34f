#!/usr/bin/python3
"""Past the limit: exporters send faster than the collector reads, its receive buffer is small, and now and then
it gets no processor at all. What the account says is missing is what was really lost, exactly, in each
protocol's unit; and the kernel's count of dropped datagrams is exactly how many did not arrive.

Sequence numbers show a loss when something comes after it, so the exporters end calmly; before the flood they
begin calmly, so that their templates are known. The three runs of weirgen are one session: same addresses and
ports, sequences and clocks that go on. weirgen speaks no sFlow: an agent of this file does, whose samples have
numbers of their own.
"""
import json
import signal
import socket
import struct
import subprocess
import sys
import time

import lib
import lib_soap

PROTOCOLS = {"v5": 5, "v9": 9, "ipfix": 10}
SFLOW, SAMPLES = 105, 5
FLOODED, FLOODED_SFLOW = 600000, 60000
BOOT_S = 5 * 24 * 3600


def unit_sent(exporter):
    return exporter["sent"]["datagrams" if exporter["protocol"] == "v9" else "records"]


def command(server, ports, flows, minute, sequences, rate):
    shape = ["--flows", flows, "--seed", 20 + minute, "--start", f"2026-03-01T00:{minute:02}:00Z", "--duration",
             "20s", "--rate", rate]
    exporters = [f"{p},port={ports[p]},uptime={BOOT_S + 60 * minute}s,sequence={sequences.get(p, 0)}"
                 for p in PROTOCOLS]
    calm = lib.WAITING if rate else []
    return [str(a) for a in [lib.WEIRGEN, "--udp", f"127.0.0.1:{server.port()}", *calm, *shape, *exporters]]


def flood(server, arguments):
    """Sends while the server is stopped again and again: whatever the machine, something is lost."""
    sender = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    while sender.poll() is None:
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(0.03)
        server.process.send_signal(signal.SIGCONT)
        time.sleep(0.05)
    return sender.communicate()[0].decode()


def sflow_agent(own_port, port, first, count, calm):
    """Sends `count` datagrams, numbered from `first`, of SAMPLES flow samples each (sFlow version 5)."""
    header = (struct.pack(">6s6sH", b"\2\0\0\0\0\2", b"\2\0\0\0\0\1", 0x0800) +
              struct.pack(">BBHHHBBHII", 0x45, 0, 100, 0, 0, 64, 17, 0, 0x0A000001, 0x0A000002) +
              struct.pack(">HHHH", 1234, 53, 80, 0))
    record = struct.pack(">6I", 1, 16 + 44, 1, 118, 4, len(header)) + header.ljust(44, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", own_port))
        s.connect(("127.0.0.1", port))
        for number in range(first, first + count):
            samples = b"".join(
                struct.pack(">2I8I", 1, 32 + len(record), number * SAMPLES + i, 3, 64,
                            64 * (number * SAMPLES + i), 0, 3, 4, 1) + record for i in range(SAMPLES))
            s.send(struct.pack(">7I", 5, 1, 0x7F000001, 0, number, BOOT_S * 1000 + number, SAMPLES) + samples)
            if calm:
                lib.wait_read(port, 16 << 10)


def overload_sflow(server):
    """Returns the datagrams sent."""
    sent, own_port = 0, lib.free_port()
    for count, calm in ((50, 1), (FLOODED_SFLOW, 0), (200, 1)):
        arguments = [sys.executable, __file__, "--sflow-agent",
                     *map(str, (own_port, server.port("sflow"), sent + 1, count, calm))]
        if calm:
            lib.run(*arguments)
        else:
            flood(server, arguments)
        sent += count
        lib.wait_read(server.port("sflow"))
    return sent


def check_sflow(row, sent, what):
    counters = row["counters"]
    lost = sent - counters["datagrams"]
    lib.check(lost > 100, f"{what}: only {lost} sFlow datagrams were lost")
    lib.equal(row["missing"], lost, f"{what}, sflow: missing")
    lib.equal(counters["records"], (sent - lost) * SAMPLES, f"{what}, sflow: records")
    lib.equal(counters["missingSamples"] - counters["recoveredSamples"], lost * SAMPLES,
              f"{what}, sflow: missing samples")
    lib.equal(counters["unknownGaps"] + counters["restarts"], 0, f"{what}, sflow: unknown gaps and restarts")


def overload(*options):
    server = lib.Server(lib.folder(), "--receive-buffer", "128K", *options)
    sent, sequences, datagrams = {}, {}, 0
    ports = {protocol: lib.free_port() for protocol in PROTOCOLS}
    for minute, (flows, rate) in enumerate([(300, 3000), (FLOODED, 0), (3000, 3000)], 1):
        arguments = command(server, ports, flows, minute, sequences, rate)
        out = flood(server, arguments) if rate == 0 else lib.run(*arguments)
        for exporter in json.loads(out)["exporters"]:
            protocol = exporter["protocol"]
            datagrams += exporter["sent"]["datagrams"]
            sent[protocol] = sent.get(protocol, 0) + unit_sent(exporter)
            sequences[protocol] = sent[protocol]
        lib.wait_read(server.port())
    sent_sflow = overload_sflow(server)
    server.stop()
    server = lib.Server(server.data)
    rows = {row["protocol"]: row for row in lib_soap.coverage(server).values()}
    drops = lib_soap.account(server)["received"]["kernelDrops"]
    arrived = sum(row["counters"]["datagrams"] for row in rows.values())
    server.stop()
    what = " ".join(options)
    for protocol, number in PROTOCOLS.items():
        row = rows[number]
        received = row["counters"]["datagrams" if protocol == "v9" else "records"]
        lib.equal(row["missing"], sent[protocol] - received, f"{what}, {protocol}: missing")
        lib.equal(row["counters"]["unknownGaps"], 0, f"{what}, {protocol}: unknown gaps")
        lib.equal(row["counters"]["restarts"], 0, f"{what}, {protocol}: restarts")
    check_sflow(rows[SFLOW], sent_sflow, what)
    datagrams += sent_sflow
    lib.check(datagrams - arrived > 1000, f"{what}: only {datagrams - arrived} datagrams were lost")
    lib.equal(drops, datagrams - arrived, f"{what}: datagrams that the kernel dropped")
    print(f"       {what}: {datagrams - arrived:,} of {datagrams:,} datagrams lost, and counted")


def test_one_receiver():
    overload("--receivers", "1")


def test_three_receivers():
    overload("--receivers", "3")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sflow-agent"]:
        sflow_agent(*map(int, sys.argv[2:7]))
    else:
        lib.main(test_one_receiver, test_three_receivers)
