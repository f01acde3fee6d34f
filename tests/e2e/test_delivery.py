"""A collector and a DB component, two processes: SOAP with MTOM between them, and SIGKILL at both.

What was acknowledged (spooled, or committed) is counted exactly once, whatever is killed when; what the
killed collector lost shows in the account as missing, to the record.
"""
import collections
import json
import re
import socket
import struct
import subprocess
import sys
import time

from lib import (SLOW, Server, WEIRGEN, check, equal, folder, main, records, run, wait_for, weir,
                 weir_json, weird_import, weirgen, WEIRD)

FLOWS = 120000
RATE = 12000 // SLOW
# Templates come once, at the start: a restarted collector decodes by those that it kept.
SHAPE = ["--flows", FLOWS, "--seed", 11, "--start", "2026-03-01T00:00:00Z", "--duration", "2m",
         "--template-every", "1h"]
EXPORTERS = ["v5", "ipfix,ipv6=20"]


def identity(record):
    """A flow by its elements alone: not when or by whom it was exported."""
    return json.dumps({k: v for k, v in record.items() if not k.startswith("_")}, sort_keys=True)


def reference():
    """Every flow that weirgen sends, from a capture without loss; and the truth about it."""
    place = folder()
    truth = weirgen("--pcap", place / "all.pcap", *SHAPE, *EXPORTERS)
    weird_import(place / "data", place / "all.pcap")
    return truth, collections.Counter(identity(r) for r in records(place / "data") if r["type"] == "flow")


class Pair:
    """A DB component and a collector that delivers to it; both can be killed and come back."""

    def __init__(self, *options):
        self.options = options
        self.db_data, self.collector_data = folder(), folder()
        self.db = Server(self.db_data, "--roles", "db")
        self.collector = Server(self.collector_data, "--roles", "collector", *options)
        weir(self.collector, "db", "add", self.db.url + "/db")

    def kill_db(self):
        self.db.kill()
        self.db = Server(self.db_data, "--roles", "db", http=self.db.where["http"])

    def kill_collector(self):
        where = self.collector.where
        self.collector.kill()
        self.collector = Server(self.collector_data, "--roles", "collector", *self.options,
                                http=where["http"], netflow=where["netflow"])

    def spooled(self):
        return list((self.collector_data / "spool").glob("*.block"))

    def drain(self):
        wait_for("the spool to be delivered", lambda: not self.spooled(), 60)


def send(pair, rate=RATE):
    return subprocess.Popen([str(a) for a in [WEIRGEN, "--udp", f"127.0.0.1:{pair.collector.port()}",
                                              "--rate", rate, *SHAPE, *EXPORTERS]],
                            stdout=subprocess.PIPE)


def counted_once(pair, sent, what):
    stored = [r for r in records(pair.db_data) if r["type"] == "flow"]
    kept = collections.Counter(identity(r) for r in stored)
    twice = sum((kept - sent).values())
    equal(twice, 0, f"{what}: records that were stored more often than sent")
    return len(stored)


def account_of(data):
    """records and missing by exporter, as the DB component's account has them."""
    server = Server(data, "--roles", "db")
    answer = weir_json(server, "totals", "--from", "0", "--to", "2100-01-01T00:00:00Z")
    rows = {row["exporter"]: row for row in answer["account"]["coverage"]}
    server.stop()
    return rows, answer


def check_account(pair, truth, stored, what):
    rows, answer = account_of(pair.db_data)
    equal(sum(int(row["records"]) for row in rows.values()), stored, f"{what}: records of the account")
    equal(int(answer["rows"][0]["flows"]), stored, f"{what}: flows of the totals")
    for exporter in truth["exporters"]:
        row = rows.get(exporter["address"])
        if not check(row is not None, f"{what}: {exporter['address']} is in the account"):
            continue
        sent = exporter["sent"]["records"]
        equal(int(row["records"]) + int(row["missing"]), sent,
              f"{what}: received and missing of {exporter['name']} are what it sent")
    run(WEIRD, "verify", "--data", pair.db_data)


def quiet_delivery():
    truth, sent = reference()
    pair = Pair()
    sender = send(pair, 4 * RATE)
    sender.communicate(timeout=120 * SLOW)
    time.sleep(1.5)
    pair.collector.stop()
    equal(pair.spooled(), [], "blocks left in the spool")
    pair.db.stop()
    stored = counted_once(pair, sent, "quiet")
    equal(stored, FLOWS, "flows stored")
    check_account(pair, truth, stored, "quiet")


def db_killed_while_delivering():
    truth, sent = reference()
    pair = Pair("--batch-rows", 1024)
    sender = send(pair)
    kills = 0
    while sender.poll() is None and kills < 12:
        time.sleep(0.7)
        pair.kill_db()
        kills += 1
    sender.communicate(timeout=120 * SLOW)
    time.sleep(1.5)
    pair.drain()
    pair.collector.stop()
    pair.db.stop()
    check(kills >= 5, f"the DB component was killed {kills} times")
    stored = counted_once(pair, sent, "DB component killed")
    equal(stored, FLOWS, "flows stored, though the DB component was killed")
    check_account(pair, truth, stored, "DB component killed")


def both_killed():
    truth, sent = reference()
    pair = Pair("--batch-rows", 1024)
    sender = send(pair)
    kills, acknowledged = 0, 0
    while sender.poll() is None and kills < 8:
        time.sleep(0.9)
        if kills % 2:
            pair.kill_db()
        else:
            pair.kill_collector()
        kills += 1
    sender.communicate(timeout=120 * SLOW)
    time.sleep(1.5)
    pair.drain()
    pair.collector.stop()
    pair.db.stop()
    check(kills >= 6, f"killed {kills} times")
    stored = counted_once(pair, sent, "both killed")
    check(0 < stored < FLOWS, f"some flows were lost with the collector, not all ({stored} of {FLOWS})")
    check_account(pair, truth, stored, "both killed")


def spool_waits_for_a_db():
    """Without a DB component flows wait on disk, survive the collector, and are delivered once."""
    truth, sent = reference()
    pair = Pair("--batch-rows", 4096)
    pair.db.kill()
    sender = send(pair, 4 * RATE)
    sender.communicate(timeout=120 * SLOW)
    time.sleep(1.5)
    check(len(pair.spooled()) > 5, "blocks wait in the spool")
    pair.kill_collector()
    status = weir(pair.collector, "status")
    check(re.search(r"spool", status, re.I), f"the status tells of the spool: {status}")
    pair.kill_db()
    pair.drain()
    pair.collector.stop()
    pair.db.stop()
    stored = counted_once(pair, sent, "spooled")
    equal(stored, FLOWS, "flows stored after waiting in the spool")
    check_account(pair, truth, stored, "spooled")


def templates_kept():
    """A collector that comes back decodes at once; with a damaged file it says so, and waits for templates."""
    shape = ["--flows", 3000, "--rate", 30000, "--duration", "20s", "--template-every", "1h"]
    data = folder()
    server = Server(data)
    truth = weirgen("--udp", f"127.0.0.1:{server.port()}", *shape, "ipfix,port=42101", "v9,port=42102")
    server.stop()
    records, datagrams = (e["sent"][unit] for e, unit in zip(truth["exporters"], ("records", "datagrams")))
    kept = (data / "templates").read_bytes()
    # The same exporters go on; their templates get lost.
    place = folder()
    weirgen("--pcap", place / "more.pcap", *shape, f"ipfix,port=42101,sequence={records}",
            f"v9,port=42102,sequence={datagrams}")
    payloads = list(udp_payloads(place / "more.pcap"))
    for damaged in (False, True):
        (data / "templates").write_bytes(kept[:40] + bytes([kept[40] ^ 1]) + kept[41:] if damaged else kept)
        server = Server(data)
        for address, port, payload in payloads[2:]:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind((address, port))
                s.sendto(payload, ("127.0.0.1", server.port()))
        time.sleep(1.5)
        decoded = int(weir_json(server, "status")["collector"]["collector"]["records"])
        equal(decoded > 0, not damaged, f"damaged {damaged}: {decoded} records were decoded")
        equal("templates is ignored" in server.errors(), damaged, f"damaged {damaged}: the log says so")
        server.stop()


def udp_payloads(path):
    """(source address, port, payload) of each datagram of a capture."""
    octets, at = path.read_bytes(), 24
    while at < len(octets):
        length = struct.unpack_from("<I", octets, at + 8)[0]
        frame = octets[at + 16 + 14:at + 16 + length]
        yield socket.inet_ntoa(frame[12:16]), struct.unpack_from("!H", frame, 20)[0], frame[28:]
        at += 16 + length


if __name__ == "__main__":
    tests = [quiet_delivery, db_killed_while_delivering, both_killed, spool_waits_for_a_db, templates_kept]
    main(*[test for test in tests if not sys.argv[1:] or test.__name__ in sys.argv[1:]])
