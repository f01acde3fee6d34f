#!/usr/bin/env python3
"""Selection and privacy, configured by services while the server runs, against a recomputation.

The same traffic goes to two servers: one stores it as it comes, the other selects and anonymises. What
the second holds must be what this program makes of what the first holds. Crypto-PAn is computed here from
its definition, with AES out of OpenSSL's library and nothing of Weir's.
"""
import collections
import ctypes
import ctypes.util
import ipaddress
import json
import stat
import subprocess
import urllib.request

from lib import (WEIR, WEIRD, Server, check, equal, folder, main, records, run, wait_for, weir, weir_json,
                 weirgen)
from lib_selection import BA, EXPORTERS, LATER, PE, RN, START, run_failing, send, stored

NEW = ("anonymisation", "observationRole", "flowCount")


def give_tags(server, truth):
    for tag in truth["tags"]:
        weir(server, "tag", "add", tag["tag"], tag["name"], *tag["prefixes"])


def plan():
    """Tags of weirgen's networks: the plan is the same whatever is sent."""
    return weirgen("--pcap", "/dev/null", "--flows", 1, "--start", START)


def reference(truth, **options):
    data = folder()
    server = Server(data)
    give_tags(server, truth)
    send(server, **options)
    server.stop()
    return data, flows_of(data)


def flows_of(data):
    return [r for r in records(data) if r["type"] == "flow"]


def as_sent(record):
    """A record without what differs from run to run."""
    return json.dumps(record, sort_keys=True)


def counted(flows):
    return collections.Counter(as_sent(f) for f in flows)


def same_flows(got, expected, what):
    got, expected = counted(got), counted(expected)
    extra, lacking = got - expected, expected - got
    return check(not extra and not lacking,
                 f"{what}: {sum(extra.values())} records too many, as {next(iter(extra), None)}; "
                 f"{sum(lacking.values())} missing, as {next(iter(lacking), None)}")


# ---- Crypto-PAn from its definition ----

class Aes:
    def __init__(self, key):
        self.lib = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_ecb"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.EVP_CIPHER_CTX_new())
        cipher = ctypes.c_void_p(self.lib.EVP_aes_128_ecb())
        assert self.lib.EVP_EncryptInit_ex(self.context, cipher, None, key, None) == 1
        self.lib.EVP_CIPHER_CTX_set_padding(self.context, 0)

    def encrypt(self, octets):
        out = ctypes.create_string_buffer(len(octets) + 16)
        length = ctypes.c_int()
        assert self.lib.EVP_EncryptUpdate(self.context, out, ctypes.byref(length), octets,
                                          len(octets)) == 1
        return out.raw[:length.value]


class CryptoPan:
    def __init__(self, key):
        self.aes = Aes(key[:16])
        self.pad = int.from_bytes(self.aes.encrypt(key[16:]), "big")
        self.known = {}

    def __call__(self, text):
        if text not in self.known:
            self.known[text] = self.pseudonym(ipaddress.ip_address(text))
        return self.known[text]

    def pseudonym(self, address):
        bits = address.max_prefixlen
        if int(address) == 0:
            return str(address)
        whole = int(address) << (128 - bits)
        blocks = b""
        for i in range(bits):
            mask = ((1 << i) - 1) << (128 - i)
            blocks += ((whole & mask) | (self.pad & ~mask & ((1 << 128) - 1))).to_bytes(16, "big")
        result = self.aes.encrypt(blocks)
        flips = 0
        for i in range(bits):
            flips = flips << 1 | result[16 * i] >> 7
        return str(type(address)(int(address) ^ flips))


def truncated(text, ipv4, ipv6):
    address = ipaddress.ip_address(text)
    kept = ipv4 if address.version == 4 else ipv6
    return str(ipaddress.ip_network(f"{text}/{kept}", strict=False).network_address)


def change_addresses(record, change):
    """Every address of the record itself; Weir's own members are about the exporter."""
    out = dict(record)
    for name, value in record.items():
        if name.startswith("_") or not isinstance(value, str) or "Address" not in name or "Mac" in name:
            continue
        out[name] = change(value)
    return out


def with_weir(record, **members):
    out = dict(record)
    out["_weir"] = {**record["_weir"], **members}
    return out


# ---- tests ----

def test_anonymisation():
    truth = plan()
    _, original = reference(truth)
    data = folder()
    server = Server(data)
    give_tags(server, truth)
    for device in (BA, PE, RN):
        weir(server, "domain", "add", device, 0)
    weir(server, "policy", "set", BA, 0, "crypto-pan")
    weir(server, "policy", "set", PE, 0, "truncate", "--lengths", "20,40", "--macs")
    weir(server, "policy", "set", RN, 0, "crypto-pan", "--key", "other", "--fields",
         "destinationTransportPort,ipNextHopIPv4Address")
    send(server)

    keys = data / "keys"
    pans = {}
    for name in ("default", "other"):
        path = keys / f"{name}.key"
        equal(stat.S_IMODE(path.stat().st_mode), 0o600, f"mode of {name}.key")
        pans[name] = CryptoPan(bytes.fromhex(path.read_text().strip()))
    rn = "crypto-pan+remove(destinationTransportPort,ipNextHopIPv4Address)"
    policies = {BA: "crypto-pan", PE: "truncate/20,40+mac", RN: rn}

    answer = weir_json(server, "totals", "--by", "srcTag,dstTag")
    equal(answer["account"]["policy"], "; ".join(sorted(policies.values())), "policies of all")
    for source in ("rollup", "blocks"):
        for device, policy in policies.items():
            one = weir_json(server, "totals", "--filter", f"exporter ip {device}", "--source", source)
            equal(one["account"]["policy"], policy, f"policy of {device} from {source}")
    none = weir_json(server, "totals", "--filter", "exporter ip 192.0.2.1")
    equal(none["account"]["policy"], "none", "policy of nothing")
    listed = weir_json(server, "policy", "list")
    equal([p["anonymisation"]["policy"] for p in listed["policies"]],
          [policies[d] for d in (BA, PE, RN)], "listed policies")
    for text in (weir(server, "policy", "list"), server.errors(), json.dumps(listed)):
        for name in pans:
            key = (keys / f"{name}.key").read_text().strip()
            check(key[:16] not in text, f"the key {name} is in an answer or the log")
    matrix = {(int(r["srcTag"]), int(r["dstTag"])): r["flows"] for r in answer["rows"]}
    server.stop()
    check((keys / "default.key").read_bytes().strip() not in (data / "weir.db").read_bytes(),
          "a key is in the database")

    def expected(record):
        device = record["_weir"]["exporter"]
        if device == PE:
            changed = change_addresses(record, lambda a: truncated(a, 20, 40))
        else:
            changed = change_addresses(record, pans["default" if device == BA else "other"])
        if device == RN:
            for name in ("destinationTransportPort", "ipNextHopIPv4Address"):
                changed.pop(name, None)
        return with_weir(changed, anonymisation=policies[device])

    same_flows(flows_of(data), [expected(f) for f in original], "anonymised records")
    by_tags = collections.Counter((f["_weir"]["srcTag"], f["_weir"]["dstTag"]) for f in original)
    equal(matrix, dict(by_tags), "tags are of the addresses that arrived")
    run(WEIRD, "verify", "--data", data)
    run(WEIRD, "retag", "--data", data)
    same_flows(flows_of(data), [expected(f) for f in original], "retag leaves pseudonyms alone")
    run(WEIRD, "compact", "--data", data)
    same_flows(flows_of(data), [expected(f) for f in original], "anonymised records after compaction")
    server = Server(data)
    answer = weir_json(server, "totals", "--source", "blocks")
    equal(answer["account"]["policy"], "; ".join(sorted(policies.values())), "policies in merged blocks")
    server.stop()


def agree(flow):
    w = flow["_weir"]
    return (w["exporter"], w["domain"], w["flowEnd"] // 60000, w["srcTag"], w["dstTag"],
            w["samplingRate"], w["samplingOrigin"])


def sums(flows, key, weight=lambda f: f["_weir"].get("flowCount", 1)):
    out = collections.defaultdict(lambda: [0, 0, 0])
    for f in flows:
        row = out[key(f)]
        row[0] += f["_weir"]["octets"]
        row[1] += f["_weir"]["packets"]
        row[2] += weight(f)
    return {k: tuple(v) for k, v in out.items()}


def test_flow_types():
    truth = plan()
    _, original = reference(truth)
    data = folder()
    server = Server(data)
    give_tags(server, truth)
    # Listed out of order: priorities decide. The second keeps what the third would drop.
    weir(server, "type", "add", "drop-udp", 30, "drop", "--filter", "proto udp")
    weir(server, "type", "add", "keep-dns", 20, "keep", "--filter", "proto udp and port 53")
    weir(server, "type", "add", "web", 40, "aggregate", "--filter", "proto tcp", "--by",
         "protocolIdentifier,destinationTransportPort")
    weir(server, "type", "add", "nothing", 10, "drop", "--filter", "src tag PoP-BA and not inet and not inet6")
    send(server)

    def is_dns(f):
        return 53 in (f.get("sourceTransportPort"), f.get("destinationTransportPort"))

    dropped = [f for f in original if f["protocolIdentifier"] == 17 and not is_dns(f)]
    kept = [f for f in original if not (f["protocolIdentifier"] == 17 and not is_dns(f))]
    check(dropped and len(kept) > 100, "the traffic has what the rules are about")

    account = weir_json(server, "account")["account"]
    received = account["received"]
    equal(account["loss"]["state"], "complete", "what was dropped on purpose is no loss")
    equal(int(received["deselectedRecords"]), len(dropped), "deselected records")
    equal(int(received["records"]), len(original), "records, deselected ones included")

    def rows(*by, source="auto"):
        answer = weir_json(server, "totals", "--by", ",".join(by), "--source", source)
        return {tuple(str(r[k]) for k in by): (r["octets"], r["packets"], r["flows"])
                for r in answer["rows"]}

    expected = sums(kept, lambda f: (str(f["_weir"]["srcTag"]), str(f["_weir"]["dstTag"])),
                    lambda f: 1)
    for source in ("rollup", "blocks"):
        equal(rows("srcTag", "dstTag", source=source), expected, f"matrix from {source}")
    ports = sums([f for f in kept if f["protocolIdentifier"] == 6],
                 lambda f: (str(f["destinationTransportPort"]),), lambda f: 1)
    got = {k: v for k, v in rows("destinationTransportPort").items() if k in ports}
    for key, want in ports.items():
        check(all(a >= b for a, b in zip(got.get(key, (0, 0, 0)), want)), f"port {key}")
    series = weir_json(server, "totals", "--by", "srcTag", "--step", "1m", "--from", START, "--to",
                       LATER)
    by_minute = sums(kept, lambda f: (str(f["_weir"]["srcTag"]), f["_weir"]["flowEnd"] // 60000 * 60000),
                     lambda f: 1)
    equal({(str(r["srcTag"]), r["bin"]): (r["octets"], r["packets"], r["flows"])
           for r in series["rows"]}, by_minute, "series by minute")
    server.stop()

    stored_flows = flows_of(data)
    tcp = [f for f in stored_flows if f["protocolIdentifier"] == 6]
    rest = [f for f in stored_flows if f["protocolIdentifier"] != 6]
    same_flows(rest, [f for f in kept if f["protocolIdentifier"] != 6], "records kept as they are")

    def kind(f):
        return agree(f) + (f["destinationTransportPort"],)

    equal(sums(tcp, kind), sums([f for f in kept if f["protocolIdentifier"] == 6], kind),
          "aggregated records, in sum")
    check(len(tcp) < sum(f["_weir"]["flowCount"] for f in tcp), "something was aggregated")
    for f in tcp:
        names = {n for n in f if not n.startswith("_")} - {"type"}
        equal(names, {"octetDeltaCount", "packetDeltaCount", "protocolIdentifier",
                      "destinationTransportPort"}, "elements of an aggregated record")
        check(f["_weir"]["flowStart"] <= f["_weir"]["flowEnd"], "start before end")
        equal(f["octetDeltaCount"], f["_weir"]["octets"], "octets of an aggregated record")
    spans = {}
    for f in original:
        if f["protocolIdentifier"] == 6:
            least, most = spans.get(kind(f), (1 << 62, 0))
            spans[kind(f)] = (min(least, f["_weir"]["flowStart"]), max(most, f["_weir"]["flowEnd"]))
    got = {}
    for f in tcp:
        least, most = got.get(kind(f), (1 << 62, 0))
        got[kind(f)] = (min(least, f["_weir"]["flowStart"]), max(most, f["_weir"]["flowEnd"]))
    equal(got, spans, "start is the least, end the most")
    run(WEIRD, "verify", "--data", data)
    run(WEIRD, "compact", "--data", data)
    run(WEIRD, "verify", "--data", data)
    same_flows(flows_of(data), stored_flows, "records after compaction")
    server = Server(data)
    for source in ("rollup", "blocks"):
        equal(rows("srcTag", "dstTag", source=source), expected, f"matrix after compaction, {source}")
    server.stop()


def test_changes_take_effect():
    """Rules come and go while the server runs, each between two batches."""
    data = folder()
    server = Server(data)
    one = EXPORTERS[:1]
    send(server, flows=300, exporters=one)
    first = weir_json(server, "totals")["rows"][0]["flows"]
    weir(server, "type", "add", "all", 1, "drop")
    send(server, flows=300, seed=2, exporters=one)
    answer = weir_json(server, "totals")
    equal(answer["rows"][0]["flows"], first, "flows after a rule that drops everything")
    equal(int(answer["account"]["received"]["records"]) -
          int(answer["account"]["received"]["deselectedRecords"]), first, "and the account says why")
    weir(server, "type", "del", "all")
    weir(server, "type", "add", "secret", 1, "anonymise", "--method", "truncate", "--lengths", "0,0",
         "--filter", "proto tcp")
    send(server, flows=300, seed=3, exporters=one)
    answer = weir_json(server, "totals", "--by", "exporter")
    equal(answer["account"]["policy"], "none; truncate/0,0", "policies of both times")
    server.stop()
    for f in flows_of(data):
        hidden = f["_weir"].get("anonymisation") == "truncate/0,0"
        if hidden:
            equal((f["protocolIdentifier"], f["sourceIPv4Address"], f["destinationIPv4Address"]),
                  (6, "0.0.0.0", "0.0.0.0"), "a hidden record")
        else:
            check(f["sourceIPv4Address"] != "0.0.0.0", "a record as it came")
    # And they are kept: a new run goes on with them.
    server = Server(data)
    equal([t["name"] for t in weir_json(server, "type", "list")["types"]], ["secret"], "types kept")
    server.stop()


def test_once():
    truth = plan()
    _, original = reference(truth, flows=2000)
    data = folder()
    server = Server(data)
    give_tags(server, truth)
    interfaces = sorted({(f["_weir"]["exporter"], f["ingressInterface"]) for f in original
                         if "ingressInterface" in f})
    roles = ("edge-in", "core", "edge-out")
    points = {place: roles[i % 3] for i, place in enumerate(interfaces)}
    for device in (BA, PE, RN):
        weir(server, "domain", "add", device, 0, "the-only-one")
    for (device, interface), role in points.items():
        weir(server, "point", "add", device, 0, interface, role)
    send(server, flows=2000)

    def role_of(f):
        return points.get((f["_weir"]["exporter"], f.get("ingressInterface")))

    edge = [f for f in original if role_of(f) == "edge-in"]
    check(0 < len(edge) < len(original), "some flows are at edge-in points")
    expected = sums(edge, lambda f: (str(f["_weir"]["srcTag"]), str(f["_weir"]["dstTag"])))
    for source in ("rollup", "blocks"):
        answer = weir_json(server, "totals", "--once", "--by", "srcTag,dstTag", "--source", source)
        got = {(str(r["srcTag"]), str(r["dstTag"])): (r["octets"], r["packets"], r["flows"])
               for r in answer["rows"]}
        equal(got, expected, f"once from {source}")
    some = weir_json(server, "totals", "--once", "--filter", "proto tcp or proto udp # ends here")
    equal(some["rows"][0]["flows"], sum(f["protocolIdentifier"] in (6, 17) for f in edge),
          "once and a filter with a comment")
    octets = weir_json(server, "matrix", "--once")
    equal(sum(r["octets"] for r in octets["rows"]), sum(v[0] for v in expected.values()),
          "matrix once")
    server.stop()
    numbers = {"edge-in": 1, "edge-out": 2, "core": 3, None: None}
    for f in flows_of(data):
        equal(f["_weir"].get("observationRole"), numbers[role_of(f)], "role of a record")
    run(WEIRD, "verify", "--data", data)


def metrics(server):
    out = {}
    with urllib.request.urlopen(server.url + "/metrics", timeout=60) as answer:
        for line in answer.read().decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                out[name] = int(value)
    return out


def test_known_only():
    data = folder()
    server = Server(data)
    weir(server, "device", "add", BA, "BA", "--sampling-rate", 10)
    truth = send(server, flows=600)
    listed = {d["address"]: d for d in weir_json(server, "device", "list")["devices"]}
    equal(sorted(listed), [BA, PE, RN], "devices described and heard")
    equal([listed[d].get("unknown", False) for d in (BA, PE, RN)], [False, True, True], "unknown ones")
    sent = {e["address"]: sum(d["sent"]["records"] for d in e["domains"]) for e in truth["exporters"]}
    numbers = metrics(server)
    for address, protocol in ((BA, 5), (PE, 9), (RN, 10)):
        name = f'weir_exporter_records_total{{exporter="{address}",domain="0",protocol="{protocol}"}}'
        equal(numbers.get(name), sent[address], name)
    equal(numbers["weir_collector_running"], 1, "running")
    with urllib.request.urlopen(server.url + "/healthz", timeout=60) as answer:
        equal(answer.read(), b"ok\n", "health")
    server.stop()

    server = Server(data, "--known-only")
    before = stored(server)
    truth = weirgen("--udp", f"127.0.0.1:{server.port()}", "--start", START, "--flows", 600, "--seed", 9,
                    *EXPORTERS)
    sent = {e["address"]: e["domains"][0]["sent"] for e in truth["exporters"]}
    wait_for("the described exporter", lambda: stored(server) - before >= sent[BA]["records"])
    received = wait_for("the refused ones", lambda: refused(server, 2))
    equal(stored(server) - before, sent[BA]["records"], "only what is described is stored")
    check(received["loss"]["state"] in ("complete", "unknown"), "state")
    listed = {d["address"]: d for d in weir_json(server, "device", "list")["devices"]}
    check(all(int(listed[d].get("refused", 0)) > 0 for d in (PE, RN)), "refused are listed as such")
    check("refused" not in listed[BA], "the described one is not")
    before = stored(server)
    weir(server, "device", "add", RN, "RN")  # from now on it is known
    send(server, flows=300, seed=10, exporters=EXPORTERS[2:])
    check(stored(server) > before, "an exporter that was described meanwhile")
    server.stop()


def refused(server, least):
    account = weir_json(server, "account")["account"]
    return account if int(account["received"]["refusedDatagrams"]) >= least else None


def test_bad_words():
    server = Server(folder())
    weir(server, "domain", "add", BA, 7)
    bad = (
        ("type", "add", "x", 1, "drop", "--filter", "src tag nobody"),
        ("type", "add", "x", 1, "drop", "--filter", "proto ("),
        ("type", "add", "x y", 1, "drop"),
        ("type", "add", "x", 1, "aggregate", "--by", "noSuchElement"),
        ("type", "add", "x", 1, "aggregate", "--by", "octetDeltaCount"),
        ("type", "add", "x", 1, "keep", "--by", "protocolIdentifier"),
        ("type", "add", "x", 1, "keep", "--method", "truncate"),
        ("type", "del", "x"),
        ("policy", "set", BA, 8, "crypto-pan"),
        ("policy", "set", BA, 7, "remove"),
        ("policy", "set", BA, 7, "remove", "--fields", "exporter"),
        ("policy", "set", BA, 7, "crypto-pan", "--key", "../../etc/passwd"),
        ("policy", "del", BA, 7),
        ("point", "add", BA, 8, 1, "core"),
        ("point", "del", BA, 7, 1),
        ("domain", "add", BA, 7),
        ("domain", "del", BA, 9),
    )
    for words in bad:
        text = run_failing(server, *words)
        check(text.count("\n") == 1 and len(text) > 20, f"{words}: {text!r}")
    for words in (("policy", "set", BA, 7, "truncate", "--lengths", "33,48"),
                  ("point", "add", BA, 7, 1, "edge"), ("type", "add", "x", "first", "drop"),
                  ("policy", "set", "nowhere", 7, "crypto-pan")):
        run_failing(server, *words, code=2)
    weir(server, "policy", "set", BA, 7, "truncate")
    text = run_failing(server, "domain", "del", BA, 7)
    check("policy" in text, f"a domain with a policy: {text}")
    weir(server, "type", "add", "one", 1, "keep")
    run_failing(server, "type", "add", "two", 1, "keep")
    run_failing(server, "type", "add", "one", 2, "keep")
    weir(server, "policy", "del", BA, 7)
    weir(server, "domain", "del", BA, 7)
    server.stop()


def test_not_in_force():
    """A change that the collector can not carry out is a fault, is seen, and is tried again."""
    data = folder()
    server = Server(data)
    weir(server, "domain", "add", BA, 0)
    weir(server, "policy", "set", BA, 0, "crypto-pan", "--key", "k")
    key = data / "keys" / "k.key"
    key.chmod(0o644)  # now others may read it: it is no key any more
    equal(metrics(server)["weir_collector_catalogue_current"], 1, "the newest catalogue is in force")
    said = subprocess.run([WEIR, "--url", server.url, "type", "add", "no-dns", "10", "drop", "--filter",
                           "port 53"], capture_output=True, text=True, timeout=60)
    equal(said.returncode, 1, "exit code")
    check("kept, but not in force" in said.stderr and "k.key" in said.stderr, f"it says: {said.stderr}")
    equal([t["name"] for t in weir_json(server, "type", "list")["types"]], ["no-dns"], "it is kept")

    def catalogue_error():
        return weir_json(server, "status")["collector"]["collector"].get("catalogueError", "")

    check("k.key" in catalogue_error(), "status")
    equal(metrics(server)["weir_collector_catalogue_current"], 0, "and metrics say so")
    key.chmod(0o600)
    wait_for("the newest catalogue", lambda: not catalogue_error())
    equal(metrics(server)["weir_collector_catalogue_current"], 1, "in force again")
    send(server, flows=400, exporters=EXPORTERS[:1])
    dropped = int(weir_json(server, "account")["account"]["received"]["deselectedRecords"])
    check(dropped > 0, "the rule that was late is in force")
    server.stop()
    check("tries again" in server.errors() and "has the newest catalogue" in server.errors(), "log")


def test_suspend():
    server = Server(folder())
    send(server, flows=200, exporters=EXPORTERS[:1])
    weir(server, "suspend")
    before = stored(server)
    heard = int(weir_json(server, "account")["account"]["received"]["datagrams"])
    weirgen("--udp", f"127.0.0.1:{server.port()}", "--start", START, "--flows", 200, "--seed", 5,
            *EXPORTERS[:1])
    wait_for("datagrams counted", lambda: int(
        weir_json(server, "account")["account"]["received"]["datagrams"]) > heard)
    equal(stored(server), before, "records while suspended")
    weir(server, "resume")
    send(server, flows=200, seed=6, exporters=EXPORTERS[:1])
    check(stored(server) > before, "records after Resume")
    server.stop()


if __name__ == "__main__":
    main(test_anonymisation, test_flow_types, test_changes_take_effect, test_once, test_known_only,
         test_bad_words, test_not_in_force, test_suspend)
