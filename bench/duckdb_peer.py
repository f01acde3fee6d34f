"""DuckDB as a peer of the benchmark: its C library by ctypes, one thread, the same records.

The library is that of the npm package @duckdb/node-bindings-linux-x64, installed into
build/peers/; without npm there is no DuckDB in the table, and the bench says so. Records come as
CSV (table.py) into a table of the narrowest fitting types in a database file; IPv4 addresses
are UINTEGER, those of IPv6 UUID, which is the best DuckDB has for them. Run alone:

    bench/duckdb_peer.py DATABASE CSV|- [THREADS]     load (unless -), then time the questions
"""
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import time

import table
from common import MEMORY, show

PACKAGE = "@duckdb/node-bindings-linux-x64"
NAME = "DuckDB"
HOW_TO_GET = f"apt-get install npm; then npm install --prefix build/peers --ignore-scripts {PACKAGE} (the bench tries it)"


class Result(ctypes.Structure):
    _fields_ = [("columns", ctypes.c_uint64), ("rows", ctypes.c_uint64), ("changed", ctypes.c_uint64),
                ("column_data", ctypes.c_void_p), ("error", ctypes.c_void_p), ("data", ctypes.c_void_p)]


def library(cache):
    """The path of libduckdb.so, installed on first use; None when npm is not there or fails."""
    path = pathlib.Path(cache) / "node_modules" / PACKAGE / "libduckdb.so"
    if path.exists():
        return path
    if not shutil.which("npm"):
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "install", "--prefix", str(cache), "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return path if path.exists() else None


class DuckDB:
    def __init__(self, so, database, threads=1, memory=MEMORY):
        self.c = ctypes.CDLL(str(so))
        self.c.duckdb_value_varchar.restype = ctypes.c_void_p
        self.c.duckdb_result_error.restype = ctypes.c_char_p
        for name in ("duckdb_row_count", "duckdb_column_count"):
            getattr(self.c, name).restype = ctypes.c_uint64
        self.database, self.connection = ctypes.c_void_p(), ctypes.c_void_p()
        if self.c.duckdb_open(str(database).encode(), ctypes.byref(self.database)):
            raise RuntimeError(f"DuckDB can not open {database}")
        self.c.duckdb_connect(self.database, ctypes.byref(self.connection))
        self.ask(f"SET threads = {threads}")
        self.ask(f"SET memory_limit = '{memory}B'")

    def ask(self, sql):
        show(f"DuckDB: {sql}")
        result = Result()
        try:
            if self.c.duckdb_query(self.connection, sql.encode(), ctypes.byref(result)):
                raise RuntimeError(self.c.duckdb_result_error(ctypes.byref(result)).decode())
            columns = self.c.duckdb_column_count(ctypes.byref(result))
            rows = self.c.duckdb_row_count(ctypes.byref(result))
            return [[self._value(result, c, r) for c in range(columns)] for r in range(rows)]
        finally:
            self.c.duckdb_destroy_result(ctypes.byref(result))

    def _value(self, result, column, row):
        at = self.c.duckdb_value_varchar(ctypes.byref(result), ctypes.c_uint64(column), ctypes.c_uint64(row))
        if not at:
            return None
        text = ctypes.string_at(at).decode()
        self.c.duckdb_free(ctypes.c_void_p(at))
        return text

    def close(self):
        self.c.duckdb_disconnect(ctypes.byref(self.connection))
        self.c.duckdb_close(ctypes.byref(self.database))


TYPES = {"u8": "UTINYINT", "u16": "USMALLINT", "u32": "UINTEGER", "u64": "UBIGINT", "i64": "BIGINT", "ipv4": "UINTEGER",
         "ipv6": "UUID", "text": "VARCHAR"}


def value_of(column):
    if column.kind == "ipv4":
        return " + ".join(f"split_part(\"{column.name}\", '.', {i + 1})::UINTEGER * {256 ** (3 - i)}::UINTEGER"
                          for i in range(4))
    return f'"{column.name}"::{TYPES[column.kind]}'


def create(db, columns):
    db.ask("CREATE OR REPLACE TABLE flow (" + ", ".join(f"{c.peer} {TYPES[c.kind]}" for c in columns) + ")")
    db.ask("CHECKPOINT")


def add(db, columns, path):
    """Rows of a CSV file, in their order."""
    db.ask("INSERT INTO flow SELECT " + ", ".join(map(value_of, columns))
           + f" FROM read_csv('{path}', header = true, all_varchar = true)")


def finish(db):
    db.ask("CHECKPOINT")


def prefix(text):
    address, length = text.split("/")
    a, b, c, d = (int(x) for x in address.split("."))
    mask = (0xffffffff << (32 - int(length))) & 0xffffffff
    low = (a << 24 | b << 16 | c << 8 | d) & mask
    return low, low | (~mask & 0xffffffff)


SUMS = "sum(octets)::UBIGINT, sum(packets)::UBIGINT, count(*)"


def questions(first, second, tos, host):
    """(name, SQL); `first`, `second`: networks; the answer's first column is compared."""
    (a, b), (c, d) = prefix(first), prefix(second)
    h = prefix(host + "/32")[0]
    return [
        ("two networks", f"SELECT {SUMS} FROM flow WHERE src BETWEEN {a} AND {b} AND dst BETWEEN {c} AND {d}"),
        ("one ToS", f"SELECT {SUMS} FROM flow WHERE tos = {tos}"),
        ("top 10 source addresses", f"SELECT {SUMS}, src FROM flow GROUP BY src ORDER BY 1 DESC LIMIT 10"),
        ("matrix of /16 x /16",
         f"SELECT {SUMS}, src >> 16 AS s, dst >> 16 AS d FROM flow GROUP BY s, d ORDER BY 1 DESC LIMIT 10"),
        ("one host", f"SELECT {SUMS} FROM flow WHERE src = {h} OR dst = {h}"),
        ("distinct 5-tuples", "SELECT count(*) FROM (SELECT src, dst, sport, dport, proto FROM flow GROUP BY ALL)"),
    ]


def best_of(db, sql, rounds=3):
    times, answer = [], None
    for _ in range(rounds):
        start, cpu = time.monotonic(), time.process_time()
        answer = db.ask(sql)
        times.append((time.monotonic() - start, time.process_time() - cpu))
    return min(t[0] for t in times), min(t[1] for t in times), answer


def main():
    cache = pathlib.Path(os.environ.get("BUILD", "build")) / "peers"
    so = library(cache)
    if not so:
        sys.exit("DuckDB is not there: npm can not install it")
    db = DuckDB(so, sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    if sys.argv[2] != "-":
        create(db, table.FLOW)
        add(db, table.FLOW, sys.argv[2])
        finish(db)
    net = os.environ.get("WEIR_BENCH_NETS", "10.1.0.0/16,10.2.0.0/16").split(",")
    tos, host = os.environ.get("WEIR_BENCH_TOS", "0"), os.environ.get("WEIR_BENCH_HOST", "10.1.0.1")
    for name, sql in questions(net[0], net[1], tos, host):
        wall, cpu, answer = best_of(db, sql)
        print(f"{name:<28}{wall * 1e3:>9.1f} ms{cpu * 1e3:>9.1f} ms CPU   {answer[0]}")
    db.close()


if __name__ == "__main__":
    main()
