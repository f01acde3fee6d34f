#!/usr/bin/python3
"""The same questions, answered by roll-ups, by scans of blocks, by plain SQL (the sqlite3 shell with the table
`flow` of weir_flow.so), and by adding up what `weird records` prints: all equal, row by row.

Questions are keys x filter x interval x step. Each filter is said four times over: in the filter
language, as SQL, and as Python on a record; each key as its name, as SQL, and as Python. Roll-ups answer
those that they can; those that they can not must be refused by name.
"""
import collections
import ipaddress
import json
import math
import os
import shutil
import subprocess

import lib

START = 1767225600000
MINUTE = 60000
SHAPE = ["--flows", "30000", "--duration", "40m", "--seed", "23", "--start", "2026-01-01T00:00:00Z"]
TAGS = [("1", "PoP-BA", "10.0.0.0/14", "2001:db8:1::/48"), ("2", "PoP-PE", "10.4.0.0/14", "2001:db8:2::/48"),
        ("3", "PoP-RN", "10.8.0.0/14", "2001:db8:3::/48")]
EXTENSION = (lib.ROOT / os.environ.get("BUILD", "build")).resolve() / "weir_flow.so"


def element(name):
    return lambda r: r.get(name)


def of_weir(name):
    return lambda r: r["_weir"].get(name)


def net16(name):
    def key(r):
        return None if name not in r else str(ipaddress.ip_network(r[name] + "/16", strict=False))
    return key


def sql_net16(name):
    """The first two numbers of a dotted quad."""
    rest = f"substr({name}, instr({name}, '.') + 1)"
    return f"substr({name}, 1, instr({name}, '.') + instr({rest}, '.')) || '0.0/16'"


# by: (key of Weir, SQL, Python, do roll-ups keep it)
KEYS = {
    "srcTag": ("srcTag", of_weir("srcTag"), True),
    "dstTag": ("dstTag", of_weir("dstTag"), True),
    "exporter": ("exporter", of_weir("exporter"), True),
    "domain": ("domain", of_weir("domain"), True),
    "protocolIdentifier": ("protocolIdentifier", element("protocolIdentifier"), True),
    "sourceIPv4Address": ("sourceIPv4Address", element("sourceIPv4Address"), False),
    "destinationTransportPort": ("destinationTransportPort", element("destinationTransportPort"), False),
    "ipClassOfService": ("ipClassOfService", element("ipClassOfService"), False),
    "bgpSourceAsNumber": ("bgpSourceAsNumber", element("bgpSourceAsNumber"), False),
    "egressInterface": ("egressInterface", element("egressInterface"), False),
    "sourceIPv4Address/16": (sql_net16("sourceIPv4Address"), net16("sourceIPv4Address"), False),
    "destinationIPv4Address/16": (sql_net16("destinationIPv4Address"), net16("destinationIPv4Address"), False),
}


def within(name, network):
    low, high = (int(a) for a in (network[0], network[-1]))
    return lambda r: name in r and low <= int(ipaddress.ip_address(r[name])) <= high


NET = ipaddress.ip_network("10.0.0.0/12")
FILTERS = {
    "": ("1", lambda r: True, True),
    "proto tcp": ("protocolIdentifier = 6", lambda r: r.get("protocolIdentifier") == 6, True),
    "src tag PoP-BA": ("srcTag = 1", lambda r: r["_weir"]["srcTag"] == 1, True),
    "exporter 127.0.0.12 or dst tag 3": ("(exporter = '127.0.0.12' OR dstTag = 3)",
                                         lambda r: r["_weir"]["exporter"] == "127.0.0.12"
                                         or r["_weir"]["dstTag"] == 3, True),
    "not (src tag 2 and proto udp)": ("NOT (srcTag = 2 AND coalesce(protocolIdentifier, 0) = 17)",
                                      lambda r: not (r["_weir"]["srcTag"] == 2
                                                     and r.get("protocolIdentifier") == 17), True),
    "dst port 443": ("destinationTransportPort = 443", lambda r: r.get("destinationTransportPort") == 443, False),
    "src net 10.0.0.0/12": ("sourceIPv4Address BETWEEN '10.0.0.0' AND '10.15.255.255'",
                            within("sourceIPv4Address", NET), False),
    "octets > 20k and packets < 100": ("octets > 20000 AND packets < 100",
                                       lambda r: r["_weir"]["octets"] > 20000 and r["_weir"]["packets"] < 100, False),
    "tos 0 and not dst port < 1024": ("ipClassOfService = 0 AND NOT coalesce(destinationTransportPort, 65535) < 1024",
                                      lambda r: r.get("ipClassOfService") == 0
                                      and not r.get("destinationTransportPort", 65535) < 1024, False),
}
ALL = (START - 10 * MINUTE, START + 120 * MINUTE)
WHOLE = (START + 3 * MINUTE, START + 31 * MINUTE)
RAGGED = (START + 3 * MINUTE + 12345, START + 29 * MINUTE + 1)
SHORT = (START + 5 * MINUTE + 1000, START + 5 * MINUTE + 44444)

QUESTIONS = [  # by, filter, interval, step
    ((), "", ALL, 0),
    ((), "", RAGGED, 0),
    ((), "proto tcp", WHOLE, 0),
    ((), "dst port 443", ALL, 0),
    ((), "src net 10.0.0.0/12", RAGGED, 0),
    ((), "octets > 20k and packets < 100", SHORT, 0),
    ((), "", WHOLE, MINUTE),
    ((), "proto tcp", RAGGED, 7 * MINUTE),
    ((), "tos 0 and not dst port < 1024", WHOLE, 90000),
    ((), "not (src tag 2 and proto udp)", SHORT, 0),
    (("srcTag",), "", ALL, 0),
    (("srcTag",), "", RAGGED, 0),
    (("srcTag",), "dst port 443", ALL, 0),
    (("srcTag",), "exporter 127.0.0.12 or dst tag 3", WHOLE, 0),
    (("srcTag", "dstTag"), "", ALL, 0),
    (("srcTag", "dstTag"), "", WHOLE, 0),
    (("srcTag", "dstTag"), "proto tcp", RAGGED, 0),
    (("srcTag", "dstTag"), "", WHOLE, 5 * MINUTE),
    (("srcTag", "dstTag"), "src net 10.0.0.0/12", WHOLE, 0),
    (("srcTag", "dstTag", "protocolIdentifier"), "", RAGGED, 0),
    (("exporter",), "", ALL, 0),
    (("exporter", "domain"), "", WHOLE, 0),
    (("exporter", "domain"), "src tag PoP-BA", RAGGED, 0),
    (("exporter", "protocolIdentifier"), "not (src tag 2 and proto udp)", ALL, 10 * MINUTE),
    (("protocolIdentifier",), "", ALL, 0),
    (("protocolIdentifier",), "src tag PoP-BA", WHOLE, 0),
    (("protocolIdentifier",), "exporter 127.0.0.12 or dst tag 3", RAGGED, 0),
    (("protocolIdentifier",), "octets > 20k and packets < 100", ALL, 0),
    (("sourceIPv4Address",), "", SHORT, 0),
    (("sourceIPv4Address",), "dst port 443", ALL, 0),
    (("sourceIPv4Address/16", "destinationIPv4Address/16"), "", ALL, 0),
    (("sourceIPv4Address/16", "destinationIPv4Address/16"), "proto tcp", RAGGED, 0),
    (("sourceIPv4Address/16",), "src net 10.0.0.0/12", WHOLE, 20 * MINUTE),
    (("destinationTransportPort",), "", WHOLE, 0),
    (("destinationTransportPort", "srcTag"), "proto tcp", SHORT, 0),
    (("ipClassOfService",), "", ALL, 0),
    (("ipClassOfService", "egressInterface"), "src tag PoP-BA", RAGGED, 0),
    (("bgpSourceAsNumber",), "", ALL, 0),
    (("bgpSourceAsNumber", "dstTag"), "tos 0 and not dst port < 1024", WHOLE, 0),
    (("egressInterface",), "exporter 127.0.0.12 or dst tag 3", ALL, 3 * MINUTE),
]
assert len(QUESTIONS) == 40

state = {}


def test_setup():
    base = lib.folder()
    server = lib.Server(base / "data")
    for number, name, *prefixes in TAGS:
        lib.weir(server, "tag", "add", number, name, *prefixes)
    server.stop()
    lib.weirgen("--pcap", base / "flows.pcap", *SHAPE)
    lib.weird_import(base / "data", base / "flows.pcap", options=("--batch-rows", "4096"))
    state["data"] = base / "data"
    state["records"] = [r for r in lib.records(base / "data") if r["type"] == "flow"]
    lib.equal(len(state["records"]), 30000, "flows")
    lib.check({r["_weir"]["srcTag"] for r in state["records"]} >= {0, 1, 2, 3}, "every tag occurs")
    state["server"] = lib.Server(base / "data", "--threads", "1")


# ---- four ways to an answer: {(keys…, bin): (octets, packets, flows)} ----

def can_roll_up(question):
    by, text, _, _ = question
    return all(KEYS[k][2] for k in by) and FILTERS[text][2]


def by_python(question):
    by, text, (start, end), step = question
    rows = collections.defaultdict(lambda: [0, 0, 0])
    for r in state["records"]:
        w = r["_weir"]
        if not start <= w["flowEnd"] < end or not FILTERS[text][1](r):
            continue
        key = tuple(str(KEYS[k][1](r)) if KEYS[k][1](r) is not None else None for k in by)
        sums = rows[key + ((start + (w["flowEnd"] - start) // step * step,) if step else ())]
        sums[0] += w["octets"]
        sums[1] += w["packets"]
        sums[2] += 1
    return {k: tuple(v) for k, v in rows.items()} or ({(): (0, 0, 0)} if not by and not step else {})


def by_sql(question):
    by, text, (start, end), step = question
    keys = [f"{KEYS[k][0]} AS k{i}" for i, k in enumerate(by)]
    if step:
        keys.append(f"{start} + (flowEnd - {start}) / {step} * {step} AS bin")
    sums = ["coalesce(sum(octets), 0) AS o", "coalesce(sum(packets), 0) AS p", "count(*) AS f"]
    group = f" GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}" if keys else ""
    sql = (f"SELECT {', '.join(keys + sums)} FROM flow WHERE flowEnd >= {start} AND flowEnd < {end}"
           f" AND {FILTERS[text][0]}{group};")
    out = {}
    for row in shell(sql):
        key = tuple(str(row[f"k{i}"]) if row[f"k{i}"] is not None else None for i in range(len(by)))
        out[key + ((row["bin"],) if step else ())] = (row["o"], row["p"], row["f"])
    return out


def shell(sql, ok=True):
    done = subprocess.run(["sqlite3", "-json", "-cmd", f".load {EXTENSION}", state["data"] / "weir.db", sql],
                          capture_output=True, timeout=120 * lib.SLOW)
    if not ok:
        return done.stderr.decode() + done.stdout.decode()
    if done.returncode or done.stderr:
        raise RuntimeError(f"sqlite3: {done.stderr.decode()[-500:]} of {sql}")
    return json.loads(done.stdout or "[]")


def count(condition):
    return shell(f"SELECT count(*) AS n FROM flow WHERE {condition};")[0]["n"]


def words_of(question):
    by, text, (start, end), step = question
    words = ["totals", "--from", str(start), "--to", str(end)]
    words += ["--by", ",".join(by)] if by else []
    words += ["--filter", text] if text else []
    words += ["--step", f"{step}ms"] if step else []
    return words


def by_weir(question, source):
    by, _, _, step = question
    answer = lib.weir_json(state["server"], *words_of(question), "--source", source)
    rows = {}
    for row in answer["rows"]:
        key = tuple(str(row[k]) if row[k] is not None else None for k in by)
        rows[key + ((row["bin"],) if step else ())] = (row["octets"], row["packets"], row["flows"])
    return rows, answer["account"]["source"]


def compare(got, expected, what):
    if got == expected:
        return
    wrong = {k for k in set(got) | set(expected) if got.get(k) != expected.get(k)}
    some = [(k, got.get(k), expected.get(k)) for k in sorted(wrong, key=str)[:3]]
    lib.check(False, f"{what}: {len(wrong)} of {len(expected)} rows differ, such as {some}")


def test_questions():
    seen = collections.Counter()
    for question in QUESTIONS:
        expected = by_python(question)
        compare(by_sql(question), expected, f"SQL of {question}")
        rows, source = by_weir(question, "blocks")
        compare(rows, expected, f"blocks of {question}")
        lib.equal(source, "blocks", f"source of {question}")
        rows, source = by_weir(question, "auto")
        compare(rows, expected, f"auto ({source}) of {question}")
        seen[source] += 1
        by, _, (start, end), step = question
        whole = start % MINUTE == 0 and end % MINUTE == 0 and step % MINUTE == 0
        if can_roll_up(question) and whole:
            rows, source = by_weir(question, "rollup")
            compare(rows, expected, f"roll-ups of {question}")
            lib.equal(source, "rollup", f"source of {question}")
        else:
            done = subprocess.run([lib.WEIR, "--url", state["server"].url, *words_of(question), "--source", "rollup"],
                                  capture_output=True, timeout=60 * lib.SLOW)
            lib.check(done.returncode == 1 and b"roll-ups" in done.stderr, f"roll-ups should refuse {question}")
    lib.check(all(seen[s] >= 5 for s in ("rollup", "blocks", "rollup+blocks")), f"sources {dict(seen)}")


# ---- series ----

def share(count, start, end, low, high):
    """Of `count` over [start, end], what lies in [low, high): whole numbers that add up."""
    whole = end - start + 1
    at = [max(0, min(whole, t - start)) for t in (low, high)]
    return count * at[1] // whole - count * at[0] // whole


def test_spread_and_percentile():
    start, end = RAGGED
    step, bins = 2 * MINUTE, math.ceil((end - start) / (2 * MINUTE))
    octets = collections.defaultdict(lambda: [0] * bins)
    for r in state["records"]:
        w = r["_weir"]
        first = min(w["flowStart"], w["flowEnd"])
        for i in range(max(0, (first - start) // step), min(bins - 1, (w["flowEnd"] - start) // step) + 1):
            octets[w["srcTag"]][i] += share(w["octets"], first, w["flowEnd"], start + i * step,
                                            min(end, start + (i + 1) * step))
    answer = lib.weir_json(state["server"], "series", "--by", "srcTag", "--from", str(start),
                           "--to", str(end), "--step", f"{step}ms", "--spread", "proportional", "--percentile", "90")
    got = collections.defaultdict(lambda: [0] * bins)
    for row in answer["rows"]:
        got[row["srcTag"]][(row["bin"] - start) // step] = row["octets"]
    lib.equal(dict(got), dict(octets), "spread octets by tag and bin")
    ranks = {tag: sorted(values)[math.ceil(0.9 * bins) - 1] for tag, values in octets.items()}
    lib.equal({p["srcTag"]: p["octets"] for p in answer["percentiles"]}, ranks, "90th percentiles")
    tags = sorted(octets, key=lambda tag: (-sum(octets[tag]), tag))
    answer = lib.weir_json(state["server"], "series", "--by", "srcTag", "--from", str(start), "--to", str(end),
                           "--step", f"{step}ms", "--spread", "proportional", "--top", "2")
    lib.equal({row["srcTag"] for row in answer["rows"]}, set(tags[:2]), "the two largest series")
    lib.equal(sum(row["octets"] for row in answer["rows"]), sum(map(sum, (octets[t] for t in tags[:2]))), "their octets")
    lib.equal({p["srcTag"] for p in answer["percentiles"]}, set(tags[:2]), "whose percentiles")
    table = lib.weir(state["server"], "series", "--by", "srcTag", "--step", "1m", "--top", "2")
    lib.check("the largest 2; --top shows more" in table and "of 1m," in table, f"two of the series: {table}")
    table = lib.weir(state["server"], "series", "--by", "srcTag", "--step", "1m")
    lib.check("--top shows more" not in table, f"all series: {table}")
    lib.check("p95 of a bin" in table and "█" in table and "PoP-BA" in table, f"the table of a series: {table}")
    lines = lib.weir(state["server"], "series", "--by", "srcTag", "--step", "10m", "--format", "csv").splitlines()
    lib.check(lines[0].startswith("srcTag,from,octets,packets,flows") and len(lines) > 12,
              f"CSV of a series: {lines[:2]}")


# ---- what only SQL can ask, and what it may not ----

def test_sql():
    records = state["records"]
    some = next(r for r in records if "sourceIPv4Address" in r)
    host = some["sourceIPv4Address"]
    rows = shell(f"SELECT * FROM flow WHERE sourceIPv4Address = '{host}';")
    same = [r for r in records if r.get("sourceIPv4Address") == host]
    lib.equal(len(rows), len(same), f"flows of {host}")
    for row, r in zip(rows, same):
        for name, value in row.items():
            if name in r and isinstance(r[name], (int, str)):
                lib.equal(value, r[name], name)
            if value is None:
                lib.check(name not in r, f"{name} is NULL in SQL")
    lib.equal(shell(f"SELECT count(*) AS n FROM flow('src ip {host}');")[0]["n"], len(same), "the filter as argument")
    lib.equal(shell(f"SELECT count(*) AS n FROM flow WHERE filter = 'src ip {host}' AND srcIP = '{host}';")[0]["n"],
              len(same), "the filter as a column")
    lib.equal(shell("SELECT count(*) AS n FROM flow WHERE proto = 6 AND dstPort < 1024;"),
              shell("SELECT count(*) AS n FROM flow WHERE protocolIdentifier = 6 AND destinationTransportPort < 1024;"),
              "short names")
    lib.check("proto" not in rows[0] and shell("SELECT proto FROM flow WHERE proto = 6 LIMIT 1;") == [{"proto": 6}],
              "the short names are no columns of *")
    both = shell("SELECT count(*) AS n, count(DISTINCT rowid) AS d FROM flow;")[0]
    lib.equal((both["n"], both["d"]), (len(records), len(records)), "rowids")
    low, high = "10.2.0.9", "10.10.0.0"  # as text the other way round
    sources = [ipaddress.ip_address(r["sourceIPv4Address"]) for r in records if "sourceIPv4Address" in r]
    lib.equal(count(f"sourceIPv4Address >= '{low}' AND sourceIPv4Address < '{high}'"),
              sum(1 for a in sources if ipaddress.ip_address(low) <= a < ipaddress.ip_address(high)),
              "a range of addresses")
    order = [ipaddress.ip_address(r["a"]) for r in shell("SELECT DISTINCT sourceIPv4Address AS a FROM flow "
                                                         "WHERE a IS NOT NULL ORDER BY a;")]
    lib.equal(order, sorted(order), "the order of addresses")
    lib.equal(count("octets > 1e4 AND octets <= 20000.5"),
              sum(1 for r in records if 1e4 < r["_weir"]["octets"] <= 20000.5), "numbers that are not whole")
    lib.equal(count("packets >= -5 AND octets < -1"), 0, "negative numbers")
    lib.equal(count("sourceIPv4Address = 'no address'"), 0, "no address")
    lib.equal(shell("SELECT sum(n) AS n FROM (SELECT t.id, (SELECT count(*) FROM flow WHERE srcTag = t.id) AS n "
                    "FROM tag t);")[0]["n"],
              sum(1 for r in records if r["_weir"]["srcTag"]), "a join with the catalogue")
    lib.check("column" in shell("SELECT count(*) FROM flow('src prot 5');", ok=False), "a bad filter is told")
    lib.check("modified" in shell("DELETE FROM flow;", ok=False), "nothing is written")
    damaged = lib.folder() / "weir.db"
    shutil.copy(state["data"] / "weir.db", damaged)
    lib.run("sqlite3", damaged, "UPDATE block_column SET data = zeroblob(length(data)) WHERE length(data) > 40;")
    done = subprocess.run(["sqlite3", "-cmd", f".load {EXTENSION}", damaged, "SELECT sum(octets) FROM flow;"],
                          capture_output=True)
    lib.check(done.returncode != 0 and b"block " in done.stderr, f"damage is told: {done.stderr.decode()}")


def test_stop():
    state["server"].stop()


lib.main(test_setup, test_questions, test_spread_and_percentile, test_sql, test_stop)
