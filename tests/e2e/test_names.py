#!/usr/bin/python3
"""What exporters call things, and the log, over SOAP and by weir."""
import lib
import lib_soap
from lib_export import write
from test_options import ipfix_names, names, netflow9_names


def test_names():
    """ListNames and `weir names` say what `weird names` does."""
    home = lib.folder()
    lib.weird_import(home / "data", write(home / "in", *ipfix_names(), netflow9_names()))
    server, told = lib.Server(home / "data"), names(home / "data")
    lib.equal(len(told), 7, "names")
    rows = lib_soap.call(server, "ListNames")
    lib.equal([(r["exporter"], r["domain"], r["kind"], r["id"], r["name"], r["description"] or "", r["option"],
                r["first"], r["last"]) for r in rows],
              [(n["exporter"], n["domain"], n["kind"], str(n.get("number", n.get("id"))), n["name"],
                n.get("description", ""), n["option"], n["first"], n["told"]) for n in told], "ListNames")
    lib.equal((rows[3]["engine"], rows[3]["selector"], rows[0]["engine"]), (3, 443, None), "engines")
    lib.equal(len(lib_soap.call(server, "ListNames", kind="interface", domain=7)), 2, "interfaces of a domain")
    lib.equal(lib_soap.call(server, "ListNames", exporter="192.0.2.99"), [], "names of an exporter without")
    lib.equal(lib_soap.fault(server, "ListNames", exporter="router")["field"], "exporter", "a fault")
    answer = lib.weir_json(server, "names", "--kind", "application")["names"]
    lib.equal([(n["id"], n["name"]) for n in answer], [("0x030001bb", "https"), ("0x0d000005", "bittorrent")],
              "weir names")
    table = lib.weir(server, "names")
    lib.check("Gi0/3" in table and "VRFname" in table and "2023-11-14T22:15:00.000Z" in table, table)
    server.stop()


def test_log():
    """What the server says is kept; what it must not say is not there."""
    home = lib.folder()
    server = lib.Server(home / "data")
    lib.weir(server, "domain", "add", "192.0.2.1", "7")
    lib.weir(server, "policy", "set", "192.0.2.1", "7", "crypto-pan", "--key", "secret-one")
    key = next((home / "data" / "keys").iterdir()).read_bytes()
    log = lib_soap.call(server, "GetLog", "collector", level="info")
    lib.check(any("serves" in line["text"] and line["room"] == "weird" for line in log["line"]), f"the log: {log}")
    lib.check("serves" in lib.weir(server, "logs", "--limit", "5"), "weir logs")
    said = lib.weir(server, "logs", "--format", "json") + server.errors()
    lib.check(key.strip().decode("latin-1") not in said and key.hex() not in said, "no keys in the log")
    lib.equal(lib_soap.call(server, "GetLog", "collector", level="error")["line"], [], "errors")
    lib.equal(lib_soap.fault(server, "GetLog", "collector", limit=0)["field"], "limit", "a fault")
    server.stop()


if __name__ == "__main__":
    lib.main(test_names, test_log)
