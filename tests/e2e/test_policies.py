#!/usr/bin/env python3
"""Which policy of anonymisation holds for which exporter and domain, set by services while the server runs."""
import collections
import contextlib
import sqlite3

from lib import Server, check, equal, folder, main, records, weir, weir_json
from lib_selection import BA, PE, RN, run_failing, send


def test_wider_policies():
    """A domain that an exporter takes on its own does not get it out of its policy."""
    data = folder()
    server = Server(data)
    weir(server, "domain", "add", BA, 0)
    weir(server, "domain", "add", RN, 1)
    weir(server, "domain", "add", RN, 2)
    weir(server, "policy", "set", "all", "all", "truncate", "--lengths", "24,48")
    weir(server, "policy", "set", PE, "all", "truncate", "--lengths", "16,32")
    weir(server, "policy", "set", RN, 1, "truncate", "--lengths", "8,56")
    check("all" in weir(server, "policy", "list"), "the list says all")
    equal([(p.get("device"), p.get("domain")) for p in weir_json(server, "policy", "list")["policies"]],
          [(None, None), (PE, None), (RN, 1)], "policies listed")
    send(server, exporters=("v5,address=127.0.0.11,port=50011",
                            "v9,address=127.0.0.12,port=50012,domains=3",
                            "ipfix,address=127.0.0.13,port=50013,domains=4"))
    weir(server, "policy", "del", "all", "all")
    weir(server, "policy", "del", RN, "all", ok=(1,))
    weir(server, "policy", "set", "all", 3, "truncate", ok=(2,))
    send(server, seed=2, flows=300, exporters=("v5,address=127.0.0.11,port=50011",))
    server.stop()
    texts = collections.defaultdict(set)
    for r in records(data):
        texts[r["_weir"]["exporter"], r["_weir"]["domain"]].add(r["_weir"].get("anonymisation", ""))
    domains = sorted({d for e, d in texts if e == RN})
    check(len(domains) == 4 and {1, 2} < set(domains), f"domains of {RN}: {domains}")
    for (exporter, domain), text in texts.items():
        if exporter == BA:
            expected = {"truncate/24,48", ""}  # the second came when the policy was gone
        elif exporter == PE:
            expected = {"truncate/16,32"}
        else:
            expected = {{1: "truncate/8,56", 2: "truncate/24,48"}.get(domain, "truncate/8,48")}
        equal(text, expected, f"policy of {exporter}, domain {domain}")


NONE = {"method": "none", "field": [], "policy": "none"}


def test_exceptions():
    """`none` takes a domain, or a device, out of a wider policy; over a restart, and listed and audited."""
    data = folder()
    server = Server(data)
    weir(server, "domain", "add", RN, 1)
    weir(server, "policy", "set", "all", "all", "truncate")
    weir(server, "policy", "set", RN, 1, "none")
    weir(server, "policy", "set", PE, "all", "none")
    check("none" in weir(server, "policy", "list"), "the list says none")
    listed = weir_json(server, "policy", "list")["policies"]
    equal([(p.get("device"), p.get("domain"), p["anonymisation"]) for p in listed[1:]],
          [(PE, None, NONE), (RN, 1, NONE)], "exceptions listed")
    server.stop()
    server = Server(data)
    send(server, exporters=("v9,address=127.0.0.12,port=50012,domains=2",
                            "ipfix,address=127.0.0.13,port=50013,domains=2"))
    equal(weir_json(server, "totals")["account"]["policy"], "none; truncate/24,48", "policies of all")
    text = run_failing(server, "policy", "set", "all", "all", "none")
    check("delete it instead" in text, f"nothing is wider: {text}")
    run_failing(server, "policy", "set", RN, 1, "none", "--macs")
    text = run_failing(server, "type", "add", "x", 1, "anonymise", "--method", "none")
    check("action keep" in text, f"a type of none: {text}")
    weir(server, "policy", "del", RN, 1)
    send(server, seed=2, flows=300, exporters=("ipfix,address=127.0.0.13,port=50013,domains=2",))
    server.stop()
    with contextlib.closing(sqlite3.connect(data / "weir.db")) as db:
        equal(db.execute("SELECT action, subject, detail FROM audit WHERE detail = 'none' ORDER BY id").fetchall(),
              [("anonymise", f"domain 1 of {RN}", "none"), ("anonymise", f"every domain of {PE}", "none")], "audit")
    texts = collections.defaultdict(set)
    for r in records(data):
        texts[r["_weir"]["exporter"], r["_weir"]["domain"]].add(r["_weir"].get("anonymisation", ""))
    others = {d for e, d in texts if e == RN} - {1}
    check(others, f"domains of {RN} but 1: {texts}")
    for (exporter, domain), text in texts.items():
        expected = {""} if exporter == PE else {"truncate/24,48"}
        if (exporter, domain) == (RN, 1):
            expected = {"", "truncate/24,48"}  # the second came when the exception was gone
        equal(text, expected, f"policy of {exporter}, domain {domain}")


if __name__ == "__main__":
    main(test_wider_policies, test_exceptions)
