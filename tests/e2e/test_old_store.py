#!/usr/bin/env python3
"""Files that earlier releases of Weir wrote open, are proven, and answer as they did; forever.

data/store-NNNN.db.gz is a file of schema NNNN, kept as it was when that schema was released, and
STORES says what is known of it. A release with a new schema adds a file and a row:

    python3 tests/e2e/test_old_store.py make

writes the file of the present schema and prints its row. Until the first release, that is how
store-0001 follows changes of 0001_store.sql; afterwards no kept file is ever made again. In it are
flows of three days, the first removed by retention, roll-ups of removed flows, a merged block, ranges
of deliveries, coarse roll-ups, small blocks, a restart's checkpoints, and something of every list.
"""
import datetime
import gzip
import json
import sqlite3
import sys

from lib import (ROOT, WEIRD, Server, equal, folder, main, records, run, weir, weir_json,
                 weird_import, weirgen)

DATA = ROOT / "tests" / "e2e" / "data"
STORES = {
    "store-0001.db.gz": {"flows": 1053, "octets": 10204842, "packets": 18357, "missing": 132,
                         "tagged": 16, "listed": [3, 2, 1, 1, 1], "records": 702},
}


def summary(data):
    """What a store says, in numbers that stay."""
    server = Server(data)
    answer = weir_json(server, "totals")
    row, account = answer["rows"][0], answer["account"]
    known = {name: row[name] for name in ("flows", "octets", "packets")}
    known["missing"] = account["loss"]["missingRecords"]
    known["tagged"] = len(weir_json(server, "matrix")["rows"])
    known["listed"] = [len(weir(server, word, "list", "--format", "csv").splitlines()) - 1
                       for word in ("tag", "device", "domain", "point", "type")]
    server.stop()
    known["records"] = len(records(data))
    return known


def test_old_stores():
    for name, known in STORES.items():
        data = folder()
        (data / "weir.db").write_bytes(gzip.decompress((DATA / name).read_bytes()))
        run(WEIRD, "verify", "--data", data)
        equal(summary(data), known, name)
        run(WEIRD, "verify", "--data", data)


def describe(data, tags):
    server = Server(data)
    for tag in tags:
        weir(server, "tag", "add", tag["tag"], tag["name"], *tag["prefixes"])
    weir(server, "device", "add", "127.0.0.11", "edge")
    weir(server, "domain", "add", "127.0.0.11", 0, "line card")
    weir(server, "point", "add", "127.0.0.11", 0, 1, "edge-in", "uplink")
    weir(server, "type", "add", "short", 10, "anonymise", "--filter", "proto icmp", "--method",
         "truncate", "--lengths", "16,48")
    server.stop()


def make():
    data, pcap = folder(), folder() / "flows.pcap"
    retain = (datetime.date.today() - datetime.date(2026, 5, 1)).days
    for number, day in enumerate(("2026-01-01", "2026-08-01", "2026-08-02")):
        truth = weirgen("--pcap", pcap, "--flows", 400, "--start", day + "T00:00:00Z", "v5,loss=20",
                        "ipfix,ipv6=30,domains=2")
        if number == 0:
            describe(data, truth["tags"])
        weird_import(data, pcap, options=("--batch-rows", 128))
        if number == 1:
            run(WEIRD, "compact", "--data", data, "--retain-days", retain)
    with sqlite3.connect(data / "weir.db") as db:
        name = f"store-{db.execute('PRAGMA user_version').fetchone()[0]:04}.db.gz"
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    (DATA / name).write_bytes(gzip.compress((data / "weir.db").read_bytes(), 9, mtime=0))
    print(f'    "{name}": {json.dumps(summary(data))},')


if __name__ == "__main__":
    main(make if sys.argv[1:] == ["make"] else test_old_stores)
