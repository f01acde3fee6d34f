#!/usr/bin/env python3
"""SIGKILL at random: collector and DB component, during ingest, compaction and retention.

The DB component merges blocks every second and removes the oldest ones all the time (--retain-size); roll-ups
keep what was removed. After each kill the store opens; it is proven now and then, and at the end; at
the end what was received and what is missing is what was sent, to the record, and counted once.
WEIR_KILLS says how many (25). WEIR_KILLS_SEED: which. weirgen sends for as long as the kills take.
"""
import os
import random
import subprocess
import time

from lib import (PATIENCE, SLOW, WAITING, WEIRD, WEIRGEN, Server, check, equal, folder, keeps_templates, main, run,
                 wait_for, weir, weir_json)
import json

KILLS = int(os.environ.get("WEIR_KILLS", "25"))
SEED = int(os.environ.get("WEIR_KILLS_SEED", "4"))
RATE = 12000 // SLOW
PAUSE = 0.6  # seconds between kills, about; a start and what it interrupts takes as long again
CALM = 2.5  # seconds' worth of flows at the end without a kill: a loss shows in what comes after it
FLOWS = int(RATE * (KILLS * PAUSE * 10 + 60))  # far more than is ever sent
SIZE = "2M" if KILLS < 100 else "12M"


def answer_of(db):
    return weir_json(db, "totals", "--source", "rollup", "--from", "0", "--to", "2100-01-01T00:00:00Z")


def exporters_of(answer):
    return {row["exporter"]: row for row in answer["account"]["coverage"] if row["exporter"] != "::"}


class Pair:
    def __init__(self):
        self.db_options = ["--roles", "db", "--retain-size", SIZE]
        self.collector_options = ["--roles", "collector", "--batch-rows", 1024]
        self.db_data, self.collector_data = folder(), folder()
        self.db = Server(self.db_data, *self.db_options)
        self.collector = Server(self.collector_data, *self.collector_options)
        weir(self.collector, "db", "add", self.db.url + "/db")

    def kill_db(self):
        self.db.kill()
        self.db = Server(self.db_data, *self.db_options, http=self.db.where["http"])

    def kill_collector(self):
        where = self.collector.where
        self.collector.kill()
        self.collector = Server(self.collector_data, *self.collector_options,
                                http=where["http"], netflow=where["netflow"])

    def kill_compaction(self):
        """Another process compacts, too, and is killed."""
        process = subprocess.Popen([str(WEIRD), "compact", "--data", str(self.db_data)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.0, 0.3))
        process.kill()
        process.wait(PATIENCE)

    def spooled(self):
        return list((self.collector_data / "spool").glob("*.block"))


def heard(pair):
    return int(weir_json(pair.collector, "status")["collector"]["collector"]["records"])


def wait_delivered(pair):
    """What was received and is not delivered when the collector ends, the next one delivers."""
    for _ in range(10):
        wait_for("the spool to be delivered", lambda: not pair.spooled(), 2 * PATIENCE)
        pair.collector.stop()
        if not pair.spooled():
            break
        pair.collector = Server(pair.collector_data, *pair.collector_options)
    equal(pair.spooled(), [], "blocks left in the spool")


def random_kills():
    print(f"seed {SEED}")
    random.seed(SEED)
    pair = Pair()
    sender = subprocess.Popen([str(a) for a in [
        WEIRGEN, "--udp", f"127.0.0.1:{pair.collector.port()}", "--rate", RATE, "--flows", FLOWS,
        "--seed", SEED, "--start", "2026-03-01T00:00:00Z", "--duration", "30m", "--template-every", "1h", *WAITING,
        "v5", "ipfix,ipv6=20"]], stdout=subprocess.PIPE)
    kills = {"kill_db": 0, "kill_collector": 0, "kill_compaction": 0}
    # What came before the first message that is kept is not known to be lost.
    wait_for("both exporters to be heard",
             lambda: len(exporters_of(answer_of(pair.db))) == 2 and keeps_templates(pair.collector_data))
    for n in range(KILLS):
        time.sleep(random.uniform(0.1, 2 * PAUSE - 0.1))
        name = random.choices(list(kills), [5, 3, 2])[0]
        getattr(pair, name)()
        kills[name] += 1
        if n % 25 == 24:
            run(WEIRD, "verify", "--data", pair.db_data)
    calm = heard(pair) + CALM * RATE
    wait_for("a calm end", lambda: sender.poll() is not None or heard(pair) >= calm, 2 * PATIENCE)
    sender.terminate()
    out, _ = sender.communicate(timeout=2 * PATIENCE)
    wait_delivered(pair)
    wait_for("retention", lambda: (pair.db_data / "weir.db").stat().st_size <= int(SIZE[:-1]) << 20, 2 * PATIENCE)
    answer = answer_of(pair.db)
    pair.db.stop()
    proof = run(WEIRD, "verify", "--data", pair.db_data)
    truth = json.loads(out)
    sent = sum(exporter["sent"]["records"] for exporter in truth["exporters"])
    print(f"{sum(kills.values())} kills {kills}; {answer['rows'][0]['flows']} of {sent} flows; {proof.strip()}")
    check(sent < FLOWS, f"all {FLOWS} flows were sent before the last kill")
    check_answer(answer, truth, proof)


def check_answer(answer, truth, proof):
    rows = exporters_of(answer)
    received = sum(int(row["records"]) for row in rows.values())
    equal(int(answer["rows"][0]["flows"]), received, "flows of the roll-ups and records of the account")
    for exporter in truth["exporters"]:
        row = rows[exporter["address"]]
        equal(int(row["records"]) + int(row["missing"]), exporter["sent"]["records"],
              f"received and missing of {exporter['name']} are what it sent")
    left = int(proof.split("blocks, ")[1].split()[0])
    removed = left < received or SLOW > 1  # a sanitized build hears too few flows to reach the size
    check(0 < left and removed, f"retention removed some records, not all ({left} of {received} are left)")


if __name__ == "__main__":
    main(random_kills)
