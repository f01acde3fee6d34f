#!/usr/bin/env python3
"""weird and its words refuse in one line that says what is wrong, and change nothing."""
import sqlite3
import subprocess

from lib import WEIRD, WEIRGEN, Server, check, equal, folder, main, run


def refused(code, says, *words, stdout=subprocess.PIPE):
    got = subprocess.run([str(w) for w in (WEIRD, *words)], stdout=stdout, stderr=subprocess.PIPE,
                         timeout=60)
    lines = got.stderr.decode().splitlines()
    equal(got.returncode, code, f"{words}: exit code")
    equal(len(lines), 1, f"{words}: lines of {lines}")
    for part in says:
        check(lines and part in lines[0], f"{words}: {part!r} is not said in {lines!r}")


def test_no_store():
    nowhere = folder() / "nothing"
    for word in ("records", "verify", "retag", "compact", "export", "names"):
        refused(1, ["there is no store at", str(nowhere)], word, "--data", nowhere)
        check(not nowhere.exists(), f"{word} made {nowhere}")


def test_records():
    here = folder()
    run(WEIRGEN, "--pcap", here / "a.pcap", "--flows", 200, "v5", "--truth", here / "truth.json")
    run(WEIRD, "import", here / "a.pcap", "--data", here / "data")
    refused(2, ["--filter: column 1: found 'bad'"],
            "records", "--filter", "bad", "--data", here / "data")
    with open("/dev/full", "wb") as full:
        refused(1, ["cannot write", "No space left"],
                "records", "--data", here / "data", stdout=full)
    refused(2, ["--filter: column 1: found 'bad'"],
            "export", "--filter", "bad", "--data", here / "data")


def test_reader_leaves():
    """`weird records | head -1`: who reads has enough, and nobody complains."""
    here = folder()
    run(WEIRGEN, "--pcap", here / "a.pcap", "--flows", 20000, "v5", "--truth", here / "truth.json")
    run(WEIRD, "import", here / "a.pcap", "--data", here / "data")
    for words in (("records",), ("export", "--format", "csv")):
        reader = subprocess.Popen([WEIRD, *words, "--data", here / "data"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        check(reader.stdout.readline(), f"{words}: no line")
        reader.stdout.close()
        equal(reader.stderr.read(), b"", f"{words}: what it says")
        check(reader.wait(60) != 0, f"{words}: exit code 0")


def test_import():
    here = folder()
    (here / "empty").touch()
    (here / "garbage").write_bytes(bytes(range(256)) * 40)
    for name, says in (("empty", "expected a pcap"), ("garbage", "expected a pcap"),
                       ("none", "No such file")):
        refused(1, [str(here / name), says], "import", here / name, "--data", here / "data")
    refused(2, ["which files"], "import", "--data", here / "data")


def test_check():
    equal(run(WEIRD, "--http", "127.0.0.1:0", "--check"), "the options are right\n", "--check")
    for where in ("127.0.0.1", "127.0.0.1:99999", "[::1]:http"):
        refused(2, [where, "is no ADDRESS:PORT"], "--http", where, "--check")
    for where in ("192.0.2.1:80", "127.example.net:80", "*:80"):
        refused(2, [where, "reachable from outside"], "--http", where, "--check")


def test_pages_of_others():
    """SQLite folds in the log of a crash: verify counts pages without a checksum, a backup has none."""
    here = folder()
    (here / "copy").mkdir()
    Server(here / "data").kill()
    with sqlite3.connect(here / "data" / "weir.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    said = run(WEIRD, "verify", "--data", here / "data")
    check("pages without a checksum" in said and "proven: " in said, f"verify says {said!r}")
    run(WEIRD, "backup", here / "copy" / "weir.db", "--data", here / "data")
    said = run(WEIRD, "verify", "--data", here / "copy")
    check("checksum" not in said and "proven: " in said, f"verify says of a backup {said!r}")


def test_all():
    test_pages_of_others()
    test_check()
    test_no_store()
    test_records()
    test_reader_leaves()
    test_import()


if __name__ == "__main__":
    main(test_all)
