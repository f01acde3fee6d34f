#!/usr/bin/python3
"""The account against the truth: weirgen loses, reorders, doubles and restarts, for v5, v9 and IPFIX, into
a pcap and over UDP; per exporter and domain, in the protocol's own unit.

  missing   exactly what weirgen says the sequence numbers can show: no more and no less
  unknown   a restart and what was lost around it are never a zero: unknownGaps counts the places,
            the row's loss is "unknown", and knownUntil ends where the last datagram was heard
  totals    what was received, records, octets and packets, once each
"""
import os
import random
import shutil

import lib
import lib_soap

NUMBER = {"v5": 5, "v9": 9, "ipfix": 10}
LOSSES = (0, 0.5, 2, 5, 10, 20)
SCHEDULES = int(os.environ.get("SCHEDULES", 30))  # of test_random


def schedule(loss):
    """Exporters that have a bit of everything."""
    way = f"loss={loss},duplicate=3,reorder=4,window=5"
    return [f"v5,{way},domains=2", f"v9,{way},ipv6=30,domains=3", f"ipfix,{way},ipv6=30,domains=2",
            f"v5,{way},restarts=1,sampling=100", f"v9,{way},restarts=1,loss-run=4",
            f"ipfix,{way},restarts=2,sequence=4294967000", f"v9,{way},sequence=4294967290",
            f"v5,{way},loss-run=6,sequence=4294960000"]


def row_of(rows, exporter, domain):
    return rows.get((exporter["address"], domain["domain"], NUMBER[exporter["protocol"]]))


def check_domain(what, row, exporter, domain):
    if not lib.check(row is not None, f"{what}: not in the account"):
        return
    counters = row["counters"]
    received = domain["received"]
    lib.equal(row["missing"], domain["missing_knowable"], f"{what}: missing")
    lib.equal(row["unit"], domain["unit"], f"{what}: unit")
    lib.equal(counters["records"], received["records"], f"{what}: records")
    lib.equal(counters["duplicates"], domain["duplicated"]["datagrams"], f"{what}: duplicates")
    if domain["unknown"] == 0:
        lib.equal(counters["restarts"], domain["restarts"], f"{what}: restarts")
    else:  # all of a run may be lost, and then nobody can know that there was one
        lib.check(counters["restarts"] <= domain["restarts"], f"{what}: {counters['restarts']} restarts")
    lib.equal(counters["datagrams"] - domain["duplicated"]["datagrams"], received["datagrams"],
              f"{what}: datagrams")
    if counters["restarts"]:
        lib.check(counters["unknownGaps"] >= counters["restarts"],
                  f"{what}: {counters['restarts']} restarts, {counters['unknownGaps']} unknown gaps")
        lib.equal(row["loss"], "unknown", f"{what}: loss around a restart")
    else:
        lib.equal(counters["unknownGaps"], 0, f"{what}: unknown gaps")
        lib.equal(row["loss"], "lossy" if domain["missing_knowable"] else "complete", f"{what}: loss")


def check_totals(server, truth, what):
    """What was received, by exporter and all together, from the blocks."""
    answer = lib_soap.call(server, "Aggregate", by=["exporter"], source="blocks",
                           **{"from": lib_soap.ALL_TIME[0], "to": lib_soap.ALL_TIME[1]})
    rows = {row["key"][0]["_value_1"]: row for row in answer["row"] or []}
    for exporter in truth["exporters"]:
        row = rows.get(exporter["address"], {})
        got = tuple(row.get(k) for k in ("flows", "octets", "packets"))
        want = tuple(exporter["received"][k] for k in ("records", "octets", "packets"))
        lib.equal(got, want, f"{what} {exporter['address']}: flows, octets, packets")
        sampled = exporter["sampling"] or 1
        if exporter["sampling"]:
            lib.equal(row.get("estimatedOctets"), want[1] * sampled, f"{what}: estimated octets")


def check_account(server, truth, what):
    rows = lib_soap.coverage(server)
    for exporter in truth["exporters"]:
        for domain in exporter["domains"]:
            name = f"{what} {exporter['protocol']} {exporter['address']} domain {domain['domain']}"
            check_domain(name, row_of(rows, exporter, domain), exporter, domain)
    expected = sum(len(e["domains"]) for e in truth["exporters"])
    lib.equal(len([r for r in rows.values() if r["exporter"] != "::"]), expected, f"{what}: rows")
    account = lib_soap.account(server)
    heard = [r["lastHeard"] for r in rows.values() if r["exporter"] != "::"]
    lib.equal(account["loss"]["knownUntil"], min(heard), f"{what}: known until")
    for unit, protocols in (("missingRecords", ("v5", "ipfix")), ("missingDatagrams", ("v9",))):
        want = sum(e["missing_knowable"] for e in truth["exporters"] if e["protocol"] in protocols)
        lib.equal(account["loss"][unit], want, f"{what}: {unit}")
    check_totals(server, truth, what)


def serve_and_check(data, truth, what):
    server = lib.Server(data)
    check_account(server, truth, what)
    server.stop()


def test_pcap():
    for seed, loss in enumerate(LOSSES, 1):
        home = lib.folder()
        truth = lib.weirgen("--pcap", home / "t.pcap", "--flows", 40000, "--seed", seed,
                            *schedule(loss))
        report = lib.weird_import(home / "data", home / "t.pcap")
        want = sum(e["received"]["records"] for e in truth["exporters"])
        lib.equal(report["records"], want, f"import, loss {loss}: records")
        serve_and_check(home / "data", truth, f"pcap, loss {loss} %:")


def random_schedule(seed):
    """Any mixture; sequences that begin anywhere, near the end of the numbers too. But an IPFIX sequence
    that starts anew within a few messages of 2^32 is a few messages lost, for all that can be known."""
    draw = random.Random(seed)
    exporters = []
    for _ in range(draw.randint(2, 8)):
        protocol = draw.choice(("v5", "v9", "ipfix"))
        keys = {"loss": draw.choice(LOSSES), "loss-run": draw.choice((1, 1, 3, 8)),
                "duplicate": draw.choice((0, 1, 5)), "reorder": draw.choice((0, 2, 5, 10)),
                "window": draw.choice((1, 3, 5, 20)), "restarts": draw.choice((0, 0, 1, 2, 3)),
                "domains": draw.choice((1, 1, 2, 4)),
                "sequence": draw.choice((0, 0, 12345, 4294960000, 4294967290))}
        if protocol == "ipfix" and keys["restarts"]:
            keys["sequence"] = draw.choice((0, 12345))
        if protocol != "v5":
            keys["ipv6"] = draw.choice((0, 30, 100))
        if draw.random() < 0.3:
            keys["sampling"] = draw.choice((10, 1000))
        exporters.append(",".join([protocol] + [f"{k}={v}" for k, v in keys.items()]))
    return draw.choice((2000, 20000, 100000)), exporters


def test_random():
    for seed in range(SCHEDULES):
        home = lib.folder()
        flows, exporters = random_schedule(seed)
        truth = lib.weirgen("--pcap", home / "t.pcap", "--flows", flows, "--seed", seed, *exporters)
        lib.weird_import(home / "data", home / "t.pcap")
        serve_and_check(home / "data", truth, f"schedule {seed}:")
        shutil.rmtree(home)
    print(f"       {SCHEDULES} random schedules")


def test_udp():
    for seed, loss in ((11, 0), (12, 3), (13, 20)):
        server = lib.Server(lib.folder())
        truth = lib.weirgen("--udp", f"127.0.0.1:{server.port()}", "--flows", 30000, "--rate", 60000,
                            "--seed", seed, *schedule(loss))
        sent = sum(e["sent"]["datagrams"] for e in truth["exporters"])
        lib.wait_for("all datagrams", lambda: lib_soap.call(
            server, "GetStatus", "collector")["collector"]["datagrams"] >= sent)
        server.stop()
        serve_and_check(server.data, truth, f"udp, loss {loss} %:")


def test_nothing_heard():
    """An empty store knows nothing, and says so."""
    server = lib.Server(lib.folder())
    account = lib_soap.account(server)
    lib.equal(account["loss"]["state"], "unknown", "state with nothing heard")
    lib.equal(account["loss"]["knownUntil"], None, "knownUntil with nothing heard")
    server.stop()


if __name__ == "__main__":
    lib.main(test_pcap, test_random, test_udp, test_nothing_heard)
