#!/usr/bin/env python3
"""weird import of files of which some are none: these are named, and do not keep the others out."""
import json
import subprocess

from lib import WEIRD, check, equal, folder, main, records, weirgen
from lib_export import SECS, data, ipfix, number, template, write


def weird_import(data, *paths):
    """Exit code, report or None, what it complained of."""
    done = subprocess.run([WEIRD, "import", "--data", data, *paths], capture_output=True, text=True,
                          timeout=120)
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else None, done.stderr


def captures(home):
    sent = []
    for n, spec in enumerate(("v5,address=127.0.0.11", "v9,address=127.0.0.12")):
        truth = weirgen("--pcap", home / f"{n}.pcap", "--flows", 300, "--seed", n + 1, spec)
        sent += [d["sent"]["records"] for e in truth["exporters"] for d in e["domains"]]
    return sent


def test_files_that_are_none():
    home = folder()
    sent = captures(home)
    junk = [home / "a-letter.txt", home / "nothing", home / "more.txt"]
    for path, text in zip(junk, ("dear operator", "", "yours")):
        path.write_text(text)
    data = home / "data"
    code, report, said = weird_import(data, junk[0], home / "0.pcap", junk[1], home / "1.pcap", junk[2])
    equal(code, 1, "exit code")
    equal(report["records"], sum(sent), "records of the files that are some")
    equal(report["missing"], 0, "missing")
    equal(len(records(data)) >= sum(sent), True, "stored")
    for path in junk:
        check(str(path) in said, f"{path} is not named: {said}")
    check("pcapng of export datagrams" in said, f"nor what is expected: {said}")
    for n in (0, 1):
        check(f"{n}.pcap" not in said, f"a good file is named: {said}")

    code, report, said = weird_import(home / "one", junk[0])
    equal((code, report["records"], said.count("a-letter.txt")), (1, 0, 1), "a single file")
    check("left out" not in said, f"too many words: {said}")


def test_folder():
    home = folder()
    sent = captures(home)
    inside = home / "in"
    inside.mkdir()
    (home / "0.pcap").rename(inside / "1.pcap")
    (home / "1.pcap").rename(inside / "3.pcap")
    (inside / "2-notes").write_text("rotated at noon")
    (inside / "4-older").mkdir()
    (inside / "5-moved").symlink_to(home / "gone")
    code, report, said = weird_import(home / "data", inside)
    equal((code, report["records"]), (1, sum(sent)), "a folder with a file that is none")
    for name in ("2-notes", "4-older", "5-moved"):
        equal(said.count(name), 1, f"{name} is named once: {said}")


def test_path_that_is_not_there():
    home = folder()
    captures(home)
    code, report, said = weird_import(home / "data", home / "0.pcap", home / "absent.pcap")
    equal((code, report["records"]), (1, 0), "nothing is read when a path is wrong")
    check("absent.pcap" in said, f"not named: {said}")


def test_sums_past_64_bits():
    """Counters of exporters that went wrong are large: what they add up to is told exactly."""
    home = folder()
    counters = [2 ** 64 - 1, 2 ** 63 + 12345, 2 ** 64 - 2, 1] * 250  # more than one stride of rows
    message = ipfix(template(300, (152, 8), (153, 8), (1, 8), (2, 8)),
                    data(300, *(number(SECS * 1000, 8) + number(SECS * 1000, 8) + number(c, 8) + number(c // 2, 8)
                                for c in counters)))
    write(home / "in", message)
    code, report, said = weird_import(home / "data", home / "in")
    equal((code, report["records"], said), (0, len(counters), ""), "import")
    equal(report["octets"], sum(counters), "octets")
    equal(report["packets"], sum(c // 2 for c in counters), "packets")


if __name__ == "__main__":
    main(test_files_that_are_none, test_folder, test_path_that_is_not_there,
         test_sums_past_64_bits)
