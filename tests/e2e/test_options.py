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
    lib.equal(lib.run(lib.WEIRD, "names", "--data", home / "data", "--to", "1699999999000"), "",
              "names before any was told")


if __name__ == "__main__":
    lib.main(test_names)
