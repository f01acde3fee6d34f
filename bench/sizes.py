"""Octets a flow on disk: Weir (as it comes, and compacted), nfdump (LZ4, BZ2, and what zstd would make of its
file), DuckDB, ClickHouse (LZ4, ZSTD), and SQLite with a row a flow. The same records of weirgen's for all.

Weir keeps every field that came and its own (36 columns); nfdump what its format has; the other three the 18 columns of
duckdb_peer.py. Debian's nfdump has no zstd: its uncompressed file is compressed by the program zstd, level 3, in
blocks of 1 MiB, which are nfdump's own; the CPU seconds beside it are zstd's alone. Fails when Weir needs more
than GOALS times a peer's octets. Peers that are not installed are left out, and that is said.

Environment: WEIR_BENCH_FLOWS (10000000), WEIR_BENCH_FOLDER (a temporary one; 500 octets a flow).
"""
import csv
import itertools
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import clickhouse_peer  # noqa: E402
import duckdb_peer  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
FLOWS = int(os.environ.get("WEIR_BENCH_FLOWS", "10000000"))
SHAPE = ["--flows", str(FLOWS), "--duration", "1h", "--seed", "7", "--start", "2026-01-01T00:00:00Z"]
SQLITE_ROWS = 1000000  # of the same: enough to know
GOALS = {"nfdump zstd": 0.7, "DuckDB": 0.6, "ClickHouse LZ4": 0.6, "ClickHouse ZSTD": 0.6}


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], stdout=options.pop("stdout", subprocess.PIPE),
                          stderr=subprocess.DEVNULL, check=False, **options)
    if done.returncode:
        sys.exit(f"sizes: {command[0]} exited {done.returncode}")
    return (done.stdout or b"").decode()


def size(folder):
    return sum(f.stat().st_size for f in pathlib.Path(folder).rglob("*") if f.is_file())


def weir(base):
    capture = base / "flows.pcap"
    run(BUILD / "weirgen", "--pcap", capture, *SHAPE)
    run(BUILD / "weird", "import", "--data", base / "weir", capture)
    yield "Weir, as it comes", size(base / "weir")
    run(BUILD / "weird", "compact", "--data", base / "weir")
    yield "Weir, compacted", size(base / "weir")
    capture.unlink()


def hear(folder):
    """nfcapd hears all of it, at half the rate until it loses nothing; uncompressed."""
    rate = 600000
    while rate > 50000:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        nfcapd = subprocess.Popen(["nfcapd", "-w", folder, "-p", str(port), "-b", "127.0.0.1", "-B", str(1 << 30),
                                   "-t", "3600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        run(BUILD / "weirgen", "--udp", f"127.0.0.1:{port}", "--rate", rate, *SHAPE)
        time.sleep(2)
        nfcapd.send_signal(signal.SIGTERM)
        nfcapd.wait(60)
        if sum(int(n) for n in re.findall(r"^Flows:\s*(\d+)", run("nfdump", "-R", folder, "-I"), re.M)) == FLOWS:
            return
        rate //= 2
    sys.exit("sizes: nfcapd loses flows at every rate that was tried")


def zstd(path):
    """Octets that zstd makes of the file, and its CPU seconds by its own bench."""
    out = subprocess.run(["zstd", "-b3", "-e3", "-i0", "-B1048576", path], capture_output=True, text=True, check=False)
    found = re.findall(r":\s*(\d+) ->\s*(\d+) .*?([\d.]+) MB/s", (out.stdout + out.stderr).replace("\r", "\n"))
    return (int(found[-1][1]), int(found[-1][0]) / 1e6 / float(found[-1][2])) if found else None


def nfdump(base):
    if not shutil.which("nfcapd"):
        print("nfdump is left out: not installed")
        return
    hear(base / "nf")
    for name, flag in (("nfdump LZ4", "-y"), ("nfdump BZ2", "-j")):
        run("nfdump", "-R", base / "nf", flag, "-w", base / "nf.out")
        yield name, (base / "nf.out").stat().st_size
        (base / "nf.out").unlink()
    made = zstd(next((base / "nf").iterdir())) if shutil.which("zstd") else None
    if made:
        yield "nfdump zstd", made[0]
        print(f"zstd -3 of nfcapd's file: {made[1]:.2f} CPU s")
    else:
        print("nfdump's file by zstd is left out: the program zstd is not installed")
    shutil.rmtree(base / "nf")


def sqlite(path, table):
    names = [name for name, _, _ in clickhouse_peer.COLUMNS]
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = OFF")
    kinds = ("TEXT" if "Address" in name or name == "exporter" else "INTEGER" for name in names)
    db.execute("CREATE TABLE flow (" + ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds)) + ")")
    with open(table, newline="", encoding="ascii") as file:
        rows = csv.reader(file)
        header = next(rows)
        at = [header.index(name) for name in names]
        db.executemany(f"INSERT INTO flow VALUES ({', '.join('?' * len(names))})",
                       ([row[i] for i in at] for row in itertools.islice(rows, SQLITE_ROWS)))
    db.commit()
    count = db.execute("SELECT count(*) FROM flow").fetchone()[0]
    db.close()
    return path.stat().st_size * FLOWS // count


def databases(base):
    table = base / "flows.csv"
    with open(table, "wb") as out:
        run(BUILD / "weird", "export", "--data", base / "weir", "--format", "csv", stdout=out)
    yield "SQLite, a row a flow", sqlite(base / "rows.db", table)
    so = duckdb_peer.library(BUILD / "peers")
    if so:
        db = duckdb_peer.DuckDB(so, base / "duck.db", 2)
        duckdb_peer.load(db, table)
        db.close()
        yield "DuckDB", (base / "duck.db").stat().st_size
    else:
        print("DuckDB is left out: npm can not install it")
    for method in ("lz4", "zstd") if clickhouse_peer.there() else ():
        db = clickhouse_peer.ClickHouse(base / method, method)
        clickhouse_peer.load(db, table)
        octets = clickhouse_peer.octets(db)
        db.close()
        shutil.rmtree(base / method)
        yield f"ClickHouse {method.upper()}", octets
    if not clickhouse_peer.there():
        print("ClickHouse is left out: not installed")


def main():
    kept = os.environ.get("WEIR_BENCH_FOLDER")
    base = pathlib.Path(kept or tempfile.mkdtemp(prefix="weir-sizes-"))
    missed = []
    try:
        found = dict(itertools.chain(weir(base), nfdump(base), databases(base)))
    finally:
        if not kept:
            shutil.rmtree(base)
    ours = found["Weir, compacted"]
    print(f"\n{FLOWS:,} flows of weirgen's\n{'octets a flow':<28}{'':>8}{'Weir / it':>12}{'wanted':>10}")
    for name, octets in found.items():
        goal = GOALS.get(name)
        print(f"{name:<28}{octets / FLOWS:>8.2f}{ours / octets:>12.2f}{f'<= {goal}' if goal else '':>10}")
        if goal and ours > goal * octets:
            missed.append(name)
    if missed:
        sys.exit("sizes: more than wanted beside " + ", ".join(missed))


if __name__ == "__main__":
    main()
