#!/usr/bin/python3
"""Structured data (RFC 6313): lists print as lists by `weird records`, with the templates that were in force
when they came, nested and redefined ones too; what is no list stays octets and is counted."""
import struct

import lib
from lib_export import VARIABLE, a_set, data, ip, ipfix, number, template, variable, write

ALL_OF, ORDERED, ONE_OF, UNDEFINED = 3, 4, 1, 255


def basic(semantic, element, octets, *values, enterprise=None):
    out = bytes([semantic])
    if enterprise is None:
        out += struct.pack(">HH", element, octets)
    else:
        out += struct.pack(">HHI", element | 0x8000, octets, enterprise)
    return out + b"".join(values)


def list_of(semantic, template_id, *records):
    return bytes([semantic]) + number(template_id, 2) + b"".join(records)


def multi(semantic, *parts):
    return bytes([semantic]) + b"".join(
        number(i, 2) + number(len(b"".join(records)) + 4, 2) + b"".join(records) for i, records in parts)


HOP = template(400, (8, 4), (1, 8), (82, VARIABLE))      # a template that only lists use
NEST = template(401, (4, 1), (292, VARIABLE), (4, 1))
OUTER = template(300, (8, 4), (291, VARIABLE), (292, VARIABLE), (293, VARIABLE))


def hop(address, octets, name):
    return ip(address) + number(octets, 8) + variable(name)


def record(source, *lists):
    return ip(source) + b"".join(variable(v) for v in lists)


def good():
    one = list_of(ORDERED, 400, hop("192.0.2.1", 5, b"eth0"), hop("192.0.2.2", 6, b""))
    nested = list_of(ONE_OF, 401, b"\x06" + variable(list_of(ALL_OF, 400, hop("192.0.2.3", 7, b"x" * 300)))
                     + b"\x11")
    both = multi(UNDEFINED, (400, [hop("192.0.2.4", 8, b"a")]), (401, [b"\x01" + variable(b"\x00\x01\x90")
                                                                       + b"\x02"]))
    lists = basic(ALL_OF, 291, VARIABLE, variable(basic(0, 10, 4, number(1, 4), number(8, 4))))
    return [record("10.0.0.1", basic(ALL_OF, 10, 2, number(1, 2), number(8, 2)), one, both),
            record("10.0.0.2", basic(2, 82, VARIABLE, variable(b"a\"b"), variable(b"")), nested, both),
            record("10.0.0.3", lists, list_of(ALL_OF, 400), multi(ALL_OF)),
            record("10.0.0.4", basic(9, 14, VARIABLE, variable(b"\xff"), enterprise=35632), one, both)]


def hop_json(address, octets, name):
    return {"sourceIPv4Address": address, "octetDeltaCount": octets, "interfaceName": name}


ONE = {"semantic": "ordered", "template": 400,
       "records": [hop_json("192.0.2.1", 5, "eth0"), hop_json("192.0.2.2", 6, "")]}
BOTH = {"semantic": "undefined", "lists": [
    {"template": 400, "records": [hop_json("192.0.2.4", 8, "a")]},
    {"template": 401, "records": [{"protocolIdentifier": 1, "subTemplateList": {
        "semantic": "noneOf", "template": 400, "records": []}, "protocolIdentifier#2": 2}]}]}
NESTED = {"semantic": "exactlyOneOf", "template": 401, "records": [{
    "protocolIdentifier": 6, "subTemplateList": {"semantic": "allOf", "template": 400, "records": [
        hop_json("192.0.2.3", 7, "x" * 300)]}, "protocolIdentifier#2": 17}]}
EXPECTED = [
    ({"semantic": "allOf", "element": "ingressInterface", "values": [1, 8]}, ONE, BOTH),
    ({"semantic": "oneOrMoreOf", "element": "interfaceName", "values": ["a\"b", ""]}, NESTED, BOTH),
    ({"semantic": "allOf", "element": "basicList", "values": [
        {"semantic": "noneOf", "element": "ingressInterface", "values": [1, 8]}]},
     {"semantic": "allOf", "template": 400, "records": []}, {"semantic": "allOf", "lists": []}),
    ({"semantic": 9, "element": "e35632.14", "values": ["0xff"]}, ONE, BOTH),
]


def bad():
    """Each has one list that is none; the others are whole."""
    fine = basic(ALL_OF, 10, 4, number(1, 4))
    deep = basic(ALL_OF, 10, 4, number(1, 4))
    for _ in range(16):
        deep = basic(ALL_OF, 291, VARIABLE, variable(deep))
    return [(fine, list_of(ALL_OF, 999, b"\0" * 12), multi(ALL_OF)),        # no such template
            (fine, list_of(ALL_OF, 400, b"\0" * 11), multi(ALL_OF)),        # cut short
            (fine, list_of(ALL_OF, 400), bytes([3, 1, 0x90, 0, 3])),        # a length below its header
            (fine, list_of(ALL_OF, 400), bytes([3, 1, 0x90, 0, 9])),        # and past the end
            (basic(ALL_OF, 10, 0), list_of(ALL_OF, 400), multi(ALL_OF)),    # values of no octets
            (basic(ALL_OF, 10, 4, b"\0\0\0"), list_of(ALL_OF, 400), multi(ALL_OF)),
            (b"", list_of(ALL_OF, 400), multi(ALL_OF)),
            (deep, list_of(ALL_OF, 400), multi(ALL_OF))]


def names(row):
    return row["basicList"], row["subTemplateList"], row["subTemplateMultiList"]


def test_lists():
    home = lib.folder()
    redefined = template(400, (4, 1))
    folder = write(home / "in", ipfix(HOP, NEST, OUTER), ipfix(data(300, *good())),
                   ipfix(redefined, sequence=4),
                   ipfix(data(300, record("10.0.0.5", basic(ALL_OF, 10, 4), list_of(ALL_OF, 400, b"\x06"),
                                          multi(ALL_OF))), sequence=4))
    report = lib.weird_import(home / "data", folder)
    lib.equal((report["records"], report["missing"], report["undecodable"]), (5, 0, 0), "import")
    got = sorted(lib.records(home / "data"), key=lambda row: row["sourceIPv4Address"])
    for row, want in zip(got, EXPECTED):
        lib.equal(names(row), want, row["sourceIPv4Address"])
    lib.equal(got[4]["subTemplateList"], {"semantic": "allOf", "template": 400, "records": [
        {"protocolIdentifier": 6}]}, "a template that was redefined")
    lib.run(lib.WEIRD, "verify", "--data", home / "data")
    check_account(home / "data", 0)


def test_malformed():
    home = lib.folder()
    lists = bad()
    folder = write(home / "in", ipfix(HOP, NEST, OUTER),
                   ipfix(data(300, *(record("10.0.0.1", *three) for three in lists))))
    report = lib.weird_import(home / "data", folder)
    lib.equal((report["records"], report["undecodable"]), (len(lists), 0), "import")
    for row, three in zip(lib.records(home / "data"), lists):
        plain = [(got, "0x" + value.hex()) for got, value in zip(names(row), three) if isinstance(got, str)]
        lib.equal(len(plain), 1, f"lists that stay octets of {[v.hex() for v in three]}")
        for got, want in plain:
            lib.equal(got, want, "the octets")
    check_account(home / "data", len(lists))


def check_account(home, undecoded):
    server = lib.Server(home)
    account = lib.weir_json(server, "account")["account"]
    lib.equal(account["received"]["undecodedLists"], undecoded, "undecoded lists in the account")
    server.stop()


if __name__ == "__main__":
    lib.main(test_lists, test_malformed)
