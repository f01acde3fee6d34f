#!/usr/bin/python3
"""Every operation of the DB component, called by python3-zeep from the WSDL that is served, against a plain
recomputation from what `weird records` prints: the 14 operations of SFM3's table 2, flowToS, Aggregate
(from roll-ups and from blocks) and GetAccount. And faults: typed, naming the field.

The tags of the records are recomputed too, by looking through the prefixes one by one.
"""
import collections
import functools
import ipaddress
import urllib.error
import urllib.request

import lib
import lib_soap

TRAFFIC = ("v5,domains=2,sampling=100", "v9,ipv6=40,domains=2", "ipfix,ipv6=40,loss=3,duplicate=2")
MEASURES = ("octets", "packets", "flows")


class Flow:
    """A record as a question sees it, read from its JSON line."""

    def __init__(self, line):
        own = line["_weir"]
        self.line, self.own = line, own
        self.end, self.octets, self.packets = own["flowEnd"], own["octets"], own["packets"]
        self.rate = own.get("samplingRate", 0) or 1
        self.src = line.get("sourceIPv4Address") or line.get("sourceIPv6Address")
        self.dst = line.get("destinationIPv4Address") or line.get("destinationIPv6Address")

    def key(self, name):
        """The value of a key as text; None when the record lacks it."""
        if name in ("srcTag", "dstTag"):
            return str(self.own.get(name, 0))
        if name in ("exporter", "domain"):
            return str(self.own[name])
        if name in ("srcIP", "dstIP"):
            return self.src if name == "srcIP" else self.dst
        element, _, length = name.partition("/")
        value = self.line.get(element)
        if value is None or not length:
            return None if value is None else str(value)
        return str(ipaddress.ip_network(f"{value}/{length}", strict=False))


def sums(flows):
    flows = list(flows)
    return {"octets": sum(f.octets for f in flows), "packets": sum(f.packets for f in flows),
            "flows": len(flows),
            "estimatedOctets": round(sum(f.octets * f.rate for f in flows)),
            "estimatedPackets": round(sum(f.packets * f.rate for f in flows)),
            "estimatedFlows": round(sum(f.rate for f in flows))}


class World:
    """A server that heard three exporters, and the records it stored."""

    def __init__(self):
        plan = lib.weirgen("--pcap", lib.folder() / "plan.pcap", "--flows", 3)["tags"]
        self.server = lib.Server(lib.folder())
        for tag in plan:
            lib_soap.call(self.server, "AddTag", "collector",
                          tag={"id": tag["tag"], "name": tag["name"], "prefix": tag["prefixes"]})
        self.tags = plan
        self.truth = lib.weirgen("--udp", f"127.0.0.1:{self.server.port()}", "--flows", 30000,
                                 "--rate", 60000, "--duration", "5m", "--seed", 7, *TRAFFIC)
        want = sum(e["received"]["records"] for e in self.truth["exporters"])
        lib.wait_for("all flows", lambda: self.aggregate()["row"][0]["flows"] >= want
                     if self.aggregate()["row"] else False)
        lines = [r for r in lib.records(self.server.data) if r["type"] == "flow"]
        self.flows = [Flow(line) for line in lines]
        lib.equal(len(self.flows), want, "records stored")
        ends = sorted(f.end for f in self.flows)
        first, last = ends[0] // 60000 * 60000, ends[-1] // 60000 * 60000 + 60000
        self.intervals = [(first, last), (first + 60000, last - 60000),
                          (first + 61_234, first + 183_456), (first - 120_000, first)]

    def aggregate(self, interval=lib_soap.ALL_TIME, **more):
        return lib_soap.call(self.server, "Aggregate", **{"from": interval[0], "to": interval[1]}, **more)

    def within(self, interval):
        return [f for f in self.flows if interval[0] <= f.end < interval[1]]


world = None


def test_setup():
    global world
    world = World()


def test_tags():
    """Each record's tags are those of the longest prefix that has its address."""
    prefixes = sorted(((ipaddress.ip_network(p), tag["tag"]) for tag in world.tags
                       for p in tag["prefixes"]), key=lambda rule: -rule[0].prefixlen)

    def tag_of(text):
        address = ipaddress.ip_address(text)
        return next((t for net, t in prefixes if address.version == net.version and address in net), 0)

    wrong = [f for f in world.flows if (tag_of(f.src), tag_of(f.dst)) !=
             (f.own.get("srcTag", 0), f.own.get("dstTag", 0))]
    lib.check(not wrong, f"{len(wrong)} records with other tags, e.g. {wrong[0].line if wrong else ''}")
    matrix = collections.Counter((f.own.get("srcTag", 0), f.own.get("dstTag", 0)) for f in world.flows)
    truth = {(c["srcTag"], c["dstTag"]): c["flows"] for c in world.truth["matrix"]}
    lib.equal(dict(matrix), truth, "matrix against weirgen's truth")


# operation: its arguments, and the keys of a record that they must equal
VIEWS = {
    "flowTagSrc": {"srcTag": "srcTag"},
    "flowTagDst": {"dstTag": "dstTag"},
    "flowTagSrcDst": {"srcTag": "srcTag", "dstTag": "dstTag"},
    "flowTagSrcDstProto": {"srcTag": "srcTag", "dstTag": "dstTag", "protocol": "protocolIdentifier"},
    "flowTagSrcDstPortSrc": {"srcTag": "srcTag", "dstTag": "dstTag", "srcPort": "sourceTransportPort"},
    "flowTagSrcDstPortDst": {"srcTag": "srcTag", "dstTag": "dstTag",
                             "dstPort": "destinationTransportPort"},
    "flowTagSrcDstASSrc": {"srcTag": "srcTag", "dstTag": "dstTag", "srcAS": "bgpSourceAsNumber"},
    "flowTagSrcDstASDst": {"srcTag": "srcTag", "dstTag": "dstTag", "dstAS": "bgpDestinationAsNumber"},
    "flowSrcIP": {"address": "srcIP"},
    "flowDstIP": {"address": "dstIP"},
    "flowSrcPort": {"port": "sourceTransportPort"},
    "flowDstPort": {"port": "destinationTransportPort"},
    "flowSrcAS": {"as": "bgpSourceAsNumber"},
    "flowDstAS": {"as": "bgpDestinationAsNumber"},
    "flowToS": {"tos": "ipClassOfService"},
}


def argument_sets(keys):
    """The most frequent values, the rarest, and for addresses one of each family."""
    seen = collections.Counter(tuple(f.key(k) for k in keys) for f in world.flows)
    ranked = [values for values, _ in seen.most_common() if None not in values]
    chosen = ranked[:2] + ranked[-1:]
    if keys in (["srcIP"], ["dstIP"]):
        chosen += [next(v for v in ranked if ":" in v[0]), next(v for v in ranked if "." in v[0])]
    return chosen


def check_view(operation, arguments, values, interval, wsdl):
    keys = list(arguments.values())
    typed = {name: value if name in ("srcTag", "dstTag", "address") else int(value)
             for name, value in zip(arguments, values)}
    answer = lib_soap.call(world.server, operation, wsdl=wsdl, **typed,
                           **{"from": interval[0], "to": interval[1]})
    expected = sums(f for f in world.within(interval)
                    if tuple(f.key(k) for k in keys) == tuple(values))
    got = {name: answer[name] for name in expected}
    lib.equal(got, expected, f"{operation}{typed} {interval}")
    raw = answer["account"]["sampling"]["raw"]
    lib.equal({m: raw[m] for m in MEASURES}, {m: expected[m] for m in MEASURES},
              f"{operation}{typed} {interval}: account's raw counts")
    return answer["account"]["source"]


def test_views():
    sources, calls = collections.Counter(), 0
    for operation, arguments in VIEWS.items():
        for values in argument_sets(list(arguments.values())):
            for interval in world.intervals:
                wsdl = "wsdl12" if calls % 4 == 3 else "wsdl"
                sources[check_view(operation, arguments, values, interval, wsdl)] += 1
                calls += 1
    print(f"       {len(VIEWS)} operations, {calls} calls; answered from {dict(sources)}")
    lib.check(sources["rollup"] and sources["blocks"], f"both sources answer: {dict(sources)}")


def test_tag_by_name():
    name, number = world.tags[0]["name"], str(world.tags[0]["tag"])
    by_name = lib_soap.call(world.server, "flowTagSrc", srcTag=name, **{"from": 0, "to": 1 << 60})
    by_number = lib_soap.call(world.server, "flowTagSrc", srcTag=number, **{"from": 0, "to": 1 << 60})
    lib.equal(by_name["octets"], by_number["octets"], "a tag by its name")
    lib.check(by_name["flows"] > 0, "a tag has flows")


# ---- Aggregate ----

SELECT = {
    "proto tcp and dst port 443": lambda f: f.line["protocolIdentifier"] == 6
    and f.line["destinationTransportPort"] == 443,
    "src tag 1 or dst tag 1": lambda f: 1 in (f.own.get("srcTag", 0), f.own.get("dstTag", 0)),
    "inet6": lambda f: ":" in f.src,
    "not src net 10.0.0.0/8 and packets > 5": lambda f: f.packets > 5 and not (
        "." in f.src and f.src.startswith("10.")),
    "bytes > 10k and duration < 1000": lambda f: f.octets > 10000
    and f.end - f.own["flowStart"] < 1000,
    "octetDeltaCount < 100 or sourceIPv6Address = 2001:db8::/33": lambda f:
        f.line["octetDeltaCount"] < 100 or (
            "sourceIPv6Address" in f.line and
            ipaddress.ip_address(f.src) in ipaddress.ip_network("2001:db8::/33")),
}
QUESTIONS = [  # by, filter, step, roll-ups can answer
    ([], None, None, True),
    (["srcTag", "dstTag"], None, None, True),
    (["protocolIdentifier"], None, None, True),
    (["exporter", "domain"], None, None, True),
    (["srcTag"], None, 60000, True),
    (["dstTag", "protocolIdentifier"], None, 120000, True),
    (["srcIP"], None, None, False),
    (["sourceIPv4Address/16"], None, None, False),
    (["destinationIPv6Address/48", "dstTag"], None, None, False),
    (["destinationTransportPort"], "proto tcp and dst port 443", 30000, False),
    (["exporter"], "src tag 1 or dst tag 1", None, True),
    (["bgpSourceAsNumber", "ipClassOfService"], "inet6", None, False),
    (["protocolIdentifier"], "not src net 10.0.0.0/8 and packets > 5", None, False),
    (["srcTag"], "bytes > 10k and duration < 1000", 7777, False),
    ([], "octetDeltaCount < 100 or sourceIPv6Address = 2001:db8::/33", None, False),
]


@functools.lru_cache(maxsize=None)
def recompute(by, text, step, interval):
    groups = collections.defaultdict(list)
    for f in world.within(interval):
        if text is None or SELECT[text](f):
            start = interval[0] + (f.end - interval[0]) // step * step if step else None
            groups[tuple(f.key(k) for k in by), start].append(f)
    return {key: sums(flows) for key, flows in groups.items()}


def rows_of(answer):
    rows = {}
    for row in answer["row"] or []:
        key = tuple(None if k.get("absent") else k["_value_1"] for k in row["key"] or [])
        rows[key, row["bin"]] = {name: row[name] for name in
                                 MEASURES + ("estimatedOctets", "estimatedPackets", "estimatedFlows")}
    return rows


def check_question(by, text, step, interval, source):
    arguments = {"by": by, "filter": text, "step": step, "source": source}
    answer = world.aggregate(interval, **{k: v for k, v in arguments.items() if v is not None})
    what = f"Aggregate by {by} filter {text!r} step {step} {interval} from {source}"
    got, expected = rows_of(answer), dict(recompute(tuple(by), text, step, interval))
    if not by and not step:  # one row, also when nothing matches
        expected = expected or {((), None): sums([])}
        got = got or {((), None): sums([])}
    missing, extra = set(expected) - set(got), set(got) - set(expected)
    lib.check(not missing and not extra, f"{what}: rows missing {sorted(map(str, missing))[:3]}, "
              f"rows too many {sorted(map(str, extra))[:3]}")
    differ = [k for k in set(got) & set(expected) if got[k] != expected[k]]
    lib.check(not differ, f"{what}: {len(differ)} rows differ, "
              f"{differ[:1]}: {[(got[k], expected[k]) for k in differ[:1]]}")
    lib.equal(answer["groups"], len(got) if answer["row"] else answer["groups"], f"{what}: groups")
    if source != "auto":
        lib.equal(answer["account"]["source"], {"rollup": "rollup", "blocks": "blocks"}[source], what)


def test_aggregate():
    count = 0
    for by, text, step, by_rollup in QUESTIONS:
        for n, interval in enumerate(world.intervals):
            aligned = n in (0, 1, 3) and (step is None or step % 60000 == 0)
            for source in ("auto", "blocks") + (("rollup",) if by_rollup and aligned else ()):
                check_question(by, text, step, interval, source)
                count += 1
    print(f"       {len(QUESTIONS)} questions, {count} calls")


def test_top():
    for order in MEASURES:
        answer = world.aggregate(world.intervals[0], by=["srcIP"], top=10, order=order)
        values = [row[order] for row in answer["row"]]
        every = sorted((s[order] for s in recompute(("srcIP",), None, None, world.intervals[0]).values()),
                       reverse=True)
        lib.equal(values, every[:10], f"top 10 sources by {order}")
        lib.equal(answer["groups"], len(every), "groups before top")


# ---- GetAccount ----

def test_account():
    rows = lib_soap.coverage(world.server)
    records = collections.Counter((f.own["exporter"], f.own["domain"], f.own["protocolVersion"])
                                  for f in world.flows)
    lib.equal({k: row["records"] for k, row in rows.items()}, dict(records), "records of each row")
    number = {"v5": 5, "v9": 9, "ipfix": 10}
    for e in world.truth["exporters"]:
        for d in e["domains"]:
            row = rows.get((e["address"], d["domain"], number[e["protocol"]]))
            lib.equal(row and row["missing"], d["missing_knowable"], f"missing of {e['address']}")
            lib.equal(row and row["counters"]["duplicates"], d["duplicated"]["datagrams"],
                      f"duplicates of {e['address']}")
    account = lib_soap.account(world.server)
    lib.equal(account["received"]["records"], len(world.flows), "received records")
    lib.equal(account["exporters"], len(rows), "rows of the account")
    lib.equal(account["loss"]["state"], "lossy", "state of the account")
    for exporter in world.truth["exporters"]:
        if exporter["sampling"]:
            flows = [f for f in world.flows if f.own["exporter"] == exporter["address"]]
            lib.check(all(f.rate == exporter["sampling"] for f in flows), "sampling rate of records")


# ---- faults ----

NOW = {"from": 0, "to": 1 << 60}
FAULTS = [  # operation, service, arguments, codes, fields
    ("flowTagSrc", "db", {"srcTag": "Nowhere", **NOW}, ("NotFound", "BadArgument"), ("srcTag",)),
    ("flowTagSrcDst", "db", {"srcTag": "1", "dstTag": "Nowhere", **NOW}, ("NotFound", "BadArgument"),
     ("dstTag",)),
    ("flowSrcIP", "db", {"address": "300.1.2.3", **NOW}, ("BadArgument",), ("address",)),
    ("flowDstIP", "db", {"address": "2001:db8::g", **NOW}, ("BadArgument",), ("address",)),
    ("flowSrcPort", "db", {"port": 80, "from": 5, "to": 5}, ("BadArgument",), ("from", "to")),
    ("flowSrcPort", "db", {"port": 80, "from": 6, "to": 5}, ("BadArgument",), ("from", "to")),
    ("flowSrcPort", "db", {"port": 70000, **NOW}, ("BadArgument",), ("port",)),
    ("flowDstPort", "db", {"port": -1, **NOW}, ("BadArgument",), ("port",)),
    ("flowToS", "db", {"tos": 256, **NOW}, ("BadArgument",), ("tos",)),
    ("flowSrcAS", "db", {"as": 1 << 32, **NOW}, ("BadArgument",), ("as",)),
    ("flowTagSrcDstProto", "db", {"srcTag": "1", "dstTag": "1", "protocol": 300, **NOW},
     ("BadArgument",), ("protocol",)),
    ("Aggregate", "db", {"by": ["sourceIPv4Adress"], **NOW}, ("BadArgument",), ("by",)),
    ("Aggregate", "db", {"by": ["protocolIdentifier/8"], **NOW}, ("BadArgument",), ("by",)),
    ("Aggregate", "db", {"filter": "prot tcp", **NOW}, ("BadArgument",), ("filter",)),
    ("Aggregate", "db", {"filter": "src tag Nowhere", **NOW}, ("BadArgument", "NotFound"), ("filter",)),
    ("Aggregate", "db", {"step": 0, **NOW}, ("BadArgument",), ("step",)),
    ("Aggregate", "db", {"step": 1, **NOW}, ("BadArgument", "TooLarge"), ("step",)),
    ("Aggregate", "db", {"by": ["srcIP"], "source": "rollup", **NOW}, ("BadArgument",),
     ("source", "by")),
    ("GetAccount", "db", {"from": 2, "to": 1}, ("BadArgument",), ("from", "to")),
    ("StoreBlock", "db", {"block": b"not a block"}, ("BadBlock",), ("block", None)),
    ("AddTag", "collector", {"tag": {"id": 1, "name": "Again", "prefix": ["192.0.2.0/24"]}},
     ("Exists",), ("id", "tag", "tag.id")),
    ("AddTag", "collector", {"tag": {"id": 0, "name": "Zero", "prefix": []}}, ("BadArgument",),
     ("id", "tag", "tag.id")),
    ("AddTag", "collector", {"tag": {"id": 77, "name": "Bits", "prefix": ["10.0.0.1/8"]}},
     ("BadArgument",), ("prefix", "tag.prefix")),
    ("DelTag", "collector", {"tag": "Nowhere"}, ("NotFound",), ("tag",)),
    ("DelMDev", "collector", {"address": "192.0.2.77"}, ("NotFound",), ("address",)),
    ("AddMDev", "collector", {"mdev": {"address": "nonsense"}}, ("BadArgument",),
     ("address", "mdev.address")),
]


def test_faults():
    for operation, service, arguments, codes, fields in FAULTS:
        what = f"{operation}({arguments})"
        fault = lib_soap.fault(world.server, operation, service, **arguments)
        if not lib.check(fault is not None, f"{what}: no fault"):
            continue
        lib.check(fault.get("code") in codes and fault.get("field") in fields,
                  f"{what}: got {fault}, expected code {codes} and field {fields}")
        lib.check(bool(fault.get("message")), f"{what}: a fault without a message")


ENVELOPE = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<db:flowSrcPort xmlns:db="urn:weir:db:1">{}</db:flowSrcPort></s:Body></s:Envelope>"""


def post(body):
    request = urllib.request.Request(world.server.url + "/db", body.encode(),
                                     {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.read().decode()


def test_bad_messages():
    """What no WSDL client sends: an element that is not in the contract, one missing, words for numbers."""
    good = "<db:port>443</db:port><db:from>0</db:from><db:to>9999999999999</db:to>"
    lib.equal(post(ENVELOPE.format(good))[0], 200, "a plain message")
    for body, named in (
            (good + "<db:bogus>1</db:bogus>", "bogus"),
            ("<db:from>0</db:from><db:to>1</db:to>", "port"),
            (good.replace("443", "https"), "port"),
            (good.replace("9999999999999", "tomorrow"), "to")):
        status, text = post(ENVELOPE.format(body))
        lib.equal(status, 500, f"status for {body}")
        lib.check("Fault" in text and "code>" in text and f"field>{named}<" in text,
                  f"{body}: the fault does not name {named}: {text[:600]}")
    for body in ("", "not xml", "<a/>", ENVELOPE.format("")[:120], "<" * 5000):
        status, text = post(body)
        lib.check(status in (400, 415, 500) and len(text) < 10000, f"{body[:30]!r}: {status}")
    lib.equal(post(ENVELOPE.format(good))[0], 200, "and it still answers")


def test_stop():
    world.server.stop()
    lib.run(lib.WEIRD, "verify", "--data", world.server.data)


if __name__ == "__main__":
    lib.main(test_setup, test_tags, test_views, test_tag_by_name, test_aggregate, test_top, test_account,
             test_faults, test_bad_messages, test_stop)
