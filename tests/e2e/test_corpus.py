#!/usr/bin/python3
"""Every NetFlow v5, v9 and IPFIX capture of the corpus (../shared/corpus, or $CORPUS): what `weird import`
counts equals expected.jsonl, and what `weird records` prints equals records/, element by element.

Order within a capture does not matter; values, repeated elements ("#2"), options data, template ids
and message headers do. What may differ is in ALLOWED, each with its reason, and is printed.
"""
import collections
import gzip
import json
import os
import pathlib
import shutil

import lib

CORPUS = pathlib.Path(os.environ.get("CORPUS", lib.ROOT.parent / "shared" / "corpus"))
PROTOCOLS = ("NetFlow v5", "NetFlow v9", "IPFIX")

# (field, normaliser of the corpus's value, reason)
ALLOWED = [
    ("_hdr.unix_nsecs", lambda ns: ns // 1_000_000 * 1_000_000,
     "NetFlow v5's header has nanoseconds; Weir's times are milliseconds (design: one unit everywhere). "
     "Records do not carry it; the flow's own times are exact."),
]


def captures():
    with open(CORPUS / "expected.jsonl", encoding="utf-8") as lines:
        for line in lines:
            expected = json.loads(line)
            if expected["protocol"] in PROTOCOLS and expected["kind"] != "flow-tools":
                yield expected


def records_file(capture):
    """captures/logstash/v9_valid01/ -> records/logstash__v9_valid01.jsonl.gz"""
    parts = pathlib.PurePosixPath(capture).parts[1:]
    name = "__".join(parts[:-1] + (pathlib.PurePosixPath(parts[-1]).stem,))
    return CORPUS / "records" / (name + ".jsonl.gz")


def canonical(record):
    return json.dumps(record, sort_keys=True)


def allow(record, used):
    for field, normalise, reason in ALLOWED:
        outer, inner = field.split(".")
        if inner in record.get(outer, {}):
            value = normalise(record[outer][inner])
            if value != record[outer][inner]:
                used[field, reason] += 1
            record[outer][inner] = value
    return record


def nearest(line, others):
    """The line of `others` that shares most of its members, for showing what differs."""
    here = json.loads(line)
    return max(others, default=None,
               key=lambda other: sum(json.loads(other).get(k) == v for k, v in here.items()))


def describe(name, got, expected, table):
    missing, extra = list((expected - got).elements()), list((got - expected).elements())
    for line in missing[:3]:
        other = nearest(line, extra)
        here, there = json.loads(line), json.loads(other) if other else {}
        keys = [k for k in sorted(set(here) | set(there)) if here.get(k) != there.get(k)]
        table.append((name, f"{len(missing)} not equal; first: " + "; ".join(
            f"{k}: expected {here.get(k)!r}, got {there.get(k)!r}" for k in keys[:6])))
    if len(extra) > len(missing):
        table.append((name, f"{len(extra) - len(missing)} records too many, e.g. {extra[0][:200]}"))


def check_counts(name, expected, report, table):
    for key, want in (("records", "expected_flow_records"), ("options", "expected_option_records"),
                      ("octets", "sum_octets"), ("packets", "sum_packets"), ("datagrams", "messages")):
        if report[key] != expected[want]:
            table.append((name, f"{key}: expected {expected[want]}, got {report[key]}"))


def check_capture(expected, table, used):
    name, data = expected["capture"], lib.folder()
    robust = expected.get("robustness", False)
    out = lib.run(lib.WEIRD, "import", "--data", data, CORPUS / name, ok=(0, 1) if robust else (0,))
    report = json.loads(out.strip().splitlines()[-1])
    if robust:
        low, high = expected["accept_range"]
        if not low <= report["records"] <= high:
            table.append((name, f"records: {report['records']} not in {low}..{high}"))
    else:
        check_counts(name, expected, report, table)
    got, want = collections.Counter(), collections.Counter()
    for record in lib.records(data):
        record.pop("_weir")
        got[canonical(record)] += 1
    path = records_file(name)
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                want[canonical(allow(json.loads(line), used))] += 1
    elif expected["expected_flow_records"] + (expected["expected_option_records"] or 0):
        table.append((name, f"the corpus has no {path.name}"))
    if got != want:
        describe(name, got, want, table)
    lib.run(lib.WEIRD, "verify", "--data", data)
    shutil.rmtree(data)
    return sum(want.values()), sum(len(json.loads(k)) * n for k, n in want.items())


def test_corpus():
    table, used = [], collections.Counter()
    count = records = values = 0
    for expected in captures():
        n, v = check_capture(expected, table, used)
        count, records, values = count + 1, records + n, values + v
    print(f"{count} captures, {records} records, {values} values compared")
    for (field, reason), n in used.items():
        print(f"allowed: {n} x {field}: {reason}")
    for name, difference in table:
        lib.check(False, f"{name}: {difference}")
    lib.check(count >= 35, f"only {count} captures found")


if __name__ == "__main__":
    if not (CORPUS / "expected.jsonl").exists():
        lib.skip(f"the corpus is not here ({CORPUS})")
    lib.main(test_corpus)
