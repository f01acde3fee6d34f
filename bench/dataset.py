"""The data sets of the bench, each once for every engine: flows of weirgen's, and traces of the corpus.

A data set has a folder of its own. What the functions below make there, they make when it is missing, so parts of the
bench that are given the same folder share it:

    weir/         compacted        as-it-comes   octets of it before that, and in use
    truth.json    weirgen's        lz4/          heard by nfcapd
    duck.db       DuckDB           ch-lz4/, ch-zstd/   ClickHouse
"""
import csv
import itertools
import json
import os
import pathlib
import socket
import sqlite3
import struct
import time

import clickhouse_peer
import duckdb_peer
import nfdump_peer
import table
from common import BUILD, SEED, empty, fail, in_use, measured, progress, remove, run, size

SQLITE_ROWS = 1000000  # of a larger set: enough to know
LINK_HEADER = {0: 4, 1: 14, 101: 0, 113: 16, 276: 20}  # octets before IP, by the pcap's type of link
UDP_HEADER = 8
CORPUS = pathlib.Path(os.environ.get("CORPUS", pathlib.Path(__file__).resolve().parents[2] / "shared" / "corpus"))
LARGEST = ["ipfixcol2/example_flows.ipfix", "nfql/trace-2009.ipfix", "exported/pmacctd_sfprobe_v6.pcap"]


class Generated:
    """So many flows of weirgen's: three exporters (NetFlow v5, v9 and IPFIX), an hour, the same at each run."""
    columns = table.FLOW

    def __init__(self, base, flows):
        self.flows, self.shape = flows, ["--flows", flows, *SEED]
        self.name = f"{flows:,} flows of weirgen's"
        self.folder = base / f"flows-{flows}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def truth(self):
        """Without the flows: of three, as tags and prefixes do not depend on how many there are."""
        path = self.folder / "truth.json"
        if not path.exists():
            path.write_text(run(BUILD / "weirgen", "--pcap", self.folder / "three.pcap", "--flows", 3, *SEED))
            (self.folder / "three.pcap").unlink()
        return json.loads(path.read_text())

    def capture(self):
        path = self.folder / "flows.pcap"
        progress(f"weirgen writes {self.name}")
        run(BUILD / "weirgen", "--pcap", path, *self.shape)
        return path

    def send(self, port, rate):
        """The same, over UDP."""
        run(BUILD / "weirgen", "--udp", f"127.0.0.1:{port}", "--rate", rate, *self.shape)

    def weir(self):
        """The folder of the compacted store."""
        folder = self.folder / "weir"
        if not folder.exists():
            capture = self.capture()
            progress("weird import")
            import_all(self, folder, capture)
            capture.unlink()
            note_as_it_comes(self, folder)
            progress("weird compact")
            run(BUILD / "weird", "compact", "--data", folder)
        return folder

    def parts(self, path):
        return table.parts(self.weir(), self.columns, path)


def note_as_it_comes(data_set, store):
    (data_set.folder / "as-it-comes").write_text(f"{size(store)} {in_use(store / 'weir.db')}")


def as_it_comes(data_set):
    """(octets of the store, octets in use in its pages) before it was compacted."""
    return tuple(map(int, (data_set.folder / "as-it-comes").read_text().split()))


def import_all(data_set, folder, capture, *words):
    """Wall and CPU seconds of weird import, which must keep every flow."""
    wall, cpu, out = measured([BUILD / "weird", "import", *words, "--data", folder, capture])
    kept = json.loads(out.splitlines()[-1])["records"]
    if kept != data_set.flows:
        fail(f"weird kept {kept} of {data_set.flows} flows")
    return wall, cpu


class Trace:
    """A capture of the corpus."""

    def __init__(self, base, path):
        self.path = pathlib.Path(path)
        self.folder = base / self.path.name
        self.folder.mkdir(parents=True, exist_ok=True)
        comes = empty(self.folder / "weir")
        report = json.loads(run(BUILD / "weird", "import", "--data", comes, self.path).splitlines()[-1])
        note_as_it_comes(self, comes)
        run(BUILD / "weird", "import", "--compact", "--data", empty(comes), self.path)
        self.flows = report["records"]
        self.name = f"{self.path.parent.name}/{self.path.name}, {self.flows:,} flows"
        self.csv = self.folder / "trace.csv"
        self.columns = table.of_trace(self.folder / "weir", self.csv)

    def weir(self):
        return self.folder / "weir"

    def parts(self, _):
        return [self.csv]

    def datagrams(self):
        """The messages that exporters sent: of an IPFIX file, or of a pcap of UDP; none of another file."""
        octets, at = self.path.read_bytes(), 0
        if octets[:2] == b"\x00\x0a":
            while at + 4 <= len(octets):
                length = struct.unpack_from(">H", octets, at + 2)[0]
                yield octets[at:at + length]
                at += max(length, 4)
            return
        if octets[:4] != b"\xd4\xc3\xb2\xa1":
            return
        link, at = LINK_HEADER[struct.unpack_from("<I", octets, 20)[0]], 24
        while at + 16 <= len(octets):
            length = struct.unpack_from("<I", octets, at + 8)[0]
            packet = octets[at + 16 + link:at + 16 + length]
            ip = 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4
            yield packet[ip + UDP_HEADER:]
            at += 16 + length

    def send(self, port, _):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for message in self.datagrams():
                s.sendto(message, ("127.0.0.1", port))
                time.sleep(0.01)

    def why_not_nfdump(self):
        """Why nfcapd can not hear it; '' when it can."""
        first = next(self.datagrams(), None)
        if first is None:
            return "no datagrams, but a file that nfdump does not read"
        return "nfcapd hears no sFlow" if first[:4] == b"\0\0\0\5" else ""

    def not_held(self):
        """Fields that nfdump has no place for."""
        return [c.name for c in self.columns if c.name not in nfdump_peer.HOLDS]


def traces(base, paths=None):
    """The largest of the corpus, or those at `paths`; what is not there is said and left out."""
    if paths is None and not CORPUS.exists():
        print("the corpus's traces are left out: ../shared/corpus (or $CORPUS) is not here")
        return
    for path in paths or [CORPUS / "captures" / name for name in LARGEST]:
        if pathlib.Path(path).exists():
            yield Trace(base, path)
        else:
            print(f"{path} is left out: not here")


# ---- what the peers keep ----

def nfdump(data_set):
    """The folder of nfcapd's files, LZ4."""
    folder = data_set.folder / "lz4"
    if not folder.exists():
        try:
            nfdump_peer.hear(folder, data_set.send, data_set.flows, ["-y"])
        except BaseException:
            remove(folder)
            raise
    return folder


def duckdb(data_set, threads=1):
    """DuckDB with the flows; None where it can not be had."""
    so, path = duckdb_peer.library(BUILD / "peers"), data_set.folder / "duck.db"
    if not so:
        return None
    load(data_set, ["duck.db"])
    return duckdb_peer.DuckDB(so, path, threads)


def clickhouse(data_set, method="lz4"):
    """ClickHouse with the flows; None where it is not installed."""
    if not clickhouse_peer.there():
        return None
    load(data_set, [f"ch-{method}"])
    return clickhouse_peer.ClickHouse(data_set.folder / f"ch-{method}", method)


def opened(data_set, name):
    """(module, engine) whose file or folder is `name`; None where it can not be had."""
    path = data_set.folder / name
    if name == "duck.db":
        so = duckdb_peer.library(BUILD / "peers")
        return (duckdb_peer, duckdb_peer.DuckDB(so, path, 2)) if so else None
    if not clickhouse_peer.there():
        return None
    return clickhouse_peer, clickhouse_peer.ClickHouse(path, name.removeprefix("ch-"))


def load(data_set, names=("duck.db", "ch-lz4", "ch-zstd")):
    """Fills those of the databases that are missing, all from one export; what fails leaves nothing half filled."""
    names = [name for name in names if not (data_set.folder / name).exists()]
    engines = [engine for engine in (opened(data_set, name) for name in names) if engine]
    try:
        if engines:
            fill(data_set, engines)
    except BaseException:
        for name in names:
            remove(data_set.folder / name)
        raise
    finally:
        for _, engine in engines:
            engine.close()


def fill(data_set, engines):
    for peer, engine in engines:
        peer.create(engine, data_set.columns)
    progress("CSV, part 1")
    for number, part in enumerate(data_set.parts(data_set.folder / "part.csv"), 1):
        for peer, engine in engines:
            progress(f"part {number} of the CSV into {peer.NAME}")
            peer.add(engine, data_set.columns, part)
        progress(f"CSV, part {number + 1}")
    for peer, engine in engines:
        progress(f"{peer.NAME} merges")
        peer.finish(engine)
        count = int(engine.ask("SELECT count(*) FROM flow")[0][0])
        if count != data_set.flows:
            fail(f"{peer.NAME} has {count} of {data_set.flows} flows")


def sqlite(data_set, most=SQLITE_ROWS):
    """(octets of the file, its rows, octets of them alone): a row a flow, of the first `most`."""
    path, columns, count = data_set.folder / "rows.db", data_set.columns, 0
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("CREATE TABLE flow (" + ", ".join(
        f"{c.peer} {'TEXT' if c.kind in ('ipv4', 'ipv6', 'text') else 'INTEGER'}" for c in columns) + ")")
    db.commit()
    none = in_use(path)
    for part in data_set.parts(data_set.folder / "part.csv"):
        with open(part, newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            header = next(rows)
            at = [header.index(c.name) for c in columns]
            db.executemany(f"INSERT INTO flow VALUES ({', '.join('?' * len(columns))})",
                           ([row[i] for i in at] for row in itertools.islice(rows, most - count)))
        count = db.execute("SELECT count(*) FROM flow").fetchone()[0]
        if count >= most:
            break
    db.commit()
    db.close()
    octets, rows = size(path), in_use(path) - none
    path.unlink()
    return octets, count, rows
