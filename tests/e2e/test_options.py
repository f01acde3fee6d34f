#!/usr/bin/python3
"""Options data used: names of interfaces, VRFs, applications and samplers, in IPFIX and NetFlow v9; what
exporters say they sent, beside what was heard."""
import json
import struct

import lib
from lib_export import (a_set, data, ip, ipfix, netflow9, number, options_template, template, variable, write)

VARIABLE = 65535
FLOW = ((8, 4), (12, 4), (1, 4), (2, 4))


def names(home):
    return [json.loads(line) for line in lib.run(lib.WEIRD, "names", "--data", home).splitlines()]


def short(row):
    return (row["exporter"], row["domain"], row["kind"], row.get("number", row.get("id")), row["name"],
            row.get("description", ""))


def ipfix_names():
    def told(secs, eth1):
        return ipfix(options_template(400, 1, (10, 4), (82, VARIABLE), (83, VARIABLE)),
                     options_template(401, 1, (234, 4), (236, 16)),
                     options_template(402, 1, (95, 4), (96, VARIABLE), (94, VARIABLE)),
                     options_template(403, 1, (302, 4), (335, VARIABLE)),
                     data(400, number(1, 4), variable(eth1), variable(b"to the \"world\""),
                          number(2, 4), variable(b"eth2"), variable(b"")),
                     data(401, number(7, 4), b"blue".ljust(16, b"\0")),
                     data(402, b"\x03\0\x01\xbb", variable(b"https"), variable(b"web"),
                          b"\x0d\0\0\x05", variable(b"bittorrent"), variable(b"")),
                     data(403, number(9, 4), variable(b"one in ten")), secs=secs)
    return [told(1_700_000_100, b"new"), told(1_700_000_000, b"old")]


def netflow9_names():
    """The scope Interface (2), names of fixed length."""
    head = struct.pack(">HHH", 256, 4, 4) + struct.pack(">HHHH", 2, 4, 82, 8)
    return netflow9(a_set(1, head), data(256, number(3, 4), b"Gi0/3\0\0\0"), source=8)


def test_names():
    home = lib.folder()
    lib.weird_import(home / "data", write(home / "in", *ipfix_names(), netflow9_names()))
    lib.equal([short(row) for row in names(home / "data")], [
        ("0.0.0.0", 7, "interface", 1, "new", "to the \"world\""),
        ("0.0.0.0", 7, "interface", 2, "eth2", ""),
        ("0.0.0.0", 7, "vrf", 7, "blue", ""),
        ("0.0.0.0", 7, "application", "0x030001bb", "https", "web"),
        ("0.0.0.0", 7, "application", "0x0d000005", "bittorrent", ""),
        ("0.0.0.0", 7, "sampler", 9, "one in ten", ""),
        ("0.0.0.0", 8, "interface", 3, "Gi0/3", "")], "names")
    https = names(home / "data")[3]
    lib.equal((https["engine"], https["selector"], https["told"]), (3, 443, 1_700_000_100_000), "https")
    eth1 = names(home / "data")[0]
    lib.equal((eth1["option"], eth1["first"], eth1["told"]),
              ("interfaceName", 1_700_000_000_000, 1_700_000_100_000), "when an interface was told")
    lib.equal(lib.run(lib.WEIRD, "names", "--data", home / "data", "--to", "1699999999000"), "",
              "names before any was told")


def flows(count):
    return data(300, *(ip("10.0.0.1") + ip("10.0.0.2") + number(100, 4) + number(1, 4) for _ in range(count)))


def stated(messages, records, unsent, ignored):
    return data(410, number(1, 4), number(messages, 8), number(records, 8), number(unsent, 8),
                number(ignored, 8))


def test_statistics():
    """Sent are 2 + 5 + 4 + 3 flow records; the message with 4 is lost on the way."""
    head = (template(300, *FLOW), options_template(410, 1, (144, 4), (41, 8), (42, 8), (165, 8), (164, 8)))
    messages = [ipfix(*head, flows(2), stated(1000, 70000, 10, 0), sequence=0),
                ipfix(flows(5), sequence=3),
                ipfix(flows(3), sequence=12),
                ipfix(stated(1004, 70012, 13, 8), sequence=15)]
    home = lib.folder()
    report = lib.weird_import(home / "data", write(home / "in", *messages))
    lib.equal((report["records"], report["options"], report["missing"]), (10, 2, 4), "import")
    server = lib.Server(home / "data")
    account = lib.weir_json(server, "account")["account"]
    counters = account["received"]
    lib.equal({k: counters[k] for k in ("reportedRecords", "comparedRecords", "reportedMessages",
                                        "comparedMessages", "unsentRecords", "ignoredPackets")},
              {"reportedRecords": 12, "comparedRecords": 12, "reportedMessages": 4, "comparedMessages": 3,
               "unsentRecords": 3, "ignoredPackets": 8}, "what the exporter says, and what was heard")
    text = lib.weir(server, "account")
    lib.check("12 of 12" in text and "could not send" in text, f"weir account shows it: {text}")
    server.stop()


def test_statistics_that_begin_anew():
    """A total that went back compares with nothing; statements about a template are not about all."""
    head = (template(300, *FLOW), options_template(410, 1, (144, 4), (41, 8), (42, 8), (165, 8), (164, 8)),
            options_template(411, 1, (145, 2), (42, 8)))
    part = lambda records: data(411, number(300, 2), number(records, 8))
    messages = [ipfix(*head, stated(10, 50, 5, 5), part(7), sequence=0),
                ipfix(stated(1, 2, 0, 1), part(99), sequence=2),
                ipfix(stated(2, 4, 0, 1), sequence=4)]
    home = lib.folder()
    lib.weird_import(home / "data", write(home / "in", *messages))
    server = lib.Server(home / "data")
    counters = lib.weir_json(server, "account")["account"]["received"]
    lib.equal((counters["reportedRecords"], counters["unsentRecords"], counters["ignoredPackets"]), (2, 0, 0),
              "after a new beginning")
    server.stop()


if __name__ == "__main__":
    lib.main(test_names, test_statistics, test_statistics_that_begin_anew)
