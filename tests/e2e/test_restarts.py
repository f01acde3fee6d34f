#!/usr/bin/python3
"""SIGKILL and restart, again and again, while exporters send as fast as they can.

Datagrams come at every moment of the start: while the port's sockets are bound one after the other, before the
kernel knows which receiver an exporter has, before the receivers run. What was received and what is missing is
what was sent, to the record, for each exporter; so none is counted as both.
"""
import signal
import socket
import struct
import subprocess
import sys
import time

import lib
import lib_export

EXPORTERS, RESTARTS, RECEIVERS = 8, 5, 2
RECORDS_A_SECOND = 200000  # more than can be sent: the exporters' clocks never fall behind their numbers


class Exporter:
    """NetFlow v5, a record a datagram, so that most datagrams come."""

    def __init__(self, number, port):
        self.address = f"127.0.3.{number + 1}"
        self.to, self.sequence = ("127.0.0.1", port), 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 0))
        self.bytes = bytearray(lib_export.netflow5([("10.0.0.1", "10.0.0.2", 1, 64, 1000, 2000)]))

    def send(self):
        ms = self.sequence * 1000 // RECORDS_A_SECOND
        struct.pack_into(">IIII", self.bytes, 4, 1_000_000 + ms, lib_export.SECS + ms // 1000,
                         ms % 1000 * 1_000_000, self.sequence)
        self.socket.sendto(self.bytes, self.to)
        self.sequence += 1


def send_all(port):
    """Begins calmly, so that each account begins with the first record; then until SIGTERM; ends calmly, so that
    what is missing before the end is seen. Prints what each sent."""
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    exporters = [Exporter(n, port) for n in range(EXPORTERS)]
    for e in exporters:
        e.send()
    print("begun", flush=True)
    time.sleep(2.5 * lib.SLOW)
    while not stop:
        for e in exporters:
            e.send()
    lib.wait_read(port)
    for _ in range(50):
        for e in exporters:
            e.send()
        time.sleep(0.01)
        lib.wait_read(port, 48 << 10)
    print(*(f"{e.address}={e.sequence}" for e in exporters))


def coverage(server):
    answer = lib.weir_json(server, "totals", "--source", "rollup", "--from", "0", "--to", "2100-01-01T00:00:00Z")
    return {row["exporter"]: row for row in answer["account"]["coverage"] if row["exporter"] != "::"}


def restarts_while_exporters_send():
    data = lib.folder()
    server = lib.Server(data, "--receivers", RECEIVERS)
    sender = subprocess.Popen([sys.executable, __file__, "--send", str(server.port())], stdout=subprocess.PIPE)
    try:
        sender.stdout.readline()
        lib.wait_for("what began to be stored", lambda: len(coverage(server)) == EXPORTERS)
        time.sleep(1 * lib.SLOW)
        for _ in range(RESTARTS):
            where = server.where
            server.kill()
            server = lib.Server(data, "--receivers", RECEIVERS, http=where["http"], netflow=where["netflow"])
            time.sleep(1.2 * lib.SLOW)
        sender.terminate()
        sent = dict(word.split("=") for word in sender.communicate(timeout=2 * lib.PATIENCE)[0].decode().split())
    finally:
        sender.kill()
    server.stop()
    server = lib.Server(data)
    rows = coverage(server)
    server.stop()
    print({address: (row["records"], row["missing"]) for address, row in sorted(rows.items())})
    for address, records in sent.items():
        row = rows[address]
        lib.equal(int(row["records"]) + int(row["missing"]), int(records), f"received and missing of {address}")
    lib.check(all(int(rows[a]["missing"]) for a in sent), "some were sent while no collector ran")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        send_all(int(sys.argv[2]))
    else:
        lib.main(restarts_while_exporters_send)
