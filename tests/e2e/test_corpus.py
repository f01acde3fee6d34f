#!/usr/bin/python3
"""Every capture of the corpus (../shared/corpus, or $CORPUS): what `weird import` counts equals expected.jsonl,
and what `weird records` prints equals records/, element by element.

Order within a capture does not matter; values, repeated elements ("#2"), options data, template ids
and message headers do. What may differ is in ALLOWED, each with its reason, and is printed. sFlow samples
are compared with what the corpus's records say of them, translated to elements here, and with
the packet headers in them, taken apart here once more. flow-tools files are compared with the corpus's
first record and, flow by flow, with the IPFIX file of the same trace.
"""
import collections
import gzip
import ipaddress
import json
import os
import pathlib
import shutil
import struct

import lib

CORPUS = pathlib.Path(os.environ.get("CORPUS", lib.ROOT.parent / "shared" / "corpus"))
CAPTURES = 46

# (field, normaliser of the corpus's value, reason)
ALLOWED = [
    ("_hdr.unix_nsecs", lambda ns: ns // 1_000_000 * 1_000_000,
     "NetFlow v5's header has nanoseconds; Weir's times are milliseconds (design: one unit everywhere). "
     "Records do not carry it; the flow's own times are exact."),
]


def captures():
    with open(CORPUS / "expected.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def records_file(capture):
    """captures/logstash/v9_valid01/ -> records/logstash__v9_valid01.jsonl.gz"""
    parts = pathlib.PurePosixPath(capture).parts[1:]
    name = "__".join(parts[:-1] + (pathlib.PurePosixPath(parts[-1]).stem,))
    return CORPUS / "records" / (name + ".jsonl.gz")


def read_records(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


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
        if report[key] != expected.get(want, 0):
            table.append((name, f"{key}: expected {expected.get(want, 0)}, got {report[key]}"))


# ---- NetFlow and IPFIX: the records themselves ----

def wanted_records(expected, table, used):
    path = records_file(expected["capture"])
    if path.exists():
        return [allow(record, used) for record in read_records(path)]
    if expected["expected_flow_records"] + (expected["expected_option_records"] or 0):
        table.append((expected["capture"], f"the corpus has no {path.name}"))
    return []


def check_records(expected, records, table, used):
    got, want = collections.Counter(), collections.Counter()
    for record in records:
        record.pop("_weir")
        got[canonical(record)] += 1
    for record in wanted_records(expected, table, used):
        want[canonical(record)] += 1
    if got != want:
        describe(expected["capture"], got, want, table)
    return sum(want.values()), sum(len(json.loads(k)) * n for k, n in want.items())


# ---- sFlow: what a sample says, as elements ----

NO_INTERFACE = (0x3fffffff, 0xffffffff, 0)


def mac(octets):
    return ":".join(f"{o:02x}" for o in octets)


def dissect_ip(header, out):
    version = header[0] >> 4
    if version == 4:
        length = (header[0] & 15) * 4
        out.update(sourceIPv4Address=str(ipaddress.ip_address(header[12:16])),
                   destinationIPv4Address=str(ipaddress.ip_address(header[16:20])),
                   protocolIdentifier=header[9], ipTTL=header[8], ipClassOfService=header[1],
                   ipTotalLength=struct.unpack(">H", header[2:4])[0])
        rest = header[length:]
    else:
        first, length = struct.unpack(">IH", header[:6])
        out.update(sourceIPv6Address=str(ipaddress.ip_address(header[8:24])),
                   destinationIPv6Address=str(ipaddress.ip_address(header[24:40])),
                   protocolIdentifier=header[6], ipTTL=header[7], ipTotalLength=40 + length,
                   ipClassOfService=first >> 20 & 255, flowLabelIPv6=first & 0xfffff)
        rest = header[40:]
    if out["protocolIdentifier"] in (6, 17) and len(rest) >= 4:
        out["sourceTransportPort"], out["destinationTransportPort"] = struct.unpack(">HH", rest[:4])
    if out["protocolIdentifier"] == 6 and len(rest) >= 14:
        out["tcpControlBits"] = struct.unpack(">H", rest[12:14])[0] & 0xfff
    if out["protocolIdentifier"] == 1 and len(rest) >= 2:
        out["icmpTypeCodeIPv4"] = struct.unpack(">H", rest[:2])[0]
    if out["protocolIdentifier"] == 58 and len(rest) >= 2:
        out["icmpTypeCodeIPv6"] = struct.unpack(">H", rest[:2])[0]


def dissect(protocol, header, out):
    if protocol in (11, 12):
        dissect_ip(header, out)
        return
    out.update(destinationMacAddress=mac(header[:6]), sourceMacAddress=mac(header[6:12]))
    kind, rest = struct.unpack(">H", header[12:14])[0], header[14:]
    if kind == 0x8100:
        tag, kind = struct.unpack(">HH", rest[:4])
        out.update(vlanId=tag & 0xfff, dot1qVlanId=tag & 0xfff, dot1qPriority=tag >> 13)
        rest = rest[4:]
    out["ethernetType"] = kind
    if kind in (0x0800, 0x86dd):
        dissect_ip(rest, out)


def read_gateway(octets, out):
    words = struct.unpack(f">{len(octets) // 4}I", octets)
    lib.equal(words[0], 1, "an IPv4 next hop")
    out.update(bgpNextHopIPv4Address=str(ipaddress.ip_address(words[1])), bgpSourceAsNumber=words[3],
               bgpPrevAdjacentAsNumber=words[4])
    path, at = [], 6
    for _ in range(words[5]):
        path += words[at + 2:at + 2 + words[at + 1]]
        at += 2 + words[at + 1]
    if path:
        out.update(bgpNextAdjacentAsNumber=path[0], bgpDestinationAsNumber=path[-1])


def elements_of_sample(sample):
    out = {"type": "flow", "packetDeltaCount": 1, "octetDeltaCount": sample["frameLength"],
           "dataLinkFrameSize": sample["frameLength"], "samplingInterval": sample["samplingRate"],
           "selectorIdTotalPktsObserved": sample["samplePool"]}
    for name, key in (("input", "ingressInterface"), ("output", "egressInterface")):
        if sample[name] not in NO_INTERFACE:
            out[key] = sample[name]
    dissect(sample["headerProtocol"], bytes.fromhex(sample["header"].removesuffix("...")), out)
    if "switch" in sample:
        vlan, _, post_vlan, _ = sample["switch"]
        out.update({k: v for k, v in (("vlanId", vlan), ("postVlanId", post_vlan)) if v})
    if "router" in sample:
        words = struct.unpack(">4I", bytes.fromhex(sample["router"]))
        out.update(ipNextHopIPv4Address=str(ipaddress.ip_address(words[1])),
                   sourceIPv4PrefixLength=words[2], destinationIPv4PrefixLength=words[3])
    if "gateway" in sample:
        read_gateway(bytes.fromhex(sample["gateway"]), out)
    return out


def check_samples(expected, records, table):
    """The corpus's samples do not name agent, data source and (from its second record) Ethernet addresses."""
    path = records_file(expected["capture"])
    want = [elements_of_sample(s) for s in read_records(path)] if path.exists() else []
    name = expected["capture"]
    if len(want) != len(records):
        table.append((name, f"{len(want)} samples expected, got {len(records)}"))
    for mine, theirs in zip(records, want):
        rest = set(mine) - set(theirs) - {"exporterIPv4Address", "exporterIPv6Address", "_hdr", "_weir",
                                          "observationPointId", "sourceMacAddress",
                                          "destinationMacAddress", "ethernetType"}
        wrong = {k: (v, mine.get(k)) for k, v in theirs.items() if mine.get(k) != v}
        if wrong or rest:
            table.append((name, f"expected, got: {wrong}; not expected: {sorted(rest)}"))
            break
        if mine["_weir"]["samplingRate"] != theirs["samplingInterval"] or \
                mine["_weir"]["samplingOrigin"] != 1:
            table.append((name, f"sampling rate {mine['_weir']}"))
            break
    return len(want), sum(map(len, want))


# ---- flow-tools ----

FLOW = ("sourceIPv4Address", "destinationIPv4Address", "sourceTransportPort", "destinationTransportPort",
        "protocolIdentifier", "octetDeltaCount", "packetDeltaCount")


def check_flow_tools(expected, records, table):
    name, sample = expected["capture"], dict(expected["sample_record"])
    header = sample.pop("_header")
    if header["unix_secs"]:  # flow-gen's file has no time
        if records[0]["_hdr"] != {**header, "unix_nsecs": header["unix_nsecs"] // 10**6 * 10**6}:
            table.append((name, f"header: expected {header}, got {records[0]['_hdr']}"))
    for key, value in sample.items():
        if records[0].get(key) != value:
            table.append((name, f"{key}: expected {value}, got {records[0].get(key)}"))
    count = len(sample)
    same_trace = CORPUS / "records" / "nfql__trace-2009.jsonl.gz"
    if name.endswith("trace-2009.ftz") and same_trace.exists():
        def flow(record, start, end):
            return tuple(record[k] for k in FLOW) + (start, end)
        mine = collections.Counter(
            flow(r, r["_weir"]["flowStart"], r["_weir"]["flowEnd"]) for r in records)
        theirs = collections.Counter(
            flow(r, r["flowStartMilliseconds"], r["flowEndMilliseconds"])
            for r in read_records(same_trace))
        if mine != theirs:
            table.append((name, f"not the flows of the IPFIX file: {list((theirs - mine))[:2]}, "
                                f"got {list((mine - theirs))[:2]}"))
        count += sum(theirs.values()) * (len(FLOW) + 2)
    return len(records), count


# ---- a capture ----

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
    records = lib.records(data)
    if expected["kind"] == "flow-tools":
        sums = check_flow_tools(expected, records, table)
    elif expected["protocol"] == "sFlow v5":
        sums = check_samples(expected, records, table)
    else:
        sums = check_records(expected, records, table, used)
    lib.run(lib.WEIRD, "verify", "--data", data)
    shutil.rmtree(data)
    return sums


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
    lib.check(count >= CAPTURES, f"only {count} captures found")


if __name__ == "__main__":
    if not (CORPUS / "expected.jsonl").exists():
        lib.skip(f"the corpus is not here ({CORPUS})")
    lib.main(test_corpus)
