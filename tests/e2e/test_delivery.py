"""A collector and a DB component, two processes: SOAP with MTOM between them, and SIGKILL at both.

What was acknowledged (spooled, or committed) is counted exactly once, whatever is killed when; what the
killed collector lost shows in the account as missing, to the record.

Who is killed again and again goes on until it was killed often enough, on a slow machine too: weirgen is told to
stop then. What it sends waits for the collector, so that only what a killed one had is lost.
"""
import collections
import functools
import json
import re
import socket
import struct
import subprocess
import sys
import time

from lib import (PATIENCE, SLOW, WAITING, WEIRD, WEIRGEN, Server, Watch, check, equal, folder, free_port,
                 keeps_templates, main, records, run, wait_for, wait_read, weir, weir_json, weird_import, weirgen)

FLOWS = 240000 // SLOW  # the most that is sent; of the truth, and of the reference
ENOUGH = 100000 // SLOW  # where nobody is killed
RATE = 12000 // SLOW
# Templates come once, at the start: a restarted collector decodes by those that it kept.
SHAPE = ["--flows", FLOWS, "--seed", 11, "--start", "2026-03-01T00:00:00Z", "--duration", "2m",
         "--template-every", "1h"]
EXPORTERS = ["v5", "ipfix,ipv6=20"]


def identity(record):
    """A flow by its elements alone: not when or by whom it was exported."""
    return json.dumps({k: v for k, v in record.items() if not k.startswith("_")}, sort_keys=True)


@functools.lru_cache(maxsize=None)
def reference():
    """Every flow that weirgen may send, from a capture without loss."""
    place = folder()
    weirgen("--pcap", place / "all.pcap", *SHAPE, *EXPORTERS)
    weird_import(place / "data", place / "all.pcap")
    return collections.Counter(identity(r) for r in records(place / "data") if r["type"] == "flow")


def sent_by(truth):
    return sum(e["sent"]["records"] for e in truth["exporters"])


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

    def stop(self):
        """What was received and is not delivered when the collector ends, the next one delivers."""
        for _ in range(10):
            wait_for("the spool to be delivered", lambda: not self.spooled(), 2 * PATIENCE)
            self.collector.stop()
            if not self.spooled():
                break
            self.collector = Server(self.collector_data, "--roles", "collector", *self.options)
        equal(self.spooled(), [], "blocks left in the spool")
        self.db.stop()


class Sender:
    """weirgen while it sends; flow by flow what reference() knows."""

    def __init__(self, pair, rate=RATE):
        self.process = subprocess.Popen([str(a) for a in [
            WEIRGEN, "--udp", f"127.0.0.1:{pair.collector.port()}", "--rate", rate, *WAITING, *SHAPE, *EXPORTERS]],
            stdout=subprocess.PIPE)

    def sends(self):
        return self.process.poll() is None

    def end(self):
        """Stops it; the truth of what it sent."""
        self.process.terminate()
        return json.loads(self.process.communicate(timeout=2 * PATIENCE)[0])


def state(server):
    """What the collector says of itself."""
    return weir_json(server, "status")["collector"]["collector"]


def send_enough(pair):
    sender = Sender(pair, 4 * RATE)
    wait_for("enough to be received",
             lambda: not sender.sends() or int(state(pair.collector)["records"]) >= ENOUGH)
    return sender.end()


def counted_once(pair, what):
    stored = [r for r in records(pair.db_data) if r["type"] == "flow"]
    kept = collections.Counter(identity(r) for r in stored)
    twice = sum((kept - reference()).values())
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
    pair = Pair()
    truth = send_enough(pair)
    pair.stop()
    stored = counted_once(pair, "quiet")
    equal(stored, sent_by(truth), "flows stored")
    check_account(pair, truth, stored, "quiet")


def db_killed_while_delivering():
    pair = Pair("--batch-rows", 1024)
    sender = Sender(pair)
    kills = 0
    while sender.sends() and kills < 10:
        time.sleep(0.7)
        pair.kill_db()
        kills += 1
    truth = sender.end()
    pair.stop()
    check(kills >= 5, f"the DB component was killed {kills} times")
    stored = counted_once(pair, "DB component killed")
    equal(stored, sent_by(truth), "flows stored, though the DB component was killed")
    check_account(pair, truth, stored, "DB component killed")


def wait_known(pair):
    """Until the collector has kept where the sessions stand, and their templates: one that is killed before has
    never heard of them, and nothing can be missing then."""
    wait_for("what was received first to be kept",
             lambda: int(state(pair.collector)["blocks"]) >= 2 and keeps_templates(pair.collector_data))


def both_killed():
    pair = Pair("--batch-rows", 1024)
    sender = Sender(pair)
    kills = 0
    wait_known(pair)
    while sender.sends() and kills < 8:
        time.sleep(0.9)
        if kills % 2:
            pair.kill_db()
        else:
            pair.kill_collector()
        kills += 1
    heard_again(pair)
    truth = sender.end()
    pair.stop()
    check(kills >= 6, f"killed {kills} times")
    stored = counted_once(pair, "both killed")
    check(0 < stored < sent_by(truth),
          f"some flows were lost with the collector, not all ({stored} of {sent_by(truth)})")
    check_account(pair, truth, stored, "both killed")


def heard_again(pair):
    """A loss shows in what comes after it: waits until each exporter was heard for a while."""
    some = int(state(pair.collector)["records"]) + 4 * RATE // 5
    wait_for("more to be received", lambda: int(state(pair.collector)["records"]) >= some)


def wait_spooled(pair):
    """What was received is in the spool within a second, of those in which the machine does anything; and safe."""
    with Watch() as watch:
        seen, since = None, 0
        while seen is None or watch.seconds() - since < 3:
            now = state(pair.collector)
            now = now["blocks"], now["spooledBlocks"], now["queuedBlocks"]
            if now != seen:
                seen, since = now, watch.seconds()
            time.sleep(0.1)


def spool_waits_for_a_db():
    """Without a DB component flows wait on disk, survive the collector, and are delivered once."""
    pair = Pair("--batch-rows", 4096)
    pair.db.kill()
    truth = send_enough(pair)
    wait_for("all to be received", lambda: int(state(pair.collector)["records"]) == sent_by(truth))
    wait_spooled(pair)
    check(len(pair.spooled()) > 5, "blocks wait in the spool")
    pair.kill_collector()
    status = weir(pair.collector, "status")
    check(re.search(r"spool", status, re.I), f"the status tells of the spool: {status}")
    pair.kill_db()
    pair.stop()
    stored = counted_once(pair, "spooled")
    equal(stored, sent_by(truth), "flows stored after waiting in the spool")
    check_account(pair, truth, stored, "spooled")


def templates_kept():
    """A collector that comes back decodes at once; with a damaged file it says so, and waits for templates."""
    shape = ["--flows", 3000, "--rate", 30000, "--duration", "20s", "--template-every", "1h"]
    data = folder()
    server = Server(data)
    one, two = free_port(), free_port()
    truth = weirgen("--udp", f"127.0.0.1:{server.port()}", *shape, f"ipfix,port={one}", f"v9,port={two}")
    server.stop()
    records, datagrams = (e["sent"][unit] for e, unit in zip(truth["exporters"], ("records", "datagrams")))
    kept = (data / "templates").read_bytes()
    # The same exporters go on; their templates get lost.
    place = folder()
    weirgen("--pcap", place / "more.pcap", *shape, f"ipfix,port={one},sequence={records}",
            f"v9,port={two},sequence={datagrams}")
    payloads = list(udp_payloads(place / "more.pcap"))
    for damaged in (False, True):
        (data / "templates").write_bytes(kept[:40] + bytes([kept[40] ^ 1]) + kept[41:] if damaged else kept)
        server = Server(data)
        for address, port, payload in payloads[2:]:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind((address, port))
                s.sendto(payload, ("127.0.0.1", server.port()))
                wait_read(server.port(), 48 << 10)
        wait_for("all to be received", lambda: int(state(server)["datagrams"]) >= len(payloads[2:]))
        decoded = int(state(server)["records"])
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
