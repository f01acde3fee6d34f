#!/usr/bin/python3
"""Past the limit: exporters send faster than the collector reads, its receive buffer is small, and now and then
it gets no processor at all. What the account says is missing is what was really lost, exactly, in each
protocol's unit; and the kernel's count of dropped datagrams is exactly how many did not arrive.

Sequence numbers show a loss when something comes after it, so the exporters end calmly; before the flood they
begin calmly, so that their templates are known. The three runs of weirgen are one session: same addresses and
ports, sequences and clocks that go on.
"""
import json
import signal
import subprocess
import time

import lib
import lib_soap

PROTOCOLS = {"v5": 5, "v9": 9, "ipfix": 10}
FLOODED = 600000
BOOT_S = 5 * 24 * 3600


def unit_sent(exporter):
    return exporter["sent"]["datagrams" if exporter["protocol"] == "v9" else "records"]


def command(server, flows, minute, sequences, rate):
    shape = ["--flows", flows, "--seed", 20 + minute, "--start", f"2026-03-01T00:{minute:02}:00Z", "--duration",
             "20s", "--rate", rate]
    exporters = [f"{p},port={42000 + n},uptime={BOOT_S + 60 * minute}s,sequence={sequences.get(p, 0)}"
                 for p, n in PROTOCOLS.items()]
    return [str(a) for a in [lib.WEIRGEN, "--udp", f"127.0.0.1:{server.port()}", *shape, *exporters]]


def flood(server, arguments):
    """Sends while the server is stopped again and again: whatever the machine, something is lost."""
    sender = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    while sender.poll() is None:
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(0.03)
        server.process.send_signal(signal.SIGCONT)
        time.sleep(0.05)
    return sender.communicate()[0].decode()


def overload(*options):
    server = lib.Server(lib.folder(), "--receive-buffer", "128K", *options)
    sent, sequences, datagrams = {}, {}, 0
    for minute, (flows, rate) in enumerate([(300, 3000), (FLOODED, 0), (3000, 3000)], 1):
        arguments = command(server, flows, minute, sequences, rate)
        out = flood(server, arguments) if rate == 0 else lib.run(*arguments)
        for exporter in json.loads(out)["exporters"]:
            protocol = exporter["protocol"]
            datagrams += exporter["sent"]["datagrams"]
            sent[protocol] = sent.get(protocol, 0) + unit_sent(exporter)
            sequences[protocol] = sent[protocol]
        time.sleep(0.5 * lib.SLOW)
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
    lib.check(datagrams - arrived > 1000, f"{what}: only {datagrams - arrived} datagrams were lost")
    lib.equal(drops, datagrams - arrived, f"{what}: datagrams that the kernel dropped")
    print(f"       {what}: {datagrams - arrived:,} of {datagrams:,} datagrams lost, and counted")


def test_one_receiver():
    overload("--receivers", "1")


def test_three_receivers():
    overload("--receivers", "3")


if __name__ == "__main__":
    lib.main(test_one_receiver, test_three_receivers)
