#!/usr/bin/env python3
"""Files that earlier versions of Weir wrote open, are proven, and answer as they did.

data/store-0001.db.gz: schema 1, made by `weird import` of weirgen's
`--flows 600 v5,loss=20 ipfix,ipv6=30,domains=2` into a new folder.
data/store-0005.db.gz: schema 5 with traces of upkeep. The same with --flows 400 and --start 2026-01-01, 2026-08-01
and 2026-08-02, imported with --batch-rows 128; after the first two `weird compact --retain-days 200`, in
November: so roll-ups of removed flows, a merged block, ranges of deliveries, coarse roll-ups, small blocks.
"""
import gzip

from lib import (ROOT, WEIRD, Server, equal, folder, main, records, run, weir_json)

DATA = ROOT / "tests" / "e2e" / "data"
STORES = {
    "store-0001.db.gz": {"records": 525, "flows": 525, "octets": 4828260, "packets": 8219, "missing": 67},
    "store-0005.db.gz": {"records": 702, "flows": 1053, "octets": 10204842, "packets": 18357, "missing": 132},
}


def unpack(name):
    data = folder()
    (data / "weir.db").write_bytes(gzip.decompress((DATA / name).read_bytes()))
    return data


def test_old_stores():
    for name, known in STORES.items():
        data = unpack(name)
        server = Server(data)
        answer = weir_json(server, "totals")
        row, account = answer["rows"][0], answer["account"]
        equal((row["flows"], row["octets"], row["packets"]),
              (known["flows"], known["octets"], known["packets"]), f"{name}: totals")
        equal(account["loss"]["missingRecords"], known["missing"], f"{name}: missing")
        equal(account["policy"], "none", f"{name}: policy")
        equal(account["received"]["deselectedRecords"], 0, f"{name}: a counter of later versions")
        server.stop()
        run(WEIRD, "verify", "--data", data)
        equal(len(records(data)), known["records"], f"{name}: records")


if __name__ == "__main__":
    main(test_old_stores)
